//! Live properties: the names there are and how each is written for an entry of a listing.

use crate::content_type;
use crate::entry::Entry;
use crate::lock_xml::{SUPPORTED, active_lock, owner_type};
use crate::request_headers::http_date;
use crate::xml_in::{DAV, Name};
use crate::xml_out::{NC, OC, OCM, OCS, OWN, escape};
use std::fmt::Write as _;
use stitchbox_domain::{ShareKind, covers};

macro_rules! live {
    ($($variant:ident $namespace:ident $prefix:literal $local:literal $all:literal,)*) => {
        /// A property the server computes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Live { $(#[doc = concat!("`", $prefix, ":", $local, "`")] $variant,)* }

        impl Live {
            /// Every live property.
            pub(crate) const EVERY: &[Self] = &[$(Self::$variant,)*];

            /// The property of this name.
            pub(crate) fn of(name: &Name) -> Option<Self> {
                match (name.namespace.as_str(), name.local.as_str()) {
                    $(($namespace, $local) => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its element name with the prefix every answer declares.
            pub(crate) fn tag(self) -> &'static str {
                match self { $(Self::$variant => concat!($prefix, ":", $local),)* }
            }

            /// Whether `allprop` tells it.
            pub(crate) fn in_allprop(self) -> bool {
                match self { $(Self::$variant => $all,)* }
            }
        }
    };
}

live! {
    ResourceType DAV "d" "resourcetype" true,
    LastModified DAV "d" "getlastmodified" true,
    ContentLength DAV "d" "getcontentlength" true,
    ETag DAV "d" "getetag" true,
    ContentType DAV "d" "getcontenttype" true,
    DisplayName DAV "d" "displayname" true,
    CreationDate DAV "d" "creationdate" true,
    SupportedLock DAV "d" "supportedlock" true,
    LockDiscovery DAV "d" "lockdiscovery" true,
    QuotaUsed DAV "d" "quota-used-bytes" false,
    QuotaAvailable DAV "d" "quota-available-bytes" false,
    Id OC "oc" "id" false,
    FileId OC "oc" "fileid" false,
    Permissions OC "oc" "permissions" false,
    Size OC "oc" "size" false,
    Checksums OC "oc" "checksums" false,
    DataFingerprint OC "oc" "data-fingerprint" false,
    OwnerId OC "oc" "owner-id" false,
    OwnerName OC "oc" "owner-display-name" false,
    ShareTypes OC "oc" "share-types" false,
    SharePermissions OCS "ocs" "share-permissions" false,
    OcmSharePermissions OCM "ocm" "share-permissions" false,
    Favorite OC "oc" "favorite" false,
    Name OC "oc" "name" false,
    SafeToDelete OWN "sb" "safe-to-delete" false,
    PeerState OWN "sb" "peer-state" false,
    IsMountRoot NC "nc" "is-mount-root" false,
    HasPreview NC "nc" "has-preview" false,
    IsEncrypted NC "nc" "is-encrypted" false,
    CreationTime NC "nc" "creation_time" false,
    MountType NC "nc" "mount-type" false,
    Locked NC "nc" "lock" false,
    LockOwner NC "nc" "lock-owner" false,
    LockOwnerName NC "nc" "lock-owner-displayname" false,
    LockOwnerType NC "nc" "lock-owner-type" false,
    LockTime NC "nc" "lock-time" false,
    LockTimeout NC "nc" "lock-timeout" false,
}

impl Live {
    /// Whether it speaks of locks.
    pub(crate) fn is_about_locks(self) -> bool {
        matches!(
            self,
            Self::LockDiscovery
                | Self::Locked
                | Self::LockOwner
                | Self::LockOwnerName
                | Self::LockOwnerType
                | Self::LockTime
                | Self::LockTimeout
        )
    }

    /// Writes the element; false if the entry has no such property.
    pub(crate) fn write(self, out: &mut String, entry: &Entry<'_>) -> bool {
        let start = out.len();
        let tag = self.tag();
        out.push('<');
        out.push_str(tag);
        out.push('>');
        if self.write_value(out, entry).is_none() {
            out.truncate(start);
            return false;
        }
        out.push_str("</");
        out.push_str(tag);
        out.push('>');
        true
    }

    fn write_value(self, out: &mut String, entry: &Entry<'_>) -> Option<()> {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::ResourceType if entry.is_folder => write!(out, "<d:collection/>"),
            Self::ResourceType => Ok(()),
            Self::LastModified => write!(out, "{}", http_date(entry.mtime)),
            Self::ContentLength if entry.is_folder => return None,
            Self::ContentLength => write!(out, "{}", entry.size),
            Self::ETag => write!(out, "{}", entry.etag),
            Self::ContentType if entry.is_folder => return None,
            Self::ContentType => write!(out, "{}", content_type::of(entry.name)),
            Self::DisplayName => write!(out, "{}", escape(entry.name)),
            Self::CreationDate => write!(out, "{}", entry.created_at.rfc3339()),
            Self::SupportedLock if entry.path.is_empty() => Ok(()),
            Self::SupportedLock => write!(out, "{SUPPORTED}"),
            Self::LockDiscovery => {
                for held in entry.locks.iter().filter(|held| covers(&held.lock, &entry.path)) {
                    active_lock(out, &held.lock, &entry.base);
                }
                Ok(())
            }
            Self::Locked => write!(out, "{}", if entry.held().is_some() { "1" } else { "" }),
            Self::LockOwner => write!(out, "{}", escape(&entry.held()?.holder)),
            Self::LockOwnerName => write!(out, "{}", escape(&entry.held()?.holder_shown)),
            Self::LockOwnerType => write!(out, "{}", owner_type(&entry.held()?.lock)),
            Self::LockTime => write!(out, "{}", entry.held()?.lock.taken_at.unix_seconds()),
            Self::LockTimeout => write!(out, "{}", entry.held()?.lock.timeout_seconds.unwrap_or(0)),
            Self::QuotaUsed => write!(out, "{}", entry.quota.filter(|_| entry.is_folder)?.used),
            Self::QuotaAvailable => {
                let quota = entry.quota.filter(|_| entry.is_folder)?;
                // -3: without limit, as Nextcloud has it.
                write!(out, "{}", quota.limit.map_or(-3, |limit| limit.saturating_sub(quota.used).max(0)))
            }
            Self::Id => write!(out, "{}", entry.id),
            Self::FileId => write!(out, "{}", entry.file_id),
            Self::Permissions => write!(out, "{}", entry.permissions),
            Self::Size => write!(out, "{}", entry.size),
            Self::Checksums => write!(out, "<oc:checksum>{}</oc:checksum>", escape(entry.checksums?)),
            Self::DataFingerprint => write!(out, "{}", escape(entry.fingerprint)),
            Self::ShareTypes => entry.share_types.iter().try_for_each(|kind| {
                let number = match kind {
                    ShareKind::User => 0,
                    ShareKind::Group => 1,
                    ShareKind::Link => 3,
                    ShareKind::Federated => 6,
                };
                write!(out, "<oc:share-type>{number}</oc:share-type>")
            }),
            Self::SharePermissions => write!(out, "{}", entry.share_bits),
            Self::OcmSharePermissions => write!(out, "{}", escape(&ocm_permissions(entry.share_bits))),
            Self::PeerState => write!(out, "{}", escape(entry.peer_state?)),
            Self::SafeToDelete => write!(out, "{}", entry.is_safe?),
            Self::OwnerId => write!(out, "{}", escape(entry.owner_id?)),
            Self::OwnerName => write!(out, "{}", escape(entry.owner)),
            Self::Favorite => write!(out, "{}", u8::from(entry.is_favorite)),
            Self::Name => write!(out, "{}", escape(entry.name)),
            Self::CreationTime => write!(out, "{}", entry.created_at.unix_seconds()),
            Self::MountType => write!(out, "{}", entry.mount_type),
            Self::IsMountRoot => write!(out, "{}", entry.is_mount_root),
            Self::HasPreview => write!(out, "{}", entry.has_preview),
            Self::IsEncrypted => write!(out, "0"),
        };
        Some(())
    }
}

/// The bits of OCS in the words of Open Cloud Mesh, as JSON.
fn ocm_permissions(bits: u8) -> String {
    let words = [(1, "read"), (2 | 4, "write"), (16, "share")];
    let words: Vec<String> =
        words.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, word)| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_is_found_by_its_name() {
        for live in Live::EVERY {
            let (prefix, local) = live.tag().split_once(':').unwrap();
            let namespace = match prefix {
                "d" => DAV,
                "oc" => OC,
                "sb" => OWN,
                "ocs" => OCS,
                "ocm" => OCM,
                _ => NC,
            };
            assert_eq!(Live::of(&Name::new(namespace, local)), Some(*live));
        }
        assert_eq!(Live::of(&Name::new("", "getetag")), None);
    }
}
