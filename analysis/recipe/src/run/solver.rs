//! The solver's options as the recipe and the files it names give them.

use stitchbox_stitch::{Drift, KnownReference, MeasuredAngles, Options, Placed, Reference, Refine, Weights};
use stitchbox_surface::{Profile, ProfileKind, SubAperture};

use super::Job;
use crate::context::InputFile;
use crate::failure::{self, FailureKind, RunFailure};
use crate::list::{self, Column, entry_of};
use crate::read;
use crate::recipe::{DriftChoice, FileName, ProfileRule, ReferenceChoice, RefineChoice, WeightChoice};

/// How this series is to be solved.
pub(super) fn options(job: &Job<'_>, series: &[Placed]) -> Result<Options, RunFailure> {
    let rule = &job.recipe.stitch;
    Ok(Options {
        terms: rule.solver_terms(),
        reference: reference(job)?,
        robust: rule.robust,
        weights: match rule.weights {
            WeightChoice::Equal => Weights::Equal,
            WeightChoice::Intensity => Weights::Intensity,
        },
        refine: match rule.refine {
            RefineChoice::None => Refine::None,
            RefineChoice::Offsets => Refine::Offsets,
            RefineChoice::OffsetsAndRotation => Refine::OffsetsAndRotation,
        },
        retrace: rule.retrace,
        drift: match rule.drift {
            DriftChoice::Ignore => Drift::Ignore,
            DriftChoice::Test => Drift::Test,
            DriftChoice::Correct => Drift::Correct,
        },
        angles: angles(job, series)?,
        profiles: profiles(job)?,
        profiles_aligned: rule.profiles_aligned,
        ..Options::default()
    })
}

const MOST_URAD: f64 = 1e6;
const ANGLES: [Column; 2] = [
    Column { name: "pitch_urad", needed: false, most: MOST_URAD, most_is: "a tilt of a mirror" },
    Column { name: "roll_urad", needed: false, most: MOST_URAD, most_is: "a tilt of a mirror" },
];

/// The measured tilts in the order of the series; none where the recipe names no list.
fn angles(job: &Job<'_>, series: &[Placed]) -> Result<Vec<MeasuredAngles>, RunFailure> {
    let rule = &job.recipe.stitch;
    let Some(name) = rule.angles_file.as_ref().map(FileName::as_str) else { return Ok(Vec::new()) };
    let file = named(job, name, "the measured tilts")?;
    let rows = list::parse(&read::text(file)?, &ANGLES).map_err(|error| {
        let message = format!("{name}, {error}. Correct the list and save it again.");
        RunFailure::new(FailureKind::BadRecipe, message)
    })?;
    let sigma = rule.angle_sigma.urad();
    let of = |placed: &Placed| {
        let name = &placed.sub_aperture.name;
        let values = entry_of(&rows, name).ok_or_else(|| name.clone())?;
        let at = |index: usize| values.get(index).copied().flatten().map(|value| (value, sigma));
        Ok(MeasuredAngles { pitch_urad: at(0), roll_urad: at(1) })
    };
    let found: Vec<Result<MeasuredAngles, String>> = series.iter().map(of).collect();
    let missing: Vec<String> = found.iter().filter_map(|of| of.as_ref().err().cloned()).collect();
    if !missing.is_empty() {
        let headline =
            format!("{name} gives tilts, but not for {} of the {} files of the series:", missing.len(), series.len());
        return Err(RunFailure::new(
            FailureKind::BadRecipe,
            failure::list(&headline, &missing, "Add the missing lines."),
        ));
    }
    Ok(found.into_iter().flatten().collect())
}

/// The profiles that fix power and twist.
fn profiles(job: &Job<'_>) -> Result<Vec<Profile>, RunFailure> {
    let of = |rule: &ProfileRule| {
        let file = named(job, rule.file.as_str(), "a profile")?;
        let mut profile = read::profile(file, &job.context.limits)?;
        profile.y_mm = Some(rule.y.mm());
        profile.sigma = Some(match profile.kind {
            ProfileKind::SlopeUrad => rule.slope_sigma.urad(),
            ProfileKind::HeightNm => rule.height_sigma.nm(),
        });
        let shift = rule.x.mm();
        profile.x_mm.iter_mut().for_each(|x| *x += shift);
        Ok(profile)
    };
    job.recipe.stitch.profiles.iter().map(of).collect()
}

fn named<'j>(job: &'j Job<'_>, name: &str, what: &str) -> Result<&'j InputFile, RunFailure> {
    job.named(name).ok_or_else(|| {
        let message = format!(
            "The recipe takes {what} from \"{name}\", but there is no such file in the folder. Add it, or remove the key from \
             stitch.toml."
        );
        RunFailure::new(FailureKind::BadRecipe, message)
    })
}

fn reference(job: &Job<'_>) -> Result<Reference, RunFailure> {
    let known = match job.recipe.stitch.reference {
        ReferenceChoice::None => return Ok(Reference::None),
        ReferenceChoice::Pixelwise => return Ok(Reference::Pixelwise),
        ReferenceChoice::Smooth => return Ok(Reference::Smooth),
        ReferenceChoice::File => known(job, job.recipe.reference_file().unwrap_or_default())?,
    };
    // what the recipe says of the pixels holds for every file
    let map = match job.recipe.positions.pixel() {
        Some(pixel) => known.map.with_pixel(Some(pixel)),
        None => known.map,
    };
    Ok(Reference::Known(KnownReference { map, window: known.window }))
}

fn known(job: &Job<'_>, name: &str) -> Result<SubAperture, RunFailure> {
    read::reference(named(job, name, "the reference")?, &job.context.limits)
}
