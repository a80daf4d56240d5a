//! From a folder's files to a result: the recipe, the roles of files, their positions, and the run.
//!
//! [`run`] is the one door: files in (by path, with the SHA-256 the caller knows them by), outputs in memory out, or a
//! [`RunFailure`] whose message a person can act on. This crate knows no users, spaces, SQL or async code; time, agent
//! and site are parameters.

mod classify;
mod context;
mod digest;
mod failure;
mod identity;
mod list;
mod memory;
mod positions;
mod read;
mod recipe;
mod run;
mod size;

pub use classify::{POSITIONS_NAME, RECIPE_NAME, Role, classify, positions_among, recipe_among};
pub use context::{Clock, ENGINE_REVISION, ENGINE_VERSION, InputFile, RecipeOrigin, RunContext};
pub use failure::{FailureKind, RunFailure};
pub use identity::{recipe_hash, run_identity};
pub use list::ListError;
pub use memory::estimate_bytes;
pub use positions::PositionsFile;
pub use recipe::{
    BandRms, CompareWith, Completeness, DriftChoice, FileName, OutputFormat, OutputRule, PixelMm, Place, PositionRule,
    PositionSource, ProfileRule, ProfilesRule, ProfilesTask, Quiet, Recipe, RecipeError, ReferenceChoice, RefineChoice,
    Restart, SeriesKind, SeriesRule, Step, StitchRule, Term, WeightChoice, reference_page, schema, step_names,
};
pub use run::{RunOutput, run};
pub use size::{SizeError, parse_size};

pub use stitchbox_report::{OutputFile, UnixTime};
pub use stitchbox_stitch::Progress;
