//! XML request bodies into a small tree. Knows XML and namespaces, nothing of WebDAV.
//!
//! Bodies come from strangers: there is no document type and no entity; depth, elements, attributes and what elements
//! inherit are bounded, so that the tree is not much larger than its text; and it is built without recursion. Character data between elements is kept apart and may be ignored by
//! the reader of a request (a client in the field sends a stray letter there).

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::ops::Range;

/// Longest body read, bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 512;
/// Attributes of one tag, declarations of namespaces included.
const MAX_ATTRIBUTES: usize = 64;
/// Namespace declarations that hold at one place: each may have to be written into every property that is kept.
const MAX_BINDINGS: usize = 64;
/// Longest namespace, and longest `xml:lang`, bytes: each element below carries a copy.
const MAX_INHERITED: usize = 256;
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The namespace of WebDAV itself.
pub(crate) const DAV: &str = "DAV:";

/// An XML name: namespace (may be empty) and local name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// Namespace URI.
    pub namespace: String,
    /// Local name.
    pub local: String,
}

impl Name {
    /// A name from its parts.
    pub(crate) fn new(namespace: &str, local: &str) -> Self {
        Self { namespace: namespace.to_owned(), local: local.to_owned() }
    }

    /// Whether it is this name in the namespace `DAV:`.
    pub(crate) fn is_dav(&self, local: &str) -> bool {
        self.namespace == DAV && self.local == local
    }
}

/// An element with what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    /// Its name.
    pub name: Name,
    /// The elements directly inside, in order.
    pub children: Vec<Element>,
    /// The character data directly inside, in order, joined.
    pub text: String,
    /// The element as XML that stands alone: every prefix it uses is declared in it.
    pub standalone: String,
}

impl Element {
    /// The first child of this name in `DAV:`.
    pub(crate) fn dav_child(&self, local: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name.is_dav(local))
    }
}

/// The body is not well-formed XML, or more than a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadXml;

/// Reads a document; `None` if the body is empty.
pub(crate) fn read(body: &[u8]) -> Result<Option<Element>, BadXml> {
    let text = std::str::from_utf8(body).map_err(|_| BadXml)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(None);
    }
    if !text.chars().all(is_xml_char) {
        return Err(BadXml);
    }
    Builder::new(text).run().map(Some)
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// An element whose end has not come yet.
struct Open<'a> {
    element: Element,
    tag: Range<usize>,
    prefix: &'a str,
    /// Where the bindings of its ancestors end.
    outer_bindings: usize,
    /// `xml:lang` that holds here, as written.
    lang: Option<String>,
    has_own_lang: bool,
}

