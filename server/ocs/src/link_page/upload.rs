//! `POST /s/TOKEN/upload?path=`: files of a form, streamed into uploads one after the other.

use super::encoded;
use super::show::see_other;
use super::visit::{Visit, refusal};
use crate::Ocs;
use crate::address::OwnAddress;
use crate::error::OcsError;
use crate::form::field;
use crate::origin::Origin;
use crate::page::{escape, is_from_here, page};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use futures::{Stream, StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};
use multer::{Constraints, Multipart, SizeLimit};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Error, Use};
use stitchbox_schema::ItemName;

/// Most parts of one form.
const MOST_FILES: u32 = 1000;
/// What is read ahead of the disk at a time, bytes.
const AHEAD: u64 = 4 << 20;
/// Most bytes in which there is neither the beginning nor a piece of a file: headers without end would fill the memory.
const MOST_BETWEEN: u64 = 64 << 20;

pub(crate) async fn post(
    State(ocs): State<Ocs>,
    Path(token): Path<String>,
    Origin(client): Origin,
    own: OwnAddress,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Response {
    if !is_from_here(&headers, &own) {
        return refusal(Error::Unauthenticated, Some("The form came from another site. Send the files from here."));
    }
    let path = field(uri.query().unwrap_or_default(), "path").unwrap_or_default();
    let visit = match Visit::begin(&ocs, &token, &headers, client, &path).await {
        Ok(visit) => visit,
        Err(error) => return refusal(error, None),
    };
    let (arrived, trouble) = receive(&ocs, &visit, &headers, client, body).await;
    let back = uri.path().trim_end_matches('/').trim_end_matches("/upload");
    let back = format!("{back}?path={}", encoded(&visit.below.to_string()));
    match trouble {
        None => see_other(&format!("{back}&done={arrived}")),
        Some((status, words)) => {
            let before =
                if arrived > 0 { format!("<p>{arrived} files arrived before that.</p>") } else { String::new() };
            let words = escape(&words);
            let body = format!(
                "<p class=\"trouble\" role=\"alert\">{words}</p>{before}<p><a href=\"{}\">Back</a></p>",
                escape(&back)
            );
            page(status, "Not everything arrived", &body)
        }
    }
}

/// How many files arrived, and what stopped the next one.
async fn receive(
    ocs: &Ocs,
    visit: &Visit,
    headers: &HeaderMap,
    client: IpAddr,
    body: Body,
) -> (u32, Option<(StatusCode, String)>) {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(kind) else {
        return (0, Some((StatusCode::BAD_REQUEST, "This is not what the form sends.".to_owned())));
    };
    // What is no file is read into memory by nobody; files stream.
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(u64::MAX));
    let between = Arc::new(AtomicU64::new(0));
    let mut parts = Multipart::with_constraints(bounded(body, between.clone()), boundary, constraints);
    let mut arrived = 0;
    for _ in 0..MOST_FILES {
        let part = match parts.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => return (arrived, None),
            Err(_) => {
                return (arrived, Some((StatusCode::BAD_REQUEST, "The files broke off on their way.".to_owned())));
            }
        };
        let named = part.file_name().map(last_name).filter(|name| !name.is_empty());
        let Some(name) = named else { continue };
        match store(ocs, visit, client, &name, part, &between).await {
            Ok(()) => arrived += 1,
            Err(error) => {
                let error = OcsError::from(error);
                return (arrived, Some((error.status(), format!("{name}: {}", error.message()))));
            }
        }
    }
    (arrived, Some((StatusCode::PAYLOAD_TOO_LARGE, format!("More than {MOST_FILES} files are not taken at once."))))
}

/// A body that brings no more than [`AHEAD`] without a pause, since the reader of forms takes all there is before it looks
/// at it, and that ends with an error where `between` grows too large.
fn bounded(body: Body, between: Arc<AtomicU64>) -> impl Stream<Item = io::Result<Bytes>> {
    let (mut pieces, mut at_once) = (body.into_data_stream(), 0);
    stream::poll_fn(move |context| {
        if at_once >= AHEAD {
            at_once = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = pieces.poll_next_unpin(context);
        match next {
            Poll::Ready(Some(Ok(piece))) => {
                at_once += piece.len() as u64;
                let before = between.fetch_add(piece.len() as u64, Ordering::Relaxed);
                let item = if before > MOST_BETWEEN { Err(io::Error::other("no file in it")) } else { Ok(piece) };
                Poll::Ready(Some(item))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                at_once = 0;
                Poll::Pending
            }
        }
    })
}

/// Some browsers send the whole path of a file.
fn last_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

async fn store(
    ocs: &Ocs,
    visit: &Visit,
    client: IpAddr,
    name: &str,
    mut part: multer::Field<'_>,
    between: &AtomicU64,
) -> Result<(), Error> {
    let at = visit.at.at(visit.at.path.join(ItemName::parse(name)?));
    let mut upload = ocs.domain.begin_upload(&visit.principal, &at, Intent::default()).await?;
    loop {
        match part.chunk().await {
            Ok(Some(bytes)) => {
                between.store(0, Ordering::Relaxed);
                upload.write(bytes).await?;
            }
            Ok(None) => break,
            Err(_) => return Err(Error::BodyBroken),
        }
    }
    let committed = upload.commit().await?;
    ocs.domain.note_use(&visit.principal, &at, Some(committed.item.id), Use::Wrote, client);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::last_name;

    #[test]
    fn paths_of_the_visitors_machine_are_cut() {
        assert_eq!([last_name("a.txt"), last_name("C:\\x\\a.txt"), last_name("/home/x/a.txt")], ["a.txt"; 3]);
    }
}
