//! What goes wrong, as HTTP: the one map from the domain's errors to statuses, and the body sync clients show to people.

use crate::mount::{Base, href_below};
use crate::options::METHODS;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Error, Excess, ItemPath, Refusal};

use crate::xml_in::BadXml;
use crate::xml_out::{CONTENT_TYPE_XML, escape};

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The rules say so.
    Domain(Error),
    /// The request cannot be understood.
    BadRequest(&'static str),
    /// An XML body longer than [`crate::xml_in::MAX_BODY`].
    BodyTooLarge,
    /// A body where none is known, or encoded.
    UnsupportedBody,
    /// The address cannot have this method.
    MethodNotAllowed(&'static str),
    /// Not offered by this server.
    NotImplemented(&'static str),
    /// The destination is not on this server.
    OtherServer,
    /// A listing of everything below.
    InfiniteDepth,
    /// A status of another protocol than WebDAV, with the reason.
    Refused(StatusCode, &'static str),
    /// A version of tus that is not ours.
    TusVersion,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl From<BadXml> for Fault {
    fn from(_: BadXml) -> Self {
        Self::BadRequest("the body is not the XML this request needs")
    }
}

/// What a fault looks like to the client.
struct Shape {
    status: StatusCode,
    /// The name clients look for.
    exception: &'static str,
    message: String,
    /// The precondition of RFC 4918, section 16, as XML.
    precondition: String,
    retry_after: Option<u64>,
}

impl Shape {
    fn new(status: StatusCode, exception: &'static str, message: impl ToString) -> Self {
        let message = message.to_string();
        Self { status, exception, message, precondition: String::new(), retry_after: None }
    }
}

const BAD_REQUEST: &str = "Sabre\\DAV\\Exception\\BadRequest";
const CONFLICT: &str = "Sabre\\DAV\\Exception\\Conflict";
const FORBIDDEN: &str = "Sabre\\DAV\\Exception\\Forbidden";
const INSUFFICIENT: &str = "Sabre\\DAV\\Exception\\InsufficientStorage";
const NOT_ALLOWED: &str = "Sabre\\DAV\\Exception\\MethodNotAllowed";
// Not the name sabre has for it: clients take that one for maintenance and give up the whole sync.
const STORAGE: &str = "Stitchbox\\StorageNotAvailable";

/// `base` is the URL of the space's root in the mount of the request.
fn shape_of(error: &Error, base: &Base) -> Shape {
    let text = error;
    match error {
        Error::NotFound => Shape::new(StatusCode::NOT_FOUND, "Sabre\\DAV\\Exception\\NotFound", text),
        Error::Forbidden(
            Refusal::Role(_)
            | Refusal::CreateOnly
            | Refusal::NotAdmin
            | Refusal::AppPassword
            | Refusal::Derived
            | Refusal::Root
            | Refusal::PartOfDeleted
            | Refusal::DeletedByAnother
            | Refusal::ReservedName
            | Refusal::ByPeer
            | Refusal::AcrossPeers
            | Refusal::AtPeer
            | Refusal::MayNotShare
            | Refusal::RoleAboveOwn { .. }
            | Refusal::ReceivedSpace,
        ) => Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, text),
        Error::Federation(_) => Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, text),
        Error::Exists | Error::IsFolder => Shape::new(StatusCode::METHOD_NOT_ALLOWED, NOT_ALLOWED, text),
        Error::ParentMissing | Error::NotAFolder => Shape::new(StatusCode::CONFLICT, CONFLICT, text),
        Error::IntoItself => Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, text),
        Error::Name(_) => Shape::new(StatusCode::BAD_REQUEST, BAD_REQUEST, text),
        Error::PreconditionFailed => {
            Shape::new(StatusCode::PRECONDITION_FAILED, "Sabre\\DAV\\Exception\\PreconditionFailed", text)
        }
        Error::Locked { path, holder: _ } => {
            let href = ItemPath::parse(path).map(|path| href_below(base, &path)).unwrap_or_default();
            let precondition = format!("<d:lock-token-submitted><d:href>{href}</d:href></d:lock-token-submitted>");
            Shape { precondition, ..Shape::new(StatusCode::LOCKED, "Sabre\\DAV\\Exception\\Locked", text) }
        }
        Error::NoSuchLock => {
            let precondition = "<d:lock-token-matches-request-uri/>".to_owned();
            let exception = "Sabre\\DAV\\Exception\\LockTokenMatchesRequestUri";
            Shape { precondition, ..Shape::new(StatusCode::CONFLICT, exception, text) }
        }
        Error::QuotaExceeded { .. } => {
            let precondition = "<d:quota-not-exceeded/>".to_owned();
            Shape { precondition, ..Shape::new(StatusCode::INSUFFICIENT_STORAGE, INSUFFICIENT, text) }
        }
        Error::TooMuch(Excess::LockOwner | Excess::Copied | Excess::Chunks) => {
            Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, text)
        }
        Error::TooMuch(Excess::Locks | Excess::PropertyValue | Excess::Properties | Excess::Sessions) => {
            Shape::new(StatusCode::INSUFFICIENT_STORAGE, INSUFFICIENT, text)
        }
        Error::ChecksumMismatch { .. }
        | Error::ChecksumUnreadable
        | Error::BodyIncomplete { .. }
        | Error::BodyBroken
        | Error::WeakPassword => Shape::new(StatusCode::BAD_REQUEST, BAD_REQUEST, text),
        // No method of WebDAV makes shares.
        Error::Share(_) => Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, text),
        Error::CursorTooOld => Shape::new(StatusCode::GONE, "Stitchbox\\CursorTooOld", text),
        Error::Collision => Shape::new(StatusCode::SERVICE_UNAVAILABLE, "Stitchbox\\Collision", text),
        Error::Unauthenticated => Shape::new(StatusCode::UNAUTHORIZED, "Sabre\\DAV\\Exception\\NotAuthenticated", text),
        Error::Throttled { seconds } => Shape {
            retry_after: Some(*seconds),
            ..Shape::new(StatusCode::TOO_MANY_REQUESTS, "Stitchbox\\TooManyRequests", text)
        },
        Error::PeerUnavailable { .. } => {
            Shape { retry_after: Some(30), ..Shape::new(StatusCode::SERVICE_UNAVAILABLE, STORAGE, text) }
        }
        Error::PeerRefused { .. } => Shape::new(StatusCode::BAD_GATEWAY, "Stitchbox\\PeerRefused", text),
        Error::PeerFull { .. } => Shape::new(StatusCode::INSUFFICIENT_STORAGE, INSUFFICIENT, text),
        Error::StaleAtPeer => Shape {
            retry_after: Some(2),
            ..Shape::new(StatusCode::SERVICE_UNAVAILABLE, "Stitchbox\\StaleAtPeer", text)
        },
        Error::Store(_) | Error::Blob(_) if error.is_disk_full() => {
            tracing::warn!(%error, "the disk is full");
            let message = "the disk of the server is full; nothing was changed; tell the administrator";
            Shape::new(StatusCode::INSUFFICIENT_STORAGE, INSUFFICIENT, message)
        }
        // What failed is for the log, not for the client.
        Error::Store(error) => storage_trouble(error),
        Error::Blob(error) => storage_trouble(error),
    }
}

