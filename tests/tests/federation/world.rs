//! Two sites that several tests share, so that not each starts its own: alive as long as some test holds them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use stitchbox_tests::federation::{Person, Site};
use stitchbox_tests::wait_until;

/// Two sites that know nothing of each other.
pub struct Pair {
    /// Whose people share.
    pub here: Site,
    /// Whose people receive.
    pub there: Site,
}

impl Pair {
    /// The common two.
    pub fn get() -> Arc<Pair> {
        static PAIR: Mutex<Weak<Pair>> = Mutex::new(Weak::new());
        let mut known = PAIR.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = known.upgrade() {
            return pair;
        }
        let other = std::thread::spawn(Site::start);
        let here = Site::start();
        let pair = Arc::new(Pair { here, there: other.join().expect("a site") });
        *known = Arc::downgrade(&pair);
        pair
    }

    /// A new person at each.
    pub fn people(&self) -> (Person, Person) {
        (self.here.new_person(&name("ada")), self.there.new_person(&name("eve")))
    }
}

/// A name that nobody has yet.
pub fn name(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `ada` shares `/mirror` with `eve`, who accepts it; gives the share.
pub fn shared(ada: &Person, eve: &Person, role: &str) -> serde_json::Value {
    let share = ada.share("/mirror", eve.id(), role);
    eve.accept("mirror");
    // the first comparison with the peer comes a moment after the yes
    let count = |person: &Person, path: &str| person.dav().names(path).len();
    wait_until("the first listing", || {
        eve.dav().exists("/Shares/mirror") && count(eve, "/Shares/mirror") == count(ada, "/mirror")
    });
    share
}
