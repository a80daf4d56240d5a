//! Deleting from the instrument what is safe on the server.
//!
//! A file goes only if the server says that it is safe (durable, verified, its folder not still arriving), the server's
//! SHA-256 is that of the bytes here, read now, and the file did not change meanwhile. It is moved aside before it is read
//! for the last time, so that what an instrument writes under its name afterwards is another file and stays.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use stitchbox_remote::{Connection, FileSafety, Place, Space, WireError, mtime_ns, sha256_of};

use crate::exit::Failure;
use crate::push::Args;
use crate::push::plan::{LocalFile, plan};

/// Name of a file that is about to be deleted: hidden, so nothing pushes it.
const ASIDE: &str = ".stitchbox-leaving";

/// Names of what was deleted, and names with reasons of what was not.
type Released = (Vec<String>, Vec<(String, String)>);

/// Deletes the local files that are safe.
pub(super) async fn release(
    args: &Args,
    connection: &Connection,
    place: &Place,
    space: Option<&Space>,
) -> Result<Released, Failure> {
    const NO_PROMISE: &str = "this server does not say what is safe to delete; nothing was deleted here";
    let Some(space) = space else { return Err(Failure::failed(NO_PROMISE)) };
    let path = format!("/{}", place.path);
    let safety = match connection.safety(&space.id, &path, args.verify).await {
        Ok(safety) => safety,
        Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => return Err(Failure::failed(NO_PROMISE)),
        Err(error) => return Err(Failure::request(NO_PROMISE, &error)),
    };
    let words: HashMap<&str, &FileSafety> =
        safety.items.iter().filter_map(|item| Some((below_top(&item.path, &path)?, item))).collect();
    let files = plan(&args.local)?;
    let (mut released, mut kept) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.name();
        let why = match words.get(name.as_str()) {
            None => Err("the server does not have it".to_owned()),
            Some(word) if !word.safe => Err(reason(word.reason.as_deref(), safety.reason.as_deref())),
            Some(word) => {
                let (word, least_age) = ((*word).clone(), Duration::from_secs(args.min_age));
                let done = tokio::task::spawn_blocking(move || delete_if_same(&file, &word, least_age)).await;
                done.unwrap_or_else(|error| Err(error.to_string()))
            }
        };
        match why {
            Ok(()) => released.push(name),
            Err(why) => kept.push((name, why)),
        }
    }
    Ok((released, kept))
}

fn reason(of_file: Option<&str>, of_folder: Option<&str>) -> String {
    of_file.or(of_folder).unwrap_or("the server does not call it safe").to_owned()
}

/// The path below the folder asked about.
fn below_top<'a>(path: &'a str, top: &str) -> Option<&'a str> {
    path.strip_prefix(top.trim_end_matches('/'))?.strip_prefix('/')
}

/// Deletes a file whose bytes are the server's; otherwise it is as before.
fn delete_if_same(file: &LocalFile, word: &FileSafety, least_age: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let before = fs::symlink_metadata(&file.path).map_err(failed)?;
    let age = before.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    if age.is_none_or(|age| age < least_age) {
        return Err(format!("it changed within the last {} s", least_age.as_secs()));
    }
    if (before.len(), mtime_ns(&before)) != (file.bytes, file.mtime_ns) {
        return Err("it changed meanwhile".to_owned());
    }
    let aside = aside(&file.path).ok_or("it has no name")?;
    if aside.exists() {
        return Err(format!("{} is in the way", aside.display()));
    }
    fs::rename(&file.path, &aside).map_err(failed)?;
    let verdict = judge(&aside, &before, word).and_then(|()| fs::remove_file(&aside).map_err(failed));
    if verdict.is_err() {
        put_back(&aside, &file.path)?;
    }
    verdict
}

fn judge(aside: &Path, before: &fs::Metadata, word: &FileSafety) -> Result<(), String> {
    let (sha256, size) = sha256_of(aside).map_err(|error: WireError| error.to_string())?;
    if word.sha256 != Some(sha256) || word.size.is_some_and(|told| told != size) {
        return Err("the server has another content".to_owned());
    }
    let now = fs::symlink_metadata(aside).map_err(|error| error.to_string())?;
    let same = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino(), metadata.len(), mtime_ns(metadata));
    if same(&now) == same(before) { Ok(()) } else { Err("it changed meanwhile".to_owned()) }
}

/// Under its own name again, unless another file has that by now.
fn put_back(aside: &Path, path: &Path) -> Result<(), String> {
    match fs::hard_link(aside, path) {
        Ok(()) => fs::remove_file(aside).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(format!("a new file has its name; the one before is {}", aside.display()))
        }
        // no hard links here (FAT, some network drives)
        Err(_) if !path.exists() => fs::rename(aside, path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn aside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    Some(path.with_file_name(format!(".{name}{ASIDE}")))
}

/// Gives files their names back that a push was about to delete when it was killed.
pub(super) fn bring_back(folder: &Path) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        let kind = entry.file_type();
        if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
            bring_back(&path)?;
        } else if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(ASIDE))
            && let Some(name) = name.strip_prefix('.')
        {
            put_back(&path, &path.with_file_name(name))
                .map_err(|why| Failure::failed(format!("{}: {why}; look at both files", path.display())))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::plan::Stage;
    use stitchbox_sync::digest::Sha256;

    fn file(folder: &Path, content: &str) -> LocalFile {
        let path = folder.join("a.dat");
        fs::write(&path, content).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        LocalFile {
            path,
            path_in_folder: vec!["a.dat".to_owned()],
            bytes: metadata.len(),
            mtime_ns: mtime_ns(&metadata),
            stage: Stage::Middle,
        }
    }

    fn word(content: &str) -> FileSafety {
        let sha256 = Some(Sha256::of(content.as_bytes()));
        FileSafety { path: "/m/a.dat".to_owned(), safe: true, sha256, size: None, reason: None }
    }

    #[test]
    fn only_the_very_same_bytes_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "measured");
        assert!(delete_if_same(&here, &word("other"), Duration::ZERO).is_err());
        assert_eq!(fs::read_to_string(&here.path).unwrap(), "measured");
        assert!(delete_if_same(&here, &word("measured"), Duration::from_secs(60)).unwrap_err().contains("60 s"));
        assert!(delete_if_same(&here, &word("measured"), Duration::ZERO).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_changed_since_it_was_planned_stays() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "measured");
        fs::write(&here.path, "measured and more").unwrap();
        assert!(delete_if_same(&here, &word("measured and more"), Duration::ZERO).is_err());
        assert!(here.path.exists());
    }

    #[test]
    fn what_was_aside_when_killed_comes_back_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let here = file(folder.path(), "measured");
        fs::rename(&here.path, aside(&here.path).unwrap()).unwrap();
        bring_back(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&here.path).unwrap(), "measured");
        fs::rename(&here.path, aside(&here.path).unwrap()).unwrap();
        fs::write(&here.path, "new").unwrap();
        assert!(bring_back(folder.path()).is_err());
        assert_eq!(fs::read_to_string(&here.path).unwrap(), "new");
        assert_eq!(fs::read_to_string(aside(&here.path).unwrap()).unwrap(), "measured");
    }

    #[test]
    fn paths_are_those_below_the_folder_asked_about() {
        assert_eq!(below_top("/m/a/b", "/m"), Some("a/b"));
        assert_eq!(below_top("/a", "/"), Some("a"));
        assert_eq!(below_top("/mm/a", "/m"), None);
    }
}
