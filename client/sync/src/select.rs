//! What takes part: ignore patterns (gitignore syntax) and selective synchronisation.

use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::names::{OWN_FOLDER, PART_PREFIX};

/// Left out unless a pattern of the user takes it in again: litter of desktops and of programs that save.
pub const LITTER: &[&str] = &[
    ".DS_Store",
    "._*",
    "Thumbs.db",
    "desktop.ini",
    ".directory",
    ".Trash-*",
    ".fuse_hidden*",
    ".nfs*",
    "~$*",
    ".~lock.*#",
    ".*.sw?",
    "*.part",
    "*.crdownload",
    ".sync_*.db*",
    "._sync_*.db*",
    ".owncloudsync.log*",
    ".nextcloudsync.log*",
];

/// Which paths take part.
#[derive(Clone, Debug)]
pub struct Selection {
    patterns: Arc<Gitignore>,
    only: Arc<[String]>,
    except: Arc<[String]>,
    /// Ignore files found in folders, the deepest first: the folder's path and its patterns.
    found: Vec<(String, Arc<Gitignore>)>,
}

/// A pattern that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the ignore pattern “{pattern}” cannot be understood ({reason}); patterns are written as in .gitignore")]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// Why.
    pub reason: String,
}

impl Selection {
    /// From patterns of the user (after [`LITTER`]), folders to take alone (empty: everything) and folders to leave out; paths below the
    /// synced folder.
    ///
    /// # Errors
    /// [`BadPattern`]
    pub fn new(patterns: &[String], only: &[String], except: &[String]) -> Result<Self, BadPattern> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in LITTER.iter().copied().chain(patterns.iter().map(String::as_str)) {
            let bad = |error: ignore::Error| BadPattern { pattern: pattern.to_owned(), reason: error.to_string() };
            builder.add_line(None, pattern).map_err(bad)?;
        }
        let bad = |error: ignore::Error| BadPattern { pattern: patterns.join(", "), reason: error.to_string() };
        let clean = |paths: &[String]| paths.iter().map(|path| path.trim_matches('/').to_owned()).collect();
        Ok(Self {
            patterns: Arc::new(builder.build().map_err(bad)?),
            only: clean(only),
            except: clean(except),
            found: Vec::new(),
        })
    }

    /// Adds the text of an ignore file found in `folder`. Lines that cannot be understood are left out and returned.
    pub fn add_file(&mut self, folder: &str, text: &str) -> Vec<String> {
        let mut builder = GitignoreBuilder::new("");
        let bad: Vec<String> =
            text.lines().filter(|line| builder.add_line(None, line).is_err()).map(str::to_owned).collect();
        if let Ok(patterns) = builder.build() {
            self.found.push((folder.to_owned(), Arc::new(patterns)));
            self.found.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        }
        bad
    }

    /// Whether an entry is left out, given that the folder it is in is not.
    pub fn leaves_out(&self, path: &str, folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        if path == OWN_FOLDER || name.starts_with(PART_PREFIX) || !self.is_selected(path, folder) {
            return true;
        }
        for (above, patterns) in &self.found {
            let Some(rest) = below(path, above) else { continue };
            match patterns.matched(Path::new(rest), folder) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        self.patterns.matched(Path::new(path), folder).is_ignore()
    }

    /// Whether an entry or a folder around it is left out.
    pub fn skips(&self, path: &str, folder: bool) -> bool {
        path.match_indices('/').any(|(at, _)| self.leaves_out(path.get(..at).unwrap_or_default(), true))
            || self.leaves_out(path, folder)
    }

    fn is_selected(&self, path: &str, folder: bool) -> bool {
        if self.except.iter().any(|out| below(path, out).is_some() || path == out) {
            return false;
        }
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|only| below(path, only).is_some() || path == only || folder && below(only, path).is_some())
    }
}

/// The part of `path` below `folder`.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn deeper_ignore_files_have_the_last_word() {
        let mut selection = Selection::new(&strings(&["*.log", "/build/"]), &[], &[]).unwrap();
        assert!(selection.leaves_out("a/x.log", false) && selection.leaves_out("build", true));
        assert!(!selection.leaves_out("a/build", true) && selection.skips("build/x", false));
        assert!(selection.add_file("a", "!keep.log\n*.raw\n").is_empty());
        assert!(!selection.leaves_out("a/keep.log", false) && selection.leaves_out("b/keep.log", false));
        assert!(selection.leaves_out("a/b/x.raw", false) && !selection.leaves_out("x.raw", false));
        assert!(selection.leaves_out("x/.DS_Store", false) && selection.leaves_out(OWN_FOLDER, true));
    }

    #[test]
    fn only_some_folders_and_not_some_others() {
        let selection = Selection::new(&[], &strings(&["lab/maps/"]), &strings(&["lab/maps/old"])).unwrap();
        assert!(!selection.skips("lab", true) && selection.skips("lab/notes.txt", false));
        assert!(!selection.skips("lab/maps/x", false) && selection.skips("lab/maps/old/x", false));
        assert!(selection.skips("labor", true));
    }
}
