//! What a caller gives: the placed sub-apertures, the terms to solve for, and a place to report progress.

use stitchbox_surface::{DetectorWindow, HeightMap, Profile, SubAperture};

/// Terms that every sub-aperture may carry on its own, switched on or off for the whole series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// A constant height, nm.
    pub piston: bool,
    /// A slope along x (with the columns), nm/mm.
    pub pitch: bool,
    /// A slope along y (down the rows), nm/mm.
    pub roll: bool,
    /// A power (height growing with the distance from the centre of the camera squared), nm/mm^2. Off by default: with it the
    /// power of the mirror is not observable.
    #[serde(default)]
    pub curvature: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { piston: true, pitch: true, roll: true, curvature: false }
    }
}

/// The additive error that stays in the instrument while the mirror moves.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Reference {
    /// Taken as zero.
    None,
    /// Unknown, one value for every camera pixel, found together with everything else.
    #[default]
    Pixelwise,
    /// Unknown but smooth: 2-D Legendre terms up to degree 9 along x and 3 along y, total degree at least 3.
    Smooth,
    /// Measured before. Its invalid pixels are invalid in every sub-aperture.
    Known(KnownReference),
}

/// A reference measured before, with its place in the camera.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownReference {
    /// Heights, nm, one for each camera pixel; no pixel size means that of the series.
    pub map: HeightMap,
    /// Where its row 0, column 0 lies in the camera frame, in which the detector windows of the series lie too. It
    /// must cover all of those.
    pub window: DetectorWindow,
}

/// How to stitch. The default is the default recipe: all terms, pixel-wise reference, robust.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Terms solved for every sub-aperture.
    pub terms: Terms,
    /// What is known of the reference.
    pub reference: Reference,
    /// Look for outliers that no mask marks, and solve again without them.
    pub robust: bool,
    /// How much each pixel counts.
    pub weights: Weights,
    /// Look for retrace errors: two more maps fixed in the camera, one times the pitch and one times the roll of the sub-aperture as
    /// it was measured (slope of the mirror included). The tilts must vary otherwise than evenly with the position.
    pub retrace: bool,
    /// What to do about a reference that changes with time.
    pub drift: Drift,
    /// Whether the given positions are improved from the data.
    pub refine: Refine,
    /// How far the solver goes: the rms over all data of what is still to be gained, as a fraction of the rms of the residuals.
    /// The default of 1e-6 leaves the map within 1e-4 of the noise of the exact solution; 1e-14 goes as far as rounding lets it.
    pub tolerance: f64,
    /// What does not fit into memory goes here; see [`crate::stitch_source`]. [`crate::stitch`] does not look at it.
    pub scratch: Option<Scratch>,
    /// Angles that another instrument measured at each sub-aperture, in the order of the series; or none at all.
    pub angles: Vec<MeasuredAngles>,
    /// Profiles along x in the mirror frame (x_mm and y_mm as positions), measured with another instrument (LTP, NOM). Each has
    /// a height and a tilt of its own that are not known, so a line determines the power along x (`x^2`). Their `sigma` counts as
    /// white noise of the points; where it is missing, the scatter about the map is taken.
    pub profiles: Vec<Profile>,
    /// The profiles were measured in one go, the mirror not touched in between: they share one unknown tilt. Only
    /// then do two lines at different y determine the twist (`x y`), which on a single line looks like a tilt.
    pub profiles_aligned: bool,
}

/// Angles of one sub-aperture from an autocollimator or inclinometer: (reading, standard uncertainty), microradian. They
/// mean the tilt as it appears in the sub-aperture's heights, up to one unknown constant for all pitches and one for all rolls:
/// where the pitch reading is greater by 1 urad, the heights rise by 1 nm per mm more along +x; where the roll reading is
/// greater by 1 urad, by 1 nm per mm more along +y (down the rows).
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MeasuredAngles {
    /// Tilt along x; `None` where it was not measured.
    pub pitch_urad: Option<(f64, f64)>,
    /// Tilt along y; `None` where it was not measured.
    pub roll_urad: Option<(f64, f64)>,
}

/// Where heights, maps and checkpoints go when a series exceeds the memory allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// An existing folder, for one stitch alone.
    pub folder: std::path::PathBuf,
    /// Memory that the stitch may take, bytes: beyond that estimate the folder is used.
    pub bytes: u64,
}

/// How much each pixel counts in the least-squares sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// All alike.
    #[default]
    Equal,
    /// In proportion to the intensity (or modulation) of the pixel, where files have it: the variance of a phase falls with it.
    /// Divided by the median over the valid pixels of the series. A pixel whose intensity is not known counts like the
    /// median of its file; a file without intensity counts 1 for each pixel.
    Intensity,
}

/// What to do about a reference that changes evenly with time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// Nothing.
    Ignore,
    /// Test for it, and warn when it is there.
    #[default]
    Test,
    /// Solve for one more map fixed in the camera, times the time (or, without time stamps, the number in the series).
    Correct,
}

/// What of the positions is found from the data, beginning with the given ones. Found are differences: the mean shift and the mean
/// rotation of the series are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refine {
    /// Nothing: positions are right as given.
    #[default]
    None,
    /// A shift of each sub-aperture along x and y. The given positions should be right to a pixel or two.
    Offsets,
    /// And a rotation in the plane of the camera.
    OffsetsAndRotation,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            reference: Reference::default(),
            robust: true,
            weights: Weights::default(),
            retrace: false,
            drift: Drift::default(),
            refine: Refine::default(),
            tolerance: 1e-6,
            scratch: None,
            angles: Vec::new(),
            profiles: Vec::new(),
            profiles_aligned: false,
        }
    }
}

/// A sub-aperture with its resolved place: where camera column 0, row 0 looks in the mirror frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The measured map. Its own `position_mm` is not looked at.
    pub sub_aperture: SubAperture,
    /// Mirror x, mm.
    pub x_mm: f64,
    /// Mirror y, mm.
    pub y_mm: f64,
}

/// Hears how far a stitch is, and can end it.
pub trait Progress: Sync {
    /// Called between steps and iterations; `fraction` grows from 0 to 1.
    fn at(&self, fraction: f64, step: &str);
    /// Asked at every iteration; `true` ends the stitch with [`crate::StitchError::Cancelled`].
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing and never cancels.
impl Progress for () {
    fn at(&self, _fraction: f64, _step: &str) {}
}
