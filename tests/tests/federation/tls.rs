//! TLS of the server itself: its certificate, its renewal under way, and what goes wrong with the files.

use std::io::Read;

use stitchbox_tests::federation::{Authority, Site, SiteSettings};
use stitchbox_tests::{Client, wait_until};

#[test]
fn a_site_speaks_tls_and_the_client_needs_its_authority() {
    let site = Site::start();
    let ada = site.new_person("ada");
    ada.dav().write("/x.txt", "over tls");
    assert_eq!(ada.dav().read("/x.txt"), b"over tls");
    let client = Client::new(&site, "ada");
    let listed = client.run(&["ls", "ada:/"]).succeeded();
    assert!(listed.stdout.contains("x.txt"), "{listed:?}");
    let strange = client.command(&["ls", "ada:/"]).env_remove("STITCHBOX_CA_FILE").output().unwrap();
    assert!(!strange.status.success(), "{strange:?}");
}

#[test]
fn a_new_certificate_ends_no_download_and_a_wrong_one_changes_nothing() {
    let mut site = Site::start();
    let ada = site.new_person("ada");
    let content: Vec<u8> = (0..24 << 20).map(|number: u32| (number % 251) as u8).collect();
    ada.dav().write("/large", content.clone());
    let mut download = ada.dav().get("/large").stream();
    let mut begun = vec![0; 1 << 16];
    download.read_exact(&mut begun).unwrap();
    // of an authority that nobody trusts: who connects anew sees it, who is connected does not
    site.write_certificate(&Authority::new().issue());
    site.hang_up();
    wait_until("the new certificate", || site.person("ada").dav().get("/large").attempt().is_err());
    download.read_to_end(&mut begun).unwrap();
    assert!(begun == content);
    // a key that belongs to another certificate
    let (one, other) = (Authority::of_the_tests().issue(), Authority::of_the_tests().issue());
    std::fs::write(site.file("tls.crt"), one.certificate.as_bytes()).unwrap();
    std::fs::write(site.file("tls.key"), other.key.as_bytes()).unwrap();
    site.hang_up();
    wait_until("the complaint", || site.log().contains("is not the key of the first certificate"));
    site.write_certificate(&one);
    site.hang_up();
    wait_until("the last certificate", || site.person("ada").dav().get("/").attempt().is_ok());
}

#[test]
fn files_that_are_no_certificate_are_refused_with_their_name() {
    let mut site = Site::start();
    site.kill();
    let good = Authority::of_the_tests().issue();
    let other = Authority::of_the_tests().issue().key;
    for (name, text, words) in [
        ("tls.crt", "neither a certificate nor anything else", "holds no CERTIFICATE"),
        ("tls.crt", &good.key, "holds no CERTIFICATE"),
        ("tls.key", "", "no private key"),
        ("tls.key", &good.certificate, "no private key"),
        ("tls.key", &other, "is not the key of"),
    ] {
        site.write_certificate(&good);
        std::fs::write(site.file(name), text).unwrap();
        assert!(site.try_restart().is_err());
        let log = site.log_tail();
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains(name) && last.contains(words), "{name}: {last}");
    }
    std::fs::remove_file(site.file("tls.key")).unwrap();
    assert!(site.try_restart().is_err());
    assert!(site.log_tail().lines().last().unwrap_or_default().contains("cannot read"), "{}", site.log_tail());
}

#[test]
fn without_an_origin_there_is_no_federation_and_a_wrong_one_is_refused() {
    let site = Site::start_with(SiteSettings::default().with("FEDERATION__ENABLED", "false"));
    site.nobody().get("/.well-known/ocm").send().expect(404);
    for (origin, word) in
        [("https://localhost:1/path", "path"), ("localhost", "https://"), ("http://localhost", "allow_http_peers")]
    {
        let refused = std::process::Command::new(stitchbox_tests::program("stitchboxd"))
            .arg("check-config")
            .env("STITCHBOX_SERVER__ORIGIN", origin)
            .env("STITCHBOX_FEDERATION__ENABLED", "true")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains(word), "{origin}: {words}");
    }
}
