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
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};
use multer::{Constraints, Multipart, SizeLimit};
use std::net::IpAddr;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Error, Use};
use stitchbox_schema::ItemName;

/// Most parts of one form.
const MOST_FILES: u32 = 1000;

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
    let mut parts = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
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
        match store(ocs, visit, client, &name, part).await {
            Ok(()) => arrived += 1,
            Err(error) => {
                let error = OcsError::from(error);
                return (arrived, Some((error.status(), format!("{name}: {}", error.message()))));
            }
        }
    }
    (arrived, Some((StatusCode::PAYLOAD_TOO_LARGE, format!("More than {MOST_FILES} files are not taken at once."))))
}

/// Some browsers send the whole path of a file.
fn last_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

async fn store(ocs: &Ocs, visit: &Visit, client: IpAddr, name: &str, mut part: multer::Field<'_>) -> Result<(), Error> {
    let at = visit.at.at(visit.at.path.join(ItemName::parse(name)?));
    let mut upload = ocs.domain.begin_upload(&visit.principal, &at, Intent::default()).await?;
    loop {
        match part.chunk().await {
            Ok(Some(bytes)) => upload.write(bytes).await?,
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
