//! `GET /index.php/f/FILEID`: the page of the folder a file is in, wherever it was moved.

use crate::Ocs;
use crate::caller::Shown;
use crate::error::OcsError;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stitchbox_domain::{Error, ItemKind};

/// Everything but the unreserved characters of RFC 3986.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) async fn get(State(ocs): State<Ocs>, Path(id): Path<String>, parts: Parts) -> Response {
    match folder_address(&ocs, &id, &parts).await {
        Ok(address) => {
            (StatusCode::FOUND, [(LOCATION, address), (CACHE_CONTROL, "no-store".to_owned())]).into_response()
        }
        Err(error) => OcsError::from(error).plain(),
    }
}

async fn folder_address(ocs: &Ocs, id: &str, parts: &Parts) -> Result<String, Error> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    let principal = shown.check(&ocs.domain).await?;
    let found = ocs.domain.item_by_id(&principal, ocs.domain.item_id_of(id).ok_or(Error::NotFound)?).await?;
    let shown = found.membership.shown(&found.at.path).ok_or(Error::NotFound)?;
    let names = shown.names();
    let is_folder = found.item.kind == ItemKind::Folder;
    let folders = if is_folder { names.len() } else { names.len().saturating_sub(1) };
    let mut address = format!("/dav/spaces/{}/", found.membership.asked_by());
    for name in names.iter().take(folders) {
        address.extend(utf8_percent_encode(name.as_str(), NAME));
        address.push('/');
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn a_link_leads_to_the_folder_for_who_may_see_it() {
        let house = House::new().await;
        house.user("eve").await;
        house.folder("ada", "/a b").await;
        house.write("ada", "/a b/f", b"1").await;
        let space = house.space_id("ada").await;
        for (path, folder) in [("/a b/f", "a%20b/"), ("/a b", "a%20b/"), ("/", "")] {
            let id = house.item_id("ada", path).await;
            let answer = house.get(&format!("/index.php/f/{id}")).await;
            assert_eq!(answer.status, 302, "{path}");
            assert_eq!(answer.headers["location"], format!("/dav/spaces/{space}/{folder}"));
            let whole = house.domain.oc_id_of(stitchbox_schema::ItemId(id));
            assert_eq!(house.get(&format!("/f/{whole}")).await.status, 302);
            assert_eq!(house.by("eve", "GET", &format!("/f/{id}")).await.status, 404);
        }
        let id = house.item_id("ada", "/a b/f").await;
        house.remove("ada", "/a b").await;
        assert_eq!(house.get(&format!("/f/{id}")).await.status, 404, "in the trash");
        for garbage in ["0", "x", "-1", "99999999999999999999", "%ff"] {
            assert!(matches!(house.get(&format!("/f/{garbage}")).await.status, 400 | 404), "{garbage}");
        }
        assert_eq!(house.send("GET", "/index.php/f/1", &[], "").await.status, 401);
    }
}
