//! `GET /api/v1/changes?space=`: what changed in a space since a cursor; waits for it, or goes on as server-sent events
//! (WHATWG HTML, section 9.2).

use crate::Api;
use crate::caller::Shown;
use crate::error::ApiError;
use crate::item;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::{HeaderMap, header};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error, Feed, Follower, MAX_PAGE, Part, Principal};
use stitchbox_schema::Cursor;
use stitchbox_schema::documents::ChangesDocument;

/// The longest a request waits for something to happen, seconds.
const LONGEST_WAIT: u64 = 60;
/// How often to ask whether the credentials still hold, and to tell a quiet stream how far the journal is.
const CHECK_AGAIN: Duration = Duration::from_secs(30);
/// Pause between comments that keep the connection open.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Id or name.
    space: String,
    cursor: Option<String>,
    limit: Option<i64>,
    /// Seconds.
    wait: Option<u64>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    shown: Shown,
    Parameters(asked): Parameters<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let principal = shown.check(&api.domain).await?;
    let membership = api.domain.find_space(&principal, &asked.space).await?;
    let part = membership.part();
    let (as_events, resumed) = (accepts_events(&headers), headers.get("last-event-id"));
    let after = match resumed.filter(|_| as_events) {
        Some(value) => Some(read_cursor(value.to_str().unwrap_or_default())?),
        None => asked.cursor.as_deref().map(read_cursor).transpose()?,
    };
    let limit = asked.limit.unwrap_or(MAX_PAGE);
    // Before the first look, so that a change in between is not missed.
    let follower = api.domain.follow(membership.space.id);
    let first = api.domain.feed(&principal, part, after, limit).await?;
    let mut watch =
        Watch { api, shown, principal, part, limit, cursor: first.cursor, checked: Instant::now(), follower };
    if as_events {
        let events = Sse::new(watch.events(first)).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
        // Reverse proxies must pass events on as they come.
        return Ok(([("x-accel-buffering", "no")], events).into_response());
    }
    let wait = Duration::from_secs(asked.wait.unwrap_or(0).min(LONGEST_WAIT));
    let feed =
        if first.entries.is_empty() && !first.more && after.is_some() { watch.wait(first, wait).await? } else { first };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(document(&watch.api.domain, feed))).into_response())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

fn read_cursor(text: &str) -> Result<Cursor, ApiError> {
    match text.parse() {
        Ok(position) if position >= 0 => Ok(Cursor(position)),
        _ => Err(ApiError::BadRequest("the cursor must be one that this interface gave".to_owned())),
    }
}

fn document(domain: &Domain, feed: Feed) -> ChangesDocument {
    let Feed { membership, cursor, more, entries } = feed;
    ChangesDocument {
        space: membership.asked_by(),
        cursor,
        more,
        role: membership.role,
        fingerprint: domain.data_fingerprint(),
        items: entries.into_iter().map(|entry| item::of_entry(&membership, entry)).collect(),
    }
}

/// Somebody who reads the feed of a space.
struct Watch {
    api: Api,
    shown: Shown,
    principal: Principal,
    part: Part,
    limit: i64,
    /// Everything up to here was told.
    cursor: Cursor,
    checked: Instant,
    follower: Follower,
}

impl Watch {
    async fn look(&mut self) -> Result<Feed, Error> {
        if self.checked.elapsed() > CHECK_AGAIN {
            self.principal = self.shown.check(&self.api.domain).await?;
            self.checked = Instant::now();
        }
        let feed = self.api.domain.feed(&self.principal, self.part, Some(self.cursor), self.limit).await?;
        self.cursor = feed.cursor;
        Ok(feed)
    }

    /// The first changes, or none after this time. Who may not ask any more is told so at the end at the latest.
    async fn wait(&mut self, first: Feed, wait: Duration) -> Result<Feed, Error> {
        if wait.is_zero() {
            return Ok(first);
        }
        let end = tokio::time::Instant::now() + wait;
        loop {
            let ended = tokio::select! {
                news = self.follower.news() => news.map(|()| false)?,
                () = self.api.stop.cancelled() => true,
                () = tokio::time::sleep_until(end) => true,
            };
            let feed = self.look().await?;
            if ended || feed.more || !feed.entries.is_empty() {
                return Ok(feed);
            }
        }
    }

    fn events(self, first: Feed) -> impl Stream<Item = Result<Event, Infallible>> {
        let mut ready = VecDeque::new();
        let more = first.more;
        ready.push_back(event(&self.api.domain, first).retry(COME_BACK));
        futures::stream::unfold((self, ready, more), |(mut watch, mut ready, mut more)| async move {
            loop {
                if let Some(event) = ready.pop_front() {
                    return Some((Ok(event), (watch, ready, more)));
                }
                if !more && !watch.woken().await {
                    return None;
                }
                let before = watch.cursor;
                match watch.look().await {
                    Ok(feed) if !feed.entries.is_empty() => {
                        more = feed.more;
                        ready.push_back(event(&watch.api.domain, feed));
                    }
                    Ok(feed) => {
                        more = feed.more;
                        // An id alone: a client that comes back need not read what others changed elsewhere.
                        if feed.cursor != before {
                            ready.push_back(Event::default().id(feed.cursor.to_string()));
                        }
                    }
                    // Coming back, the client hears why: 401, 403, 404, 410.
                    Err(error) => {
                        tracing::debug!(%error, "a stream of changes ends");
                        return None;
                    }
                }
            }
        })
    }

    /// Waits until there may be something to tell; false if the stream is to end.
    async fn woken(&mut self) -> bool {
        tokio::select! {
            news = self.follower.news() => news.is_ok(),
            () = self.api.stop.cancelled() => false,
            () = tokio::time::sleep(CHECK_AGAIN) => true,
        }
    }
}

fn event(domain: &Domain, feed: Feed) -> Event {
    let id = feed.cursor.to_string();
    let json = serde_json::to_string(&document(domain, feed)).unwrap_or_default();
    Event::default().id(id).data(json)
}

#[cfg(test)]
mod tests;
