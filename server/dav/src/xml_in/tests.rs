//! Bodies that are read, and bodies that are refused.

use super::*;

fn root(xml: &str) -> Element {
    read(xml.as_bytes()).unwrap().unwrap()
}

#[test]
fn names_are_resolved_and_stray_text_is_kept_apart() {
    let propfind = root(
        "\u{feff}<?xml version=\"1.0\"?><!-- c --><d:propfind xmlns:d=\"DAV:\" xmlns=\"urn:x\"><d:prop><a/><b xmlns=\"\"/></d:prop>M</d:propfind>\n",
    );
    assert!(propfind.name.is_dav("propfind"));
    assert_eq!(propfind.text, "M");
    let names: Vec<_> = propfind.children[0].children.iter().map(|child| child.name.clone()).collect();
    assert_eq!(names, [Name::new("urn:x", "a"), Name::new("", "b")]);
}

#[test]
fn text_is_unescaped() {
    assert_eq!(root("<a>x &lt;&#65;<![CDATA[<&>]]></a>").text, "x <A<&>");
}

#[test]
fn an_element_stands_alone_with_what_was_declared_around_it() {
    let update = root(
        "<d:u xmlns:d=\"DAV:\" xmlns:z=\"urn:&amp;z\" xmlns:q=\"urn:q\" xml:lang=\"en\"><d:p><z:c a='1'>r&amp;d <z:i d:x=\"2\"/></z:c><e/></d:p></d:u>",
    );
    let property = &update.children[0].children[0];
    assert_eq!(
        property.standalone,
        "<z:c xmlns:z=\"urn:&amp;z\" xmlns:d=\"DAV:\" xml:lang=\"en\" a='1'>r&amp;d <z:i d:x=\"2\"/></z:c>"
    );
    let again = root(&property.standalone);
    assert_eq!(again.name, Name::new("urn:&z", "c"));
    assert_eq!(update.children[0].children[1].standalone, "<e xml:lang=\"en\"/>");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for wrong in [
        "<not xml",
        "<a>",
        "<a></b>",
        "</a>",
        "text",
        "<a/><b/>",
        "<a/>x",
        "<x:a/>",
        "<a x:b='1'/>",
        "<a b='1' b='2'/>",
        "<a xmlns:x=''/>",
        "<a xmlns:xml='urn:x'/>",
        "<a>&nope;</a>",
        "<a>&#0;</a>",
        "<a>&#1;</a>",
        "<a>\u{1}</a>",
        "<a b='&nope;'/>",
        "<1a/>",
        "< a/>",
        "<a 1='x'/>",
        "<a b='1'c='2'/>",
        "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
        "<a>]]></a>",
        "<a><?xml version='1.0'?></a>",
        "<a><?pi?></a>",
        "<a><!-- a -- b --></a>",
        "<a></a b='1'>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
    ] {
        assert_eq!(read(wrong.as_bytes()).map(|_| ()), Err(BadXml), "{wrong}");
    }
    assert!(read(b"<a>\xff</a>").is_err());
}

#[test]
fn depth_and_number_of_elements_are_bounded() {
    assert!(read("<a>".repeat(20_000).as_bytes()).is_err());
    assert!(read(format!("<a>{}</a>", "<b/>".repeat(511)).as_bytes()).is_ok());
    assert!(read(format!("<a>{}</a>", "<b/>".repeat(512)).as_bytes()).is_err());
    let deep = format!("{}{}", "<a>".repeat(60), "</a>".repeat(60));
    assert!(read(deep.as_bytes()).is_ok());
}

#[test]
fn what_elements_inherit_is_bounded() {
    let long = |length| format!("<a xmlns='{}'><b/></a>", "u".repeat(length));
    assert!(read(long(256).as_bytes()).is_ok());
    assert!(read(long(257).as_bytes()).is_err());
    let language = |length| format!("<a xml:lang='{}'><b/></a>", "e".repeat(length));
    assert!(read(language(256).as_bytes()).is_ok());
    assert!(read(language(257).as_bytes()).is_err());
    let attributes = |number: usize| (0..number).map(|n| format!(" a{n}=''")).collect::<String>();
    assert!(read(format!("<a{}/>", attributes(64)).as_bytes()).is_ok());
    assert!(read(format!("<a{}/>", attributes(65)).as_bytes()).is_err());
    let declared = |number: usize| (0..number).map(|n| format!(" xmlns:p{n}='u'")).collect::<String>();
    let nested = |inner| format!("<a{}><b{}/></a>", declared(40), declared(inner));
    assert!(read(nested(24).as_bytes()).is_ok());
    assert!(read(nested(25).as_bytes()).is_err(), "they count together");
    let siblings = format!("<a>{}</a>", format!("<b{}/>", declared(60)).repeat(3));
    assert!(read(siblings.as_bytes()).is_ok(), "what ended is not counted");
}

/// 64 KiB of text must not become hundreds of megabytes of properties.
#[test]
fn a_tree_is_not_much_larger_than_its_text() {
    let namespaces: String = (0..63).map(|n| format!(" xmlns:p{n}='{}'", "u".repeat(250))).collect();
    let uses: String = (0..63).map(|n| format!("p{n}:")).collect();
    let body = format!("<a{namespaces}>{}</a>", format!("<b>{uses}</b>").repeat(160));
    assert!(body.len() < MAX_BODY);
    let size: usize = root(&body).children.iter().map(|child| child.standalone.len()).sum();
    assert!(size < 4 * 1024 * 1024, "{size}");
}

#[test]
fn an_empty_body_is_no_document() {
    assert!(read(b"").unwrap().is_none());
    assert!(read(b" \r\n").unwrap().is_none());
}
