//! What a result claims about itself, and whether it is so.
//!
//! * [`RunCrate`]: an RO-Crate of ours, read back. It comes from elsewhere: nothing in it is believed, no name of it leads out
//!   of its folder.
//! * [`check_folder`]: a folder of results on disk against its crate: every output, every input that is there, by SHA-256
//!   and size, and the result digest out of `height.h5`.
//! * [`compare`]: two results of one series: identical, agreeing within their uncertainties, or diverged.
//! * [`CrateStatement`], [`Attestation`]: what a site signs. The signatures themselves are `stitchbox-federation`'s.
//!
//! Like the rest of the science this crate knows no users, spaces, SQL or network; times and names are parameters.

mod agreement;
mod check;
mod file_name;
mod hashing;
mod result_digest;
mod run_crate;
mod statement;

pub use agreement::{Agreement, CompareError, LEAST_COMMON, LEAST_WITHIN, Picture, Verdict, compare};
pub use check::{Checked, FileState, FolderCheck, SIGNATURE_NAME, check_folder, result_folders};
pub use file_name::{MAX_NAME, is_file_name};
pub use hashing::{Fingerprint, Hashing, fingerprint_of_file};
pub use result_digest::{DigestError, RESULT_NAME, result_digest, result_limits};
pub use run_crate::{CrateError, CrateFile, MAX_CRATE_BYTES, RunCrate, engine_differs, inputs_digest};
pub use stitchbox_report::CRATE_NAME;

pub use statement::{
    ATTESTATION_TYPE, Attestation, CRATE_TYPE, CrateStatement, Engines, MAX_PICTURE_BYTES, Pair, Repeated,
};
