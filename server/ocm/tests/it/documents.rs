//! What the site says about itself.

use crate::site::Site;

#[tokio::test]
async fn the_documents_are_served_at_every_address_peers_read() {
    let site = Site::quiet().await;
    let current = site.get("/.well-known/ocm").await;
    assert_eq!((current.status, current.headers["content-type"].to_str().unwrap()), (200, "application/json"));
    assert_eq!(current.body["apiVersion"], "1.2.0");
    for path in ["/ocm-provider", "/ocm-provider/"] {
        let legacy = site.get(path).await;
        assert_eq!(legacy.status, 200, "{path}");
        let mut expected = current.body.clone();
        // Nextcloud 29 and 30 take no later one.
        expected["apiVersion"] = "1.1.0".into();
        assert_eq!(legacy.body, expected, "{path}");
    }
    let document = &current.body;
    assert_eq!(document["endPoint"], "https://h.example/ocm");
    assert!(!document["version"].as_str().unwrap().is_empty(), "a Nextcloud asks it before it deletes a share");
    for kind in document["resourceTypes"].as_array().unwrap() {
        assert_eq!(kind["protocols"]["webdav"], "/public.php/webdav/", "reva wants it for files and folders");
    }
    assert_eq!(document["publicKey"]["keyId"], "https://h.example/ocm#signature");
    assert!(document["publicKey"]["publicKeyPem"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    let keys = site.get("/ocm/jwks").await;
    assert_eq!(keys.body, site.get("/.well-known/jwks.json").await.body);
    assert_eq!(keys.body["keys"][0]["kid"], "h.example#key1");
    assert_eq!(keys.body["keys"][0]["crv"], "Ed25519");
    assert_eq!(site.get("/ocs-provider/").await.status, 404);
}

#[tokio::test]
async fn without_an_origin_there_is_no_federation() {
    let site = Site::alone().await;
    for path in ["/.well-known/ocm", "/ocm-provider", "/ocm-provider/", "/ocm/jwks"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    assert_eq!(site.post("/ocm/shares", &Default::default(), "{}").await.status, 404);
}

#[tokio::test]
async fn rotated_keys_stay_published_and_the_rsa_key_keeps_its_name() {
    let site = Site::quiet().await;
    let before = site.domain.site_keys().await.unwrap();
    let after = site.domain.rotate_site_keys().await.unwrap();
    assert_ne!(before.ed25519.public(), after.ed25519.public());
    assert_ne!(before.rsa.public(), after.rsa.public());
    // A Nextcloud reads the document again when a signature does not fit: the name may stay, and has to.
    assert_eq!(before.rsa.kid(), after.rsa.kid());
    assert_eq!(after.ed25519.kid(), "h.example#key2");
    let set = after.jwks();
    assert_eq!(set.find("h.example#key1").map(|key| &key.key), Some(before.ed25519.public()));
    assert_eq!(set.find("h.example#key2").map(|key| &key.key), Some(after.ed25519.public()));
    let shown = site.get("/.well-known/ocm").await.body["publicKey"]["publicKeyPem"].clone();
    assert_eq!(shown, after.public_pem());
    // Another process reads the same keys.
    let listed = site.domain.published_keys().await.unwrap();
    assert_eq!(listed.iter().filter(|key| key.is_active).count(), 2);
    assert_eq!(listed.len(), 4);
}

#[tokio::test]
async fn the_page_of_an_invite_is_plain_and_tells_who_asks() {
    let site = Site::quiet().await;
    let page = site.get("/ocm/accept?token=abc%3Cscript%3E&providerDomain=peer.example").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("peer.example") && page.text.contains("<form method=\"post\">"));
    assert!(!page.text.contains("<script"));
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    // An invite of our own is to be taken home.
    let own = site.get("/ocm/accept?token=abc&providerDomain=h.example").await;
    assert!(own.text.contains("YWJjQGguZXhhbXBsZQ==") && !own.text.contains("<form"), "{}", own.text);
    assert_eq!(site.get("/ocm/accept").await.status, 400);
}
