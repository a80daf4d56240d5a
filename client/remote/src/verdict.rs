//! What a failed request means to synchronisation.

use stitchbox_sync::remote::RemoteError;

use crate::failure::WireError;

/// What the request was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A name that was to be free.
    New,
    /// An item with a known ETag.
    Known,
}

/// The error synchronisation decides by.
pub(crate) fn verdict(error: WireError, about: About) -> RemoteError {
    let offline = |reason: String| RemoteError::Offline { reason, retry_after: None };
    match error {
        WireError::Refused(refusal) => {
            let text = refusal.words.message.clone();
            match (refusal.status.as_u16(), about) {
                (401, _) => RemoteError::Unauthorized,
                (403, _) => RemoteError::Forbidden { reason: text },
                (404 | 409 | 410, _) => RemoteError::Gone,
                (405 | 412, About::New) => RemoteError::Exists,
                (412, About::Known) => RemoteError::Changed,
                (423, _) => RemoteError::Locked,
                (413 | 507, _) => RemoteError::NoSpace,
                (408 | 425 | 429 | 502..=504, _) => {
                    let reason = WireError::Refused(refusal.clone()).to_string();
                    RemoteError::Offline { reason, retry_after: refusal.retry_after }
                }
                (400, _) if text.contains("the name ") => RemoteError::NameRefused { reason: text },
                (400, _) if text.contains("checksum") => RemoteError::Damaged,
                (status, _) => RemoteError::Other { status, text },
            }
        }
        WireError::Damaged(_) | WireError::SourceChanged { .. } => RemoteError::Damaged,
        WireError::Local { path, error } => RemoteError::LocalFile {
            full: error.kind() == std::io::ErrorKind::StorageFull || error.kind() == std::io::ErrorKind::QuotaExceeded,
            reason: error.to_string(),
            path: path.into(),
        },
        error @ (WireError::Network(_) | WireError::Stalled(_)) => offline(error.to_string()),
        WireError::NotThere => RemoteError::Gone,
        error @ (WireError::Malformed(_) | WireError::Address(_)) => {
            RemoteError::Other { status: 200, text: error.to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;
    use crate::failure::Refusal;
    use crate::sabre::Words;

    fn refused(status: u16, message: &str, about: About) -> RemoteError {
        let refusal = Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            words: Words { exception: String::new(), message: message.to_owned() },
            retry_after: None,
            moved_to: None,
        };
        verdict(WireError::Refused(Box::new(refusal)), about)
    }

    #[test]
    fn the_same_status_means_what_was_asked() {
        assert!(matches!(refused(412, "", About::New), RemoteError::Exists));
        assert!(matches!(refused(412, "", About::Known), RemoteError::Changed));
        assert!(matches!(refused(507, "", About::New), RemoteError::NoSpace));
        assert!(refused(503, "", About::Known).is_passing());
        assert!(!refused(500, "", About::Known).is_passing());
        let name = refused(400, "the name is longer than 255 bytes; shorten it", About::New);
        assert!(matches!(name, RemoteError::NameRefused { .. }));
    }
}
