//! The configuration as an administrator meets it.

use super::*;
use std::path::Path;

fn manual() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/stitchboxd.toml")
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), environment).map_err(|error| error.to_string())
}

#[test]
fn the_manual_says_exactly_the_defaults() {
    assert_eq!(Config::load(Some(&manual()), []).unwrap(), Config::default());
    assert_eq!(load("", &[]).unwrap(), Config::default());
    assert_eq!(Config::default().settings().quiet, stitchbox_domain::Settings::default().quiet);
}

#[test]
fn the_manual_names_every_key_and_what_it_shows_as_examples_is_accepted() {
    let text = std::fs::read_to_string(manual()).unwrap();
    let example =
        |key: &str| text.lines().filter_map(|line| line.strip_prefix("# ")).find(|line| line.starts_with(key));
    for key in
        ["url =", "url_file =", "endpoint =", "bucket =", "access_key_file =", "secret_key_file =", "token_key_file ="]
    {
        assert!(example(key).is_some(), "the manual gives no example of {key}");
    }
    let s3: Vec<&str> =
        ["endpoint =", "bucket =", "access_key_file =", "secret_key_file ="].into_iter().filter_map(example).collect();
    let config = load(&format!("[blobs]\nkind = \"s3\"\n{}\n", s3.join("\n")), &[]).unwrap();
    assert_eq!(config.blobs.kind, BlobKind::S3);
    load(&format!("[database]\n{}\n", example("url =").unwrap()), &[]).unwrap();
}

#[test]
fn what_is_printed_is_read_back() {
    let text = "[server]\nlisten = \"[::1]:80\"\n[jobs]\nworkers = 0\nlease = \"90 s\"\n[log]\nformat = \"json\"\n";
    let config = load(text, &[]).unwrap();
    assert_eq!(load(&config.to_toml().unwrap(), &[]).unwrap(), config);
}

#[test]
fn a_wrong_file_is_refused_with_line_and_reason() {
    for (text, words) in [
        ("[series\nquiet = 3", ["test.toml", "line 1"]),
        ("[series]\nquite = \"3 s\"\n", ["line 2", "quite"]),
        ("[serious]\nquiet = \"3 s\"\n", ["line 1", "serious"]),
        ("[series]\nquiet = \"soon\"\n", ["line 2", "\"10 s\""]),
        ("[series]\nquiet = 3\n", ["line 2", "quiet"]),
        ("[jobs]\nattempts = -1\n", ["line 2", "attempts"]),
        ("[jobs]\nattempts = 0\n", ["line 2", "attempts"]),
        ("[database]\nurl = \"mysql://x\"\n", ["line 2", "url"]),
        ("[database]\nurl = \"postgres://a:secret@b/c\"\n", ["line 2", "url_file"]),
        ("[database]\nurl = \"sqlite:///x\"\nurl_file = \"/y\"\n", ["url_file", "keep one"]),
        ("[blobs]\nkind = \"s3\"\n", ["endpoint", "add it"]),
        ("[blobs]\nbucket = \"b\"\n", ["bucket", "kind"]),
        ("[log]\nfilter = \"a=b=c\"\n", ["line 2", "filter"]),
        ("[server]\nlisten = \"8080\"\n", ["line 2", "listen"]),
    ] {
        let refused = load(text, &[]).unwrap_err();
        assert!(words.iter().all(|word| refused.contains(word)), "{text}: {refused}");
    }
    let missing = Config::load(Some(Path::new("/nowhere/missing.toml")), []).unwrap_err().to_string();
    assert!(missing.contains("missing.toml"), "{missing}");
}

#[test]
fn the_environment_overrides_the_file_and_is_checked_as_well() {
    let environment = [
        ("STITCHBOX_SERIES__QUIET", "500 ms"),
        ("STITCHBOX_JOBS__WORKERS", "0"),
        ("STITCHBOX_AUTH__ACCOUNT_PASSWORDS_ON_WEBDAV", "false"),
        ("STITCHBOX_DATA", "/elsewhere"),
        ("OTHER_SERIES__QUIET", "ignored"),
    ];
    let config = load("[series]\nquiet = \"3 s\"\n[jobs]\nattempts = 5\n", &environment).unwrap();
    assert_eq!(config.series.quiet.0, Duration::from_millis(500));
    assert_eq!((config.jobs.workers, config.jobs.attempts.get()), (0, 5));
    assert!(!config.auth.account_passwords_on_webdav);
    for (variable, value, word) in [
        ("STITCHBOX_SERIES__QUIET", "soon", "10 s"),
        ("STITCHBOX_SERIES__QUITE", "1 s", "quite"),
        ("STITCHBOX_SERIOUS__QUIET", "1 s", "serious"),
        ("STITCHBOX_JOBS__WORKERS", "many", "jobs.workers"),
    ] {
        let refused = load("", &[(variable, value)]).unwrap_err();
        assert!(refused.contains(variable) && refused.contains(word), "{refused}");
    }
}
