//! Where the programs under test and the shared data are.

use std::path::{Path, PathBuf};

/// The program `name` (`stitchboxd` or `stitchbox`): from `STITCHBOXD_BIN` / `STITCHBOX_BIN`, else from the target
/// folder that holds the running test.
///
/// # Panics
/// When it was not built.
pub fn program(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_uppercase());
    if let Some(path) = std::env::var_os(&variable) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} names {}, which is no file", path.display());
        return path;
    }
    let test = std::env::current_exe().expect("the running program has a path");
    let folder = test.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = profile.join(name);
    assert!(
        path.is_file(),
        "{} was not built: run `make build` (or cargo build -p stitchbox-daemon -p stitchbox-client), or set {variable}",
        path.display()
    );
    path
}

/// The shared real data: `$STITCHBOX_SHARED_DATA`, else `../shared/data` beside the repository, when it is there.
pub fn data_folder() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let found = match std::env::var_os("STITCHBOX_SHARED_DATA") {
        Some(path) => PathBuf::from(path),
        None => repository.parent()?.join("shared/data"),
    };
    found.is_dir().then_some(found)
}
