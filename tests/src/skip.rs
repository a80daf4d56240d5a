//! The skip rule: a suite whose foreign program is absent says so loudly, and in CI that is a failure.

/// True when nothing may be skipped: in CI (`CI=true`) or with `STITCHBOX_NO_SKIP=1`.
pub fn no_skip() -> bool {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    set("CI", "true") || set("STITCHBOX_NO_SKIP", "1")
}

/// Ends the calling test with `SKIPPED <suite>: <why>`, or panics where nothing may be skipped.
///
/// The line goes to the real standard error, past the test harness's capture, so that it is seen and countable.
#[macro_export]
macro_rules! skip {
    ($suite:expr, $($why:tt)+) => {{
        let line = format!("SKIPPED {}: {}", $suite, format_args!($($why)+));
        assert!(!$crate::no_skip(), "{line} (nothing may be skipped here: run `make setup`)");
        $crate::say(&line);
        return;
    }};
}
