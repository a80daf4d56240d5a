//! Progress of a transfer: a bar with rate and ETA on a terminal, nothing elsewhere.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stitchbox_remote::{Heard, Listener};

/// The progress of a whole transfer.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of `bytes` in all; hidden if asked, and where standard error is no terminal.
    pub(crate) fn new(bytes: u64, hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Who is told of moving bytes.
    pub(crate) fn heard(&self) -> Heard {
        let bar = self.bar.clone();
        let listener: Arc<Listener> = Arc::new(move |bytes| match u64::try_from(bytes) {
            Ok(bytes) => bar.inc(bytes),
            Err(_) => bar.dec(bytes.unsigned_abs()),
        });
        Heard::by(listener)
    }

    /// Bytes that need not move.
    pub(crate) fn skip(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Away with the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl stitchbox_sync::remote::Progress for Progress {
    fn bytes(&self, more: u64) {
        self.bar.inc_length(0);
        self.bar.inc(more);
    }
}
