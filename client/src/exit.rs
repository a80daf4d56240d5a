//! How the program ends: a sentence and an exit code.

use std::fmt;
use std::process::ExitCode;

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

    /// The series or recipe is at fault. Code 3.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 3 }
    }

    /// The work ended, but something was left out. Code 4.
    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 4 }
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
