//! The recipe: what `stitch.toml` may say, its defaults, and its canonical form.

mod duration;
mod parse;
mod suggest;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use stitchbox_stitch::Terms;
use stitchbox_surface::PixelSize;

pub use parse::RecipeError;

use crate::classify::{Role, classify, matches};

/// How it is known that a series is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// So many sub-apertures.
    Expected(usize),
    /// A file of this name has arrived.
    Marker(String),
    /// Nothing arrived for this long, and no upload is open.
    Quiet(Duration),
}

/// Which files form the series, and when it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRule {
    /// When it is complete; `None` leaves it to the server: after its quiet time.
    pub completeness: Option<Completeness>,
    /// Patterns (`*`, `?`) of which a sub-aperture's name must fit one; empty admits all.
    pub include: Vec<String>,
    /// Patterns that keep a file out.
    pub exclude: Vec<String>,
}

/// What is known of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceChoice {
    /// Taken as zero.
    None,
    /// Found pixel by pixel.
    Pixelwise,
    /// Found as a smooth surface.
    Smooth,
    /// Read from this file of the folder.
    File(String),
}

/// How to stitch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StitchRule {
    /// Terms solved for each sub-aperture.
    pub terms: Terms,
    /// What is known of the reference.
    pub reference: ReferenceChoice,
    /// Whether outliers are looked for.
    pub robust: bool,
}

/// Where the positions and the pixel size come from, if not from the files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PositionRule {
    /// Positions (x, y) in mm by file name; if any is given, all must be.
    pub at: BTreeMap<String, (f64, f64)>,
    /// Name of the list in the folder, `positions.csv` unless told.
    pub file: Option<String>,
    /// Pixel size that replaces what the files say.
    pub pixel: Option<PixelSize>,
}

/// A recipe: everything a run may be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// `[series]`.
    pub series: SeriesRule,
    /// `[stitch]`.
    pub stitch: StitchRule,
    /// `[positions]`.
    pub positions: PositionRule,
}

impl Default for Recipe {
    /// Piston, pitch and roll, pixel-wise reference, robust.
    fn default() -> Self {
        Self {
            series: SeriesRule { completeness: None, include: Vec::new(), exclude: Vec::new() },
            stitch: StitchRule { terms: Terms::default(), reference: ReferenceChoice::Pixelwise, robust: true },
            positions: PositionRule::default(),
        }
    }
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
        if self.positions.file.as_deref() == Some(name) {
            return Role::Positions;
        }
        if matches!(&self.stitch.reference, ReferenceChoice::File(file) if file == name) {
            return Role::Reference;
        }
        if matches!(&self.series.completeness, Some(Completeness::Marker(marker)) if marker == name) {
            return Role::Foreign;
        }
        let role = classify(name, head);
        if matches!(role, Role::SubAperture | Role::Claimed) && !self.admits(name) {
            return Role::Foreign;
        }
        if role == Role::Positions && self.positions.file.is_some() {
            return Role::Foreign;
        }
        role
    }

    /// Every key with its value, in a fixed order; reads back as the same recipe.
    #[must_use]
    pub fn resolved_toml(&self) -> String {
        let mut out = "[series]\n".to_owned();
        let _ = match &self.series.completeness {
            None => Ok(()),
            Some(Completeness::Expected(count)) => writeln!(out, "expected = {count}"),
            Some(Completeness::Marker(name)) => writeln!(out, "marker = {}", quoted(name)),
            Some(Completeness::Quiet(time)) => writeln!(out, "quiet = {}", quoted(&duration::write(*time))),
        };
        for (key, patterns) in [("include", &self.series.include), ("exclude", &self.series.exclude)] {
            if !patterns.is_empty() {
                let _ =
                    writeln!(out, "{key} = [{}]", patterns.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(", "));
            }
        }
        let terms = &self.stitch.terms;
        let names = [("piston", terms.piston), ("pitch", terms.pitch), ("roll", terms.roll)];
        let names: Vec<String> = names.iter().filter(|(_, on)| *on).map(|(name, _)| quoted(name)).collect();
        let _ = writeln!(out, "\n[stitch]\nterms = [{}]", names.join(", "));
        let _ = match &self.stitch.reference {
            ReferenceChoice::None => writeln!(out, "reference = \"none\""),
            ReferenceChoice::Pixelwise => writeln!(out, "reference = \"pixelwise\""),
            ReferenceChoice::Smooth => writeln!(out, "reference = \"smooth\""),
            ReferenceChoice::File(name) => writeln!(out, "reference = \"file\"\nreference_file = {}", quoted(name)),
        };
        let _ = writeln!(out, "robust = {}", self.stitch.robust);
        let positions = &self.positions;
        if *positions != PositionRule::default() {
            out.push_str("\n[positions]\n");
            if let Some(file) = &positions.file {
                let _ = writeln!(out, "file = {}", quoted(file));
            }
            if let Some(pixel) = positions.pixel {
                let _ = writeln!(out, "pixel_mm = [{:?}, {:?}]", pixel.x_mm, pixel.y_mm);
            }
            if !positions.at.is_empty() {
                out.push_str("\n[positions.at]\n");
            }
            for (name, (x, y)) in &positions.at {
                let _ = writeln!(out, "{} = [{x:?}, {y:?}]", quoted(name));
            }
        }
        out
    }

    fn admits(&self, name: &str) -> bool {
        let series = &self.series;
        let included = series.include.is_empty() || series.include.iter().any(|p| matches(p, name));
        included && !series.exclude.iter().any(|p| matches(p, name))
    }
}

fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
