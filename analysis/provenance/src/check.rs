//! A folder of results on disk against its crate.

use std::path::{Path, PathBuf};

use stitchbox_report::CRATE_NAME;

use crate::hashing::{Fingerprint, fingerprint_of_file};
use crate::result_digest::{RESULT_NAME, result_digest, result_limits};
use crate::run_crate::{CrateError, CrateFile, MAX_CRATE_BYTES, RunCrate};

/// Name of the signature beside the crate.
pub const SIGNATURE_NAME: &str = "ro-crate-metadata.json.jws";
/// How deep folders of results are looked for.
const MOST_LEVELS: usize = 16;
/// Largest `height.h5` whose digest is made again.
const MOST_RESULT_BYTES: u64 = 8 << 30;

/// How a file stands to what the crate says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// SHA-256 and size are those of the crate.
    Good,
    /// It has other bytes.
    Changed {
        /// What it has.
        found: Fingerprint,
    },
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// A file and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What the crate says.
    pub file: CrateFile,
    /// What is so.
    pub state: FileState,
}

/// What was found in one folder of results.
#[derive(Debug, Clone)]
pub struct FolderCheck {
    /// What the crate says.
    pub run_crate: RunCrate,
    /// SHA-256 and size of the crate's metadata file.
    pub metadata: Fingerprint,
    /// The outputs.
    pub outputs: Vec<Checked>,
    /// The inputs, looked for in the folder above. One that is missing there is not wrong: results travel alone, too.
    pub inputs: Vec<Checked>,
    /// The result digest as made again from `height.h5`, or why it could not be; none where the result is no height map.
    pub digest: Option<Result<String, String>>,
    /// What else lies in the folder, by name: the crate does not speak of it, and nothing vouches for it.
    pub others: Vec<String>,
}

impl FolderCheck {
    /// Whether everything that is there is as the crate says, and no output is missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let digest = self.digest.as_ref().is_none_or(|digest| digest.as_ref() == Ok(&self.run_crate.digest));
        let outputs = self.outputs.iter().all(|checked| checked.state == FileState::Good);
        let inputs = self.inputs.iter().all(|checked| matches!(checked.state, FileState::Good | FileState::Missing));
        digest && outputs && inputs
    }
}

/// The folders at or below this one that hold a crate, sorted. Links are not followed; folders that cannot be read are left out.
#[must_use]
pub fn result_folders(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    look(folder, 0, &mut found);
    found.sort();
    found
}

fn look(folder: &Path, level: usize, found: &mut Vec<PathBuf>) {
    let is_file = |name: &str| folder.join(name).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file(CRATE_NAME) {
        found.push(folder.to_owned());
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if level < MOST_LEVELS && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&entry.path(), level + 1, found);
        }
    }
}

/// Checks a folder that holds a crate. Names of the crate are used only if they are names of files within the folder.
///
/// # Errors
/// [`CrateError`] where the crate itself cannot be used.
pub fn check_folder(folder: &Path) -> Result<FolderCheck, CrateError> {
    let path = folder.join(CRATE_NAME);
    let not = |error: std::io::Error| CrateError::NotACrate(error.to_string());
    let metadata = fingerprint_of_file(&path).map_err(not)?;
    if metadata.bytes > MAX_CRATE_BYTES as u64 {
        return Err(CrateError::TooLarge { bytes: usize::try_from(metadata.bytes).unwrap_or(usize::MAX) });
    }
    let run_crate = RunCrate::parse(&std::fs::read(&path).map_err(not)?)?;
    let above = above(folder);
    let check = |folder: &Path, files: &[CrateFile]| -> Vec<Checked> {
        files.iter().map(|file| Checked { state: state(&folder.join(&file.name), file), file: file.clone() }).collect()
    };
    let outputs = check(folder, &run_crate.outputs);
    let inputs = check(&above, &run_crate.inputs);
    let result = outputs.iter().find(|checked| checked.file.name == RESULT_NAME);
    let digest = result.map(|result| {
        // Anything else is not opened: it may be a link to what never ends.
        if result.state != FileState::Good {
            return Err("it is not the file that the crate names".to_owned());
        }
        let path = folder.join(RESULT_NAME);
        if result.file.bytes > MOST_RESULT_BYTES {
            return Err(format!("{RESULT_NAME} is too large to be read"));
        }
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        result_digest(&bytes, &result_limits(bytes.len())).map_err(|error| error.to_string())
    });
    let others = others(folder, &run_crate);
    Ok(FolderCheck { run_crate, metadata, outputs, inputs, digest, others })
}

/// Names in a folder that are neither the crate, its signature nor an output, sorted.
fn others(folder: &Path, run_crate: &RunCrate) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut others: Vec<String> =
        names.filter(|name| name != CRATE_NAME && name != SIGNATURE_NAME && run_crate.output(name).is_none()).collect();
    others.sort();
    others
}

/// The folder above, also of `.` and of a link.
fn above(folder: &Path) -> PathBuf {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.parent().map_or_else(|| folder.join(".."), Path::to_owned)
}

fn state(path: &Path, file: &CrateFile) -> FileState {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return FileState::Missing,
        Err(error) => return FileState::Unreadable { why: error.to_string() },
        // A link or a device is not the file that was measured.
        Ok(metadata) if !metadata.is_file() => return FileState::Unreadable { why: "it is no plain file".to_owned() },
        Ok(_) => {}
    }
    match fingerprint_of_file(path) {
        Err(error) => FileState::Unreadable { why: error.to_string() },
        Ok(found) if found.sha256 == file.sha256 && found.bytes == file.bytes => FileState::Good,
        Ok(found) => FileState::Changed { found },
    }
}
