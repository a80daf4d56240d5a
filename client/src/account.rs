//! Who asks which server: from the command line, the environment, or the logins kept before.

use std::io::Read as _;
use std::path::PathBuf;

use reqwest::Url;
use stitchbox_remote::{Compression, Connection, Credentials, Options, with_slash};

use crate::exit::Failure;
use crate::logins::Logins;

/// Arguments that name the server, the user and where the password is read from; and the limits of the connection.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct AccountArgs {
    /// Address of the server, for places written SPACE:/path; else that of the latest login
    #[arg(long, env = "STITCHBOX_SERVER")]
    server: Option<Url>,
    /// User name; else that of the login kept for the server
    #[arg(long, env = "STITCHBOX_USER")]
    user: Option<String>,
    /// File whose first line is the password or app password
    #[arg(long, value_name = "FILE", env = "STITCHBOX_PASSWORD_FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// File whose first line is a bearer token, instead of user and password
    #[arg(long, value_name = "FILE", env = "STITCHBOX_TOKEN_FILE", conflicts_with_all = ["user", "password_stdin"])]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities to trust beside those of the system
    #[arg(long, visible_alias = "cacert", value_name = "FILE", env = "STITCHBOX_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Send at most so many bytes a second (500K, 2M)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_up: Option<u64>,
    /// Receive at most so many bytes a second
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_down: Option<u64>,
    /// Compress on the wire: where it pays, whatever compresses, or nothing
    #[arg(long, value_enum, default_value_t = Compress::Auto)]
    compress: Compress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Compress {
    Auto,
    Always,
    Never,
}

impl AccountArgs {
    /// The server that is meant when a place does not name one.
    pub(crate) fn server(&self) -> Result<Url, Failure> {
        if let Some(server) = &self.server {
            return Ok(with_slash(server));
        }
        let logins = Logins::read()?;
        logins.find(None, self.user.as_deref()).map(|login| login.server.clone()).ok_or_else(|| {
            Failure::unauthorized(
                "no server is known here: `stitchbox login URL`, or --server URL with --user and --password-file",
            )
        })
    }

    /// A connection to a server, as the user who is meant.
    pub(crate) fn connect(&self, server: &Url) -> Result<Connection, Failure> {
        self.connect_with(server, self.credentials(server)?, self.options()?)
    }

    /// As [`AccountArgs::connect`], with options of the caller's own.
    pub(crate) fn connect_with(
        &self,
        server: &Url,
        credentials: Credentials,
        options: Options,
    ) -> Result<Connection, Failure> {
        if !server.username().is_empty() || server.password().is_some() {
            return Err(Failure::usage(
                "passwords do not belong into addresses, where others can read them: use --user and --password-file",
            ));
        }
        Connection::new(server, credentials, &options).map_err(|error| Failure::request(server, &error))
    }

    /// Who asks this server.
    pub(crate) fn credentials(&self, server: &Url) -> Result<Credentials, Failure> {
        if let Some(file) = &self.token_file {
            return Ok(Credentials::Bearer(first_line(file, "token")?));
        }
        match (&self.user, self.password()?) {
            (Some(user), Some(password)) => Ok(Credentials::Basic { user: user.clone(), password }),
            (None, Some(_)) => Err(Failure::usage("a password was given, but no user: add --user NAME")),
            (user, None) => {
                let logins = Logins::read()?;
                match (logins.find(Some(&with_slash(server)), user.as_deref()), user) {
                    (Some(login), _) => {
                        let (user, password) = (login.user.clone(), login.app_password.clone());
                        Ok(Credentials::Basic { user, password })
                    }
                    (None, Some(user)) => Err(Failure::unauthorized(format!(
                        "no password for {user}: `stitchbox login {server}`, or give --password-file FILE or --password-stdin"
                    ))),
                    (None, None) => Ok(Credentials::None),
                }
            }
        }
    }

    /// The user named on the command line or in the environment.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password from where it was told to be; `None` if it was told to be nowhere.
    pub(crate) fn password(&self) -> Result<Option<String>, Failure> {
        if self.password_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Failure::failed(format!("the password could not be read from standard input: {error}"))
            })?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
        }
        self.password_file.as_ref().map(|file| first_line(file, "password")).transpose()
    }

    /// The limits and choices of a connection.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let authorities = self.ca_file.as_ref().map(|file| {
            std::fs::read(file)
                .map_err(|error| Failure::failed(format!("{} could not be read: {error}", file.display())))
        });
        Ok(Options {
            limit_up: self.limit_up,
            limit_down: self.limit_down,
            compression: match self.compress {
                Compress::Auto => Compression::Auto,
                Compress::Always => Compression::Always,
                Compress::Never => Compression::Never,
            },
            authorities: authorities.transpose()?,
            ..Options::default()
        })
    }
}

fn first_line(file: &std::path::Path, what: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("the {what} file {} could not be read: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().trim_end().to_owned())
}

/// Bytes a second: a number with or without K, M or G (1024 each).
fn rate(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.trim_end_matches(['B', 'b']).char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (text.get(..at).unwrap_or_default(), Some(letter)),
        _ => (text, None),
    };
    let factor = match unit.map(|letter| letter.to_ascii_uppercase()) {
        None => 1.0,
        Some('K') => 1024.0,
        Some('M') => 1024.0 * 1024.0,
        Some('G') => 1024.0 * 1024.0 * 1024.0,
        Some(_) => return Err("a rate is a number with K, M or G, such as 500K".to_owned()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number * factor >= 1.0 && number.is_finite() => Ok((number * factor) as u64),
        _ => Err("a rate is a number with K, M or G, such as 500K".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_nonsense_is_not() {
        assert_eq!(rate("500K"), Ok(512_000));
        assert_eq!(rate("1.5M"), Ok(1_572_864));
        assert_eq!(rate("1000"), Ok(1000));
        assert_eq!(rate("2MB"), Ok(2 << 20));
        for text in ["", "M", "-1", "0", "5T", "inf", "ä"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
