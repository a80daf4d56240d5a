//! How the program ends: a sentence and an exit code. The codes are listed here and nowhere else.

use std::fmt;
use std::process::ExitCode;

use stitchbox_remote::WireError;

/// The codes, as `stitchbox --help` shows them.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed (network, disk, refused by the server), 2 wrong command \
line, 3 the series or recipe cannot be stitched as it is, 4 done but for some files, 5 stopped before deleting much: look, \
then repeat with --confirm-deletes, 6 not logged in or the login is not accepted, \
7 a result is not what it claims to be, or was not reproduced, 130 interrupted (the same command goes on).";

/// Why the program ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Something outside failed: network, disk, server. Code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The command line is wrong in a way that shows only now. Code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// The series or recipe is at fault. Code 3.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 3 }
    }

    /// The work ended, but something was left out. Code 4.
    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 4 }
    }

    /// So much would be deleted that a person has to look first. Code 5.
    pub(crate) fn unconfirmed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 5 }
    }

    /// Nobody is logged in, or the server does not accept it. Code 6.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 6 }
    }

    /// A result that is not what it claims to be. Code 7.
    pub(crate) fn untrue(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 7 }
    }

    /// Ctrl-C. Code 130, as shells have it.
    pub(crate) fn interrupted() -> Self {
        Self { message: "interrupted; the same command goes on from here".to_owned(), code: 130 }
    }

    /// A request that failed while `what` was tried.
    pub(crate) fn request(what: impl fmt::Display, error: &WireError) -> Self {
        match error.status() {
            Some(401) => Self::unauthorized(format!("{what}: {error}")),
            _ => Self::failed(format!("{what}: {error}")),
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
