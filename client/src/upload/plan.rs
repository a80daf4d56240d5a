//! Which local files are sent, and in which order.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::Digest as _;
use stitchbox_recipe::{Completeness, POSITIONS_NAME, RECIPE_NAME, Recipe};

use crate::exit::Failure;

/// Deepest folder that is looked into.
const DEEPEST: usize = 32;

/// Kind of checksum sent with each file; the server verifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Checksum {
    /// SHA-256, as in the provenance
    Sha256,
    /// SHA-1, understood by every ownCloud and Nextcloud
    Sha1,
}

/// When a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Recipe and positions.
    First,
    /// Everything else.
    Middle,
    /// The marker that says the series is complete.
    Last,
}

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Folder names and file name below the uploaded folder.
    pub path_in_folder: Vec<String>,
    /// Size, bytes.
    pub bytes: u64,
    /// Modification time, Unix seconds.
    pub modified: Option<i64>,
    /// When it is sent.
    pub stage: Stage,
}

impl LocalFile {
    /// Names of the folders it lies in.
    pub(crate) fn folder(&self) -> &[String] {
        self.path_in_folder.split_last().map_or(&[], |(_, folder)| folder)
    }

    /// Its path below the uploaded folder, for people.
    pub(crate) fn name(&self) -> String {
        self.path_in_folder.join("/")
    }

    /// Its checksum as the header wants it, `SHA256:hex`.
    pub(crate) async fn checksum(&self, kind: Checksum) -> std::io::Result<String> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || checksum(&path, kind)).await.map_err(std::io::Error::other)?
    }
}

/// All files below `folder`, sorted by name; hidden ones are left out, links are not followed.
pub(crate) fn plan(folder: &Path) -> Result<Vec<LocalFile>, Failure> {
    let mut files = Vec::new();
    walk(folder, &mut Vec::new(), &mut files)?;
    files.sort_by(|a, b| a.path_in_folder.cmp(&b.path_in_folder));
    Ok(files)
}

fn walk(folder: &Path, names: &mut Vec<String>, files: &mut Vec<LocalFile>) -> Result<(), Failure> {
    let failed =
        |path: &Path, error: std::io::Error| Failure::failed(format!("{} could not be read: {error}", path.display()));
    let marker = marker(folder);
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(Failure::failed(format!("{} has a name that is not UTF-8; rename it", path.display())));
        };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        names.push(name.clone());
        if kind.is_dir() && names.len() < DEEPEST {
            walk(&path, names, files)?;
        } else if kind.is_file() {
            let metadata = entry.metadata().map_err(|error| failed(&path, error))?;
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            files.push(LocalFile {
                stage: stage(&name, marker.as_deref()),
                path,
                path_in_folder: names.clone(),
                bytes: metadata.len(),
                modified: modified.and_then(|since| i64::try_from(since.as_secs()).ok()),
            });
        }
        names.pop();
    }
    Ok(())
}

fn stage(name: &str, marker: Option<&str>) -> Stage {
    if marker == Some(name) {
        Stage::Last
    } else if name.eq_ignore_ascii_case(RECIPE_NAME) || name.eq_ignore_ascii_case(POSITIONS_NAME) {
        Stage::First
    } else {
        Stage::Middle
    }
}

/// The marker file that the folder's recipe waits for; a recipe that cannot be read is not the upload's business.
fn marker(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(RECIPE_NAME)).ok()?;
    match Recipe::parse(&text).ok()?.series.completeness() {
        Some(Completeness::Marker(name)) => Some(name),
        Some(Completeness::Expected(_) | Completeness::Quiet(_)) | None => None,
    }
}

fn checksum(path: &Path, kind: Checksum) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut hasher = Hasher::new(kind);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}

/// A checksum under way.
pub(super) enum Hasher {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Hasher {
    pub(super) fn new(kind: Checksum) -> Self {
        match kind {
            Checksum::Sha1 => Self::Sha1(sha1::Sha1::new()),
            Checksum::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(piece),
            Self::Sha256(hash) => hash.update(piece),
        }
    }

    /// The checksum as the header wants it, `SHA256:hex`.
    pub(super) fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Sha1(hash) => format!("SHA1:{}", hex(&hash.finalize())),
            Self::Sha256(hash) => format!("SHA256:{}", hex(&hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_goes_last_and_the_recipe_first() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("stitch.toml", "[series]\nmarker = \"_DONE\"\n"), ("_DONE", ""), ("a.dat", "x"), (".hidden", "y")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/b.dat"), "zz").unwrap();
        let files = plan(folder.path()).unwrap();
        let stages: Vec<_> = files.iter().map(|f| (f.name(), f.stage, f.bytes)).collect();
        assert_eq!(
            stages,
            [
                ("_DONE".to_owned(), Stage::Last, 0),
                ("a.dat".to_owned(), Stage::Middle, 1),
                ("stitch.toml".to_owned(), Stage::First, 26),
                ("sub/b.dat".to_owned(), Stage::Middle, 2),
            ]
        );
    }

    #[test]
    fn checksums_are_those_of_the_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(checksum(&path, Checksum::Sha1).unwrap(), "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            checksum(&path, Checksum::Sha256).unwrap(),
            "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
