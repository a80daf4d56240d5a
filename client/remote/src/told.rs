//! Telling a listener that is only borrowed how many bytes moved, while the work goes on in tasks of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stitchbox_sync::remote::Progress;

use crate::heard::Heard;

/// How often the listener is told.
const OFTEN: Duration = Duration::from_millis(100);

/// Does `work`, which tells its [`Heard`], and passes that on. What an attempt took back is not told twice.
pub(crate) async fn told<T, W: Future<Output = T>>(progress: &dyn Progress, work: impl FnOnce(Heard) -> W) -> T {
    let sum = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&sum);
    let heard = Heard::by(Arc::new(move |bytes| {
        counted.fetch_add(bytes, Ordering::Relaxed);
    }));
    let mut work = std::pin::pin!(work(heard));
    let mut passed_on = 0;
    let mut pass_on = || {
        let now = sum.load(Ordering::Relaxed);
        if now > passed_on {
            progress.bytes(u64::try_from(now - passed_on).unwrap_or(0));
            passed_on = now;
        }
    };
    loop {
        match tokio::time::timeout(OFTEN, work.as_mut()).await {
            Ok(done) => {
                pass_on();
                return done;
            }
            Err(_) => pass_on(),
        }
    }
}
