//! `GET /ocs/v2.php/apps/notifications/api/v1/notifications/sse`: the same as server-sent events, as clients of
//! ownCloud 4 and OpenCloud listen. An event is named after what happened and carries the ids of item, folder and space.

use super::listener::{Heard, Listener, News};
use super::seats::Seat;
use crate::Ocs;
use crate::caller::Shown;
use crate::envelope::Envelope;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::request::Parts;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use stitchbox_domain::{ChangeKind, Error};

/// Pause between comments that keep the connection open.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub(crate) async fn get(State(ocs): State<Ocs>, parts: Parts) -> Response {
    match open(ocs, &parts).await {
        Ok(stream) => {
            let events = Sse::new(stream.events()).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
            // Reverse proxies must pass events on as they come.
            ([("x-accel-buffering", "no")], events).into_response()
        }
        Err(error) => Envelope::of(&parts).refuse(&error.into()),
    }
}

async fn open(ocs: Ocs, parts: &Parts) -> Result<Open, Error> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    let seat = ocs.seats.take().ok_or(Error::Throttled { seconds: 60 })?;
    let (listener, principal) = Listener::new(&ocs.domain, &ocs.pulse, shown).await?;
    let seat = seat.belongs_to(principal.user).ok_or(Error::Throttled { seconds: 60 })?;
    Ok(Open { ocs, listener, ready: VecDeque::new(), _seat: seat })
}

/// One open stream.
struct Open {
    ocs: Ocs,
    listener: Listener,
    ready: VecDeque<Event>,
    _seat: Seat,
}

impl Open {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut open| async move {
            let event = open.next().await?;
            Some((Ok(event), open))
        })
    }

    /// The next event; `None` ends the stream, and the client comes back.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let news = tokio::select! {
                () = self.ocs.stop.cancelled() => return None,
                news = self.listener.news() => news.ok()?,
            };
            match news {
                News::Changes(changes) => {
                    let events: Vec<_> = changes.iter().map(|heard| self.event(heard)).collect();
                    self.ready.extend(events);
                }
                // Coming back, the client looks at everything.
                News::Anything => return None,
            }
        }
    }

    fn event(&self, heard: &Heard) -> Event {
        let place = &heard.place;
        let id = |item| self.ocs.domain.oc_id_of(item);
        let data = json!({
            "itemid": id(place.item),
            "parentitemid": place.folder.map(id),
            "spaceid": place.space,
        });
        Event::default().event(word(place.kind, place.is_folder)).data(data.to_string())
    }
}

fn word(kind: ChangeKind, is_folder: bool) -> &'static str {
    match kind {
        ChangeKind::Created | ChangeKind::Arrived if is_folder => "folder-created",
        ChangeKind::Created | ChangeKind::Arrived | ChangeKind::Updated | ChangeKind::Touched => "file-touched",
        ChangeKind::Moved => "item-moved",
        ChangeKind::Deleted => "item-trashed",
        ChangeKind::Restored => "item-restored",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use std::time::Duration;

    const ADDRESS: &str = "/ocs/v2.php/apps/notifications/api/v1/notifications/sse";

    #[tokio::test]
    async fn changes_of_ones_own_spaces_arrive_by_name() {
        let house = House::new().await;
        house.user("eve").await;
        let mut ada = house.events("ada", ADDRESS).await;
        let mut eve = house.events("eve", ADDRESS).await;
        house.folder("ada", "/d").await;
        house.write("ada", "/d/f", b"1").await;
        house.remove("ada", "/d/f").await;
        let text = ada.until("item-trashed").await;
        assert!(text.contains("event: folder-created") && text.contains("event: file-touched"), "{text}");
        let folder = house.domain.oc_id_of(stitchbox_schema::ItemId(house.item_id("ada", "/d").await));
        assert!(text.contains(&format!("\"parentitemid\":\"{folder}\"")), "{text}");
        let heard = tokio::time::timeout(Duration::from_millis(1200), eve.until("event")).await;
        assert!(heard.is_err(), "{heard:?}");
        assert_eq!(house.send("GET", ADDRESS, &[], "").await.status, 401);
    }
}
