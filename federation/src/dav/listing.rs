//! Listing a folder at a peer: PROPFIND, read as it comes.

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};

use super::access::RemoteDav;
use super::entry::RemoteEntry;
use super::multistatus;
use super::path::Names;
use crate::http::Call;
use crate::peer_error::PeerError;

/// What is asked of every item.
const ASKED: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:prop>\
    <d:resourcetype/><d:getcontentlength/><d:getlastmodified/><d:getetag/><d:getcontenttype/><oc:permissions/><oc:size/>\
    <oc:checksums/></d:prop></d:propfind>";

/// How deep a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The item alone.
    Zero,
    /// A folder and its direct members.
    One,
}

impl RemoteDav {
    /// The item itself (with an empty name) and at [`Depth::One`] its members. `path` is names joined by `/`; empty is the
    /// share itself. Entries that lie elsewhere are left out.
    ///
    /// # Errors
    /// The peer's refusal (404 for what is not there), no answer, no listing, or more than the policy's entries and bytes.
    pub async fn list(&self, path: &str, depth: Depth) -> Result<Vec<RemoteEntry>, PeerError> {
        let mut entries = Vec::new();
        self.list_each(path, depth, |entry| entries.push(entry)).await?;
        Ok(entries)
    }

    /// As [`RemoteDav::list`], each entry as it comes, so that a long listing is never held. Gives how many were left out.
    ///
    /// # Errors
    /// As [`RemoteDav::list`].
    pub async fn list_each(
        &self,
        path: &str,
        depth: Depth,
        mut each: impl FnMut(RemoteEntry) + Send,
    ) -> Result<usize, PeerError> {
        let policy = self.client().http().policy();
        let (within, most_bytes, most_entries) = (policy.idle_timeout, policy.max_listing_bytes, policy.max_entries);
        let method = Method::from_bytes(b"PROPFIND").unwrap_or(Method::OPTIONS);
        let build = |door: &super::access::Door| {
            let mut call = Call::new(method.clone(), self.url(door, path, depth == Depth::One)?);
            let depth = if depth == Depth::One { "1" } else { "0" };
            call.headers.insert(HeaderName::from_static("depth"), HeaderValue::from_static(depth));
            call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
            call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            call.body = ASKED.into();
            call.follow = true;
            Ok(call)
        };
        let (door, incoming) = self.through(within, build).await?;
        let url = self.url(&door, path, depth == Depth::One)?;
        if incoming.status != 207 {
            return Err(match incoming.status {
                200..300 => self.malformed("no WebDAV listing (a web page?)"),
                _ => self.refused(&url, incoming).await,
            });
        }
        let names = Names::of(url.path()).ok_or_else(|| self.malformed("a path that cannot be one"))?;
        let mut count = 0_usize;
        let mut found_self = false;
        let limited = |entry: RemoteEntry| {
            count += 1;
            found_self |= entry.name.is_empty();
            if count > most_entries {
                return false;
            }
            each(entry);
            true
        };
        let left_out = multistatus::read(incoming, most_bytes, &names, limited).await?;
        if count > most_entries {
            return Err(PeerError::TooLarge { host: self.peer().host().to_string(), limit: most_bytes });
        }
        if !found_self {
            return Err(self.malformed("a listing without the folder that was asked for"));
        }
        Ok(left_out)
    }
}
