//! Listings as Nextcloud, OpenCloud and others write them, and as an enemy might.

use proptest::prelude::*;

use super::*;

async fn read_all(xml: &[u8]) -> Result<Vec<RemoteEntry>, Broken> {
    let mut found = Vec::new();
    let names = Names::of("/dav/ocm/77").unwrap();
    // small pieces, as a network cuts them
    let pieces: Vec<io::Result<bytes::Bytes>> =
        xml.chunks(13).map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
    let reader = StreamReader::new(stream::iter(pieces));
    let keep = |entry| {
        found.push(entry);
        true
    };
    let left_out = entries(reader, &names, keep).await?;
    assert!(found.len() + left_out <= String::from_utf8_lossy(xml).matches("response").count());
    Ok(found)
}

const NEXTCLOUD: &str = r#"<?xml version="1.0"?>
<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns">
 <d:response><d:href>/dav/ocm/77/</d:href>
  <d:propstat><d:prop><d:getlastmodified>Fri, 20 Nov 2026 07:34:59 GMT</d:getlastmodified><d:resourcetype><d:collection/></d:resourcetype><d:getetag>&quot;6afff&quot;</d:getetag><oc:permissions>RGDNVCK</oc:permissions><oc:size>12345</oc:size></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
  <d:propstat><d:prop><d:getcontentlength/><d:getcontenttype/><oc:checksums/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
 <d:response><d:href>/dav/ocm/77/m%201%20%26%20%C3%BC.dat</d:href>
  <d:propstat><d:prop><d:resourcetype/><d:getcontentlength>2048</d:getcontentlength><d:getcontenttype>application/octet-stream</d:getcontenttype><d:getetag>"v&#49;"</d:getetag><oc:permissions>GDNVW</oc:permissions><oc:checksums><oc:checksum>SHA1:AA MD5:BB SHA256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD</oc:checksum></oc:checksums></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
</d:multistatus>"#;

#[tokio::test]
async fn a_listing_of_nextcloud_is_read() {
    let entries = read_all(NEXTCLOUD.as_bytes()).await.unwrap();
    assert_eq!(entries.len(), 2);
    let (root, file) = (&entries[0], &entries[1]);
    assert_eq!((root.name.as_str(), root.is_folder, root.etag.as_deref()), ("", true, Some("\"6afff\"")));
    assert_eq!(
        (root.mtime, root.size, root.permissions.as_deref()),
        (Some(1_795_160_099), Some(12345), Some("RGDNVCK"))
    );
    assert_eq!((file.name.as_str(), file.is_folder, file.size), ("m 1 & ü.dat", false, Some(2048)));
    assert_eq!(
        (file.etag.as_deref(), file.content_type.as_deref()),
        (Some("\"v1\""), Some("application/octet-stream"))
    );
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(file.sha256().as_deref(), Some(sha256));
}

#[tokio::test]
async fn other_prefixes_and_absolute_hrefs_are_read_and_other_namespaces_are_not() {
    let xml = r#"<multistatus xmlns="DAV:"><response><href>http://h:1/dav/ocm/./77/sub/</href><propstat><prop>
        <resourcetype><collection xmlns="urn:other"/></resourcetype><getetag xmlns="urn:other">x</getetag>
        <x:permissions xmlns:x="urn:other">RGDNVCK</x:permissions></prop><status>HTTP/2 200</status></propstat></response>
        <response><href>/dav/ocm/77/gone</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>"#;
    let entries = read_all(xml.as_bytes()).await.unwrap();
    assert_eq!(entries, [RemoteEntry { name: "sub".into(), ..RemoteEntry::default() }]);
}

#[tokio::test]
async fn what_a_propstat_says_is_missing_is_not_there() {
    let xml = "<d:multistatus xmlns:d='DAV:'><d:response><d:href>/dav/ocm/77/a</d:href><d:propstat><d:prop><d:getetag>\"no\"</d:getetag>\
        <d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 403 Forbidden</d:status></d:propstat><d:propstat><d:prop>\
        <d:getcontentlength>5</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>";
    let expected = RemoteEntry { name: "a".into(), size: Some(5), ..RemoteEntry::default() };
    assert_eq!(read_all(xml.as_bytes()).await.unwrap(), [expected]);
}

