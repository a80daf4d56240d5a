//! Names: of conflict copies, of our own temporary files, and those a local file system cannot carry.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// The folder of the journal inside the synced folder; never synchronised.
pub const OWN_FOLDER: &str = ".stitchbox";
/// The file with ignore patterns (gitignore syntax) inside synced folders; synchronised like any other.
pub const IGNORE_FILE: &str = ".stitchboxignore";
/// A download under way; hidden from the scan, refused from the server.
pub const PART_PREFIX: &str = ".~stitchbox-part-";
/// An item that stepped aside while two exchange their names; counts as being where it was.
pub const MOVING_PREFIX: &str = ".~stitchbox-moving-";
/// Bytes in a name.
const LONGEST: usize = 255;

/// What the local file system tells apart; probed by the engine, a parameter of reconcile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalNames {
    /// `A` and `a` are one name.
    pub folds_case: bool,
    /// `é` composed and decomposed are one name.
    pub folds_unicode: bool,
    /// The names Windows and FAT refuse cannot be written (`\ : ? * " < > |`, a dot or blank at the end, `CON`…).
    pub windows: bool,
}

impl LocalNames {
    /// Equal for names the file system takes for the same one.
    pub fn key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if !self.folds_case && (!self.folds_unicode || name.is_ascii()) {
            return Cow::Borrowed(name);
        }
        if name.is_ascii() {
            return Cow::Owned(name.to_ascii_lowercase());
        }
        let composed: String = if self.folds_unicode { name.nfc().collect() } else { name.to_owned() };
        Cow::Owned(if self.folds_case { composed.to_lowercase().nfc().collect() } else { composed })
    }

    /// Why a name from the server cannot be written here; `None` when it can.
    pub fn refuses(&self, name: &str, at_the_top: bool) -> Option<&'static str> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Some("this is no name for a file");
        }
        if name.len() > LONGEST {
            return Some("the name is longer than 255 bytes");
        }
        if at_the_top && self.key(name) == OWN_FOLDER {
            return Some("the name is that of the journal's folder");
        }
        if name.starts_with(PART_PREFIX) {
            return Some("the name is that of an unfinished download");
        }
        if self.windows && refused_by_windows(name) {
            return Some("the local file system does not allow this name");
        }
        None
    }
}

fn refused_by_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    device
        || name.ends_with(['.', ' '])
        || name.chars().any(|c| c < ' ' || matches!(c, '\\' | ':' | '?' | '*' | '"' | '<' | '>' | '|'))
}

/// `name (conflict 2026-11-20 08-15 HOST).ext`, shortened to fit 255 bytes; `number` from 2 on is written behind the host.
pub fn conflict_name(name: &str, when: &str, host: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    let mark =
        if number < 2 { format!(" (conflict {when} {host})") } else { format!(" (conflict {when} {host} {number})") };
    let room = LONGEST.saturating_sub(mark.len() + extension.len());
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}{extension}", stem.get(..end).unwrap_or_default())
}

/// Whether `copy` is a conflict copy of `name`, whoever made it.
pub fn is_conflict_of(copy: &str, name: &str) -> bool {
    let (stem, extension) = split(name);
    copy.strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(extension))
        .is_some_and(|mark| mark.starts_with(" (conflict ") && mark.ends_with(')'))
}

/// Stem and extension with its dot; an extension has at most 15 bytes, and a leading dot begins none.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_copy_keeps_its_extension_and_fits() {
        let copy = conflict_name("map.dat", "2026-11-20 08-15", "lab", 1);
        assert_eq!(copy, "map (conflict 2026-11-20 08-15 lab).dat");
        assert!(is_conflict_of(&copy, "map.dat"));
        assert!(!is_conflict_of("map.dat", "map.dat"));
        assert_eq!(conflict_name(".bashrc", "t", "h", 2), ".bashrc (conflict t h 2)");
        let long = conflict_name(&format!("{}.txt", "ä".repeat(125)), "2026-11-20 08-15", "lab", 1);
        assert!(long.len() <= 255 && long.ends_with("lab).txt"), "{long}");
    }

    #[test]
    fn names_are_one_where_the_file_system_says_so() {
        let exact = LocalNames::default();
        assert_ne!(exact.key("A"), exact.key("a"));
        let folding = LocalNames { folds_case: true, folds_unicode: true, windows: false };
        assert_eq!(folding.key("Stra\u{df}E.TXT"), folding.key("stra\u{df}e.txt"));
        assert_eq!(folding.key("e\u{301}"), folding.key("\u{c9}"));
    }

    #[test]
    fn what_would_leave_the_folder_is_no_name() {
        let names = LocalNames::default();
        for name in ["", ".", "..", "a/b", "a\0b", "../x"] {
            assert!(names.refuses(name, false).is_some(), "{name:?}");
        }
        assert!(names.refuses(OWN_FOLDER, true).is_some());
        assert!(names.refuses(OWN_FOLDER, false).is_none());
        assert!(names.refuses("a:b", false).is_none());
        let windows = LocalNames { windows: true, ..names };
        for name in ["a:b", "x.", "con.txt", "LPT1"] {
            assert!(windows.refuses(name, false).is_some(), "{name:?}");
        }
    }
}
