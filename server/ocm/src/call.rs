//! A call of a peer, read whole: its body is small, or it is refused.

use crate::refusal::Refused;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::Domain;
use stitchbox_domain::federation::PeerRequest;

/// Longest body, bytes: what Nextcloud takes, too.
const LONGEST: usize = 50_000;
/// Longest body of a notification: attestations travel in them.
const LONGEST_NOTIFICATION: usize = 300_000;

/// A call with its body.
pub(crate) struct Call {
    path: String,
    method: String,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) client: IpAddr,
}

impl Call {
    /// Counts and reads a call.
    pub(crate) async fn read(domain: &Domain, request: Request<Body>) -> Result<Self, Refused> {
        Self::read_up_to(domain, request, LONGEST).await
    }

    /// As [`Call::read`], for a notification.
    pub(crate) async fn read_notification(domain: &Domain, request: Request<Body>) -> Result<Self, Refused> {
        Self::read_up_to(domain, request, LONGEST_NOTIFICATION).await
    }

    async fn read_up_to(domain: &Domain, request: Request<Body>, longest: usize) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let client = client(&parts);
        domain.admit_call(client)?;
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > longest) {
            return Err(Refused::TooLong);
        }
        let mut bytes = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Refused::Broken)?;
            if bytes.len() + piece.len() > longest {
                return Err(Refused::TooLong);
            }
            bytes.extend_from_slice(&piece);
        }
        let mut headers = parts.headers;
        // A proxy may have sent the body in chunks: signatures cover the length, which we know.
        if !headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { path, method: parts.method.as_str().to_owned(), headers, body: bytes, client })
    }

    /// For finding out who calls.
    pub(crate) fn request(&self) -> PeerRequest<'_> {
        PeerRequest {
            method: &self.method,
            path: &self.path,
            headers: &self.headers,
            body: &self.body,
            client: self.client,
        }
    }
}

/// The address a request came from.
pub(crate) fn client(parts: &Parts) -> IpAddr {
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    from.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}
