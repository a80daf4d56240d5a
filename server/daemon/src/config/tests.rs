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
    for key in [
        "url =",
        "url_file =",
        "endpoint =",
        "bucket =",
        "access_key_file =",
        "secret_key_file =",
        "token_key_file =",
        "memory =",
        "origin =",
        "tls_certificate =",
        "tls_key =",
        "extra_ca_file =",
    ] {
        assert!(example(key).is_some(), "the manual gives no example of {key}");
    }
    let s3: Vec<&str> =
        ["endpoint =", "bucket =", "access_key_file =", "secret_key_file ="].into_iter().filter_map(example).collect();
    let config = load(&format!("[blobs]\nkind = \"s3\"\n{}\n", s3.join("\n")), &[]).unwrap();
    assert_eq!(config.blobs.kind, BlobKind::S3);
    load(&format!("[database]\n{}\n", example("url =").unwrap()), &[]).unwrap();
    load(&format!("[jobs]\n{}\n", example("memory =").unwrap()), &[]).unwrap();
    let server: Vec<&str> = ["origin =", "tls_certificate =", "tls_key ="].into_iter().filter_map(example).collect();
    let peers = example("extra_ca_file =").unwrap();
    let text = format!("[server]\n{}\n[federation]\nenabled = true\n{peers}\n", server.join("\n"));
    assert!(load(&text, &[]).unwrap().federation_settings().is_some());
}

#[test]
fn what_is_printed_is_read_back() {
    let text = "[server]\nlisten = \"[::1]:80\"\ntrusted_proxies = [\"::1\"]\n[jobs]\nworkers = 0\nmemory = \"3.3 GiB\"\nlease = \"90 s\"\n[log]\nformat = \"json\"\n";
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
        ("[server]\ntrusted_proxies = [\"proxy\"]\n", ["line 2", "10.1.0.0/16"]),
        ("[series]\nquiet = \"5 ms\"\n", ["line 2", "100 ms"]),
        ("[jobs]\nlease = \"500 ms\"\n", ["line 2", "1 s"]),
        ("[jobs]\nmemory = \"4 MiB\"\n", ["line 2", "256 MiB"]),
        ("[server]\norigin = \"box.example.org\"\n", ["line 2", "https://"]),
        ("[server]\ntls_key = \"/k\"\n", ["tls_certificate", "both"]),
        ("[federation]\nenabled = true\n", ["[server] origin", "add it"]),
        ("[server]\norigin = \"http://h\"\n[federation]\nenabled = true\n", ["allow_http_peers", "https"]),
        ("[federation]\ntrust = \"some\"\n", ["line 2", "trust"]),
        ("[federation]\nrefresh = \"1 ms\"\n", ["line 2", "200 ms"]),
        ("[auth]\ntoken_lifetime = \"5 s\"\n", ["line 2", "1 min"]),
        ("[auth]\ntoken_lifetime = \"2 d\"\n", ["line 2", "1 d"]),
    ] {
        let refused = load(text, &[]).unwrap_err();
        assert!(words.iter().all(|word| refused.contains(word)), "{text}: {refused}");
    }
    let missing = Config::load(Some(Path::new("/nowhere/missing.toml")), []).unwrap_err().to_string();
    assert!(missing.contains("missing.toml"), "{missing}");
}

#[test]
fn a_refusal_does_not_repeat_what_may_be_a_password() {
    for text in [
        "[database]\nurl = \"postgres://a:hunter2@b/c\"\n",
        "[database]\nurl = \"mysql://a:hunter2@b/c\"\n",
        "[database]\nurl = \"postgres://a:hunter2@b/c\n",
        "[database]\nurl = postgres://a:hunter2@b/c\n",
        "[database]\npassword = \"hunter2\"\n",
        "[blobs]\nsecret_key = \"hunter2\"\n",
    ] {
        let refused = load(text, &[]).unwrap_err();
        assert!(refused.contains("line ") && !refused.contains("hunter2"), "{text}: {refused}");
    }
    let refused = load("", &[("STITCHBOX_DATABASE__URL", "postgres://a:hunter2@b/c")]).unwrap_err();
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn the_environment_overrides_the_file_and_is_checked_as_well() {
    let environment = [
        ("STITCHBOX_SERIES__QUIET", "500 ms"),
        ("STITCHBOX_JOBS__WORKERS", "0"),
        ("STITCHBOX_AUTH__ACCOUNT_PASSWORDS_ON_WEBDAV", "false"),
        ("STITCHBOX_SERVER__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
        ("STITCHBOX_FEDERATION__ALLOW_HTTP_PEERS", "true"),
        ("STITCHBOX_DATA", "/elsewhere"),
        ("STITCHBOX_ANALYSIS_BIN", "/elsewhere"),
        ("OTHER_SERIES__QUIET", "ignored"),
    ];
    let config = load("[series]\nquiet = \"3 s\"\n[jobs]\nattempts = 5\n", &environment).unwrap();
    assert_eq!(config.series.quiet.0, Duration::from_millis(500));
    assert_eq!((config.jobs.workers, config.jobs.attempts.get()), (0, 5));
    assert!(!config.auth.account_passwords_on_webdav);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    for (variable, value, word) in [
        ("STITCHBOX_SERIES__QUIET", "soon", "10 s"),
        ("STITCHBOX_SERIES__QUITE", "1 s", "quite"),
        ("STITCHBOX_SERIOUS__QUIET", "1 s", "serious"),
        ("STITCHBOX_JOBS__WORKERS", "many", "jobs.workers"),
        ("STITCHBOX_QUIET", "1 s", "<SECTION>__<KEY>"),
        ("STITCHBOX_SERIES_QUIET", "1 s", "<SECTION>__<KEY>"),
    ] {
        let refused = load("", &[(variable, value)]).unwrap_err();
        assert!(refused.contains(variable) && refused.contains(word), "{refused}");
    }
}
