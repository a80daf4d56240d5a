//! The steps that a recipe may name, each with the parameters of its function in `analysis/steps`.

use schemars::JsonSchema;
use serde::{Deserialize as _, Serialize};
use stitchbox_steps::extract::{Line, Section};
use stitchbox_steps::filter::{Gaussian, Hampel, Median, Threshold};
use stitchbox_steps::geometry::{Bin, Crop, Fill, Flip, Resample, Rotate, Shift};
use stitchbox_steps::integrate::{IntegrateProfile, IntegrateSlopes};
use stitchbox_steps::psd::{ArealPsd, Psd};
use stitchbox_steps::{
    Add, Compare, Differentiate, Gravity, Mask, Multiply, Remove, RemoveFromProfile, Statistics, Subtract,
};
use stitchbox_surface::FileName;
use stitchbox_surface::quantity::Frequency;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

macro_rules! steps {
    ($($word:literal => $variant:ident($parameters:ty): $doc:literal,)*) => {
        /// One step of a recipe, with its parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "step")]
        pub enum Step {
            $(#[doc = $doc] #[serde(rename = $word)] $variant($parameters),)*
        }

        impl Step {
            /// The words that `step = "…"` understands.
            pub const NAMES: &'static [&'static str] = &[$($word),*];

            /// The word of this step.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)* }
            }

            /// Reads the parameters of the step of this name; `None` where there is no such step.
            pub(super) fn read(
                name: &str,
                table: Spanned<DeTable<'_>>,
            ) -> Option<Result<Self, toml::de::Error>> {
                let from = Deserializer::from(table);
                match name {
                    $($word => Some(<$parameters>::deserialize(from).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

steps! {
    "mask" => Mask(Mask): "Leaves pixels out: a rectangle, an ellipse, a polygon, by height, at the edges.",
    "remove" => Remove(Remove): "Fits a shape and takes it off.",
    "remove-from-profile" => RemoveFromProfile(RemoveFromProfile): "Fits a shape to a profile and takes it off.",
    "gravity" => Gravity(Gravity): "Takes off, or adds, the sag of a mirror on two supports.",
    "flip" => Flip(Flip): "Mirrors the map.",
    "rotate" => Rotate(Rotate): "Turns the map.",
    "bin" => Bin(Bin): "Joins blocks of pixels.",
    "crop" => Crop(Crop): "Keeps a rectangle.",
    "fill" => Fill(Fill): "Fills small holes.",
    "resample" => Resample(Resample): "Goes to another pixel size.",
    "shift" => Shift(Shift): "Moves the map by a part of a pixel.",
    "gaussian" => Gaussian(Gaussian): "Low-pass, high-pass or band-pass filter after ISO 16610-61.",
    "median" => Median(Median): "Median filter.",
    "hampel" => Hampel(Hampel): "Finds outliers among their neighbours.",
    "threshold" => Threshold(Threshold): "Leaves heights out that lie beyond limits.",
    "add" => Add(Add): "Adds a map of the folder.",
    "subtract" => Subtract(Subtract): "Subtracts a map of the folder.",
    "multiply" => Multiply(Multiply): "Multiplies the heights.",
    "section" => Section(Section): "Goes on with a profile along x or y. Written as `NN-profile.csv`.",
    "line" => Line(Line): "Goes on with a profile between two points. Written as `NN-profile.csv`.",
    "differentiate" => Differentiate(Differentiate): "Goes on with slopes.",
    "integrate" => Integrate(IntegrateSlopes): "Goes on with heights, from slope maps.",
    "integrate-profile" => IntegrateProfile(IntegrateProfile): "Goes on with heights, from a slope profile.",
    "statistics" => Statistics(Statistics): "Describes what there is at this place of the list.",
    "psd" => Psd(Psd): "Power spectral density along lines. Written as `NN-psd.csv`; the map or profile stays as it is.",
    "areal-psd" => ArealPsd(ArealPsd): "Power spectral density in two dimensions. Its radial mean is written as `NN-psd.csv`.",
    "band-rms" => BandRms(BandRms): "Rms between two spatial frequencies.",
    "compare" => Compare(CompareWith): "Compares with a map of the folder: difference and E_n. Written as `NN-difference.h5`, `.png`.",
    "restart" => Restart(Restart): "Goes on with the map as stitched.",
}

/// Goes on with the map as stitched, whatever the steps before have made of it.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {}

/// Rms between two spatial frequencies, from the power spectral density along lines.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BandRms {
    /// Lowest frequency that counts.
    pub from: Frequency,
    /// Highest frequency that counts.
    pub to: Frequency,
    /// How the density is computed.
    #[serde(default)]
    pub psd: Psd,
}

/// Compares the map with another of the folder. Where both have an uncertainty (a `height.h5` has), E_n is computed:
/// |a - b| / sqrt(U_a^2 + U_b^2) with U = k u.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareWith {
    /// The file with the other map.
    pub file: FileName,
    /// How the two are compared.
    #[serde(default)]
    pub how: Compare,
}

impl Step {
    /// The file that the step reads besides the map, if it does.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Add(Add { file }) | Self::Subtract(Subtract { file }) | Self::Compare(CompareWith { file, .. }) => {
                Some(file.as_str())
            }
            _ => None,
        }
    }

    /// Whether what comes after the step is something else than what went into it.
    #[must_use]
    pub fn changes_its_subject(&self) -> bool {
        !matches!(
            self,
            Self::Statistics(_)
                | Self::Psd(_)
                | Self::ArealPsd(_)
                | Self::BandRms(_)
                | Self::Compare(_)
                | Self::Restart(_)
        )
    }

    /// Whether the step may be done on a sub-aperture: it leaves the grid of the camera as it is, so that the reference
    /// stays where it was.
    #[must_use]
    pub fn keeps_the_grid(&self) -> bool {
        matches!(
            self,
            Self::Mask(_)
                | Self::Remove(_)
                | Self::Gravity(_)
                | Self::Fill(_)
                | Self::Gaussian(_)
                | Self::Median(_)
                | Self::Hampel(_)
                | Self::Threshold(_)
                | Self::Add(_)
                | Self::Subtract(_)
                | Self::Multiply(_)
        )
    }
}
