//! Multistatus answers as text, built by hand: a listing of ten thousand files is one growing string, not a tree.

use crate::xml_in::Name;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The one `Content-Type` every client in the field accepts; not a byte of it may change.
pub(crate) const CONTENT_TYPE_XML: &str = "application/xml; charset=utf-8";

/// Namespace of ownCloud's properties.
pub(crate) const OC: &str = "http://owncloud.org/ns";
/// Namespace of Nextcloud's properties.
pub(crate) const NC: &str = "http://nextcloud.org/ns";
/// Namespace of our own properties.
pub(crate) const OWN: &str = "urn:stitchbox";

/// Namespace of OCS.
pub(crate) const OCS: &str = "http://open-collaboration-services.org/ns";
/// Namespace of Open Cloud Mesh.
pub(crate) const OCM: &str = "http://open-cloud-mesh.org/ns";

/// Begins a multistatus.
pub(crate) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <d:multistatus xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\" xmlns:nc=\"http://nextcloud.org/ns\" \
    xmlns:s=\"http://sabredav.org/ns\" xmlns:sb=\"urn:stitchbox\" \
    xmlns:ocs=\"http://open-collaboration-services.org/ns\" xmlns:ocm=\"http://open-cloud-mesh.org/ns\">";
/// Ends it.
pub(crate) const TAIL: &str = "</d:multistatus>\n";

/// Text for an element or an attribute. What XML cannot carry becomes U+FFFD.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}') || c < ' ';
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#13;"),
            c if special(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Writes the empty element of this name.
pub(crate) fn empty(out: &mut String, name: &Name) {
    let prefix = match name.namespace.as_str() {
        "DAV:" => "d:",
        OC => "oc:",
        NC => "nc:",
        OWN => "sb:",
        OCS => "ocs:",
        OCM => "ocm:",
        "" => "",
        namespace => {
            // Writing to a String cannot fail.
            let _ = write!(out, "<x:{} xmlns:x=\"{}\"/>", name.local, escape(namespace));
            return;
        }
    };
    let _ = write!(out, "<{prefix}{}/>", name.local);
}

/// Writes a propstat with properties already written, if there are any.
pub(crate) fn propstat(out: &mut String, properties: &str, status: &str) {
    if !properties.is_empty() {
        for text in
            ["<d:propstat><d:prop>", properties, "</d:prop><d:status>HTTP/1.1 ", status, "</d:status></d:propstat>"]
        {
            out.push_str(text);
        }
    }
}

/// Begins a response; `href` is percent-encoded and so needs no escaping.
pub(crate) fn begin_response(out: &mut String, href: &str) {
    let _ = write!(out, "<d:response><d:href>{href}</d:href>");
}

/// Ends it.
pub(crate) fn end_response(out: &mut String) {
    out.push_str("</d:response>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_shown() {
        assert_eq!(escape("a&b<c>\"d'\u{1}\u{ffff}ü"), "a&amp;b&lt;c&gt;&quot;d'\u{fffd}\u{fffd}ü");
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_of_any_namespace_are_written() {
        let mut out = String::new();
        for name in [Name::new("DAV:", "a"), Name::new(OC, "b"), Name::new("", "c"), Name::new("urn:\"&", "d")] {
            empty(&mut out, &name);
        }
        assert_eq!(out, "<d:a/><oc:b/><c/><x:d xmlns:x=\"urn:&quot;&amp;\"/>");
    }

    #[test]
    fn a_document_put_together_is_well_formed() {
        let mut out = String::from(HEAD);
        begin_response(&mut out, "/a%20b");
        propstat(&mut out, "<d:getetag>\"x\"</d:getetag>", "200 OK");
        propstat(&mut out, "", "404 Not Found");
        end_response(&mut out);
        out.push_str(TAIL);
        let root = crate::xml_in::read(out.as_bytes()).unwrap().unwrap();
        assert_eq!(root.children.len(), 1);
        assert_eq!(root.children[0].children.len(), 2);
    }
}
