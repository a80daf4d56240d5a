//! Locks as XML: the properties `lockdiscovery` and `supportedlock` (RFC 4918, 15.8 and 15.10).

use crate::mount::{Base, href_below};
use crate::xml_out::escape;
use std::fmt::Write as _;
use stitchbox_domain::{HeldLock, ItemPath, Lock};

/// The value of `supportedlock`.
pub(crate) const SUPPORTED: &str = "<d:lockentry><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/></d:locktype></d:lockentry>\
     <d:lockentry><d:lockscope><d:shared/></d:lockscope><d:locktype><d:write/></d:locktype></d:lockentry>";

/// Writes one lock. `base` is the URL of the space's root in the mount of the request.
pub(crate) fn active_lock(out: &mut String, lock: &Lock, base: &Base) {
    let scope = if lock.exclusive { "<d:exclusive/>" } else { "<d:shared/>" };
    let depth = if lock.deep { "infinity" } else { "0" };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<d:activelock><d:locktype><d:write/></d:locktype><d:lockscope>{scope}</d:lockscope><d:depth>{depth}</d:depth>{}",
        lock.owner_xml
    );
    let _ = match lock.timeout_seconds {
        Some(seconds) => write!(out, "<d:timeout>Second-{seconds}</d:timeout>"),
        None => write!(out, "<d:timeout>Infinite</d:timeout>"),
    };
    let root = ItemPath::parse(&lock.path).map(|path| href_below(base, &path)).unwrap_or_default();
    let _ = write!(
        out,
        "<d:locktoken><d:href>{}</d:href></d:locktoken><d:lockroot><d:href>{root}</d:href></d:lockroot></d:activelock>",
        escape(&lock.token)
    );
}

/// Who holds a lock, in Nextcloud's words: `0` a person, `2` a program that shows a token.
pub(crate) fn owner_type(lock: &Lock) -> u8 {
    if lock.of_person { 0 } else { 2 }
}

/// The state of a file as `LOCK` and `UNLOCK` of a person answer it.
pub(crate) fn state(held: Option<&HeldLock>) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:prop xmlns:d=\"DAV:\" xmlns:nc=\"http://nextcloud.org/ns\">",
    );
    match held {
        None => out.push_str("<nc:lock></nc:lock>"),
        Some(HeldLock { lock, holder, holder_shown }) => {
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "<nc:lock>1</nc:lock><nc:lock-owner-type>{}</nc:lock-owner-type><nc:lock-owner>{}</nc:lock-owner>\
                 <nc:lock-owner-displayname>{}</nc:lock-owner-displayname><nc:lock-time>{}</nc:lock-time>\
                 <nc:lock-timeout>{}</nc:lock-timeout>",
                owner_type(lock),
                escape(holder),
                escape(holder_shown),
                lock.taken_at.unix_seconds(),
                lock.timeout_seconds.unwrap_or(0)
            );
        }
    }
    out.push_str("</d:prop>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_schema::{SpaceId, Timestamp, UserId};

    #[test]
    fn a_lock_says_where_it_holds() {
        let lock = Lock {
            token: "urn:uuid:1".to_owned(),
            space: SpaceId(1),
            path: "/a b".to_owned(),
            deep: true,
            exclusive: true,
            share: None,
            user: UserId(1),
            owner_xml: "<D:owner xmlns:D=\"DAV:\">me</D:owner>".to_owned(),
            timeout_seconds: Some(600),
            expires_at: Timestamp(0),
            of_person: false,
            taken_at: Timestamp(0),
        };
        let mut out = String::from("<d:lockdiscovery xmlns:d=\"DAV:\">");
        active_lock(&mut out, &lock, &Base::new("/dav/spaces/KB".to_owned(), 0));
        out.push_str("</d:lockdiscovery>");
        let root = crate::xml_in::read(out.as_bytes()).unwrap().unwrap();
        let active = &root.children[0];
        assert_eq!(active.dav_child("timeout").unwrap().text, "Second-600");
        assert_eq!(active.dav_child("owner").unwrap().text, "me");
        assert_eq!(active.dav_child("lockroot").unwrap().children[0].text, "/dav/spaces/KB/a%20b");
    }
}
