//! From a request to its verb: login, address, one match over the methods, and the answer to what went wrong.

use crate::authenticate::{Login, authenticate, by_share, client_address, share_credential};
use crate::call::Call;
use crate::errors::Fault;
use crate::mount::{Address, Base, NoAddress};
use crate::options::server_options;
use crate::{
    bulk, delete, get, lock, mkcol, propfind, proppatch, put, relocate, report, request_body, share_use, tus, user_lock,
};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::http::uri::Scheme;
use axum::http::{Request, Response, StatusCode, Version};
use std::net::IpAddr;
use stitchbox_domain::{Domain, Error, Location};
use tracing::Instrument as _;
use tracing::field::Empty;

/// A part of the WebDAV tree: how its addresses are read and what can be done there.
pub(crate) trait Realm: Sized + Send + Sync + 'static {
    /// Reads the path of a URL, still percent-encoded, without query.
    fn parse(path: &str) -> Result<Self, NoAddress>;

    /// Does what the method says.
    fn verb(call: &Call<Self>, body: &mut Body) -> impl Future<Output = Result<Response<Body>, Fault>> + Send;

    /// URL of the root of the space the request speaks of, for an error about a path in it.
    fn base(_call: &Call<Self>) -> impl Future<Output = Base> + Send {
        std::future::ready(Base::default())
    }

    /// Whether it is entered by what opens a share, and not by an account.
    fn is_of_share(&self) -> bool {
        false
    }

    /// Whether what is no address lies where nobody has an account: then there is nobody to be asked for.
    fn lies_outside_accounts(_path: &str) -> bool {
        false
    }

    /// Logs the client in.
    fn login(
        &self,
        domain: &Domain,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> impl Future<Output = Result<Login, Error>> + Send {
        authenticate(domain, headers, client)
    }

    /// The place the request of somebody who came by a share speaks of.
    fn used(_call: &Call<Self>) -> impl Future<Output = Option<Location>> + Send {
        std::future::ready(None)
    }
}

/// Answers one request to a part of the tree.
pub(crate) async fn serve<A: Realm>(State(domain): State<Domain>, request: Request<Body>) -> Response<Body> {
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        return Fault::BadRequest("the header Host is missing").respond(&Base::default());
    }
    if request.method() == "OPTIONS" {
        return server_options();
    }
    let span = tracing::info_span!("dav", method = %request.method(), user = Empty, space = Empty);
    answer::<A>(domain, request).instrument(span).await
}

async fn answer<A: Realm>(domain: Domain, request: Request<Body>) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let version = parts.version;
    let secure = parts.extensions.get::<Scheme>().or_else(|| parts.uri.scheme()) == Some(&Scheme::HTTPS);
    let client = client_address(&parts.extensions);
    let address = A::parse(parts.uri.path());
    let takes_bearer = address.as_ref().is_ok_and(A::is_of_share);
    let login = match &address {
        Ok(address) => address.login(&domain, &parts.headers, client).await,
        Err(_) if A::lies_outside_accounts(parts.uri.path()) => Err(Error::NotFound),
        // Nobody learns what is an address before she said who she is.
        Err(_) => authenticate(&domain, &parts.headers, client).await,
    };
    let (done, base, headers) = match (login, address) {
        (Err(error), _) => (Err(error.into()), Base::default(), parts.headers),
        (Ok(_), Err(NoAddress::Outside)) => (Err(Error::NotFound.into()), Base::default(), parts.headers),
        (Ok(_), Err(NoAddress::Malformed)) => {
            let why = "the address cannot be read: its percent-encoding is broken or hides a slash";
            (Err(Fault::BadRequest(why)), Base::default(), parts.headers)
        }
        (Ok((principal, top)), Ok(address)) => {
            tracing::Span::current().record("user", principal.name.as_str());
            let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
            let authority = host.or_else(|| parts.uri.authority().map(|name| name.as_str())).map(str::to_owned);
            let (method, headers) = (parts.method, parts.headers);
            let call = Call { domain, principal, method, address, headers, authority, secure, top };
            let done = A::verb(&call, &mut body).await;
            if call.top.is_some() {
                let at = A::used(&call).await;
                if let Ok(response) = &done {
                    share_use::note(&call, at, response, client);
                }
            }
            let base = match &done {
                Err(Fault::Domain(Error::Locked { .. })) => A::base(&call).await,
                Ok(_) | Err(_) => Base::default(),
            };
            (done, base, call.headers)
        }
    };
    let mut response = match done {
        Ok(response) => return response,
        Err(fault) => fault.respond(&base),
    };
    if takes_bearer && response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Stitchbox\""));
    }
    if version <= Version::HTTP_11 && !request_body::drain(&mut body, &headers).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if !headers.contains_key(EXPECT) {
            return response.map(|answer| request_body::linger(body, answer));
        }
    }
    response
}

impl Realm for Address {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        Self::parse(path)
    }

    async fn base(call: &Call) -> Base {
        call.base().await
    }

    fn is_of_share(&self) -> bool {
        self.mount.is_of_share()
    }

    fn lies_outside_accounts(path: &str) -> bool {
        Self::is_below_share_mount(path)
    }

    async fn login(&self, domain: &Domain, headers: &HeaderMap, client: IpAddr) -> Result<Login, Error> {
        if !self.mount.is_of_share() {
            return authenticate(domain, headers, client).await;
        }
        by_share(domain, share_credential(self, headers).ok_or(Error::Unauthenticated)?, client).await
    }

    async fn used(call: &Call) -> Option<Location> {
        call.place().await.ok().map(|place| place.location)
    }

    async fn verb(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
        match call.method.as_str() {
            "GET" | "HEAD" => get::get(call).await,
            "PUT" => put::put(call, body).await,
            "MKCOL" => mkcol::mkcol(call, body).await,
            "DELETE" => delete::delete(call, body).await,
            "MOVE" => relocate::relocate(call, body).await,
            "COPY" => relocate::copy(call, body).await,
            "PROPFIND" => propfind::propfind(call, body).await,
            "REPORT" => report::report(call, body).await,
            "PROPPATCH" => proppatch::proppatch(call, body).await,
            "LOCK" if user_lock::is_asked_for(call) => user_lock::lock(call, body).await,
            "UNLOCK" if user_lock::is_asked_for(call) => user_lock::unlock(call, body).await,
            "LOCK" => lock::lock(call, body).await,
            "UNLOCK" => lock::unlock(call, body).await,
            "POST" if tus::is_meant(&call.headers) => tus::create(call, body).await,
            "POST" if bulk::is_meant(&call.headers) => bulk::receive(call, &call.place().await?, body).await,
            "POST" => Err(Fault::MethodNotAllowed("files are sent with PUT; the header Allow names what can be done")),
            _ => Err(Fault::NotImplemented("this server does not know the method")),
        }
    }
}
