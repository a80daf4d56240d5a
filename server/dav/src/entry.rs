//! One entry of a listing, ready to be written: an item, or a folder that only shows others.

use crate::mount::Base;
use crate::permissions::{is_mount_root, letters, mount_type};
use crate::xml_in::Name;
use crate::xml_out::{begin_response, empty, end_response, propstat};
use crate::{live_properties::Live, xml_requests::Wanted};
use stitchbox_domain::{Domain, HeldLock, Item, Membership, Principal, Property, Quota, ShareKind, covers};
use stitchbox_schema::{ETag, SpaceKind, Timestamp};

/// What is told about one entry.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub name: &'a str,
    pub is_folder: bool,
    /// Path in its space, `/a/b`; empty for a folder that only shows others.
    pub path: String,
    /// URL of the space's root.
    pub base: Base,
    pub id: String,
    pub file_id: String,
    pub etag: ETag,
    pub permissions: String,
    pub is_mount_root: bool,
    /// Nextcloud's word for whose it is.
    pub mount_type: &'static str,
    /// What may be done, as the bits of OCS.
    pub share_bits: u8,
    /// To whom it was given, where that was asked.
    pub share_types: &'a [ShareKind],
    pub size: i64,
    pub mtime: Timestamp,
    pub created_at: Timestamp,
    /// Login name of whose files these are; nobody's in a project.
    pub owner_id: Option<&'a str>,
    /// What stands for them: the same name, or that of the project.
    pub owner: &'a str,
    pub checksums: Option<&'a str>,
    pub quota: Option<Quota>,
    pub locks: &'a [HeldLock],
    /// Marked by the person who asks.
    pub is_favorite: bool,
    /// It has a small picture.
    pub has_preview: bool,
    /// Whether its source may be deleted, where that was asked.
    pub is_safe: Option<bool>,
    /// How what is received from a peer stands with it, where that was asked.
    pub peer_state: Option<&'a str>,
    /// Changes when the server was restored from a backup.
    pub fingerprint: &'a str,
    pub dead: &'a [Property],
}

impl<'a> Entry<'a> {
    /// The entry of an item; what has to be looked up is added by the caller.
    pub(crate) fn of_item(domain: &Domain, membership: &'a Membership, item: &'a Item) -> Self {
        Self {
            name: if item.name.is_empty() { &membership.space.name } else { &item.name },
            is_folder: item.is_folder(),
            path: String::new(),
            base: Base::default(),
            id: domain.oc_id(item),
            file_id: item.id.to_string(),
            etag: item.etag(),
            permissions: letters(membership, item),
            is_mount_root: is_mount_root(membership, item),
            mount_type: mount_type(membership),
            share_bits: membership.share_bits(item),
            share_types: &[],
            size: item.size,
            mtime: item.mtime,
            created_at: item.created_at,
            // A personal space is called like its user; a project may be called like somebody who has nothing to do with it.
            owner_id: Some(membership.space.name.as_str()).filter(|_| membership.space.kind == SpaceKind::Personal),
            owner: &membership.space.name,
            checksums: None,
            quota: None,
            locks: &[],
            is_favorite: false,
            has_preview: false,
            is_safe: None,
            peer_state: None,
            fingerprint: "",
            dead: &[],
        }
    }

    /// A folder that only shows others and has nothing of its own.
    pub(crate) fn of_shown(name: &'a str, id: String, etag: ETag, principal: &'a Principal) -> Self {
        Self {
            name,
            is_folder: true,
            path: String::new(),
            base: Base::default(),
            id,
            file_id: "0".to_owned(),
            etag,
            permissions: String::new(),
            is_mount_root: false,
            mount_type: "",
            share_bits: 1,
            share_types: &[],
            size: 0,
            mtime: Timestamp(0),
            created_at: Timestamp(0),
            owner_id: Some(&principal.name),
            owner: &principal.name,
            checksums: None,
            quota: None,
            locks: &[],
            is_favorite: false,
            has_preview: false,
            is_safe: None,
            peer_state: None,
            fingerprint: "",
            dead: &[],
        }
    }

