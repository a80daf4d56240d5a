//! `GET /push/ws`: push messages over a WebSocket, as clients of Nextcloud speak it with notify_push.
//!
//! The client sends its user name and its password as two texts, or an empty one and a token of `pre_auth`. It hears
//! `authenticated` or `err: …`; then `notify_file`, or, after it said `listen notify_file_id`,
//! `notify_file_id [1,2]` with the ids of what changed and of the folders around it.

use super::listener::{Listener, News};
use crate::Ocs;
use crate::caller::Shown;
use crate::origin::Origin;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use stitchbox_domain::Error;
use stitchbox_domain::auth::Credentials;
use stitchbox_schema::ItemId;
use tokio::time::{Instant, sleep_until, timeout};

/// Time to say who one is.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest text a client sends, bytes: a token.
const LONGEST_TEXT: usize = 4096;
/// Shortest pause between two messages; a busy folder is told of once in it.
const PAUSE: Duration = Duration::from_secs(1);
/// What each connection adds to the pause, so that a change of a space with many members is no storm of requests.
const PAUSE_EACH: Duration = Duration::from_millis(3);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Ids in one message; beyond, the client looks at everything.
const MOST_IDS: usize = 200;
/// Pause between two signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
/// How long nothing may be heard of a client.
const SILENCE: Duration = Duration::from_secs(90);
/// A connection that was opened by a token, which cannot be checked again, ends after this.
const TOKEN_SESSION: Duration = Duration::from_secs(15 * 60);

pub(crate) async fn get(State(ocs): State<Ocs>, Origin(client): Origin, upgrade: WebSocketUpgrade) -> Response {
    let Some(seat) = ocs.seats.take() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many clients listen; ask again later\n").into_response();
    };
    // The buffer is as large as this from the beginning, and anybody may open a connection.
    let upgrade = upgrade.max_message_size(LONGEST_TEXT).max_frame_size(LONGEST_TEXT).read_buffer_size(LONGEST_TEXT);
    upgrade.on_upgrade(async move |socket| {
        let mut socket = socket;
        let Some((shown, by_token)) = greet(&mut socket, client).await else { return };
        let opened = match by_token {
            true => Listener::opened_by_token(&ocs.domain, &ocs.pulse, shown).await,
            false => Listener::new(&ocs.domain, &ocs.pulse, shown).await,
        };
        let (listener, principal) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let text = match error {
                    Error::Unauthenticated => "err: Invalid credentials".to_owned(),
                    Error::Throttled { .. } => format!("err: {error}"),
                    _ => "err: the server cannot answer now".to_owned(),
                };
                let _ = socket.send(Message::from(text)).await;
                return;
            }
        };
        let Some(_seat) = seat.belongs_to(principal.user) else {
            let _ = socket.send(Message::from("err: Limit exceeded")).await;
            return;
        };
        if socket.send(Message::from("authenticated")).await.is_ok() {
            let end = by_token.then(|| Instant::now() + TOKEN_SESSION);
            // Whatever ends it, the client comes back; there is nobody to be told.
            let _ = Session::new(&ocs, end).run(socket, listener).await;
        }
    })
}

/// The two texts the client begins with, and whether they are a token.
async fn greet(socket: &mut WebSocket, client: IpAddr) -> Option<(Shown, bool)> {
    let greeting = async {
        let name = next_text(socket).await?;
        let password = next_text(socket).await?;
        Some((name, password))
    };
    let (name, password) = timeout(PATIENCE, greeting).await.ok()??;
    let by_token = name.is_empty();
    let credentials = if by_token { Credentials::Bearer(password) } else { Credentials::Basic { name, password } };
    Some((Shown { credentials, client }, by_token))
}

async fn next_text(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return Some(text.to_string()),
            Message::Close(_) => return None,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

/// A client that is logged in.
struct Session<'a> {
    ocs: &'a Ocs,
    end: Option<Instant>,
    wants_ids: bool,
    /// What is to be told; `None` for anything.
    ids: Option<BTreeSet<ItemId>>,
    /// Whether anything is to be told.
    pending: bool,
    /// No message before.
    quiet_until: Instant,
    heard: Instant,
}

/// The connection is over.
struct Over;

impl<'a> Session<'a> {
    fn new(ocs: &'a Ocs, end: Option<Instant>) -> Self {
        let now = Instant::now();
        Self { ocs, end, wants_ids: false, ids: Some(BTreeSet::new()), pending: false, quiet_until: now, heard: now }
    }

