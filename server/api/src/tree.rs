//! `GET /api/v1/tree?space=`: a whole tree as lines of JSON, streamed.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::item;
use crate::parameters::Parameters;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use stitchbox_domain::{Error, ItemPath, Walk, WalkTop};
use stitchbox_schema::ItemId;
use stitchbox_schema::documents::{TreeEndDocument, TreeHeadDocument};

#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Id or name.
    space: String,
    /// Where to begin; the root of the space if neither is given.
    item: Option<ItemId>,
    path: Option<String>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let top = match (asked.item, asked.path) {
        (Some(_), Some(_)) => return Err(ApiError::BadRequest("give item or path, not both".to_owned())),
        (Some(item), None) => WalkTop::Item(item),
        (None, path) => WalkTop::Path(ItemPath::parse(path.as_deref().unwrap_or("/")).map_err(Error::from)?),
    };
    let part = api.domain.find_space(&principal, &asked.space).await?.part();
    let walk = api.domain.walk(&principal, part, top).await?;
    let head = TreeHeadDocument {
        cursor: walk.cursor(),
        space: walk.membership().asked_by(),
        item: walk.top(),
        role: walk.membership().role,
        fingerprint: api.domain.data_fingerprint(),
    };
    let body = Body::from_stream(lines(api, walk, head));
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn line(out: &mut Vec<u8>, document: &impl Serialize) {
    // Writing numbers and texts to memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, document);
    out.push(b'\n');
}

/// What is told next.
enum Stage {
    Head(Box<TreeHeadDocument>),
    Items { count: u64 },
    Over,
}

/// A page of lines at a time. A walk that cannot go on breaks the body off, without the line that ends it.
fn lines(api: Api, walk: Walk, head: TreeHeadDocument) -> impl Stream<Item = Result<Bytes, Error>> {
    let start = (api, walk, Stage::Head(Box::new(head)));
    futures::stream::unfold(start, |(api, mut walk, stage)| async move {
        let mut out = Vec::new();
        match stage {
            Stage::Head(head) => {
                line(&mut out, &*head);
                Some((Ok(out.into()), (api, walk, Stage::Items { count: 0 })))
            }
            Stage::Items { mut count } => loop {
                if api.stop.is_cancelled() {
                    return None;
                }
                match walk.next().await {
                    Ok(Some(page)) if page.is_empty() => {}
                    Ok(Some(page)) => {
                        count += page.len() as u64;
                        for shown in page {
                            line(&mut out, &item::of_shown(walk.membership(), shown));
                        }
                        return Some((Ok(out.into()), (api, walk, Stage::Items { count })));
                    }
                    Ok(None) => {
                        line(&mut out, &TreeEndDocument { end: true, count });
                        return Some((Ok(out.into()), (api, walk, Stage::Over)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the listing of a tree broke off");
                        return Some((Err(error), (api, walk, Stage::Over)));
                    }
                }
            },
            Stage::Over => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::Value;

    fn lines(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_tree_is_told_from_the_top_folders_first() {
        let house = House::new().await;
        house.folder("ada", "/a").await;
        house.folder("ada", "/a/b").await;
        house.write("ada", "/a/b/f", b"12345").await;
        house.write("ada", "/g", b"x").await;
        let (status, kind, text) = house.text("/api/v1/tree?space=ada").await;
        assert_eq!((status, kind.as_str()), (200, "application/x-ndjson"));
        let told = lines(&text);
        let (head, items, end) = (&told[0], &told[1..told.len() - 1], told.last().unwrap());
        assert_eq!((end["end"].as_bool(), end["count"].as_u64()), (Some(true), Some(5)));
        assert_eq!((items[0]["id"].clone(), items[0]["parent"].clone()), (head["item"].clone(), Value::Null));
        let mut known = vec![items[0]["id"].clone()];
        for item in &items[1..] {
            assert!(known.contains(&item["parent"]), "{item}");
            known.push(item["id"].clone());
            assert_eq!((item["state"].as_str(), item["deep"].as_bool()), (Some("present"), Some(false)));
        }
        let file = items.iter().find(|item| item["name"] == "f").unwrap();
        assert_eq!((file["kind"].as_str(), file["size"].as_i64()), (Some("file"), Some(5)));
        // sha256sum of 12345
        assert_eq!(file["sha256"], "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5");
        assert_eq!((file["permissions"].as_str(), file["derived"].as_bool()), (Some("RGDNVW"), Some(false)));
        let etag = file["etag"].as_str().unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"') && file["mtime_ns"].is_string());
        let since = house.get(&format!("/api/v1/changes?space=ada&cursor={}", head["cursor"].as_str().unwrap())).await;
        assert_eq!(since.body["items"].as_array().unwrap().len(), 0, "{:?}", since.body);
    }

    #[tokio::test]
    async fn a_part_of_a_tree_is_told_by_its_id_or_path() {
        let house = House::new().await;
        house.folder("ada", "/a").await;
        house.write("ada", "/a/f", b"1").await;
        house.write("ada", "/g", b"x").await;
        let by_path = house.text("/api/v1/tree?space=ada&path=/a").await.2;
        let told = lines(&by_path);
        assert_eq!((told.len(), &told[1]["name"], &told[2]["name"]), (4, &Value::from("a"), &Value::from("f")));
        let id = told[0]["item"].as_str().unwrap();
        assert_eq!(house.text(&format!("/api/v1/tree?space=ada&item={id}")).await.2, by_path);
        let file = lines(&house.text("/api/v1/tree?space=ada&path=/g").await.2);
        assert_eq!((file.len(), &file[1]["name"]), (3, &Value::from("g")), "a file is a tree of one");
        house.remove("ada", "/a").await;
        house.space("ring", Some("ada"), None).await;
        for (address, status) in [
            (format!("space=ada&item={id}"), 404),
            ("space=ada&path=/nothing".to_owned(), 404),
            ("space=nowhere".to_owned(), 404),
            ("space=ada&item=x".to_owned(), 400),
            ("space=ada&item=1&path=/".to_owned(), 400),
            (format!("space=ring&item={id}"), 404),
        ] {
            assert_eq!(house.get(&format!("/api/v1/tree?{address}")).await.status, status, "{address}");
        }
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", "/api/v1/tree?space=ada").await.status, 404);
    }

    #[tokio::test]
    async fn a_wide_and_deep_tree_is_told_completely() {
        let house = House::new().await;
        // More than a page in one folder, more folders than are read at once, and a folder of each.
        for folder in 0..120 {
            house.folder("ada", &format!("/{folder:03}")).await;
            house.write("ada", &format!("/{folder:03}/f"), b"x").await;
        }
        house.folder("ada", "/060/many").await;
        for file in 0..1100 {
            house.write("ada", &format!("/060/many/{file}"), b"x").await;
        }
        let told = lines(&house.text("/api/v1/tree?space=ada").await.2);
        let expected = 1 + 120 * 2 + 1 + 1100;
        assert_eq!(told.last().unwrap()["count"].as_u64(), Some(expected));
        let mut ids: Vec<_> = told[1..told.len() - 1].iter().map(|item| item["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len() as u64, expected, "each once");
    }
}
