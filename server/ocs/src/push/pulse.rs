//! One look at the journal for all who listen: as long as somebody does, a task reads what is new and passes it on.

use std::sync::Arc;
use std::time::Duration;
use stitchbox_domain::{Domain, Error, PlaceChanged};
use stitchbox_schema::Cursor;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

/// How often to look. One short query, whoever wrote and however many listen.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Batches of changes a slow listener may be behind; then it is told that anything may have changed.
const MOST_BEHIND: usize = 64;

/// What is passed on.
pub(crate) type Batch = Arc<[PlaceChanged]>;

/// The place to listen at. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    domain: Domain,
    stop: CancellationToken,
    sender: broadcast::Sender<Batch>,
    /// Whether the task runs.
    reading: Mutex<bool>,
}

impl Pulse {
    pub(crate) fn new(domain: Domain, stop: CancellationToken) -> Self {
        let (sender, _) = broadcast::channel(MOST_BEHIND);
        Self(Arc::new(Inner { domain, stop, sender, reading: Mutex::new(false) }))
    }

    /// From now on, every change is received.
    pub(crate) async fn listen(&self) -> Result<broadcast::Receiver<Batch>, Error> {
        let mut reading = self.0.reading.lock().await;
        let receiver = self.0.sender.subscribe();
        if !*reading {
            let start = self.0.domain.journal_head().await?;
            *reading = true;
            // Not work that must survive: it ends with the last listener, and a new listener starts it anew.
            tokio::spawn(read(Arc::clone(&self.0), start));
        }
        Ok(receiver)
    }
}

async fn read(inner: Arc<Inner>, mut position: Cursor) {
    loop {
        if let Err(error) = pass_on(&inner, &mut position).await {
            tracing::warn!(%error, "the journal could not be read for push messages");
        }
        let stopped = tokio::time::timeout(LOOK_AGAIN, inner.stop.cancelled()).await.is_ok();
        let mut reading = inner.reading.lock().await;
        if stopped || inner.sender.receiver_count() == 0 {
            *reading = false;
            return;
        }
    }
}

async fn pass_on(inner: &Inner, position: &mut Cursor) -> Result<(), Error> {
    loop {
        let places = inner.domain.places_changed_after(*position).await?;
        let Some(last) = places.last() else { return Ok(()) };
        *position = last.cursor;
        // An error says that nobody listens just now.
        let _ = inner.sender.send(places.into());
    }
}