    /// The lock that holds on the entry, if one does.
    pub(crate) fn held(&self) -> Option<&'a HeldLock> {
        self.locks.iter().find(|held| covers(&held.lock, &self.path))
    }

    /// Writes the whole response. `href` is the URL without a slash at the end.
    pub(crate) fn write(&self, out: &mut String, href: &str, asked: &Asked) {
        begin_response(out, href);
        if self.is_folder {
            // The slash belongs into the href that was just closed.
            let end = out.len() - "</d:href>".len();
            out.insert(end, '/');
        }
        let (mut found, mut missing) = (String::with_capacity(1024), String::new());
        for live in &asked.live {
            if asked.names_only {
                let start = found.len();
                if live.write(&mut found, self) {
                    found.truncate(start);
                    found.push('<');
                    found.push_str(live.tag());
                    found.push_str("/>");
                }
            } else if !live.write(&mut found, self) && asked.tell_missing {
                missing.push('<');
                missing.push_str(live.tag());
                missing.push_str("/>");
            }
        }
        if asked.all_dead {
            for property in self.dead {
                if asked.names_only {
                    empty(&mut found, &Name::new(&property.namespace, &property.name));
                } else {
                    found.push_str(&property.value);
                }
            }
        }
        for name in &asked.dead {
            let same = |property: &&Property| property.namespace == name.namespace && property.name == name.local;
            match self.dead.iter().find(same) {
                Some(_) if asked.all_dead => {}
                Some(property) => found.push_str(&property.value),
                None => empty(&mut missing, name),
            }
        }
        if found.is_empty() && missing.is_empty() {
            out.push_str("<d:propstat><d:prop/><d:status>HTTP/1.1 200 OK</d:status></d:propstat>");
        }
        propstat(out, &found, "200 OK");
        propstat(out, &missing, "404 Not Found");
        end_response(out);
    }
}

/// Which properties a PROPFIND asks for, sorted into what is computed and what is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub live: Vec<Live>,
    /// Dead properties asked for by name.
    pub dead: Vec<Name>,
    /// Every dead property there is.
    pub all_dead: bool,
    names_only: bool,
    /// What is asked for and not there is said.
    tell_missing: bool,
}

impl Asked {
    /// Sorts what a PROPFIND wants; a name asked for twice is told once.
    pub(crate) fn of(wanted: Wanted) -> Self {
        let mut asked = match &wanted {
            Wanted::All { .. } => {
                let live = Live::EVERY.iter().copied().filter(|live| live.in_allprop()).collect();
                Self { live, all_dead: true, ..Self::default() }
            }
            Wanted::Names => Self { live: Live::EVERY.to_vec(), all_dead: true, names_only: true, ..Self::default() },
            Wanted::Named(_) => Self { tell_missing: true, ..Self::default() },
        };
        let (Wanted::All { include: names } | Wanted::Named(names)) = wanted else { return asked };
        for name in names {
            match Live::of(&name) {
                Some(live) if !asked.live.contains(&live) => asked.live.push(live),
                None if !asked.dead.contains(&name) => asked.dead.push(name),
                _ => {}
            }
        }
        asked
    }

    /// Whether this computed property is asked for.
    pub(crate) fn wants(&self, live: Live) -> bool {
        self.live.contains(&live)
    }

    /// Whether anything about locks is asked for.
    pub(crate) fn wants_locks(&self) -> bool {
        self.live.iter().any(|live| live.is_about_locks())
    }

    /// Whether any kept property is.
    pub(crate) fn wants_dead(&self) -> bool {
        self.all_dead || !self.dead.is_empty()
    }
}

/// The checksums of a version as clients read them: the one the client gave, and ours. None of a file that lies at a peer
/// who did not tell.
pub(crate) fn checksums(given: Option<&str>, sha256: &str) -> String {
    match given {
        _ if sha256.is_empty() => given.unwrap_or_default().to_owned(),
        Some(given) if !given.starts_with("SHA256") => format!("{given} SHA256:{sha256}"),
        _ => format!("SHA256:{sha256}"),
    }
}
