//! The WebDAV conformance suite of neon (Debian package litmus 0.13): all five programs, all 104 tests, no failure.

use std::path::Path;
use std::process::Command;

use stitchbox_tests::{Daemon, password_of, say, skip};
use tempfile::TempDir;

const SUITES: [(&str, u32); 5] = [("basic", 16), ("copymove", 13), ("props", 30), ("locks", 41), ("http", 4)];

/// What one program said about itself.
#[derive(Debug, PartialEq)]
struct Summary {
    run: u32,
    passed: u32,
    failed: u32,
    skipped: bool,
    warnings: usize,
}

#[test]
fn litmus_passes_completely() {
    if Command::new("litmus").arg("--version").output().is_err() {
        skip!("litmus", "the program litmus is not installed (Debian package litmus)");
    }
    let daemon = Daemon::start();
    daemon.user("lena");
    daemon.space("conformance", &[("lena", "manager")]);
    for root in ["/remote.php/dav/files/lena/", "/dav/spaces/conformance/"] {
        let (passed, run) = run_all(&format!("{}{root}", daemon.base()), "lena");
        say(&format!("litmus: {passed}/{run} at {root}"));
        assert_eq!((passed, run), (104, 104), "at {root}");
    }
    daemon.verify_clean();
}

fn run_all(url: &str, user: &str) -> (u32, u32) {
    let folder = TempDir::with_prefix("stitchbox-litmus-").expect("a temporary folder");
    let (mut passed, mut run) = (0, 0);
    let mut faults = String::new();
    for (suite, expected) in SUITES {
        let output = run_suite(folder.path(), suite, url, user);
        let summary = parse(&output).unwrap_or_else(|| panic!("litmus {suite} gave no summary:\n{output}"));
        say(&format!("litmus: {suite} {}/{} warnings={}", summary.passed, summary.run, summary.warnings));
        passed += summary.passed;
        run += summary.run;
        if summary.run != expected || summary.failed > 0 || summary.passed != summary.run || summary.skipped {
            let told: Vec<&str> = output
                .lines()
                .filter(|line| line.contains("FAIL") || line.contains("WARNING") || line.contains("skipped"))
                .collect();
            faults.push_str(&format!("{suite}: {summary:?}\n{}\n", told.join("\n")));
        }
    }
    assert!(faults.is_empty(), "litmus at {url}:\n{faults}");
    (passed, run)
}

fn run_suite(folder: &Path, suite: &str, url: &str, user: &str) -> String {
    let output = Command::new("litmus")
        .args(["-k", url, user, &password_of(user)])
        .env("TESTS", suite)
        .env_remove("http_proxy")
        .current_dir(folder)
        .output()
        .expect("litmus can be started");
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Reads `<- summary for `basic': of 16 tests run: 16 passed, 0 failed. 100.0%`.
fn parse(output: &str) -> Option<Summary> {
    let line = output.lines().rfind(|line| line.contains("summary for"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let before = |word: &str| -> Option<u32> {
        let at = words.iter().position(|found| found.trim_end_matches([',', '.', ':']) == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    let at = words.iter().position(|word| *word == "of")?;
    Some(Summary {
        run: words.get(at + 1)?.parse().ok()?,
        passed: before("passed")?,
        failed: before("failed")?,
        skipped: output.lines().any(|line| line.contains("-> ") && line.contains("skipped")),
        warnings: output.lines().filter(|line| line.contains("WARNING")).count(),
    })
}

#[test]
fn a_summary_is_read_word_by_word() {
    let said = "-> running `locks':\n 0. init.................. pass\n-> 2 tests were skipped.\n\
                <- summary for `locks': of 39 tests run: 38 passed, 1 failed. 97.4%\n";
    assert_eq!(parse(said), Some(Summary { run: 39, passed: 38, failed: 1, skipped: true, warnings: 0 }));
    assert_eq!(parse("ERROR: could not connect"), None);
}
