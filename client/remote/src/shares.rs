//! Giving access: the OCS interface for shares and links.

use reqwest::Url;

use crate::address::child;
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest answer, bytes.
const LIMIT: usize = 1 << 20;

/// Who gets access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user of the same server.
    User(String),
    /// A user of another server, as `name@server`.
    Federated(String),
    /// Whoever has the link.
    Link {
        /// What the link asks for.
        password: Option<String>,
    },
}

/// A share that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub id: String,
    /// Its address, of a link.
    pub url: Option<Url>,
}

/// Why no share was made.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The server has no such interface.
    #[error(
        "this server does not offer sharing by the command line (yet); use its web pages, or ask its administrator"
    )]
    NotOffered,
    /// The server said no.
    #[error("the server did not share it: {0}")]
    Refused(String),
    /// The request failed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Connection {
    /// Shares what is at `path` (beginning with `/`, as the address `remote.php/dav/files/USER` shows it).
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn share(
        &self,
        path: &str,
        grantee: &Grantee,
        editable: bool,
        expires: Option<&str>,
    ) -> Result<Share, ShareError> {
        let url = child(self.server(), ["ocs", "v2.php", "apps", "files_sharing", "api", "v1", "shares"]);
        let mut form = vec![("path", path.to_owned())];
        match grantee {
            Grantee::User(name) => form.extend([("shareType", "0".to_owned()), ("shareWith", name.clone())]),
            Grantee::Federated(name) => form.extend([("shareType", "6".to_owned()), ("shareWith", name.clone())]),
            Grantee::Link { password } => {
                form.push(("shareType", "3".to_owned()));
                form.extend(password.iter().map(|text| ("password", text.clone())));
            }
        }
        // 1 read, 2 update, 4 create, 8 delete
        form.push(("permissions", if editable { "15" } else { "1" }.to_owned()));
        form.extend(expires.iter().map(|date| ("expireDate", (*date).to_owned())));
        let request = self.request("POST", &url).query(&[("format", "json")]).header("OCS-APIREQUEST", "true");
        let text = match self.answer(request.form(&form)).await {
            Ok(answer) => bounded_text(answer, LIMIT).await,
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => return Err(ShareError::NotOffered),
            Err(error) => return Err(error.into()),
        };
        read(&text)
    }
}

fn read(text: &str) -> Result<Share, ShareError> {
    let document: serde_json::Value = serde_json::from_str(text).map_err(|_| ShareError::NotOffered)?;
    let number = |path: &str| document.pointer(path).and_then(serde_json::Value::as_i64);
    let word = |path: &str| document.pointer(path).and_then(serde_json::Value::as_str);
    match number("/ocs/meta/statuscode") {
        Some(100 | 200) => {}
        Some(404 | 998) => return Err(ShareError::NotOffered),
        _ => return Err(ShareError::Refused(word("/ocs/meta/message").unwrap_or("without a reason").to_owned())),
    }
    let id = document.pointer("/ocs/data/id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let url = word("/ocs/data/url").and_then(|text| Url::parse(text).ok());
    Ok(Share { id: id.unwrap_or_default(), url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_kind_are_understood() {
        let made = read(r#"{"ocs":{"meta":{"statuscode":200},"data":{"id":7,"url":"https://h/s/abc"}}}"#).unwrap();
        assert_eq!((made.id.as_str(), made.url.unwrap().path()), ("7", "/s/abc"));
        let refused = read(r#"{"ocs":{"meta":{"statuscode":403,"message":"no links here"},"data":[]}}"#);
        assert!(matches!(refused, Err(ShareError::Refused(why)) if why == "no links here"));
        assert!(matches!(read("<html>"), Err(ShareError::NotOffered)));
    }
}
