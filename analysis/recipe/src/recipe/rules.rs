//! The sections of a recipe. The comments on the fields are the reference page that users read.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_crosscheck::Method;
use stitchbox_profiles::{Averaging, MultiPitch, ProfileStitching};
use stitchbox_stitch::Terms;
use stitchbox_surface::PixelSize;
use stitchbox_surface::quantity::{Angle, Height, Length};

use super::values::{FileName, PixelMm, Place, Quiet};

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

/// What the files of a series hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SeriesKind {
    /// Height maps of an interferometer.
    #[default]
    Maps,
    /// Slope maps of a wavefront sensor; they are stitched axis by axis and integrated to heights. `include` must name the files.
    Slopes,
    /// Profiles of a long trace profiler or nanometre optical measuring machine. `include` must name the files.
    Profiles,
}

/// Which files form the series, and when it is complete. Of `expected`, `marker` and `quiet` one may be given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesRule {
    /// What the files hold.
    pub kind: SeriesKind,
    /// The series is complete with so many sub-apertures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1_000_000))]
    pub expected: Option<u32>,
    /// The series is complete when a file of this name has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<FileName>,
    /// The series is complete when nothing has arrived for this long and no upload is open. Without any of the three
    /// keys the server's own quiet time counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Patterns (`*`, `?`) of which a sub-aperture's name must fit one; empty admits all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns that keep a file out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl SeriesRule {
    /// When the series is complete; `None` leaves it to the server.
    #[must_use]
    pub fn completeness(&self) -> Option<Completeness> {
        if let Some(expected) = self.expected {
            return Some(Completeness::Expected(expected as usize));
        }
        if let Some(marker) = &self.marker {
            return Some(Completeness::Marker(marker.as_str().to_owned()));
        }
        self.quiet.map(|quiet| Completeness::Quiet(quiet.0))
    }
}

/// A term that every sub-aperture carries on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Term {
    /// A constant height.
    Piston,
    /// A slope along x.
    Pitch,
    /// A slope along y.
    Roll,
    /// A power, x^2 + y^2: where the instrument's focus differs from one sub-aperture to the next.
    Curvature,
}

/// What is known of the additive error that stays in the instrument while the mirror moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceChoice {
    /// Taken as zero.
    None,
    /// Unknown, found pixel by pixel together with everything else.
    #[default]
    Pixelwise,
    /// Unknown but smooth: Legendre terms up to degree 9 along x and 3 along y.
    Smooth,
    /// Measured before: read from `reference_file`.
    File,
}

/// How much each pixel counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightChoice {
    /// All alike.
    #[default]
    Equal,
    /// By the intensity or modulation that the files hold.
    Intensity,
}

/// Whether positions are improved from the overlaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefineChoice {
    /// They are taken as given.
    #[default]
    None,
    /// A shift along x and y of every sub-aperture is found.
    Offsets,
    /// A shift and a rotation of every sub-aperture are found.
    OffsetsAndRotation,
}

/// What is done about a reference that changes during the scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DriftChoice {
    /// Nothing.
    Ignore,
    /// It is looked for, and a warning tells its size.
    #[default]
    Test,
    /// It is found as a second reference that grows steadily during the scan, and taken off.
    Correct,
}

/// A profile measured with a long trace profiler or a nanometre optical measuring machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRule {
    /// The file with the profile (slopes or heights along x), in this folder.
    pub file: FileName,
    /// Where the line lies across the mirror, in the frame of the positions.
    #[serde(default = "zero_length")]
    pub y: Length,
    /// Added to the positions of the profile, so that they are those of the mirror frame.
    #[serde(default = "zero_length")]
    pub x: Length,
    /// Standard uncertainty of a point, where the profile holds slopes.
    #[serde(default = "slope_sigma")]
    pub slope_sigma: Angle,
    /// Standard uncertainty of a point, where the profile holds heights.
    #[serde(default = "height_sigma")]
    pub height_sigma: Height,
}

fn zero_length() -> Length {
    Length::new(0.0)
}

fn slope_sigma() -> Angle {
    Angle::new(0.05)
}

fn height_sigma() -> Height {
    Height::new(1.0)
}