fn storage_trouble(error: &dyn std::error::Error) -> Shape {
    tracing::error!(%error, "the storage failed");
    let message = "Storage is temporarily not available; nothing was changed, try again in a moment";
    Shape { retry_after: Some(10), ..Shape::new(StatusCode::SERVICE_UNAVAILABLE, STORAGE, message) }
}

impl Fault {
    fn shape(&self, base: &Base) -> Shape {
        match self {
            Self::Domain(error) => shape_of(error, base),
            Self::BadRequest(why) => Shape::new(StatusCode::BAD_REQUEST, BAD_REQUEST, why),
            Self::BodyTooLarge => {
                let why = "the body is larger than 64 KiB; ask for less at a time";
                Shape::new(StatusCode::PAYLOAD_TOO_LARGE, BAD_REQUEST, why)
            }
            Self::UnsupportedBody => {
                let why = "this request has a body that the server does not understand; send it without";
                Shape::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Sabre\\DAV\\Exception\\UnsupportedMediaType", why)
            }
            Self::MethodNotAllowed(why) => Shape::new(StatusCode::METHOD_NOT_ALLOWED, NOT_ALLOWED, why),
            Self::NotImplemented(why) => {
                Shape::new(StatusCode::NOT_IMPLEMENTED, "Sabre\\DAV\\Exception\\NotImplemented", why)
            }
            Self::OtherServer => {
                let why = "the destination is on another server; download the file and upload it there";
                Shape::new(StatusCode::BAD_GATEWAY, "Sabre\\DAV\\Exception\\BadGateway", why)
            }
            Self::Refused(status, why) => Shape::new(*status, BAD_REQUEST, why),
            Self::TusVersion => {
                let why = "this server speaks tus 1.0.0; say so in the header Tus-Resumable";
                Shape::new(StatusCode::PRECONDITION_FAILED, "Stitchbox\\TusVersion", why)
            }
            Self::InfiniteDepth => {
                let why = "a whole tree is not listed at once; ask folder by folder with Depth: 1";
                let precondition = "<d:propfind-finite-depth/>".to_owned();
                Shape { precondition, ..Shape::new(StatusCode::FORBIDDEN, FORBIDDEN, why) }
            }
        }
    }

