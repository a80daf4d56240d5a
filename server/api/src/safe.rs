//! `GET /api/v1/safe?space=&path=`: whether the source of a file, or of everything in a folder, may be deleted.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use stitchbox_domain::{Error, FileSafety, ItemPath, SafetyCheck};

#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Id or name.
    space: String,
    path: String,
    /// Tell every file.
    recursive: Option<String>,
    /// Read every byte again.
    verify: Option<String>,
}

#[derive(Serialize)]
struct FileDocument {
    path: String,
    safe: bool,
    sha256: Option<String>,
    size: i64,
    reason: Option<String>,
}

impl From<FileSafety> for FileDocument {
    fn from(file: FileSafety) -> Self {
        let reason = file.problem.map(|problem| problem.to_string());
        Self { path: file.path, safe: reason.is_none(), sha256: file.sha256, size: file.size, reason }
    }
}

/// `?recursive`, `?recursive=1` and `?recursive=true` are one.
fn is_set(flag: Option<&str>) -> Result<bool, ApiError> {
    match flag {
        None | Some("0" | "false") => Ok(false),
        Some("" | "1" | "true") => Ok(true),
        Some(_) => Err(ApiError::BadRequest("recursive and verify are true or false".to_owned())),
    }
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, ApiError> {
    let (recursive, verify) = (is_set(asked.recursive.as_deref())?, is_set(asked.verify.as_deref())?);
    let membership = api.domain.find_space(&principal, &asked.space).await?;
    let path = ItemPath::parse(&asked.path).map_err(Error::from)?;
    let at = membership.place(path);
    let (_, item) = api.domain.item(&principal, &at).await?;
    let check = api.domain.check_safety(&principal, &at, verify).await?;
    // A single file is always told.
    let tell_files = recursive || !item.is_folder();
    let body = Body::from_stream(pieces(api, check, tell_files));
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// Where the document is.
enum Stage {
    Begin,
    Files { first: bool },
    Over,
}

/// One JSON object, written as the files are looked at; the verdict comes last. A look that fails breaks the body off,
/// so that what arrives is no document at all.
fn pieces(api: Api, check: SafetyCheck, tell_files: bool) -> impl Stream<Item = Result<Bytes, Error>> {
    futures::stream::unfold((api, Some(check), Stage::Begin), move |(api, mut check, stage)| async move {
        let first = match stage {
            Stage::Begin => {
                return Some((Ok(Bytes::from_static(b"{\"items\":[")), (api, check, Stage::Files { first: true })));
            }
            Stage::Over => return None,
            Stage::Files { first } => first,
        };
        let mut looking = check.take()?;
        loop {
            if api.stop.is_cancelled() {
                let broken = Err(Error::BodyBroken);
                return Some((broken, (api, None, Stage::Over)));
            }
            match looking.next().await {
                Ok(Some(files)) if !tell_files || files.is_empty() => {}
                Ok(Some(files)) => {
                    let out = of_files(files, first);
                    return Some((Ok(out.into()), (api, Some(looking), Stage::Files { first: false })));
                }
                Ok(None) => {
                    let end = looking.verdict().await.map(|verdict| {
                        let reason = verdict.problem.map(|problem| problem.to_string());
                        let safe = reason.is_none();
                        let reason = serde_json::to_string(&reason).unwrap_or_default();
                        format!("],\"files\":{},\"safe\":{safe},\"reason\":{reason}}}", verdict.files).into()
                    });
                    return Some((end, (api, None, Stage::Over)));
                }
                Err(error) => return Some((Err(error), (api, None, Stage::Over))),
            }
        }
    })
}

fn of_files(files: Vec<FileSafety>, first: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (position, file) in files.into_iter().enumerate() {
        if !(first && position == 0) {
            out.push(b',');
        }
        // Numbers and texts, into memory.
        let _ = serde_json::to_writer(&mut out, &FileDocument::from(file));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    const LARGE: &[u8] = &[7; 100_000];

    #[tokio::test]
    async fn what_is_complete_is_safe_file_by_file() {
        let house = House::new().await;
        house.folder("ada", "/m").await;
        house.write("ada", "/m/small", b"12345").await;
        house.write("ada", "/m/large", LARGE).await;
        for query in ["", "&verify", "&verify=true&recursive=false"] {
            let whole = house.get(&format!("/api/v1/safe?space=ada&path=/m{query}")).await;
            assert_eq!(
                (whole.status, &whole.body),
                (200, &json!({"safe": true, "reason": null, "files": 2, "items": []}))
            );
        }
        let told = house.get("/api/v1/safe?space=ada&path=/m&recursive").await.body;
        let items = told["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[1]["path"], &items[1]["size"]), (2, &json!("/m/small"), &json!(5)));
        assert_eq!(items[1]["sha256"], "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5");
        let one = house.get("/api/v1/safe?space=ada&path=/m/large").await.body;
        assert_eq!((&one["safe"], one["items"].as_array().unwrap().len()), (&json!(true), 1));
        for (query, status) in
            [("path=/nothing", 404), ("path=/m&verify=perhaps", 400), ("recursive", 400), ("path=/../m", 400)]
        {
            assert_eq!(house.get(&format!("/api/v1/safe?space=ada&{query}")).await.status, status, "{query}");
        }
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", "/api/v1/safe?space=ada&path=/m").await.status, 404);
    }

    #[tokio::test]
    async fn what_is_still_arriving_is_not() {
        let house = House::new().await;
        house.folder("ada", "/m").await;
        house.folder("ada", "/m/n").await;
        house.write("ada", "/m/f", b"1").await;
        let arriving = house.arriving("ada", "/m/n/late.dat", LARGE).await;
        for path in ["/m", "/m/n", "/"] {
            let answer = house.get(&format!("/api/v1/safe?space=ada&path={path}")).await.body;
            assert_eq!(answer["safe"], json!(false), "{path}");
            assert!(answer["reason"].as_str().unwrap().contains("late.dat"), "{answer}");
        }
        assert_eq!(house.get("/api/v1/safe?space=ada&path=/m/f").await.body["safe"], json!(true), "it is complete");
        arriving.commit().await.unwrap();
        assert_eq!(house.get("/api/v1/safe?space=ada&path=/m").await.body["safe"], json!(true));
    }

    #[tokio::test]
    async fn missing_and_damaged_bytes_are_found() {
        let house = House::new().await;
        house.folder("ada", "/m").await;
        house.write("ada", "/m/small", b"1").await;
        house.write("ada", "/m/large", LARGE).await;
        let blob = house.only_blob_file();
        let mut damaged = LARGE.to_vec();
        damaged[50] ^= 1;
        house.overwrite(&blob, &damaged);
        let safe = async |query: &str| {
            let body = house.get(&format!("/api/v1/safe?space=ada&path=/m{query}")).await.body;
            (body["safe"].as_bool().unwrap(), body["reason"].as_str().unwrap_or_default().to_owned())
        };
        assert!(safe("").await.0, "nobody read it");
        let (verified, why) = safe("&verify").await;
        assert!(!verified && why.contains("1 of 2") && why.contains("/m/large") && why.contains("damaged"), "{why}");
        house.overwrite(&blob, &LARGE[..60_000]);
        assert!(!safe("").await.0, "its end is missing");
        std::fs::remove_file(&blob).unwrap();
        assert!(safe("").await.1.contains("missing"));
    }
}
