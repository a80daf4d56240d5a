//! Chunked uploads of the sync clients: `/remote.php/dav/uploads/USER/SESSION/CHUNK`.
//!
//! A folder is made for the upload (MKCOL), chunks are put into it in any order, and moving the file `.file` out of it
//! makes them one. Nextcloud names chunks by number, ownCloud by offset, rclone by range; all mean an order.

mod address;
mod chunk;
mod finish;
mod listing;
mod session;

pub(crate) use address::Sessions;

use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::Base;
use crate::mount::NoAddress;
use address::Spot;
use axum::body::Body;
use axum::http::Response;
use stitchbox_domain::Error;

/// The name under which the file is moved out of its session.
const ASSEMBLED: &str = ".file";

impl Realm for Sessions {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        Self::parse(path)
    }

    async fn base(call: &Call<Self>) -> Base {
        call.destination().await.map(|place| place.base).unwrap_or_default()
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        if call.address.user != call.principal.name {
            return Err(Error::NotFound.into());
        }
        match (call.method.as_str(), &call.address.spot) {
            ("PROPFIND", spot) => listing::propfind(call, spot, body).await,
            ("MKCOL", Spot::Session(name)) => session::begin(call, name, body).await,
            ("DELETE", Spot::Session(name)) => session::abandon(call, name, body).await,
            ("PUT", Spot::Chunk(session, name)) if name != ASSEMBLED => chunk::put(call, session, name, body).await,
            ("DELETE", Spot::Chunk(session, name)) if name != ASSEMBLED => {
                chunk::remove(call, session, name, body).await
            }
            ("MOVE", Spot::Chunk(session, name)) if name == ASSEMBLED => finish::finish(call, session, body).await,
            _ => Err(Fault::MethodNotAllowed(
                "this is an upload in pieces: MKCOL begins it, PUT adds a piece, MOVE of .file ends it",
            )),
        }
    }
}
