//! One step on what the steps before it have made.

use ndarray::Array2;
use serde_json::{Value, json};
use stitchbox_steps::{SlopeMaps, StepError};
use stitchbox_surface::{HeightMap, Profile};

use super::Others;
use super::found::{areal_spectrum, band_rms, comparison, fit, map_statistics, profile_statistics, spectrum};
use crate::recipe::Step;

/// What the steps work on.
#[derive(Debug, Clone)]
pub(in crate::run) enum Subject {
    /// A map, with its uncertainty (nm, same grid) as long as the steps leave that as it is, and the place of its column 0,
    /// row 0 in the mirror's frame (mm) as long as they leave the grid.
    Map {
        map: HeightMap,
        uncertainty: Option<HeightMap>,
        origin_mm: Option<(f64, f64)>,
    },
    Slopes(SlopeMaps),
    /// A profile with the uncertainty of each value.
    Profile {
        profile: Profile,
        uncertainty: Option<Vec<f64>>,
    },
}

/// A file that a step leaves on its way; the number of the step goes before the name.
#[derive(Debug)]
pub(super) enum Made {
    Map { what: &'static str, map: HeightMap },
    Text { name: &'static str, text: String },
}

impl Subject {
    pub fn map(map: HeightMap, uncertainty: Option<HeightMap>) -> Self {
        Self::Map { map, uncertainty, origin_mm: None }
    }

    /// The same map, its column 0, row 0 at this place in the mirror's frame, mm.
    pub fn at(self, place: Option<(f64, f64)>) -> Self {
        match self {
            Self::Map { map, uncertainty, .. } => Self::Map { map, uncertainty, origin_mm: place },
            other => other,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&HeightMap> {
        match self {
            Self::Map { map, .. } => Some(map),
            Self::Slopes(_) | Self::Profile { .. } => None,
        }
    }

    /// What it is, for people.
    fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "a map",
            Self::Slopes(_) => "slope maps",
            Self::Profile { .. } => "a profile",
        }
    }
}

/// Does the step; what it found besides is returned for `steps.json`.
/// Files that the step leaves are added to `files`.
pub(super) fn apply(
    step: &Step,
    subject: &mut Subject,
    others: &Others,
    files: &mut Vec<Made>,
) -> Result<Value, StepError> {
    match subject {
        Subject::Map { map, uncertainty, origin_mm } => {
            if let Some(next) = out_of_map(step, map, uncertainty.as_ref())? {
                *subject = next;
                return Ok(Value::Null);
            }
            let found = on_map(step, map, uncertainty, others, files)?;
            if step.changes_its_subject() && !step.keeps_the_grid() {
                *origin_mm = None;
            }
            Ok(found)
        }
        Subject::Slopes(slopes) => {
            let Step::Integrate(integrate) = step else { return Err(other_kind(step, "maps or profiles", subject)) };
            let done = integrate.apply(slopes)?;
            let found = json!({
                "residual_x_urad": done.residual_x_urad,
                "residual_y_urad": done.residual_y_urad,
                "islands": done.islands,
            });
            *subject = Subject::map(done.map, None);
            Ok(found)
        }
        Subject::Profile { profile, uncertainty } => {
            let found = on_profile(step, profile, files)?;
            match found {
                Some((next, found)) => {
                    if !keeps_uncertainty(step) || next.len() != profile.len() {
                        *uncertainty = None;
                    }
                    *profile = next;
                    Ok(found)
                }
                None => Err(other_kind(step, "maps", subject)),
            }
        }
    }
}

/// Steps that go on with something else than a map.
fn out_of_map(step: &Step, map: &HeightMap, uncertainty: Option<&HeightMap>) -> Result<Option<Subject>, StepError> {
    let extracted = match step {
        Step::Section(section) => section.apply(map, uncertainty)?,
        Step::Line(line) => line.apply(map, uncertainty)?,
        Step::Differentiate(differentiate) => return Ok(Some(Subject::Slopes(differentiate.apply(map)?))),
        _ => return Ok(None),
    };
    Ok(Some(Subject::Profile { profile: extracted.profile, uncertainty: extracted.uncertainty_nm }))
}

/// Steps from map to map. The uncertainty follows where the grid and the noise stay as they are.
fn on_map(
    step: &Step,
    map: &mut HeightMap,
    uncertainty: &mut Option<HeightMap>,
    others: &Others,
    files: &mut Vec<Made>,
) -> Result<Value, StepError> {
    let mut found = Value::Null;
    let (next, keeps_uncertainty) = match step {
        Step::Mask(mask) => (mask.apply(map)?, true),
        Step::Remove(remove) => {
            let removed = remove.apply(map)?;
            found = fit(&removed.fit);
            (removed.map, true)
        }
        Step::Gravity(gravity) => (gravity.apply(map)?, true),
        Step::Subtract(subtract) => {
            let other = others.other(subtract.file.as_str())?;
            let next = subtract.apply(map, &other.map)?;
            *uncertainty = in_quadrature(uncertainty.as_ref(), other.uncertainty.as_ref(), &next)?;
            (next, true)
        }
        Step::Add(add) => {
            let other = others.other(add.file.as_str())?;
            let next = add.apply(map, &other.map)?;
            *uncertainty = in_quadrature(uncertainty.as_ref(), other.uncertainty.as_ref(), &next)?;
            (next, true)
        }
        Step::Threshold(threshold) => (threshold.apply(map)?, true),
        Step::Statistics(statistics) => {
            return Ok(map_statistics(&statistics.apply(map)?));
        }
        Step::Psd(psd) => return spectrum(&psd.apply(map)?, files),
        Step::ArealPsd(psd) => return areal_spectrum(&psd.apply(map)?, files),
        Step::BandRms(band) => return Ok(band_rms(&band.psd.apply(map)?, band)),
        Step::Compare(with) => {
            let other = others.other(with.file.as_str())?;
            let (own, theirs) = (uncertainty.as_ref(), other.uncertainty.as_ref());
            let compared =
                with.how.apply(map, own.map(HeightMap::heights_nm), &other.map, theirs.map(HeightMap::heights_nm))?;
            let found = comparison(&compared);
            files.push(Made::Map { what: "difference", map: compared.difference });
            return Ok(found);
        }
        Step::Multiply(multiply) => (multiply.apply(map)?, false),
        Step::Flip(flip) => (flip.apply(map)?, false),
        Step::Rotate(rotate) => (rotate.apply(map)?, false),
        Step::Bin(bin) => (bin.apply(map)?, false),
        Step::Crop(crop) => (crop.apply(map)?, false),
        Step::Fill(fill) => (fill.apply(map)?, false),
        Step::Resample(resample) => (resample.apply(map)?, false),
        Step::Shift(shift) => (shift.apply(map)?, false),
        Step::Gaussian(gaussian) => (gaussian.apply(map)?, false),
        Step::Median(median) => (median.apply(map)?, false),
        Step::Hampel(hampel) => (hampel.apply(map)?, false),
        Step::Section(_)
        | Step::Line(_)
        | Step::Differentiate(_)
        | Step::Integrate(_)
        | Step::IntegrateProfile(_)
        | Step::RemoveFromProfile(_)
        | Step::Restart(_) => {
            let subject = Subject::map(map.clone(), None);
            return Err(other_kind(step, "slopes or profiles", &subject));
        }
    };
    if !keeps_uncertainty {
        *uncertainty = None;
    }
    *map = next;
    Ok(found)
}

/// The standard uncertainty of a sum or difference of two measurements; unknown where that of either is.
fn in_quadrature(
    own: Option<&HeightMap>,
    other: Option<&HeightMap>,
    of: &HeightMap,
) -> Result<Option<HeightMap>, StepError> {
    let (Some(own), Some(other)) = (own, other) else { return Ok(None) };
    let pairs = own.heights_nm().iter().zip(other.heights_nm()).zip(of.valid());
    let values = pairs.map(|((a, b), valid)| if *valid { (a * a + b * b).sqrt() } else { 0.0 }).collect();
    // The step itself has refused maps of different shapes; an uncertainty may still be of another.
    let shapes = StepError::Shapes { step: "uncertainty", first: shape(own), second: shape(other) };
    if own.shape() != of.shape() || other.shape() != of.shape() {
        return Err(shapes);
    }
    let values = Array2::from_shape_vec(of.shape(), values).map_err(|_| shapes)?;
    Ok(Some(HeightMap::new(values, of.valid().clone(), of.pixel())?))
}

fn shape(map: &HeightMap) -> [usize; 2] {
    let (rows, columns) = map.shape();
    [rows, columns]
}

/// Whether the values of a profile keep their uncertainty: not where they become another quantity (a slope of heights, a
/// height of slopes), nor where neighbours are averaged.
fn keeps_uncertainty(step: &Step) -> bool {
    matches!(
        step,
        Step::RemoveFromProfile(_) | Step::Gravity(_) | Step::Statistics(_) | Step::Psd(_) | Step::BandRms(_)
    )
}

/// Steps on a profile; `None` for those that need a map.
fn on_profile(step: &Step, profile: &Profile, files: &mut Vec<Made>) -> Result<Option<(Profile, Value)>, StepError> {
    let plain = |profile: Profile| Ok(Some((profile, Value::Null)));
    match step {
        Step::RemoveFromProfile(remove) => {
            let removed = remove.apply(profile)?;
            let found = fit(&removed.fit);
            Ok(Some((removed.profile, found)))
        }
        Step::Gravity(gravity) => plain(gravity.apply_to_profile(profile)?),
        Step::Gaussian(gaussian) => plain(gaussian.apply_to_profile(profile)?),
        Step::Differentiate(differentiate) => plain(differentiate.apply_to_profile(profile)?),
        Step::IntegrateProfile(integrate) => plain(integrate.apply(profile)?),
        Step::Statistics(statistics) => {
            Ok(Some((profile.clone(), profile_statistics(&statistics.apply_to_profile(profile)?))))
        }
        Step::Psd(psd) => Ok(Some((profile.clone(), spectrum(&psd.apply_to_profile(profile)?, files)?))),
        Step::BandRms(band) => Ok(Some((profile.clone(), band_rms(&band.psd.apply_to_profile(profile)?, band)))),
        _ => Ok(None),
    }
}

fn other_kind(step: &Step, expected: &'static str, subject: &Subject) -> StepError {
    StepError::Kind { step: step.name(), expected, found: subject.name() }
}
