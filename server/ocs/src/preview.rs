//! `GET /index.php/core/preview?fileId=` and `/index.php/core/preview.png?file=`: a small picture of a file, as PNG.
//! 404 where there is none: clients then show an icon of their own.

use crate::Ocs;
use crate::caller::Shown;
use crate::error::OcsError;
use crate::form::field;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use stitchbox_domain::{Content, Error, FilesView, Location, PreviewSize, Principal};

/// Width and height if nothing is said, pixels.
const USUAL: u32 = 32;

pub(crate) async fn get(State(ocs): State<Ocs>, parts: Parts) -> Response {
    answer(&ocs, &parts).await.unwrap_or_else(|error| OcsError::from(error).plain())
}

async fn answer(ocs: &Ocs, parts: &Parts) -> Result<Response, Error> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    let principal = shown.check(&ocs.domain).await?;
    let query = parts.uri.query().unwrap_or_default();
    let content = content(ocs, &principal, query).await?;
    let side = |name: &str| field(query, name).and_then(|text| text.parse().ok()).unwrap_or(USUAL);
    let size = PreviewSize::at_least(side("x"), side("y"));
    let (width, height) = size.pixels();
    let tag = format!("\"p{:x}-{width}x{height}\"", content.version.id.0);
    // A version never changes, so neither does its picture; but who may see it does.
    let headers: [(HeaderName, String); 2] = [(ETAG, tag.clone()), (CACHE_CONTROL, "private, max-age=3600".to_owned())];
    let known = parts.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|line| line.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let picture = ocs.domain.preview(&content, size).await?.ok_or(Error::NotFound)?;
    let kinds = [
        (CONTENT_TYPE, "image/png"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    Ok((headers, kinds, picture).into_response())
}

/// By id, or by path in the person's own files.
async fn content(ocs: &Ocs, principal: &Principal, query: &str) -> Result<Content, Error> {
    let domain = &ocs.domain;
    let at: Location = match (field(query, "fileId"), field(query, "file")) {
        (Some(id), _) => {
            let id = domain.item_id_of(&id).ok_or(Error::NotFound)?;
            domain.item_by_id(principal, id).await?.at
        }
        (None, Some(path)) => {
            let segments: Vec<&str> = path.split('/').collect();
            match domain.files_view(principal, &principal.name, &segments).await? {
                FilesView::Item(at) | FilesView::Shared { at, .. } => at,
                FilesView::Root { .. } | FilesView::SpacesFolder | FilesView::SharesFolder => {
                    return Err(Error::NotFound);
                }
            }
        }
        (None, None) => return Err(Error::NotFound),
    };
    match domain.content(principal, &at).await {
        Err(Error::IsFolder) => Err(Error::NotFound),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    /// A picture of one red pixel.
    const RED: &[u8] = &[
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1,
        8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, b'I', b'D', b'A', b'T', 8, 0xd7, 0x63, 0xf8, 0xcf, 0xc0,
        0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ];
    /// A height map of 4 by 3 pixels, as Zygo's text.
    const MAP: &[u8] = b"Zygo ASCII Data File - Format 2\n";

    #[tokio::test]
    async fn a_picture_is_found_by_id_and_by_path_and_not_sent_twice() {
        let house = House::new().await;
        house.user("eve").await;
        house.write("ada", "/r d.png", RED).await;
        let id = house.item_id("ada", "/r d.png").await;
        let address = format!("/index.php/core/preview?fileId={id}&x=40&y=40&a=1&forceIcon=0");
        let answer = house.get(&address).await;
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "image/png"));
        assert!(answer.headers["cache-control"].to_str().unwrap().contains("private"));
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(house.call_headers("GET", &address, &[("if-none-match", &tag)]).await.status, 304);
        let by_path = house.get("/index.php/core/preview.png?file=%2Fr%20d.png&x=64&y=64").await;
        assert_eq!((by_path.status, by_path.headers["etag"].to_str().unwrap()), (200, tag.as_str()));
        assert_eq!(house.by("eve", "GET", &address).await.status, 404);
        assert_eq!(house.send("GET", &address, &[], "").await.status, 401);
    }

    #[tokio::test]
    async fn what_has_no_picture_is_not_found() {
        let house = House::new().await;
        house.folder("ada", "/d").await;
        house.write("ada", "/t.txt", b"words").await;
        house.write("ada", "/broken.asc", MAP).await;
        house.write("ada", "/cut.png", &RED[..20]).await;
        for query in [
            "file=/d",
            "file=/t.txt",
            "file=/broken.asc",
            "file=/cut.png",
            "file=/nothing",
            "file=/",
            "file=/Spaces",
            "fileId=1",
            "fileId=x",
            "",
            "file=%00",
            "x=99999999999&fileId=-1",
        ] {
            let answer = house.get(&format!("/index.php/core/preview?{query}")).await;
            assert!(matches!(answer.status, 400 | 404), "{query}: {}", answer.status);
        }
    }
}