    async fn run(mut self, mut socket: WebSocket, mut listener: Listener) -> Result<(), Over> {
        let mut life = tokio::time::interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE);
        loop {
            let may_speak = self.quiet_until;
            tokio::select! {
                () = self.ocs.stop.cancelled() => {
                    let _ = socket.send(Message::Close(None)).await;
                    return Ok(());
                }
                news = listener.news() => self.note(news.map_err(|_| Over)?),
                () = sleep_until(may_speak), if self.pending => self.tell(&mut socket).await?,
                received = socket.recv() => self.hear(received.ok_or(Over)?.map_err(|_| Over)?)?,
                _ = life.tick() => {
                    if self.heard.elapsed() > SILENCE || self.end.is_some_and(|end| Instant::now() >= end) {
                        return Err(Over);
                    }
                    socket.send(Message::Ping(Default::default())).await.map_err(|_| Over)?;
                }
            }
        }
    }

    fn note(&mut self, news: News) {
        self.pending = true;
        let News::Changes(changes) = news else {
            self.ids = None;
            return;
        };
        let Some(ids) = &mut self.ids else { return };
        for heard in changes {
            let place = heard.place;
            // A client that knows neither the item nor its folder knows the root.
            ids.extend([Some(place.item), place.folder, place.old_folder, Some(heard.root)].into_iter().flatten());
        }
        if ids.len() > MOST_IDS {
            self.ids = None;
        }
    }

    async fn tell(&mut self, socket: &mut WebSocket) -> Result<(), Over> {
        let text = match &self.ids {
            Some(ids) if self.wants_ids => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!("notify_file_id [{}]", ids.join(","))
            }
            _ => "notify_file".to_owned(),
        };
        self.pending = false;
        self.ids = Some(BTreeSet::new());
        let others = u32::try_from(self.ocs.seats.taken()).unwrap_or(u32::MAX);
        let pause = PAUSE.saturating_add(PAUSE_EACH.saturating_mul(others)).min(LONGEST_PAUSE);
        self.quiet_until = Instant::now() + pause;
        socket.send(Message::from(text)).await.map_err(|_| Over)
    }

    fn hear(&mut self, message: Message) -> Result<(), Over> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => {
                if text.as_str() == "listen notify_file_id" {
                    self.wants_ids = true;
                }
                Ok(())
            }
            Message::Close(_) => Err(Over),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use crate::testing::socket::Client;
    use stitchbox_domain::{Grantee, NewShare};
    use stitchbox_schema::Role;

    #[tokio::test]
    async fn a_client_hears_of_its_own_spaces_and_of_no_others() {
        let house = House::new().await;
        house.user("eve").await;
        house.space("ring", Some("ada"), None).await;
        let mut ada = Client::open(&house, &["ada", "stable horse ada"]).await;
        let mut eve = Client::open(&house, &["eve", "stable horse eve"]).await;
        assert_eq!(ada.text().await, "authenticated");
        assert_eq!(eve.text().await, "authenticated");
        house.write("ada", "/f", b"1").await;
        assert_eq!(ada.text().await, "notify_file");
        house.write("ring", "/g", b"1").await;
        assert_eq!(ada.text().await, "notify_file");
        assert_eq!(eve.text_within(1500).await, None, "not hers");
    }

    #[tokio::test]
    async fn who_is_given_something_hears_of_it_and_of_what_changes_in_it() {
        let house = House::new().await;
        house.user("eve").await;
        house.folder("ada", "/kb").await;
        house.folder("ada", "/own").await;
        let mut eve = Client::open(&house, &["eve", "stable horse eve"]).await;
        assert_eq!(eve.text().await, "authenticated");
        let (ada, at) = house.at("ada", "/kb").await;
        let share = NewShare::of(at, Grantee::User("eve".to_owned()), Role::Viewer);
        let share = house.domain.share(&ada, share).await.unwrap();
        assert_eq!(eve.text().await, "notify_file", "it is there");
        house.write("ada", "/kb/f", b"1").await;
        assert_eq!(eve.text().await, "notify_file", "it changed");
        house.write("ada", "/own/f", b"1").await;
        assert_eq!(eve.text_within(1500).await, None, "not hers");
        house.domain.revoke_share(&ada, share.id).await.unwrap();
        assert_eq!(eve.text().await, "notify_file", "it is gone");
        house.write("ada", "/kb/g", b"1").await;
        assert_eq!(eve.text_within(1500).await, None, "no longer hers");
    }

    #[tokio::test]
    async fn ids_are_told_to_who_asks_for_them_and_bursts_are_one_message() {
        let house = House::new().await;
        house.folder("ada", "/d").await;
        let mut ada = Client::open(&house, &["ada", "stable horse ada", "listen notify_file_id"]).await;
        assert_eq!(ada.text().await, "authenticated");
        house.write("ada", "/d/first", b"1").await;
        let first = ada.text().await;
        let ids =
            |text: &str| -> Vec<i64> { serde_json::from_str(text.strip_prefix("notify_file_id ").unwrap()).unwrap() };
        let folder = house.item_id("ada", "/d").await;
        let root = house.item_id("ada", "/").await;
        let file = house.item_id("ada", "/d/first").await;
        assert!([folder, root, file].iter().all(|id| ids(&first).contains(id)), "{first}");
        for name in ["/d/a", "/d/b", "/d/c"] {
            house.write("ada", name, b"1").await;
        }
        let burst = ids(&ada.text().await);
        assert!(burst.len() >= 4 && !burst.contains(&file), "{burst:?}");
    }

    #[tokio::test]
    async fn who_cannot_log_in_is_told_and_a_token_opens_too() {
        let house = House::new().await;
        for wrong in [["ada", "wrong"], ["", "garbage"], ["eve", "x"]] {
            let mut client = Client::open(&house, &wrong).await;
            assert_eq!(client.text().await, "err: Invalid credentials", "{wrong:?}");
        }
        let token = house.call("POST", "/index.php/apps/notify_push/pre_auth").await;
        assert_eq!(token.status, 200);
        let mut client = Client::open(&house, &["", &token.text]).await;
        assert_eq!(client.text().await, "authenticated");
        house.stop.cancel();
        assert_eq!(client.text_within(3000).await, None, "it ends with the server");
        let anonymous = house.send("POST", "/index.php/apps/notify_push/pre_auth", &[], "").await;
        assert_eq!(anonymous.status, 401);
    }
}
