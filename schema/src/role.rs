//! Roles in a space and the kinds of space.

use std::fmt;
use std::str::FromStr;

/// The text is none of the words of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is not one of: {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub given: String,
    /// The words that exist, for the message.
    pub allowed: &'static str,
}

/// What a member may do in a space, or a grantee with what is shared. Ordered: every role can do what the ones before it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Reads everything and makes new items, but changes and removes none.
    Contributor,
    /// Reads and writes.
    Editor,
    /// Reads, writes, and decides who else may: members, shares and settings.
    Manager,
}

impl Role {
    /// The word used in SQL, API and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Contributor => "contributor",
            Self::Editor => "editor",
            Self::Manager => "manager",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "contributor" => Ok(Self::Contributor),
            "editor" => Ok(Self::Editor),
            "manager" => Ok(Self::Manager),
            _ => Err(UnknownWord { given: text.to_owned(), allowed: "viewer, contributor, editor, manager" }),
        }
    }
}

/// Whose a space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceKind {
    /// One user's own.
    Personal,
    /// Shared by its members.
    Project,
    /// Shown from a peer that shares it with a user or group here.
    Received,
}

impl SpaceKind {
    /// The word used in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Project => "project",
            Self::Received => "received",
        }
    }
}

impl FromStr for SpaceKind {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "personal" => Ok(Self::Personal),
            "project" => Ok(Self::Project),
            "received" => Ok(Self::Received),
            _ => Err(UnknownWord { given: text.to_owned(), allowed: "personal, project, received" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_read_back() {
        let all = [Role::Viewer, Role::Contributor, Role::Editor, Role::Manager];
        assert!(all.is_sorted());
        for role in all {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("owner".parse::<Role>().unwrap_err().to_string().contains("contributor"));
    }
}