#[tokio::test]
async fn an_item_the_peer_cannot_speak_of_now_is_not_taken_for_one_that_is_gone_or_for_an_empty_file() {
    let propstat = |status: &str| {
        format!("<d:propstat><d:prop><d:resourcetype/></d:prop><d:status>HTTP/1.1 {status}</d:status></d:propstat>")
    };
    let status = |status: &str| format!("<d:status>HTTP/1.1 {status}</d:status>");
    for (inside, expected) in [
        (propstat("200 OK"), Some(false)),
        (format!("{}{}", propstat("200 OK"), propstat("500 Oops")), Some(false)),
        (propstat("500 Internal Server Error"), Some(true)),
        (propstat("404 Not Found"), Some(true)),
        (status("503 Service Unavailable"), Some(true)),
        (status("403 Forbidden"), Some(true)),
        (String::new(), Some(true)),
        (status("404 Not Found"), None),
        (status("410 Gone"), None),
    ] {
        let xml = format!(
            "<d:multistatus xmlns:d='DAV:'><d:response><d:href>/dav/ocm/77/a</d:href>{inside}</d:response></d:multistatus>"
        );
        let found = read_all(xml.as_bytes()).await.unwrap();
        assert_eq!(found.first().map(|entry| entry.is_unclear), expected, "{inside}");
    }
}

#[tokio::test]
async fn entries_that_lie_elsewhere_are_left_out() {
    let hrefs = [
        "/dav/ocm/78/x",
        "/dav/ocm/77/../78/x",
        "/dav/ocm/77/a/b",
        "/dav/ocm/77/%2e%2e",
        "/dav/ocm/77/a%2fb",
        "/dav/ocm/77/x%00",
        "",
        "//",
    ];
    let mut xml = String::from("<d:multistatus xmlns:d='DAV:'>");
    for href in hrefs {
        xml.push_str(&format!("<d:response><d:href>{href}</d:href><d:propstat><d:prop/></d:propstat></d:response>"));
    }
    xml.push_str("<d:response><d:propstat><d:prop/></d:propstat></d:response></d:multistatus>");
    assert_eq!(read_all(xml.as_bytes()).await.unwrap(), []);
}

#[tokio::test]
async fn a_property_cannot_name_another_item() {
    // an href inside a property (a lock root, say) is not where the item lies
    let xml = "<d:multistatus xmlns:d='DAV:'><d:response><d:href>/dav/ocm/77/a</d:href><d:propstat><d:prop><d:lockdiscovery>\
        <d:href>/dav/ocm/77/b</d:href></d:lockdiscovery></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>";
    assert_eq!(read_all(xml.as_bytes()).await.unwrap()[0].name, "a");
}

#[tokio::test]
async fn what_is_no_listing_or_an_attack_is_refused() {
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><d:multistatus xmlns:d='DAV:'>&b;</d:multistatus>";
    let deep = format!("<d:multistatus xmlns:d='DAV:'>{}", "<x>".repeat(10_000));
    for xml in [
        "",
        "<html><body>Log in</body></html>",
        "<multistatus/>",
        "<d:multistatus xmlns:d='DAV:'><d:response>",
        "<a><b></a>",
        "not xml",
        bomb,
        &deep,
    ] {
        assert!(matches!(read_all(xml.as_bytes()).await, Err(Broken::Xml(_))), "{}", &xml[..xml.len().min(40)]);
    }
    assert!(matches!(read_all(b"\xff\xfe<d:multistatus").await, Err(Broken::Xml(_))));
}

#[tokio::test]
async fn long_texts_are_not_kept() {
    let xml = format!(
        "<d:multistatus xmlns:d='DAV:'><d:response><d:href>/dav/ocm/77/a</d:href><d:propstat><d:prop><d:getetag>\"{}\"</d:getetag></d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>",
        "x".repeat(5000)
    );
    assert_eq!(read_all(xml.as_bytes()).await.unwrap()[0].etag, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_a_listing_or_refused(noise in ".{0,120}", at in 0_usize..1500, byte in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut xml = NEXTCLOUD.as_bytes().to_vec();
        if let Some(place) = xml.get_mut(at) {
            *place = byte;
        }
        let _ = runtime.block_on(read_all(&xml));
        let noisy = NEXTCLOUD.replace("6afff", &noise).replace("m%201", &noise);
        if let Ok(entries) = runtime.block_on(read_all(noisy.as_bytes())) {
            prop_assert!(entries.iter().all(|entry| !entry.name.contains(['/', '\0'])));
        }
    }
}
