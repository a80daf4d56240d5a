//! Changes of the local folder: each atomic, none over something reconcile has not seen.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::local::{LocalTree, Stamp};
use crate::names::PART_PREFIX;
use crate::scan::stamp_of;
use crate::select::Selection;

/// Why a local change was not made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Somebody changed it since the scan.
    #[error("it changed on this computer in the meantime; it is looked at again in the next round")]
    Changed,
    /// The disk is full.
    #[error("the local disk is full; free some room, then it goes on by itself")]
    Full,
    /// The file system refuses.
    #[error("the local file system refuses: {0}")]
    Refused(#[from] io::Error),
}

impl PlaceError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => Self::Changed,
            _ => Self::Refused(error),
        }
    }
}

/// The present stamp; `None` when nothing is there.
pub fn stamp_at(path: &Path) -> Option<Stamp> {
    fs::symlink_metadata(path).ok().map(|metadata| stamp_of(&metadata))
}

/// Makes a folder where nothing is.
///
/// # Errors
/// [`PlaceError`]
pub fn make_folder(path: &Path) -> Result<Stamp, PlaceError> {
    fs::create_dir(path).map_err(PlaceError::of)?;
    stamp_at(path).ok_or(PlaceError::Changed)
}

/// Renames where nothing is; `inode` must be what is moved.
///
/// # Errors
/// [`PlaceError`]
pub fn relocate(from: &Path, to: &Path, inode: u64) -> Result<(), PlaceError> {
    if stamp_at(from).is_none_or(|stamp| stamp.inode != inode) {
        return Err(PlaceError::Changed);
    }
    rename_new(from, to).map_err(PlaceError::of)?;
    sync_folder(to.parent());
    sync_folder(from.parent());
    Ok(())
}

/// What a finished download replaces.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The local file as reconcile saw it.
    pub stamp: Stamp,
    /// Keep it beside under this path.
    pub keep_as: Option<PathBuf>,
}

/// Puts a finished download (its bytes are all in `temp`) in its place: mtime, fsync, then one rename. The folder is not fsynced
/// ([`sync_folder`]; a round does it once for many files, before the journal hears of it).
///
/// # Errors
/// [`PlaceError`]; the target is then as it was, and `temp` still there.
pub fn put(temp: &Path, target: &Path, mtime_ns: i64, replaced: Option<&Replaced>) -> Result<Stamp, PlaceError> {
    let file = File::options().write(true).open(temp).map_err(PlaceError::of)?;
    file.set_modified(time_of(mtime_ns)).map_err(PlaceError::of)?;
    file.sync_all().map_err(PlaceError::of)?;
    let stamp = stamp_of(&file.metadata().map_err(PlaceError::of)?);
    let Some(replaced) = replaced else {
        rename_new(temp, target).map_err(PlaceError::of)?;
        return Ok(stamp);
    };
    let before = fs::symlink_metadata(target).map_err(PlaceError::of)?;
    if stamp_of(&before) != replaced.stamp {
        return Err(PlaceError::Changed);
    }
    let _ = file.set_permissions(before.permissions());
    if let Some(copy) = &replaced.keep_as {
        keep_beside(target, copy)?;
    }
    exchange(temp, target, replaced)?;
    Ok(stamp)
}

/// The file's content under a second name: a hard link, or a copy where the file system has none.
fn keep_beside(target: &Path, copy: &Path) -> Result<(), PlaceError> {
    if fs::hard_link(target, copy).is_ok() {
        return Ok(());
    }
    if copy.symlink_metadata().is_ok() {
        return Err(PlaceError::Changed);
    }
    let half = part_beside(copy, "copy");
    let finished = fs::copy(target, &half).and_then(|_| {
        let modified = fs::metadata(target)?.modified()?;
        let file = File::options().write(true).open(&half)?;
        file.set_modified(modified)?;
        file.sync_all()?;
        rename_new(&half, copy)
    });
    if finished.is_err() {
        let _ = fs::remove_file(&half);
    }
    finished.map_err(PlaceError::of)
}

/// Exchanges both names in one step, looks at what came out, and puts it back if it is not what was to be replaced.
fn exchange(temp: &Path, target: &Path, replaced: &Replaced) -> Result<(), PlaceError> {
    match renameat_with(CWD, temp, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => {
            if stamp_at(temp) != Some(replaced.stamp) {
                // written to between the look and the exchange
                renameat_with(CWD, temp, CWD, target, RenameFlags::EXCHANGE)
                    .map_err(|error| PlaceError::of(error.into()))?;
                return Err(PlaceError::Changed);
            }
            fs::remove_file(temp).map_err(PlaceError::of)
        }
        Err(rustix::io::Errno::NOENT) => Err(PlaceError::Changed),
        Err(_) => replace_unchanged(temp, target, replaced),
    }
}

/// Where two names cannot be exchanged (NFS, exFAT): the last look comes right before the rename, for a copy kept beside may have
/// taken long.
fn replace_unchanged(temp: &Path, target: &Path, replaced: &Replaced) -> Result<(), PlaceError> {
    if stamp_at(target) != Some(replaced.stamp) {
        return Err(PlaceError::Changed);
    }
    fs::rename(temp, target).map_err(PlaceError::of)
}

/// Takes away what a crash left under the name of a part and what must not be written to: a second name of a conflict copy (the
/// exchange was done, its end was not), or no file at all.
pub fn vacate(part: &Path) {
    use std::os::unix::fs::MetadataExt;
    if fs::symlink_metadata(part).is_ok_and(|metadata| !metadata.is_file() || metadata.nlink() > 1) {
        let _ = fs::remove_file(part);
    }
}

