//! `GET /api/v1/runs/events`: changes of runs as server-sent events (WHATWG HTML, section 9.2).
//!
//! An event `run` carries a run as it is now. Its id is a revision: a client that comes back with `Last-Event-ID` gets
//! what it missed; without, the stream begins now. So: open the stream first, then fetch the list.

use crate::Api;
use crate::caller::Shown;
use crate::error::ApiError;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::{HeaderMap, HeaderValue};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use stitchbox_domain::{Error, Principal};
use stitchbox_schema::documents::RunDocument;

/// How often to look for what other processes changed; this one's changes wake the stream at once.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often to ask whether the credentials still hold.
const CHECK_AGAIN: Duration = Duration::from_secs(30);
/// Pause between comments that keep the connection open.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);

pub(crate) async fn get(State(api): State<Api>, shown: Shown, headers: HeaderMap) -> Result<Response, ApiError> {
    let principal = shown.check(&api.domain).await?;
    let revision = match headers.get("last-event-id") {
        Some(value) => read_revision(value)?,
        None => api.domain.runs_revision().await?,
    };
    // Refusals are told as such, not as a stream that ends.
    api.domain.runs_changed_after(&principal, revision).await?;
    let watch = Watch { api, shown, principal, revision, checked: Instant::now(), ready: VecDeque::new() };
    let events = Sse::new(watch.events()).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    // Reverse proxies must pass events on as they come.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

fn read_revision(value: &HeaderValue) -> Result<i64, ApiError> {
    let text = value.to_str().unwrap_or_default();
    text.parse().map_err(|_| ApiError::BadRequest("Last-Event-ID must be an id that this stream gave".to_owned()))
}

/// One open stream.
struct Watch {
    api: Api,
    shown: Shown,
    principal: Principal,
    /// Everything up to here was told.
    revision: i64,
    checked: Instant,
    ready: VecDeque<Event>,
}

impl Watch {
    fn events(mut self) -> impl Stream<Item = Result<Event, Infallible>> {
        // An id alone is no event; it tells the client where to resume even if nothing happens.
        self.ready.push_back(Event::default().id(self.revision.to_string()).retry(COME_BACK));
        futures::stream::unfold(self, |mut watch| async move {
            let event = watch.next().await?;
            Some((Ok(event), watch))
        })
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let domain = self.api.domain.clone();
            // Registered before looking, so that a change in between is not missed.
            let mut woken = std::pin::pin!(domain.run_changed().notified());
            woken.as_mut().enable();
            match self.look().await {
                Ok(()) if !self.ready.is_empty() => continue,
                Ok(()) => {}
                Err(Error::Unauthenticated) => return None,
                Err(error) => {
                    tracing::warn!(%error, "an event stream ends; the client will come back");
                    return None;
                }
            }
            tokio::select! {
                () = self.api.stop.cancelled() => return None,
                () = woken => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        if self.checked.elapsed() > CHECK_AGAIN {
            self.principal = self.shown.check(&self.api.domain).await?;
            self.checked = Instant::now();
        }
        let (runs, revision) = self.api.domain.runs_changed_after(&self.principal, self.revision).await?;
        let last = runs.len().saturating_sub(1);
        for (position, run) in runs.iter().enumerate() {
            // Only the last one of a batch moves the id: a broken batch is told again, never lost.
            let id = if position == last { revision } else { self.revision };
            self.ready.push_back(event(run, id));
        }
        self.revision = revision;
        Ok(())
    }
}

fn event(run: &RunDocument, id: i64) -> Event {
    let json = serde_json::to_string(run).unwrap_or_default();
    Event::default().event("run").id(id.to_string()).data(json)
}

#[cfg(test)]
mod tests {
    use crate::testing::{EventReader, House};
    use std::time::Duration;

    const ADDRESS: &str = "/api/v1/runs/events";

    #[tokio::test]
    async fn changes_arrive_and_a_stream_is_resumed_without_loss() {
        let house = House::new().await;
        house.run("ada", "/before").await;
        let mut events = EventReader::open(&house, ADDRESS, None).await;
        let start = events.next_id().await;
        house.run("ada", "/m").await;
        let (id, run) = events.next_run().await;
        assert_eq!((run["folder"].as_str(), run["state"].as_str()), (Some("/m"), Some("queued")));
        drop(events);
        house.run("ada", "/n").await;
        let mut resumed = EventReader::open(&house, ADDRESS, Some(&id)).await;
        assert_eq!(resumed.next_run().await.1["folder"], "/n");
        let mut from_start = EventReader::open(&house, ADDRESS, Some(&start)).await;
        assert_eq!(from_start.next_run().await.1["folder"], "/m");
        assert_eq!(from_start.next_run().await.1["folder"], "/n");
        let mut everything = EventReader::open(&house, ADDRESS, Some("0")).await;
        assert_eq!(everything.next_run().await.1["folder"], "/before");
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_server() {
        let house = House::new().await;
        let mut events = EventReader::open(&house, ADDRESS, None).await;
        events.next_id().await;
        house.stop.cancel();
        let end = tokio::time::timeout(Duration::from_secs(5), events.end()).await;
        assert!(end.is_ok(), "it goes on");
    }

    #[tokio::test]
    async fn others_hear_nothing_and_a_garbled_id_is_refused() {
        let house = House::new().await;
        let garbled = house.call_headers("GET", ADDRESS, &[("last-event-id", "yesterday")]).await;
        assert_eq!((garbled.status, garbled.code()), (400, "bad_request"));
        house.user("eve").await;
        let mut events = EventReader::open_as(&house, "eve", ADDRESS, None).await;
        events.next_id().await;
        house.run("ada", "/m").await;
        let heard = tokio::time::timeout(Duration::from_millis(800), events.next_run()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}
