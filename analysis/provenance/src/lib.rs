#![doc = include_str!("../README.md")]

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
