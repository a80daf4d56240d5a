//! Which local files are sent, and in which order.

use std::fs;
use std::path::{Path, PathBuf};

use stitchbox_recipe::{Completeness, POSITIONS_NAME, RECIPE_NAME, Recipe};
use stitchbox_remote::mtime_ns;

use crate::exit::Failure;

/// Deepest folder that is looked into.
const DEEPEST: usize = 32;

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
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
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
}

/// All files below `folder`, or the one file it is, sorted by name; hidden ones are left out, links are not followed.
pub(crate) fn plan(folder: &Path) -> Result<Vec<LocalFile>, Failure> {
    let mut files = Vec::new();
    if folder.is_file() {
        let (above, name) = (folder.parent().unwrap_or(Path::new("")), folder.file_name().unwrap_or_default());
        walk(if above.as_os_str().is_empty() { Path::new(".") } else { above }, &mut Vec::new(), &mut files)?;
        files.retain(|file| file.path_in_folder.len() == 1 && file.path.file_name() == Some(name));
        return Ok(files);
    }
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
            files.push(LocalFile {
                stage: stage(&name, marker.as_deref()),
                path,
                path_in_folder: names.clone(),
                bytes: metadata.len(),
                mtime_ns: mtime_ns(&metadata),
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
}
