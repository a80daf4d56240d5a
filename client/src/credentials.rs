//! Who asks: a user name, and a password that never stands on the command line.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;

use reqwest::RequestBuilder;

use crate::exit::Failure;

/// Arguments that name the user and where the password is read from.
#[derive(Debug, clap::Args)]
pub(crate) struct CredentialArgs {
    /// User name
    #[arg(long, env = "STITCHBOX_USER")]
    user: Option<String>,
    /// File whose first line is the password or app password
    #[arg(long, value_name = "FILE", env = "STITCHBOX_PASSWORD_FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

/// A user name and a password; the password is not printed.
#[derive(Clone)]
pub(crate) struct Credentials(Option<(String, String)>);

impl CredentialArgs {
    /// Reads the password from where it was told to be.
    pub(crate) fn read(&self) -> Result<Credentials, Failure> {
        let Some(user) = self.user.clone() else {
            return Ok(Credentials(None));
        };
        let text = if self.password_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Failure::failed(format!("the password could not be read from standard input: {error}"))
            })?;
            text
        } else if let Some(path) = &self.password_file {
            std::fs::read_to_string(path).map_err(|error| {
                Failure::failed(format!("the password file {} could not be read: {error}", path.display()))
            })?
        } else {
            return Err(Failure::failed(format!(
                "no password for {user}: give --password-file FILE or --password-stdin"
            )));
        };
        let password = text.lines().next().unwrap_or_default().to_owned();
        Ok(Credentials(Some((user, password))))
    }
}

impl Credentials {
    /// The request with the Basic login, if there is one.
    pub(crate) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.0 {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.0.as_ref().map(|(user, _)| user)).finish()
    }
}

/// The one HTTP client of a command.
pub(crate) fn http_client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .user_agent(concat!("stitchbox/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(std::time::Duration::from_secs(20))
        .build()
        .map_err(|error| Failure::failed(format!("the HTTP client could not be made: {error}")))
}
