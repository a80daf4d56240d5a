//! Which folder of which server a local folder belongs to, kept in the folder itself.
//!
//! With it a synchronisation without changes is one request: nobody has to be asked for the id of the space.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use stitchbox_sync::names::OWN_FOLDER;

use crate::exit::Failure;
use crate::logins::as_text;

/// A folder on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    /// The address that was asked for.
    pub asked: String,
    /// The server.
    #[serde(with = "as_text")]
    pub server: Url,
    /// Who.
    pub user: String,
    /// Id of the space.
    pub space: String,
    /// Path in the space.
    pub path: String,
}

impl Binding {
    /// What a local folder belongs to; `None` if it never was synchronised.
    pub(super) fn read(local: &Path) -> Result<Option<Self>, Failure> {
        let file = file(local);
        let failed =
            |why: &dyn std::fmt::Display| Failure::failed(format!("{} could not be read: {why}", file.display()));
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| failed(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Keeps it, if it is not kept already.
    pub(super) fn keep(&self, local: &Path) -> Result<(), Failure> {
        if Self::read(local).is_ok_and(|known| known.as_ref() == Some(self)) {
            return Ok(());
        }
        let file = file(local);
        let replace = || -> std::io::Result<()> {
            let staged = file.with_extension("new");
            std::fs::write(&staged, serde_json::to_vec_pretty(self)?)?;
            std::fs::rename(&staged, &file)
        };
        replace().map_err(|error| Failure::failed(format!("{} could not be written: {error}", file.display())))
    }

    /// One text for all of it: a journal belongs to one partner.
    pub(super) fn partner(&self) -> String {
        format!("{} user {} space {} /{}", self.server, self.user, self.space, self.path)
    }
}

fn file(local: &Path) -> PathBuf {
    local.join(OWN_FOLDER).join("remote.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Binding::read(folder.path()).unwrap(), None);
        std::fs::create_dir(folder.path().join(OWN_FOLDER)).unwrap();
        let server = Url::parse("https://h/").unwrap();
        let [asked, user, space, path] = ["https://h/x", "ada", "7", "a/b"].map(str::to_owned);
        let binding = Binding { asked, server, user, space, path };
        binding.keep(folder.path()).unwrap();
        assert_eq!(Binding::read(folder.path()).unwrap(), Some(binding));
    }
}
