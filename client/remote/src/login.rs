//! Getting an app password, by a person in a browser (login flow v2) or by the account's password, and giving it back.

use reqwest::Url;
use serde::Deserialize;

use crate::address::child;
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest answer, bytes.
const LIMIT: usize = 64 * 1024;

/// A login that a person finishes in a browser.
#[derive(Debug, Clone)]
pub struct LoginFlow {
    /// What the person opens, on any device.
    pub page: Url,
    endpoint: Url,
    token: String,
}

/// What the person granted.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Granted {
    /// The server's own address.
    pub server: String,
    /// User name.
    #[serde(rename = "loginName")]
    pub user: String,
    /// The app password.
    #[serde(rename = "appPassword")]
    pub app_password: String,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "granted to {} at {}", self.user, self.server)
    }
}

impl Connection {
    /// Begins a login in a browser.
    ///
    /// # Errors
    /// Network; a server without this way (404); addresses that lead elsewhere.
    pub async fn begin_login(&self) -> Result<LoginFlow, WireError> {
        #[derive(Deserialize)]
        struct Poll {
            token: String,
            endpoint: String,
        }
        #[derive(Deserialize)]
        struct Begun {
            poll: Poll,
            login: String,
        }
        let url = child(self.server(), ["index.php", "login", "v2"]);
        let request = || self.request("POST", &url).header("Content-Length", 0);
        let answer = self.retrying(|_| self.answer(request())).await?;
        let begun: Begun = serde_json::from_str(&bounded_text(answer, LIMIT).await)
            .map_err(|_| WireError::Malformed("no login in a browser"))?;
        let page = Url::parse(&begun.login).map_err(|_| WireError::Malformed("no page to log in at"))?;
        let endpoint = Url::parse(&begun.poll.endpoint).map_err(|_| WireError::Malformed("no address to ask"))?;
        // the app password comes from there: no other server and no weaker connection
        if endpoint.origin() != self.server().origin() {
            return Err(WireError::Malformed("the address to ask is on another server"));
        }
        Ok(LoginFlow { page, endpoint, token: begun.poll.token })
    }

    /// Asks whether the person is done; `None` as long as not.
    ///
    /// # Errors
    /// Network and refusals other than "not yet".
    pub async fn poll_login(&self, flow: &LoginFlow) -> Result<Option<Granted>, WireError> {
        let body = url_form("token", &flow.token);
        let request =
            self.request("POST", &flow.endpoint).header("Content-Type", "application/x-www-form-urlencoded").body(body);
        match self.answer(request).await {
            Ok(answer) => {
                let granted = serde_json::from_str(&bounded_text(answer, LIMIT).await)
                    .map_err(|_| WireError::Malformed("no app password"))?;
                Ok(Some(granted))
            }
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the account's password, with which this connection was made, for an app password; `None` if it is one
    /// already.
    ///
    /// # Errors
    /// Network; a wrong password (401); a server without app passwords (404).
    pub async fn app_password(&self) -> Result<Option<String>, WireError> {
        let url = child(self.server(), ["ocs", "v2.php", "core", "getapppassword"]);
        let request = || self.request("GET", &url).query(&[("format", "json")]).header("OCS-APIREQUEST", "true");
        match self.retrying(|_| self.answer(request())).await {
            Ok(answer) => {
                let document: serde_json::Value = serde_json::from_str(&bounded_text(answer, LIMIT).await)
                    .map_err(|_| WireError::Malformed("no app password"))?;
                let password = document.pointer("/ocs/data/apppassword").and_then(|text| text.as_str());
                password.map(|text| Some(text.to_owned())).ok_or(WireError::Malformed("no app password"))
            }
            Err(error) if error.status() == Some(403) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the app password of this connection back: from now on it opens nothing.
    ///
    /// # Errors
    /// Network; a password that is none any more (401), an account's password (403), a server without app passwords (404).
    pub async fn revoke(&self) -> Result<(), WireError> {
        let url = child(self.server(), ["ocs", "v2.php", "core", "apppassword"]);
        self.answer(self.request("DELETE", &url).header("OCS-APIREQUEST", "true")).await.map(drop)
    }
}

fn url_form(name: &str, value: &str) -> String {
    let value: String = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).collect();
    format!("{name}={value}")
}
