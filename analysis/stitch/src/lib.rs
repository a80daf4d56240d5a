//! Stitching: from placed sub-apertures to one map, by global weighted least squares over all overlapping pixels.
//!
//! # Model
//! Sub-aperture k at camera pixel (u, v) reads `map(u + X_k, v + Y_k) + reference(u, v) + piston_k + pitch_k u +
//! roll_k v + noise`. The most likely map, reference and correctors for white noise are found together: the map is
//! eliminated in closed form, the rest is solved by preconditioned conjugate gradients without forming a matrix
//! larger than 3N x 3N.
//!
//! # Conventions
//! What the data cannot determine is fixed by convention and listed in [`Stitched::non_observable`]:
//! * An unknown **reference** carries no tilt, no power (u^2, v^2) and no twist (uv), and, if all motion is along one
//!   line, no function constant along that line (in a pure x-scan: no function of v alone). This holds in the joint
//!   least-squares sense over the camera pixels seen, for those shapes that map and correctors can imitate with the
//!   terms that are switched on. What is taken from the reference goes into the map.
//! * If all steps are multiples of g pixels, reference content that repeats with g is not observable. A smooth
//!   reference is found first and the pixel-wise one starts from it: of what repeats, only the smooth part is kept. If
//!   the steps are nearly so, the pixel-wise one is drawn towards it besides, by a thousandth of a measurement.
//! * The **map** then carries no piston and no tilt: the least-squares plane over its valid pixels is taken off, as far
//!   as it is free (without a pitch term and with a known reference, for instance, the tilt along x is measured and stays).
//!
//! # Measured angles and profiles
//! Pitch and roll measured at every sub-aperture, and profiles of an LTP or NOM, determine power and twist ("mixed stitching"):
//! [`Options::angles`], [`Options::profiles`]. They enter as rows of one least-squares problem with the solved series, weighted by
//! their uncertainties, with unknown offsets of their own. What they determine is listed in [`Stitched::constraints`] with its
//! uncertainty, and is no longer in [`Stitched::non_observable`]; the reference then keeps what is its own. Angles and profiles
//! that contradict each other or the series raise a warning.
//!
//! # How sure
//! [`Stitched::uncertainty_nm`] tells each pixel's standard uncertainty from random noise, [`Stitched::profile_covariance`] that of the
//! long waves, [`Corrector::uncertainty`] that of piston, pitch and roll: all without the shapes declared as not observable. They
//! follow from the noise (residuals, degrees of freedom counted), the diagonal of the reference's normal matrix and the inverse
//! of the correctors'; with ten sub-apertures and fewer the solver is run on simulated noise besides, which tells by how much
//! that is too little.
//!
//! # Frame
//! x runs with the columns, y down the rows; nothing is flipped. Positions in mm become pixels with the pixel size of
//! the first file. A position within 0.02 px of a whole pixel is taken as whole; others are interpolated within
//! the model, which moves neither masks nor noise, and named in a warning. Detector windows may differ: all are placed in one camera frame.
//!
//! # Weights, power, tolerance
//! * [`Weights::Intensity`] makes bright pixels count more; the noise is then that of a pixel of weight 1 (the median intensity).
//! * [`Terms::curvature`] lets every sub-aperture carry power. Then the power x^2 + y^2 of the map is free and taken off, and in a
//!   scan along one line so is the cubic t^3/3 + t n^2 of the reference (t along the line, n across).
//! * [`Options::tolerance`] says how far the solver goes, measured against the residuals that noise leaves.
//!
//! # Beyond memory
//! [`stitch_source`] reads a series map by map. Beyond the bound in [`Options::scratch`] heights and result maps lie in files, read in the
//! order of the map's rows; in memory stay the vectors of the camera frame, the runs of valid pixels (8 bytes for each), and 2 bytes for
//! each pixel of the map. Checkpoints let a stitch that was ended from outside go on. The bits are those of [`stitch`].
//!
//! # Same bits everywhere
//! Sums run in an order fixed by the data, whatever the number of threads; no fused multiply-add, no kernel chosen by
//! the processor; transcendental functions come from `libm`.
//!
//! This crate knows no files, no recipes and no users.

mod additive;
mod alignment;
mod angles;
mod assemble;
mod bands;
mod between;
mod blocks;
mod cells;
mod certainty;
mod cholesky;
mod conclude;
mod conjugate;
mod constraints;
mod corrector_matrix;
mod engine;
mod error;
mod error_bars;
mod fringes;
mod gauge;
mod grid;
mod intake;
mod interpolation;
mod joint;
mod journal;
mod judge;
mod known;
mod layout;
mod line;
mod lonely;
mod loose;
mod memory;
mod neighbours;
mod normal;
mod observable;
mod options;
mod pass;
mod plane;
mod planes;
mod pose;
mod probe;
mod profile_rows;
mod refine;
mod robust;
mod rounds;
mod runs;
mod scratch;
mod shapes;
mod sheet;
mod slopes;
mod smooth;
mod source;
mod stitched;
mod systematic;
mod tie;
mod tiles;
mod vectors;
mod watch;
mod weights;

pub use engine::{stitch, stitch_source};
pub use error::StitchError;
pub use memory::{estimate_bytes, estimate_source_bytes};
pub use options::{
    Drift, KnownReference, MeasuredAngles, Options, Placed, Progress, Reference, Refine, Scratch, Terms, Weights,
};
pub use source::{Described, Source};
pub use stitched::{
    Constraint, Corrector, CorrectorUncertainty, Digester, NonObservable, ProfileCovariance, Stitched, Warning,
};
pub use tiles::{StitchedTiles, Tile};
