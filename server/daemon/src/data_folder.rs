//! The data folder: what lies where, and which process may do what in it.
//!
//! `metadata.sqlite` (unless PostgreSQL), `blobs/` and `staging/` (unless S3), `scratch/` of the workers,
//! `secrets/token.key`, `admin.sock` of the running server, `serve.lock`, `staging.lock`.

use crate::failure::Failure;
use rustix::fs::{FlockOperation, Mode, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The embedded database.
pub const DATABASE_FILE: &str = "metadata.sqlite";
/// Bytes of the key that signs tokens.
const KEY_BYTES: usize = 32;
/// Most bytes of a file that holds a secret.
const SECRET_BYTES: u64 = 4096;

/// The data folder of this process.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// Held while this process uses something of the data folder.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl DataFolder {
    /// Makes the folder if it is missing. Everything this process makes from now on is for its user alone. A folder of
    /// another user is refused: what root writes into it the server's own user could not read afterwards.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        make_folder(path)?;
        let path = path.canonicalize().map_err(Failure::file("cannot find the data folder", path))?;
        // What an order run by root wrote here, the server could not write to any more. A folder that holds nothing yet
        // may be anybody's.
        if let Ok(database) = path.join(DATABASE_FILE).metadata() {
            same_user(&path, database.uid(), rustix::process::geteuid().as_raw())?;
        }
        warn_if_readable(&path);
        Ok(Self { path })
    }

    /// The folder itself; blobs lie below it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Address of the embedded database.
    #[must_use]
    pub fn sqlite_url(&self) -> String {
        let path = self.path.join(DATABASE_FILE).to_string_lossy().into_owned();
        let encoded = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        format!("sqlite://{encoded}")
    }

    /// Where the running server takes orders.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join("admin.sock")
    }

    /// Files of runs while they are computed.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// The right to serve this folder; at most one process has it.
    pub fn serve(&self) -> Result<Held, Failure> {
        let file = self.lock_file("serve.lock")?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Held(file)),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Err(Failure::Served(self.path.clone())),
            Err(error) => Err(Failure::file("cannot lock", self.path.join("serve.lock"))(error.into())),
        }
    }

    /// Joins those who write below `staging/` and `scratch/`. The first one clears away what an earlier life left there:
    /// then, and only then, nothing in there belongs to anybody.
    pub fn write_blobs(&self, clear: impl FnOnce() -> Result<(), Failure>) -> Result<Held, Failure> {
        let file = self.lock_file("staging.lock")?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            clear()?;
            empty(&self.scratch()).map_err(Failure::file("cannot clear", self.scratch()))?;
        }
        // Giving up one for the other is not one step, but whoever slips in between finds nothing of ours yet.
        flock(&file, FlockOperation::LockShared)
            .map_err(|error| Failure::file("cannot lock", self.path.join("staging.lock"))(error.into()))?;
        make_folder(&self.scratch())?;
        Ok(Held(file))
    }

    fn lock_file(&self, name: &str) -> Result<File, Failure> {
        let path = self.path.join(name);
        let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        file.map_err(Failure::file("cannot make", path))
    }

    /// The key that signs tokens; made at the first start.
    pub fn token_key(&self) -> Result<Vec<u8>, Failure> {
        let folder = self.path.join("secrets");
        make_folder(&folder)?;
        warn_if_readable(&folder);
        let path = folder.join("token.key");
        if !path.exists() {
            let mut key = [0u8; KEY_BYTES];
            getrandom::fill(&mut key).map_err(Failure::other("the system gives no random numbers"))?;
            write_once(&folder, &path, &key).map_err(Failure::file("cannot write", &path))?;
        }
        read_key(&path)
    }
}

/// A key from a file: at least 32 bytes.
pub fn read_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let key = read_secret(path)?;
    if key.len() < KEY_BYTES {
        let reason = format!("{} holds {} bytes and needs at least {KEY_BYTES}", path.display(), key.len());
        return Err(Failure::Other { doing: "the key that signs tokens cannot be used", reason });
    }
    Ok(key)
}

/// The bytes of a file that holds a secret. An empty one, and one that must be something else, is refused.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut secret = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_BYTES + 1).read_to_end(&mut secret));
    read.map_err(Failure::file("cannot read", path))?;
    let refused = |why: &str| {
        let reason = format!("{} {why}", path.display());
        Err(Failure::Other { doing: "a file that should hold a secret cannot be used", reason })
    };
    if secret.trim_ascii().is_empty() {
        return refused("is empty");
    }
    if secret.len() as u64 > SECRET_BYTES {
        return refused("is longer than 4096 bytes, which no secret of ours is");
    }
    warn_if_readable(path);
    Ok(secret)
}

