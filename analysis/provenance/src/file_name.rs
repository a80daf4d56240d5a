//! Which names of a crate are names of files, and nothing more.

/// Most bytes of a name.
pub const MAX_NAME: usize = 255;

/// Whether a name from elsewhere may be joined to a folder: one component, no way up, nothing a terminal would obey.
///
/// A backslash separates on Windows, a colon names a drive or a stream there; where they are ordinary letters the file can
/// still be checked by hand.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let separates = |c: char| matches!(c, '/' | '\\') || c.is_control();
    let drive = cfg!(windows) && name.contains(':');
    !name.is_empty() && name.len() <= MAX_NAME && name != "." && name != ".." && !name.contains(separates) && !drive
}

#[cfg(test)]
mod tests {
    use super::is_file_name;

    #[test]
    fn only_names_within_the_folder_pass() {
        for good in ["height.h5", "sub 01 µ.dat", "..dat", ".hidden", "a:b"] {
            assert!(is_file_name(good), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", ".", "..", "/etc/passwd", "../x", "a/b", "a\\b", "a\0", "a\u{1b}[2J", "\n", long.as_str()] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }
}
