//! Stitching of one-dimensional profiles (LTP, NOM) and of slope maps (SHARPeR, HASO), and the self-calibration of an
//! angle-measuring instrument from several pitches.
//!
//! * [`average_scans`]: forward and backward scans of one line become one profile, without the scans that disagree.
//! * [`stitch_profiles`]: overlapping profiles, chained or by global least squares, with the instrument's error as a
//!   function of the position in the scan where that is wanted.
//! * [`calibrate_pitches`]: profiles of one mirror at several pitches; the instrument's error as a function of the
//!   *measured angle* is found with the mirror.
//! * [`stitch_slopes`]: slope maps, both axes, chained or by the engine of `stitchbox-stitch`, with the curl test.
//!
//! Units: positions and lengths mm, slopes microradian (= nm/mm), heights nm. Every result lists what its data cannot
//! determine (`shared/facts/stitching.md`, section 3). The results are the same to the last bit for any number of
//! threads. This crate knows no files, no recipes and no users.

mod angle_error;
mod average;
mod chained;
mod chained_maps;
mod curl;
mod declared;
mod error;
mod gauge;
mod joint;
mod pitches;
mod resample;
mod sampled;
mod semidefinite;
mod slope_maps;
mod stitching;
mod variable_projection;

pub use angle_error::AngleError;
pub use average::{Averaged, Averaging, ExcludedScan, average_scans};
pub use curl::{Curl, curl};
pub use error::ProfilesError;
pub use pitches::{MultiPitch, SelfCalibrated, calibrate_pitches};
pub use resample::Interpolation;
pub use slope_maps::{
    PlacedSlopes, SlopeAxis, SlopeMethod, SlopeReference, SlopeStitching, StitchedSlopes, stitch_slopes,
};
pub use stitching::{
    PlacedProfile, ProfileCorrector, ProfileMethod, ProfileReference, ProfileStitching, StitchedProfile,
    stitch_profiles,
};