/// Others on this machine may read it. Whoever set it up so may have a reason; it should not be by mistake.
pub fn warn_if_readable(path: &Path) {
    if let Ok(found) = path.metadata()
        && found.mode() & 0o077 != 0
    {
        let (path, mode) = (path.display(), format!("{:o}", found.mode() & 0o777));
        tracing::warn!(%path, mode, "other users of this machine may read this; take their right away: chmod go= PATH");
    }
}

fn same_user(path: &Path, owner: u32, user: u32) -> Result<(), Failure> {
    if owner == user {
        return Ok(());
    }
    let reason = format!(
        "{} belongs to the user with number {owner} and this program runs as {user}; run it as that user \
         (`sudo -u '#{owner}' stitchboxd …`), or give the folder with everything in it to {user}",
        path.display()
    );
    Err(Failure::Other { doing: "the data folder is another user's", reason })
}

/// Removes what lies in a folder, not the folder: it may be a link to a faster disk.
fn empty(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The file appears whole or not at all, and of two processes that start at once the first one's stays.
fn write_once(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = folder.join(format!("token.key.{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Failure::file("cannot make the folder", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("a/b")).unwrap();
        let key = data.token_key().unwrap();
        assert_eq!((key.len(), &data.token_key().unwrap()), (32, &key));
        let mode = |name: &str| data.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("secrets/token.key"), mode("secrets"), mode(".")), (0o600, 0o700, 0o700));
        std::fs::write(data.path().join("secrets/token.key"), "short").unwrap();
        assert!(data.token_key().unwrap_err().to_string().contains("32"));
    }

    #[test]
    fn a_file_that_holds_no_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, word) in [(String::new(), "empty"), (" \n".to_owned(), "empty"), ("x".repeat(4097), "4096")] {
            std::fs::write(&path, text).unwrap();
            assert!(read_secret(&path).unwrap_err().to_string().contains(word));
        }
        std::fs::write(&path, "x".repeat(4096)).unwrap();
        assert_eq!(read_secret(&path).unwrap().len(), 4096);
    }

    #[test]
    fn the_folder_of_another_user_is_refused() {
        let refused = same_user(Path::new("/data"), 998, 0).unwrap_err().to_string();
        assert!(refused.contains("/data") && refused.contains("sudo -u '#998'"), "{refused}");
        same_user(Path::new("/data"), 998, 998).unwrap();
    }

    #[test]
    fn the_manual_names_the_database() {
        let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/README.md");
        let text = std::fs::read_to_string(manual).unwrap();
        assert!(text.contains(DATABASE_FILE));
        let other = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
            .find(|word| word.ends_with(".sqlite") && !["copy.sqlite", DATABASE_FILE].contains(word));
        assert_eq!(other, None, "the only database there is");
    }

    #[test]
    fn a_scratch_folder_elsewhere_stays_there() {
        let (folder, fast) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = DataFolder::open(folder.path()).unwrap();
        std::os::unix::fs::symlink(fast.path(), data.scratch()).unwrap();
        std::fs::write(fast.path().join("left"), "").unwrap();
        drop(data.write_blobs(|| Ok(())).unwrap());
        assert!(data.scratch().is_symlink() && !fast.path().join("left").exists());
    }

    #[test]
    fn one_process_serves_and_the_second_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let held = data.serve().unwrap();
        assert!(data.serve().unwrap_err().to_string().contains("already"));
        drop(held);
        data.serve().unwrap();
    }

    #[test]
    fn leftovers_are_cleared_only_by_the_first_writer() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let cleared = Cell::new(0);
        let clear = || {
            cleared.set(cleared.get() + 1);
            Ok(())
        };
        std::fs::create_dir_all(data.scratch().join("left")).unwrap();
        let first = data.write_blobs(clear).unwrap();
        assert!(!data.scratch().join("left").exists());
        let second = data.write_blobs(clear).unwrap();
        assert_eq!(cleared.get(), 1);
        drop(first);
        data.write_blobs(clear).unwrap();
        assert_eq!(cleared.get(), 1, "the second still writes");
        drop(second);
        data.write_blobs(clear).unwrap();
        assert_eq!(cleared.get(), 2);
    }

    #[test]
    fn odd_names_of_folders_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("50% a?b#c")).unwrap();
        assert!(data.sqlite_url().ends_with("50%25 a%3Fb%23c/metadata.sqlite"));
    }
}
