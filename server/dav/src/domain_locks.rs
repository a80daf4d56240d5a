//! The lock store dav-server works on: ours, in the database, for one request.
//!
//! dav-server reads the request and writes the answer; what it asks for is done, or refused, in one transaction of the
//! domain. Its own error type has room for "conflict" only, so what the domain said is kept aside for the answer.

use crate::call::Place;
use crate::mount::href_below;
use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stitchbox_domain::{Conditions, Domain, Error, ItemPath, Lock, LockRequest, Principal};
use xmltree::{Element, EmitterConfig};

/// What the domain answered, beside what dav-server understands of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The refusal, if it was one.
    pub refused: Option<Error>,
    /// An empty file was made to be locked.
    pub created: bool,
}

/// The locks of one place, for whoever asks.
#[derive(Debug, Clone)]
pub(crate) struct DomainLocks {
    domain: Domain,
    principal: Principal,
    place: Place,
    conditions: Conditions,
    outcome: Arc<Mutex<Outcome>>,
}

impl DomainLocks {
    pub(crate) fn new(domain: Domain, principal: Principal, place: Place, conditions: Conditions) -> Self {
        Self { domain, principal, place, conditions, outcome: Arc::default() }
    }

    /// What the domain said last.
    pub(crate) fn outcome(&self) -> Outcome {
        std::mem::take(&mut *self.outcome.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    fn refuse(&self, error: Error) {
        self.note(Outcome { refused: Some(error), created: false });
    }

    async fn take(&self, path: DavPath, owner: Option<Element>, request: LockRequest) -> Result<DavLock, DavLock> {
        let (shared, deep) = (!request.exclusive, request.deep);
        match self.domain.lock(&self.principal, &self.place.location, request, &self.conditions).await {
            Ok((lock, created)) => {
                self.note(Outcome { refused: None, created });
                Ok(self.shown(&lock, path, owner))
            }
            Err(error) => {
                self.refuse(error);
                // The lock in the way; dav-server only wants to know that there is one.
                let (token, path) = (String::new(), Box::new(path));
                let (principal, owner, timeout_at, timeout) = (None, None, None, None);
                Err(DavLock { token, path, principal, owner, timeout_at, timeout, shared, deep })
            }
        }
    }

    /// A lock as dav-server shows it. `path` stands in if the lock's own cannot be written as a URL.
    fn shown(&self, lock: &Lock, path: DavPath, owner: Option<Element>) -> DavLock {
        let root = ItemPath::parse(&lock.path).ok().map(|path| href_below(&self.place.base, &path));
        let path = root.and_then(|href| DavPath::new(&href).ok()).unwrap_or(path);
        let timeout = lock.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        DavLock {
            token: lock.token.clone(),
            path: Box::new(path),
            principal: Some(self.principal.name.clone()),
            owner: owner.map(Box::new),
            timeout_at: None,
            timeout,
            shared: !lock.exclusive,
            deep: lock.deep,
        }
    }
}

impl DavLockSystem for DomainLocks {
    fn lock(
        &'_ self,
        path: &DavPath,
        _principal: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let owner = owner.cloned().map(with_own_namespace);
        let owner_xml = owner.as_ref().map(text_of).unwrap_or_default();
        let request = LockRequest { deep, exclusive: !shared, owner_xml, timeout, token: fresh_token() };
        Box::pin(self.take(path.clone(), owner, request))
    }

    fn unlock(&'_ self, _path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let token = token.to_owned();
        Box::pin(async move {
            let done = self.domain.unlock(&self.principal, &self.place.location, &token).await;
            done.map_err(|error| self.refuse(error))
        })
    }

    fn refresh(&'_ self, path: &DavPath, token: &str, timeout: Option<Duration>) -> LsFuture<'_, Result<DavLock, ()>> {
        let (path, token) = (path.clone(), token.to_owned());
        Box::pin(async move {
            let refreshed = self.domain.refresh_lock(&self.principal, &self.place.location, &token, timeout).await;
            match refreshed {
                Ok(lock) => {
                    let owner = Element::parse(lock.owner_xml.as_bytes()).ok();
                    Ok(self.shown(&lock, path, owner))
                }
                Err(error) => {
                    self.refuse(error);
                    Err(())
                }
            }
        })
    }

    /// Nothing is decided here: the transaction that follows tests the locks again, and for good.
    fn check(
        &'_ self,
        _path: &DavPath,
        _principal: Option<&str>,
        _ignore_principal: bool,
        _deep: bool,
        _submitted_tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn discover(&'_ self, _path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn delete(&'_ self, _path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// dav-server gives the owner the prefix `D` without declaring it, which is right only inside its own answer.
fn with_own_namespace(mut owner: Element) -> Element {
    let namespaces = owner.namespaces.get_or_insert_with(xmltree::Namespace::empty);
    namespaces.force_put("D", "DAV:");
    owner
}

fn text_of(owner: &Element) -> String {
    let config = EmitterConfig::new().write_document_declaration(false);
    let mut bytes = Vec::new();
    match owner.write_with_config(&mut bytes, config) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// A random UUID (version 4) as URN.
pub(crate) fn fresh_token() -> String {
    let mut random = [0u8; 16];
    // Without randomness the token is not secret; the lock still belongs to its user alone.
    let _ = getrandom::fill(&mut random);
    let bits = u128::from_be_bytes(random) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_uuids_of_version_4() {
        let token = fresh_token();
        assert_eq!(token.len(), "urn:uuid:".len() + 36);
        assert_eq!(&token[23..24], "4", "{token}");
        assert!(matches!(&token[28..29], "8" | "9" | "a" | "b"), "{token}");
        assert_ne!(token, fresh_token());
    }

    #[test]
    fn an_owner_can_be_read_on_its_own() {
        let body = "<d:lockinfo xmlns:d=\"DAV:\" xmlns:z=\"urn:z\"><d:owner><z:who a=\"1\">me &amp; you</z:who></d:owner></d:lockinfo>";
        let info = Element::parse(body.as_bytes()).unwrap();
        let mut owner = info.get_child("owner").unwrap().clone();
        owner.prefix = Some("D".to_owned());
        let text = text_of(&with_own_namespace(owner));
        let again = crate::xml_in::read(text.as_bytes()).unwrap().unwrap();
        assert!(again.name.is_dav("owner"), "{text}");
        assert_eq!(again.children[0].text, "me & you");
        assert_eq!(again.children[0].name.namespace, "urn:z");
    }
}
