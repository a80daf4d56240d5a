//! Whom there is to share with.

use crate::{Domain, Error, Principal};
use stitchbox_schema::sharing::{PersonDocument, ShareKind, ShareeDocument};
use stitchbox_store::{accounts, groups};

/// Most that are found at once.
const MOST: i64 = 200;

/// Of which kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareeKinds {
    /// Users here.
    pub users: bool,
    /// Groups here.
    pub groups: bool,
    /// People at peers.
    pub federated: bool,
}

impl ShareeKinds {
    /// Everybody.
    pub const ALL: Self = Self { users: true, groups: true, federated: true };
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct ShareeQuery {
    /// A piece of a name; all if empty.
    pub text: String,
    /// Of which kinds.
    pub kinds: ShareeKinds,
    /// How many of each kind.
    pub limit: i64,
    /// How many of each kind are passed over.
    pub offset: i64,
}

impl Domain {
    /// People and groups by a piece of their names. Text with an `@` also stands for somebody elsewhere, whether or not the
    /// other site knows the name.
    pub async fn sharees(&self, principal: &Principal, query: ShareeQuery) -> Result<Vec<ShareeDocument>, Error> {
        if principal.scope.share.is_some() || principal.scope.create_only {
            return Err(Error::NotFound);
        }
        let text = query.text.replace('\0', "");
        let (limit, offset) = (query.limit.clamp(1, MOST), query.offset.max(0));
        let is_exact = |name: &str, display: &str| {
            let wanted = text.to_lowercase();
            name.to_lowercase() == wanted || display.to_lowercase() == wanted
        };
        let mut found = Vec::new();
        let mut db = self.store.read().await?;
        if query.kinds.users {
            for user in accounts::search(&mut db, &text, limit, offset).await? {
                if user.id != principal.user {
                    let exact = is_exact(&user.name, &user.display_name);
                    let person = PersonDocument { name: user.name, display_name: user.display_name };
                    found.push(ShareeDocument { kind: ShareKind::User, person, exact });
                }
            }
        }
        if query.kinds.groups {
            for group in groups::search(&mut db, &text, limit, offset).await? {
                let exact = is_exact(&group.name, &group.display_name);
                let person = PersonDocument { name: group.name, display_name: group.display_name };
                found.push(ShareeDocument { kind: ShareKind::Group, person, exact });
            }
        }
        if query.kinds.federated
            && offset == 0
            && let Some((user, host)) = text.rsplit_once('@')
            && !user.is_empty()
            && is_host(host)
        {
            let person = PersonDocument { name: text.clone(), display_name: text.clone() };
            found.push(ShareeDocument { kind: ShareKind::Federated, person, exact: true });
        }
        Ok(found)
    }
}

/// Whether a text looks like `host[:port]`.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    is_name && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_a_person_is_still_typing() {
        for host in ["nc.example", "localhost:8080", "a-b.c"] {
            assert!(is_host(host), "{host}");
        }
        for other in ["", ":80", "h:", "a b", "h:x", "https://h"] {
            assert!(!is_host(other), "{other}");
        }
    }
}
