//! What a step or a rule cannot mean, whatever the data: told with its line before anything is computed.

use stitchbox_crosscheck::Method;
use stitchbox_steps::Shape;

use super::{Step, StitchRule};

/// A key that cannot be as it is, and the sentence.
pub(super) type Complaint = (&'static str, String);

fn complain<T>(key: &'static str, sentence: &str) -> Result<T, Complaint> {
    Err((key, sentence.to_owned()))
}

/// What is wrong with the parameters of a step.
pub(super) fn of_step(step: &Step) -> Result<(), Complaint> {
    match step {
        Step::Bin(bin) if bin.x == 0 => complain("x", "x counts the columns of a block: it is at least 1"),
        Step::Bin(bin) if bin.y == 0 => complain("y", "y counts the rows of a block: it is at least 1"),
        Step::Crop(crop) if crop.x.is_some() && crop.columns.is_some() => {
            complain("columns", "\"x\" and \"columns\" both say what is kept along x; keep one of them")
        }
        Step::Crop(crop) if crop.y.is_some() && crop.rows.is_some() => {
            complain("rows", "\"y\" and \"rows\" both say what is kept along y; keep one of them")
        }
        Step::Gaussian(gaussian) => match (gaussian.keep_longer_than, gaussian.keep_shorter_than) {
            (None, None) => complain(
                "step",
                "a Gaussian filter needs a cut-off: keep_longer_than = \"2 mm\" (low pass), keep_shorter_than (high pass) or both",
            ),
            (Some(shortest), _) if shortest.mm() <= 0.0 => {
                complain("keep_longer_than", "keep_longer_than must be more than zero")
            }
            (_, Some(longest)) if longest.mm() <= 0.0 => {
                complain("keep_shorter_than", "keep_shorter_than must be more than zero")
            }
            (Some(shortest), Some(longest)) if shortest >= longest => complain(
                "keep_shorter_than",
                "no wave is both longer than keep_longer_than and shorter than keep_shorter_than; the first is the smaller length",
            ),
            _ => Ok(()),
        },
        Step::BandRms(band) if band.from.per_mm() < 0.0 || band.from >= band.to => {
            complain("to", "the band is empty: \"from\" is at least zero and less than \"to\"")
        }
        Step::Multiply(multiply) if !multiply.factor.is_finite() => {
            complain("factor", "factor must be a finite number")
        }
        Step::Remove(remove) if matches!(&remove.shape, Shape::Terms(terms) if terms.is_empty()) => {
            complain("shape", "there must be something to fit: terms = [] names no term")
        }
        Step::Compare(with) if !(with.how.coverage_factor > 0.0 && with.how.coverage_factor.is_finite()) => {
            complain("how", "coverage_factor must be a number greater than zero")
        }
        Step::Compare(with) if with.how.max_shift.is_some_and(|length| length.mm() <= 0.0) => {
            complain("how", "max_shift must be more than zero")
        }
        _ => Ok(()),
    }
}

/// What is wrong with `[stitch]`.
pub(super) fn of_stitch(rule: &StitchRule) -> Result<(), Complaint> {
    if rule.angle_sigma.urad() <= 0.0 {
        return complain("angle_sigma", "angle_sigma is a standard uncertainty: more than zero");
    }
    if rule.profiles.iter().any(|profile| profile.slope_sigma.urad() <= 0.0 || profile.height_sigma.nm() <= 0.0) {
        return complain("profiles", "slope_sigma and height_sigma are standard uncertainties: more than zero");
    }
    rule.cross_check.iter().try_for_each(of_method)
}

fn of_method(method: &Method) -> Result<(), Complaint> {
    if !(method.min_overlap > 0.0 && method.min_overlap <= 1.0) {
        let message = format!("min_overlap = {} cannot be: it is a part, above 0 and at most 1", method.min_overlap);
        return Err(("cross_check", message));
    }
    if method.reference_cut.is_some_and(|cut| !(cut > 0.0 && cut.is_finite())) {
        return complain("cross_check", "reference_cut is a number of standard deviations above 0");
    }
    Ok(())
}
