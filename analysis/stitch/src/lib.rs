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
//! # Frame
//! x runs with the columns, y down the rows; nothing is flipped. Positions in mm become pixels with the pixel size of
//! the first file. A position within 0.02 px of a whole pixel is taken as whole; others are resampled by cubic convolution and
//! named in a warning. Detector windows may differ: all are placed in one camera frame.
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
mod assemble;
mod bands;
mod blocks;
mod cholesky;
mod conclude;
mod conjugate;
mod corrector_matrix;
mod engine;
mod error;
mod gauge;
mod grid;
mod intake;
mod journal;
mod known;
mod layout;
mod line;
mod lonely;
mod memory;
mod normal;
mod observable;
mod options;
mod pass;
mod plane;
mod planes;
mod resample;
mod robust;
mod runs;
mod scratch;
mod smooth;
mod source;
mod stitched;
mod tie;
mod tiles;
mod vectors;
mod watch;
mod weights;

pub use engine::{stitch, stitch_source};
pub use error::StitchError;
pub use memory::{estimate_bytes, estimate_source_bytes};
pub use options::{KnownReference, Options, Placed, Progress, Reference, Scratch, Terms, Weights};
pub use source::{Described, Source};
pub use stitched::{Corrector, NonObservable, Stitched, Warning};
pub use tiles::{StitchedTiles, Tile};
