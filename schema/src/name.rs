//! Names: what a drive item, a space and a user may be called.

use std::fmt;

/// Longest name of a drive item in bytes of UTF-8 (what ext4, NTFS and APFS carry).
pub const MAX_ITEM_NAME_BYTES: usize = 255;
const MAX_ACCOUNT_NAME_BYTES: usize = 64;

/// Why a name is refused; the text is shown to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, `.` or `..`.
    #[error("the name is empty or only dots; choose a real name")]
    Empty,
    /// More than 255 bytes of UTF-8.
    #[error("the name is longer than 255 bytes; shorten it")]
    TooLong,
    /// A slash, NUL or control character.
    #[error("the name contains a slash or a control character; remove it")]
    ForbiddenCharacter,
    /// Space and user names are kept to what URLs and shells carry.
    #[error(
        "the name may hold letters, digits, spaces and . _ - @ +, at most 64 bytes, and starts and ends with a letter or digit"
    )]
    NotAnAccountName,
}

macro_rules! text_type {
    ($(#[doc = $doc:literal] $name:ident)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

text_type! {
    /// Name of a drive item inside its folder: anything but `/`, NUL, C0 controls and DEL, at most 255 bytes.
    ItemName
    /// Name of a project space.
    SpaceName
    /// Login name of a user, also the name of the personal space.
    UserName
}

impl ItemName {
    /// Checks a name. Nothing is changed: what is accepted is kept byte for byte.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if matches!(text, "" | "." | "..") {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_ITEM_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        if text.chars().any(|c| c == '/' || c < ' ' || c == '\u{7f}') {
            return Err(NameError::ForbiddenCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

fn account_name(text: &str, inner: &[char]) -> Result<String, NameError> {
    let edge = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let allowed = |c: char| c.is_alphanumeric() || inner.contains(&c);
    if text.len() > MAX_ACCOUNT_NAME_BYTES
        || !edge(text.chars().next())
        || !edge(text.chars().next_back())
        || !text.chars().all(allowed)
    {
        return Err(NameError::NotAnAccountName);
    }
    Ok(text.to_owned())
}

impl SpaceName {
    /// Checks the name of a project space.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        account_name(text, &[' ', '.', '_', '-', '@', '+']).map(Self)
    }
}

impl UserName {
    /// Checks a login name (no spaces: it stands in URLs and in Basic credentials).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        account_name(text, &['.', '_', '-', '@', '+']).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_their_files_is_accepted_byte_for_byte() {
        for name in
            ["a", "ça & 100% #1 +?'.txt", "emoji 😀.txt", ".hidden", "trailing ", "a%20b", "con:", &"n".repeat(255)]
        {
            assert_eq!(ItemName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_no_file_system_carries_is_refused_with_the_reason() {
        for (name, reason) in [
            ("", NameError::Empty),
            ("..", NameError::Empty),
            ("a/b", NameError::ForbiddenCharacter),
            ("a\nb", NameError::ForbiddenCharacter),
            ("a\0", NameError::ForbiddenCharacter),
        ] {
            assert_eq!(ItemName::parse(name), Err(reason), "{name:?}");
        }
        assert_eq!(ItemName::parse(&"ü".repeat(128)), Err(NameError::TooLong));
    }

    #[test]
    fn account_names_start_and_end_with_a_letter_or_digit() {
        assert!(UserName::parse("anna.b-1@esrf").is_ok());
        assert!(SpaceName::parse("KB mirrors 2026").is_ok());
        for wrong in ["", "-a", "a/", "a b", "..", &"a".repeat(65)] {
            assert!(UserName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