/// How the map is stitched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StitchRule {
    /// Terms solved for every sub-aperture.
    pub terms: Vec<Term>,
    /// What is known of the reference.
    pub reference: ReferenceChoice,
    /// With `reference = "file"`: the file, in this folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_file: Option<FileName>,
    /// Outliers that no mask marks (spikes, blemishes, jumps by a fringe) are looked for and left out.
    pub robust: bool,
    /// How much each pixel counts.
    pub weights: WeightChoice,
    /// Whether positions are improved from the overlaps.
    pub refine: RefineChoice,
    /// A second reference is found that grows with the tilt of the sub-aperture (retrace error). Needs tilts that vary.
    pub retrace: bool,
    /// What is done about a reference that changes during the scan.
    pub drift: DriftChoice,
    /// Measured tilts: a list with the columns `file,pitch_urad,roll_urad` (one of the two may be missing), in this folder.
    /// They make the power (pitch) and the twist (roll) of the mirror observable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angles_file: Option<FileName>,
    /// Standard uncertainty of a measured tilt.
    pub angle_sigma: Angle,
    /// Profiles from another instrument that fix the power of the mirror, and its twist where two lie at different y.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<ProfileRule>,
    /// The profiles were measured in one go, the mirror not touched in between, so that they share one tilt. Only then do
    /// two lines determine the twist.
    pub profiles_aligned: bool,
    /// Older ways of stitching, computed beside the result (`cross_check.json`) for comparison with a history, and never
    /// instead of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cross_check: Vec<Method>,
}

impl Default for StitchRule {
    /// Piston, pitch and roll, pixel-wise reference, robust.
    fn default() -> Self {
        Self {
            terms: vec![Term::Piston, Term::Pitch, Term::Roll],
            reference: ReferenceChoice::default(),
            reference_file: None,
            robust: true,
            weights: WeightChoice::default(),
            refine: RefineChoice::default(),
            retrace: false,
            drift: DriftChoice::default(),
            angles_file: None,
            angle_sigma: Angle::new(0.05),
            profiles: Vec::new(),
            profiles_aligned: false,
            cross_check: Vec::new(),
        }
    }
}

impl StitchRule {
    /// The terms as the solver takes them.
    #[must_use]
    pub fn solver_terms(&self) -> Terms {
        let on = |term| self.terms.contains(&term);
        Terms { piston: on(Term::Piston), pitch: on(Term::Pitch), roll: on(Term::Roll), curvature: on(Term::Curvature) }
    }
}

/// Where the positions come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PositionSource {
    /// From `[positions.at]`, else the list, else the files of the series themselves.
    #[default]
    Files,
    /// Found from the overlaps alone; whatever positions there are is not looked at. Said in the result.
    Registration,
}

/// Where the positions and the pixel size come from, if not from the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PositionRule {
    /// Where the positions come from.
    pub from: PositionSource,
    /// Name of the list of positions (columns `file,x_mm,y_mm`) in this folder, `positions.csv` unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileName>,
    /// Pixel size in mm that replaces what the files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_mm: Option<PixelMm>,
    /// Positions `[x, y]` in mm by file name; if any is given, all must be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub at: BTreeMap<String, Place>,
}

impl PositionRule {
    /// Pixel size that replaces what the files say.
    #[must_use]
    pub fn pixel(&self) -> Option<PixelSize> {
        self.pixel_mm.map(|pixel| pixel.0)
    }
}

/// What is made of a series of profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfilesTask {
    /// Overlapping profiles of one mirror become one long one.
    #[default]
    Stitch,
    /// Repeated scans of one line become one mean; scans that disagree are left out.
    Average,
    /// Slope profiles of one mirror at several pitches: the mirror, and the error of the instrument as a function of the
    /// measured angle.
    Calibrate,
}

/// How a series of profiles is treated (`kind = "profiles"`). Places come from the list of positions, where there is one;
/// else the positions in the files are those on the mirror.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfilesRule {
    /// What is made of them.
    pub task: ProfilesTask,
    /// Patterns of the names of backward scans; all others are forward scans. Only for averages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backward: Vec<String>,
    /// How scans are averaged.
    pub average: Averaging,
    /// How profiles are stitched.
    pub stitch: ProfileStitching,
    /// How the instrument is calibrated.
    pub calibrate: MultiPitch,
}

/// A format in which the map is written besides `height.h5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// `height.x3p`, ISO 25178-72.
    X3p,
    /// `height.dat`, Zygo MetroPro.
    Metropro,
    /// `height.csv`, a matrix of heights in nm with its pixel size in the first lines.
    Csv,
    /// `height.xyz`, a line of x, y (mm) and height (nm) for every valid pixel.
    Xyz,
    /// `profile.dat` and `profile.txt`, the mean profile along x as DABAM writes it.
    Dabam,
}

/// What is written besides the files that every run writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputRule {
    /// Other formats of the map, after the steps of `[[after]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<OutputFormat>,
}
