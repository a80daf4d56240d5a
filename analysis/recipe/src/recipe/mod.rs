//! The recipe: what `stitch.toml` may say, its defaults, and its canonical form.
//!
//! The types of `rules`, `values` and `step` are the one definition: they read the file, their comments and derived schema
//! are the reference page, the schema finds mistyped keys, and the resolved form is their serialisation.

mod check;
mod duration;
mod parse;
mod reference;
mod rules;
mod schema;
mod step;
mod suggest;
mod values;

use schemars::JsonSchema;
use serde::Serialize;

pub use parse::RecipeError;
pub use reference::reference_page;
pub use rules::{
    Completeness, DriftChoice, OutputFormat, OutputRule, PositionRule, PositionSource, ProfileRule, ProfilesRule,
    ProfilesTask, ReferenceChoice, RefineChoice, SeriesKind, SeriesRule, StitchRule, Term, WeightChoice,
};
pub use schema::{schema, step_names};
pub use step::{BandRms, CompareWith, Restart, Step};
pub use values::{FileName, PixelMm, Place, Quiet};

use stitchbox_profiles::SlopeStitching;

use crate::classify::{Role, classify, matches};

/// A recipe, `stitch.toml`: how a series of sub-apertures becomes a map. Every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub struct Recipe {
    /// Which files form the series, and when it is complete.
    pub series: SeriesRule,
    /// How the map is stitched.
    pub stitch: StitchRule,
    /// Where the positions and the pixel size come from, if not from the files.
    pub positions: PositionRule,
    /// How a series of slope maps is stitched (`kind = "slopes"`).
    pub slopes: SlopeStitching,
    /// How a series of profiles is treated (`kind = "profiles"`).
    pub profiles: ProfilesRule,
    /// What is written besides the files that every run writes.
    pub output: OutputRule,
    /// Steps done on every sub-aperture before stitching, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Step>,
    /// Steps done on the stitched map, in order. The map as stitched stays in `height.h5`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Step>,
}

impl Recipe {
    /// Reads `stitch.toml`. Keys that are not there take the default.
    ///
    /// # Errors
    /// [`RecipeError`] with the line: not TOML, an unknown key, or a value of the wrong kind or unit.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        parse::parse(text)
    }

    /// The part a file plays under this recipe; like [`classify`], with the recipe's patterns and names applied.
    #[must_use]
    pub fn classify(&self, name: &str, head: &[u8]) -> Role {
        if self.positions.file.as_ref().is_some_and(|file| file.as_str() == name) {
            return Role::Positions;
        }
        if self.named_files().any(|named| named == name) {
            return Role::Named;
        }
        if self.series.marker.as_ref().is_some_and(|marker| marker.as_str() == name) {
            return Role::Foreign;
        }
        if self.series.kind != SeriesKind::Maps {
            return self.classify_by_name(name);
        }
        let role = classify(name, head);
        // An HDF5 file under another name than an instrument's is a measurement only where the recipe says so.
        if role == Role::Foreign && !self.series.include.is_empty() && self.admits(name) && is_hdf5(head) {
            return Role::SubAperture;
        }
        if matches!(role, Role::SubAperture | Role::Claimed) && !self.admits(name) {
            return Role::Foreign;
        }
        if role == Role::Positions && self.positions.file.is_some() {
            return Role::Foreign;
        }
        role
    }

    /// The file that holds the reference, where it is known.
    #[must_use]
    pub fn reference_file(&self) -> Option<&str> {
        let known = self.stitch.reference == ReferenceChoice::File;
        self.stitch.reference_file.as_ref().filter(|_| known).map(FileName::as_str)
    }

    /// Every key with its value, in a fixed order; reads back as the same recipe.
    #[must_use]
    pub fn resolved_toml(&self) -> String {
        // The types hold nothing that TOML cannot write.
        let Ok(mut table) = toml::Table::try_from(self) else { return String::new() };
        let foreign: &[&str] = match self.series.kind {
            SeriesKind::Maps => &["slopes", "profiles"],
            SeriesKind::Slopes => &["stitch", "before", "profiles"],
            SeriesKind::Profiles => &["stitch", "before", "slopes"],
        };
        table.retain(|key, _| !foreign.contains(&key));
        toml::to_string(&table).unwrap_or_default()
    }

    /// Files that the recipe names for what they hold: the reference, angles, profiles, maps that steps compare with.
    pub fn named_files(&self) -> impl Iterator<Item = &str> {
        let stitch = &self.stitch;
        let of_steps = self.before.iter().chain(&self.after).filter_map(Step::file);
        (self.reference_file().into_iter())
            .chain(stitch.angles_file.as_ref().map(FileName::as_str))
            .chain(stitch.profiles.iter().map(|profile| profile.file.as_str()))
            .chain(of_steps)
    }

    /// Slopes and profiles come as texts that look like many others: the names decide, and `include` must tell them.
    fn classify_by_name(&self, name: &str) -> Role {
        match classify(name, b"text") {
            Role::Recipe => Role::Recipe,
            Role::Positions if self.positions.file.is_none() => Role::Positions,
            _ if !self.series.include.is_empty() && self.admits(name) => Role::SubAperture,
            _ => Role::Foreign,
        }
    }

    fn admits(&self, name: &str) -> bool {
        let series = &self.series;
        let included = series.include.is_empty() || series.include.iter().any(|p| matches(p, name));
        included && !series.exclude.iter().any(|p| matches(p, name))
    }
}

fn is_hdf5(head: &[u8]) -> bool {
    stitchbox_formats::Content::of(head) == stitchbox_formats::Content::Hdf5
}

#[cfg(test)]
mod tests;