/// A rename that never replaces.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() && fs::canonicalize(from).ok() != fs::canonicalize(to).ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        // `a` to `A` where both are one name: the file system says "exists", of the file itself
        Err(rustix::io::Errno::EXIST) if stamp_at(from).is_some() && stamp_at(from) == stamp_at(to) => {
            fs::rename(from, to)
        }
        other => other.map_err(io::Error::from),
    }
}

/// Makes names in a folder durable.
pub fn sync_folder(folder: Option<&Path>) {
    if let Some(folder) = folder.and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}

/// The name of an unfinished download of one version, beside its target.
pub fn part_beside(target: &Path, version: &str) -> PathBuf {
    let hash = crate::digest::Sha256::of(version.as_bytes()).to_string();
    let name = target.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    let own = crate::digest::Sha256::of(name.as_bytes()).to_string();
    let part = format!("{PART_PREFIX}{}{}", hash.get(..16).unwrap_or_default(), own.get(..8).unwrap_or_default());
    target.with_file_name(part)
}

fn time_of(mtime_ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(mtime_ns.unsigned_abs());
    if mtime_ns >= 0 { SystemTime::UNIX_EPOCH + distance } else { SystemTime::UNIX_EPOCH - distance }
}

/// Where and how deleted items go.
#[derive(Clone, Debug)]
pub struct Trash {
    /// The synced folder.
    pub root: PathBuf,
    /// The folder of this pass inside `.stitchbox/trash`; `None`: nothing is kept.
    pub bin: Option<PathBuf>,
}

impl Trash {
    /// Takes away one entry of the scan with everything below it, if nothing in it is other than the scan saw.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub fn take(&self, path: &str, entry: u32, tree: &LocalTree, selection: &Selection) -> Result<(), PlaceError> {
        let from = self.root.join(path);
        let seen = tree.entries.get(entry as usize).ok_or(PlaceError::Changed)?;
        let Some(now) = stamp_at(&from) else { return Ok(()) };
        if now != seen.stamp {
            return Err(PlaceError::Changed);
        }
        let is_folder = seen.kind == crate::local::LocalKind::Folder;
        if is_folder {
            nothing_unseen(&from, path, &below(tree, entry), selection)?;
        }
        let Some(bin) = &self.bin else {
            let removed = if is_folder { remove_seen(&from, &below(tree, entry)) } else { fs::remove_file(&from) };
            return removed.map_err(PlaceError::of);
        };
        let mut to = bin.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(PlaceError::of)?;
        }
        let mut number = 1;
        while to.symlink_metadata().is_ok() {
            number += 1;
            to = bin.join(format!("{path} ({number})"));
        }
        fs::rename(&from, &to).map_err(PlaceError::of)?;
        sync_folder(to.parent());
        sync_folder(from.parent());
        Ok(())
    }
}

type Seen<'a> = std::collections::HashMap<String, (crate::local::LocalKind, Stamp)>;

/// What the scan saw below an entry, by path below it.
fn below(tree: &LocalTree, top: u32) -> Seen<'_> {
    let mut paths: std::collections::HashMap<u32, String> = [(top, String::new())].into_iter().collect();
    let mut seen = Seen::new();
    for (index, entry) in (0_u32..).zip(&tree.entries).skip(top as usize + 1) {
        let Some(above) = paths.get(&entry.parent) else { continue };
        let path = if above.is_empty() { entry.name.to_string() } else { format!("{above}/{}", entry.name) };
        seen.insert(path.clone(), (entry.kind, entry.stamp));
        paths.insert(index, path);
    }
    seen
}

/// Removes for good what was synchronised. What takes no part is on no server: it stays, and the folders around it.
fn remove_seen(folder: &Path, seen: &Seen<'_>) -> io::Result<()> {
    let mut paths: Vec<_> = seen.iter().collect();
    paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.matches('/').count()));
    let top = (String::new(), (crate::local::LocalKind::Folder, Stamp::default()));
    for (path, (kind, _)) in paths.into_iter().chain([(&top.0, &top.1)]) {
        let path = if path.is_empty() { folder.to_owned() } else { folder.join(path) };
        let removed = match kind {
            crate::local::LocalKind::Folder => fs::remove_dir(&path),
            crate::local::LocalKind::File => fs::remove_file(&path),
            crate::local::LocalKind::Special | crate::local::LocalKind::Blind => continue,
        };
        match removed {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files the scan did not see may have come since: then the folder is not taken away.
fn nothing_unseen(folder: &Path, path: &str, seen: &Seen<'_>, selection: &Selection) -> Result<(), PlaceError> {
    let mut open = vec![String::new()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(folder.join(&here)).map_err(PlaceError::of)? {
            let entry = entry.map_err(PlaceError::of)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inside = if here.is_empty() { name } else { format!("{here}/{name}") };
            let metadata = entry.metadata().map_err(PlaceError::of)?;
            match seen.get(&inside) {
                Some((crate::local::LocalKind::Special, _)) => {}
                Some((_, stamp)) if *stamp == stamp_of(&metadata) => {
                    if metadata.is_dir() {
                        open.push(inside);
                    }
                }
                None if selection.leaves_out(&format!("{path}/{inside}"), metadata.is_dir()) => {}
                _ => return Err(PlaceError::Changed),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
