//! Ids: positive 63-bit integers, one type per noun, written in decimal. They never change and are never reused.

use std::fmt;
use std::str::FromStr;

/// The text is not the decimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an id: expected a positive decimal number")]
pub struct IdParseError(pub String);

macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;
            fn from_str(text: &str) -> Result<Self, IdParseError> {
                match text.parse::<i64>() {
                    Ok(id) if id > 0 => Ok(Self(id)),
                    _ => Err(IdParseError(text.to_owned())),
                }
            }
        }

        // JavaScript keeps 53 bits of a number, so ids travel as strings.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A local user.
    UserId
    /// An app password of a user.
    AppPasswordId
    /// A space: the root of a tree with members and quota.
    SpaceId
    /// A drive item, file or folder; survives rename and move.
    ItemId
    /// An immutable content of a file.
    VersionId
    /// Immutable bytes in the blob store.
    BlobId
    /// An upload session.
    UploadId
    /// One execution of a recipe.
    RunId
    /// A row of the job queue.
    JobId
    /// A group of local users.
    GroupId
    /// Access given on an item.
    ShareId
    /// An invitation to exchange contacts with somebody at another site.
    InviteId
    /// A call to a peer that must arrive.
    OutboxId
    /// A peer's run, repeated here.
    RerunId
    /// A position in the journal of changes; grows with every change.
    Cursor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_what_it_prints() {
        assert_eq!(ItemId(42).to_string().parse(), Ok(ItemId(42)));
        for wrong in ["", "0", "-1", "1x", "99999999999999999999"] {
            assert!(wrong.parse::<ItemId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_travel_as_json_strings() {
        let json = serde_json::to_string(&SpaceId(9_007_199_254_740_993)).unwrap();
        assert_eq!(json, "\"9007199254740993\"");
        assert_eq!(serde_json::from_str::<SpaceId>(&json).unwrap(), SpaceId(9_007_199_254_740_993));
    }
}