struct Builder<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Prefix (empty: the default) and namespace, innermost last.
    bindings: Vec<(&'a str, String)>,
    open: Vec<Open<'a>>,
    elements: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        Self { text, reader, bindings: Vec::new(), open: Vec::new(), elements: 0 }
    }

    fn run(mut self) -> Result<Element, BadXml> {
        let mut root = None;
        loop {
            let before = self.position();
            let event = self.reader.read_event().map_err(|_| BadXml)?;
            let span = before..self.position();
            match event {
                Event::Start(tag) => {
                    if root.is_some() {
                        return Err(BadXml);
                    }
                    self.start(&tag, span)?;
                }
                Event::Empty(tag) => {
                    if root.is_some() {
                        return Err(BadXml);
                    }
                    self.start(&tag, span.clone())?;
                    root = self.end(span.end)?;
                }
                Event::End(_) => root = self.end(span.end)?,
                Event::Text(text) if text.contains("]]>") => return Err(BadXml),
                Event::Text(text) => self.characters(&text)?,
                Event::CData(text) => self.characters(&text)?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|_| BadXml)?;
                    match character {
                        Some(c) if is_xml_char(c) => self.characters(c.encode_utf8(&mut [0; 4]))?,
                        Some(_) => return Err(BadXml),
                        None => self.characters(resolve_predefined_entity(&reference).ok_or(BadXml)?)?,
                    }
                }
                Event::Decl(declaration) if span.start == 0 && declaration.version().is_ok() => {}
                Event::Comment(_) => {}
                // Nothing in a request needs one, and one kept inside a property would have to be checked.
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(BadXml),
                Event::Eof => return if self.open.is_empty() { root.ok_or(BadXml) } else { Err(BadXml) },
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn characters(&mut self, text: &str) -> Result<(), BadXml> {
        match self.open.last_mut() {
            Some(open) => open.element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(BadXml),
        }
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>, span: Range<usize>) -> Result<(), BadXml> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || self.open.len() >= MAX_DEPTH {
            return Err(BadXml);
        }
        let outer_bindings = self.bindings.len();
        let mut lang = self.open.last().and_then(|open| open.lang.clone());
        let mut has_own_lang = false;
        let (mut attributes, mut seen) = (Vec::new(), 0);
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| BadXml)?;
            seen += 1;
            if seen > MAX_ATTRIBUTES {
                return Err(BadXml);
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| BadXml)?;
            if !value.chars().all(is_xml_char) || attribute.value.contains('<') {
                return Err(BadXml);
            }
            let key = attribute.key.into_inner();
            if key == "xmlns" {
                self.bind("", value.into_owned())?;
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                // A prefix cannot be bound to nothing, and xml and xmlns cannot be bound at all.
                if value.is_empty() || matches!(prefix, "" | "xml" | "xmlns") {
                    return Err(BadXml);
                }
                self.bind(self.borrowed(prefix)?, value.into_owned())?;
            } else {
                if key == "xml:lang" {
                    if attribute.value.len() > MAX_INHERITED {
                        return Err(BadXml);
                    }
                    has_own_lang = true;
                    lang = Some(attribute.value.into_owned());
                }
                attributes.push(split(key)?);
            }
        }
        self.refuse_twins(&attributes)?;
        if !attributes_are_apart(tag) {
            return Err(BadXml);
        }
        let qualified = tag.name().into_inner();
        let (prefix, local) = split(qualified)?;
        let name = Name::new(self.namespace(prefix)?, local);
        let element = Element { name, children: Vec::new(), text: String::new(), standalone: String::new() };
        let prefix = self.borrowed(prefix)?;
        self.open.push(Open { element, tag: span, prefix, outer_bindings, lang, has_own_lang });
        Ok(())
    }

    fn bind(&mut self, prefix: &'a str, namespace: String) -> Result<(), BadXml> {
        if namespace.len() > MAX_INHERITED || self.bindings.len() >= MAX_BINDINGS {
            return Err(BadXml);
        }
        self.bindings.push((prefix, namespace));
        Ok(())
    }

    /// Two attributes of one name, written with two prefixes, are not well-formed either.
    fn refuse_twins(&self, attributes: &[(&str, &str)]) -> Result<(), BadXml> {
        let mut seen = Vec::with_capacity(attributes.len());
        for (prefix, local) in attributes {
            // An attribute without prefix is in no namespace, whatever the default is.
            let namespace = if prefix.is_empty() { "" } else { self.namespace(prefix)? };
            if seen.contains(&(namespace, local)) {
                return Err(BadXml);
            }
            seen.push((namespace, local));
        }
        Ok(())
    }

    /// The same characters, borrowed from the whole text. The reader borrows from it too; it does not say for how long.
    fn borrowed(&self, part: &str) -> Result<&'a str, BadXml> {
        if part.is_empty() {
            return Ok("");
        }
        let start = part.as_ptr() as usize;
        let offset = start.checked_sub(self.text.as_ptr() as usize).ok_or(BadXml)?;
        self.text.get(offset..offset + part.len()).ok_or(BadXml)
    }

    fn namespace(&self, prefix: &str) -> Result<&str, BadXml> {
        if prefix == "xml" {
            return Ok(XML_NAMESPACE);
        }
        match self.bindings.iter().rev().find(|(bound, _)| *bound == prefix) {
            Some((_, namespace)) => Ok(namespace),
            None if prefix.is_empty() => Ok(""),
            None => Err(BadXml),
        }
    }

    /// Closes the innermost element; gives it if it was the root.
    fn end(&mut self, end: usize) -> Result<Option<Element>, BadXml> {
        let mut open = self.open.pop().ok_or(BadXml)?;
        // Only properties, owners and the like are ever kept; what lies deeper is inside their text already.
        if self.open.len() <= 3 {
            open.element.standalone = self.standalone(&open, end)?;
        }
        self.bindings.truncate(open.outer_bindings);
        match self.open.last_mut() {
            Some(parent) => {
                parent.element.children.push(open.element);
                Ok(None)
            }
            None => Ok(Some(open.element)),
        }
    }

    /// The source of an element, with the declarations it takes from around it written into its tag.
    fn standalone(&self, open: &Open<'a>, end: usize) -> Result<String, BadXml> {
        let source = self.text.get(open.tag.start..end).ok_or(BadXml)?;
        let tag_name = if open.prefix.is_empty() {
            open.element.name.local.len()
        } else {
            open.prefix.len() + 1 + open.element.name.local.len()
        };
        let (head, rest) = source.split_at_checked(1 + tag_name).ok_or(BadXml)?;
        let mut out = String::with_capacity(source.len() + 32);
        out.push_str(head);
        let (outer, own) = self.bindings.split_at_checked(open.outer_bindings).ok_or(BadXml)?;
        let mut written: Vec<&str> = own.iter().map(|(prefix, _)| *prefix).collect();
        for (prefix, namespace) in outer.iter().rev() {
            if written.contains(prefix) {
                continue;
            }
            written.push(prefix);
            let used = prefix.is_empty() || source.contains(&format!("{prefix}:"));
            if used && !(prefix.is_empty() && namespace.is_empty()) {
                out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
                out.push_str(prefix);
                out.push_str("=\"");
                out.push_str(&quick_xml::escape::escape(namespace.as_str()));
                out.push('"');
            }
        }
        if let Some(lang) = open.lang.as_ref().filter(|_| !open.has_own_lang) {
            out.push_str(" xml:lang=\"");
            out.push_str(&lang.replace('"', "&quot;"));
            out.push('"');
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A qualified name in its parts: prefix (may be empty) and local name.
fn split(qualified: &str) -> Result<(&str, &str), BadXml> {
    let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
    let prefix_is_fine = is_name(prefix) || !qualified.contains(':');
    if prefix_is_fine && is_name(local) { Ok((prefix, local)) } else { Err(BadXml) }
}

/// Whether white space stands before every attribute, which the reader does not demand.
fn attributes_are_apart(tag: &BytesStart<'_>) -> bool {
    let (mut quote, mut after_value) = (None, false);
    for c in tag.attributes_raw().chars() {
        match quote {
            Some(open) if c == open => (quote, after_value) = (None, true),
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if after_value && !c.is_ascii_whitespace() => return false,
            None => after_value = false,
        }
    }
    true
}

/// Names that every edition of XML 1.0 knows, in the scripts people write in: what is kept here is read by parsers of
/// any age.
fn is_name(text: &str) -> bool {
    let first = |c: char| {
        matches!(c,
            'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{ff}'
            | '\u{3b1}'..='\u{3c9}' | '\u{410}'..='\u{44f}' | '\u{3041}'..='\u{3094}' | '\u{30a1}'..='\u{30fa}'
            | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}')
    };
    let later = |c: char| first(c) || matches!(c, '0'..='9' | '-' | '.' | '\u{b7}');
    text.chars().next().is_some_and(first) && text.chars().all(later)
}

#[cfg(test)]
mod tests;
