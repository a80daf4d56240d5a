//! The local socket for orders: both ends. Whoever may open the file may administer; it is for the server's user alone.

use crate::administration::{Order, Outcome, perform};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use stitchbox_domain::Domain;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Longest path a socket address carries, with room to spare.
const LONGEST_PATH: usize = 100;
const ADDRESS: &str = "/order";

/// Opens the socket. The caller has the right to serve the folder, so what lies there is a leftover.
pub fn open(data: &DataFolder) -> Result<UnixListener, Failure> {
    let path = data.socket();
    let failed =
        |source| Failure::File { doing: "cannot open the socket for administration", path: path.clone(), source };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let (short, _folder) = short_path(&path).map_err(failed)?;
    let listener = UnixListener::bind(short).map_err(failed)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Carries out orders until `stop`.
pub async fn serve(listener: UnixListener, domain: Domain, stop: CancellationToken) {
    let router = Router::new().route(ADDRESS, post(carry_out)).with_state(domain);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the socket for administration failed");
    }
}

async fn carry_out(State(domain): State<Domain>, Json(order): Json<Order>) -> Json<Outcome> {
    let what = format!("{order:?}");
    let outcome = perform(&domain, order).await;
    match &outcome {
        Outcome::Done(_) => tracing::info!(order = what, "administration: done"),
        Outcome::Refused(why) => tracing::info!(order = what, why, "administration: refused"),
    }
    Json(outcome)
}

/// Sends an order to the running server; `None` if none runs.
pub async fn send(data: &DataFolder, order: &Order) -> Result<Option<Outcome>, Failure> {
    let path = data.socket();
    let Ok((short, _folder)) = short_path(&path) else { return Ok(None) };
    let stream = match UnixStream::connect(short).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(source) => return Err(Failure::File { doing: "cannot reach the running server at", path, source }),
    };
    exchange(stream, order).await.map(Some).map_err(|error| Failure::Socket(error.to_string()))
}

async fn exchange(stream: UnixStream, order: &Order) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post(ADDRESS)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(order)?)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    if !status.is_success() {
        // Another version of the program serves, and does not know the order.
        return Err(format!("it answered {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice(&body)?)
}

/// A socket address is short; a long path is reached through its folder, which is then kept open.
fn short_path(path: &Path) -> std::io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((path.to_owned(), None));
    }
    let missing = || std::io::Error::from(ErrorKind::NotFound);
    let (folder, name) = (path.parent().ok_or_else(missing)?, path.file_name().ok_or_else(missing)?);
    let folder = File::open(folder)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name), Some(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn orders_are_carried_out_by_whoever_serves_even_below_a_long_path() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("d".repeat(120))).unwrap();
        let list = Order::ListUsers;
        assert_eq!(send(&data, &list).await.unwrap(), None, "nobody serves");
        let house = crate::wire::open(&Config::default(), &data).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(open(&data).unwrap(), house.domain, stop.clone()));
        let add = Order::AddUser {
            name: "ada".to_owned(),
            display_name: String::new(),
            password: Some("stable horse".to_owned()),
            admin: true,
        };
        assert!(matches!(send(&data, &add).await.unwrap(), Some(Outcome::Done(_))));
        let Some(Outcome::Refused(why)) = send(&data, &add).await.unwrap() else { panic!("twice") };
        assert!(why.contains("already") && why.contains("ada"), "{why}");
        let Some(Outcome::Done(report)) = send(&data, &list).await.unwrap() else { panic!("no list") };
        assert_eq!(report.lines, ["ada\tada\tadmin"]);
        assert_eq!(data.socket().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(send(&data, &list).await.unwrap(), None, "what it left behind counts for nothing");
        drop(open(&data).unwrap());
    }
}
