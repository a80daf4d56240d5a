//! The logins this user of this computer has: a file that only they can read.
//!
//! One file per user, `stitchbox/logins.json` in the folder for configuration (`$STITCHBOX_CONFIG`, `$XDG_CONFIG_HOME`,
//! `~/.config`), mode 0600, replaced in one go.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// One login; the password is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The server, ending with `/`.
    #[serde(with = "as_text")]
    pub server: Url,
    /// User name there.
    pub user: String,
    /// App password, revocable on its own.
    pub app_password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.user, self.server)
    }
}

/// All logins, the latest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Logins {
    #[serde(skip)]
    file: PathBuf,
    logins: Vec<Login>,
}

impl Logins {
    /// The logins of this user; none if there is no file yet.
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::read_from(folder()?.join("logins.json"))
    }

    fn read_from(file: PathBuf) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::failed(format!("the logins in {} could not be read: {why}", file.display()))
        };
        let metadata = match fs::metadata(&file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file, logins: Vec::new() });
            }
            Err(error) => return Err(failed(&error)),
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(failed(&format!(
                "others can read it; chmod 600 {}, and log in anew if others did",
                file.display()
            )));
        }
        let text = fs::read_to_string(&file).map_err(|error| failed(&error))?;
        let logins: Self = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        Ok(Self { file, ..logins })
    }

    /// The login to use: of this server and user where they are named, else the latest.
    pub(crate) fn find(&self, server: Option<&Url>, user: Option<&str>) -> Option<&Login> {
        self.logins.iter().find(|login| {
            server.is_none_or(|server| login.server == *server) && user.is_none_or(|user| login.user == user)
        })
    }

    /// Keeps a login, as the latest.
    pub(crate) fn keep(&mut self, login: Login) -> Result<(), Failure> {
        self.logins.retain(|known| (&known.server, &known.user) != (&login.server, &login.user));
        self.logins.insert(0, login);
        self.write()
    }

    /// Forgets a login.
    pub(crate) fn forget(&mut self, login: &Login) -> Result<(), Failure> {
        self.logins.retain(|known| known != login);
        self.write()
    }

    /// Where they are kept.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    fn write(&self) -> Result<(), Failure> {
        let replace = || -> std::io::Result<()> {
            let folder = self.file.parent().unwrap_or(Path::new("."));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let staged = self.file.with_extension(format!("{}.new", std::process::id()));
            let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
            out.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            out.sync_all()?;
            fs::rename(&staged, &self.file)
        };
        replace().map_err(|e| Failure::failed(format!("the login could not be kept in {}: {e}", self.file.display())))
    }
}

/// The folder for what this program keeps for this user.
fn folder() -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("STITCHBOX_CONFIG")
        .or_else(|| named("XDG_CONFIG_HOME").map(|folder| folder.join("stitchbox")))
        .or_else(|| named("HOME").map(|home| home.join(".config/stitchbox")))
        .ok_or_else(|| Failure::failed("there is no home folder to keep logins in; set STITCHBOX_CONFIG to a folder"))
}

/// An address as text.
pub(crate) mod as_text {
    use reqwest::Url;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
        let text = String::deserialize(from)?;
        Url::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(server: &str, user: &str) -> Login {
        Login { server: Url::parse(server).unwrap(), user: user.to_owned(), app_password: "secret".to_owned() }
    }

    #[test]
    fn logins_come_back_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/logins.json");
        let mut logins = Logins::read_from(file.clone()).unwrap();
        logins.keep(login("https://a/", "ada")).unwrap();
        logins.keep(login("https://b/", "bob")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let mut again = Logins::read_from(file.clone()).unwrap();
        assert_eq!(again.find(None, None).unwrap().user, "bob");
        assert_eq!(again.find(Some(&Url::parse("https://a/").unwrap()), None).unwrap().user, "ada");
        assert!(again.find(None, Some("eve")).is_none());
        assert!(!format!("{again:?}").contains("secret"));
        again.forget(&login("https://b/", "bob")).unwrap();
        assert_eq!(Logins::read_from(file).unwrap().find(None, None).unwrap().user, "ada");
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("logins.json");
        fs::write(&file, "{\"logins\":[]}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Logins::read_from(file).unwrap_err().to_string().contains("chmod 600"));
    }
}