    /// Status and text for an answer that is not an error document.
    pub(crate) fn told(&self) -> (StatusCode, String) {
        let Shape { status, message, .. } = self.shape(&Base::default());
        (status, message)
    }

    /// The methods an address has that refused one: all but making what is there, or a file where a folder is.
    fn allowed(&self) -> String {
        let refused = match self {
            Self::Domain(Error::Exists) => "MKCOL",
            Self::Domain(Error::IsFolder) => "PUT",
            _ => return METHODS.to_owned(),
        };
        METHODS.split(", ").filter(|method| *method != refused).collect::<Vec<_>>().join(", ")
    }

    /// The answer. `base` is the URL of the space's root in the mount of the request.
    pub(crate) fn respond(&self, base: &Base) -> Response<Body> {
        let Shape { status, exception, message, precondition, retry_after } = self.shape(base);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <d:error xmlns:d=\"DAV:\" xmlns:s=\"http://sabredav.org/ns\"><s:exception>{exception}</s:exception>\
             <s:message>{}</s:message>{precondition}</d:error>\n",
            escape(&message)
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_XML));
        if status == StatusCode::UNAUTHORIZED {
            // Basic alone: a second challenge sends desktop clients looking for OAuth.
            let challenge = HeaderValue::from_static("Basic realm=\"Stitchbox\", charset=\"UTF-8\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED
            && let Ok(methods) = HeaderValue::from_str(&self.allowed())
        {
            headers.insert(ALLOW, methods);
        }
        if let Self::TusVersion = self {
            crate::tus::add_options(headers);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use stitchbox_blob::BlobError;
    use stitchbox_store::StoreError;

    async fn answer(fault: Fault) -> (Response<()>, String) {
        let (parts, body) = fault.respond(&Base::new("/dav/spaces/KB".to_owned(), 0)).into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (Response::from_parts(parts, ()), text)
    }

    #[tokio::test]
    async fn a_lock_names_what_is_locked_and_by_whom() {
        let locked = Error::Locked { path: "/a b/c".to_owned(), holder: "anna".to_owned() };
        let (response, text) = answer(locked.into()).await;
        assert_eq!(response.status(), 423);
        assert!(text.contains("<d:lock-token-submitted><d:href>/dav/spaces/KB/a%20b/c</d:href>"), "{text}");
        assert!(text.contains("<s:message>&quot;/a b/c&quot; is locked by anna"), "{text}");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/xml; charset=utf-8");
    }

    #[tokio::test]
    async fn a_login_is_asked_for_by_basic_alone() {
        let (response, _) = answer(Error::Unauthenticated.into()).await;
        assert_eq!(response.status(), 401);
        let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, ["Basic realm=\"Stitchbox\", charset=\"UTF-8\""]);
    }

    #[tokio::test]
    async fn who_guesses_passwords_is_told_to_wait() {
        let (response, _) = answer(Error::Throttled { seconds: 7 }.into()).await;
        assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (429, &HeaderValue::from(7)));
    }

    #[tokio::test]
    async fn a_full_disk_is_not_a_passing_trouble() {
        let (response, text) = answer(Error::Blob(BlobError::Full).into()).await;
        assert_eq!(response.status(), 507);
        assert!(text.contains("the disk of the server is full"), "{text}");
        let (response, _) = answer(Error::Store(StoreError::Full).into()).await;
        assert_eq!(response.status(), 507);
        let (response, text) = answer(Error::Store(StoreError::Driver("secret".to_owned())).into()).await;
        assert_eq!(response.status(), 503);
        assert!(!text.contains("secret") && response.headers().contains_key(RETRY_AFTER), "{text}");
    }

    #[tokio::test]
    async fn a_full_space_says_how_full() {
        let (response, text) = answer(Error::QuotaExceeded { used: 10, quota: 11, needed: 5 }.into()).await;
        assert_eq!(response.status(), 507);
        assert!(text.contains("10 of 11 bytes") && text.contains("InsufficientStorage"), "{text}");
    }
}
