//! `main.xml`: the texts of its elements by their path, namespaces left aside, and the heights if it lists them.

use std::collections::BTreeMap;

use quick_xml::{Reader, events::Event};

use super::FORMAT;
use crate::FormatError;

/// Deepest nesting; the standard needs six.
const MOST_DEPTH: usize = 16;
/// Most elements whose text is kept; the standard knows about fifty.
const MOST_TEXTS: usize = 500;
/// Longest text of an element, bytes.
const MOST_TEXT: usize = 4096;
const LIST: &str = "Record3/DataList";
const DATUM: &str = "Record3/DataList/Datum";

/// What the description says.
pub(super) struct Document {
    texts: BTreeMap<String, String>,
    /// The listed heights as they stand there (`x;y;z` or `z`), NaN where empty; none where they are linked.
    pub(super) listed: Vec<f64>,
}

impl Document {
    /// Parses the XML. Entities beyond the five of XML are not known, so nothing can unfold.
    pub(super) fn parse(xml: &[u8]) -> Result<Self, FormatError> {
        let malformed = |problem: String| FormatError::malformed(FORMAT, "main.xml", problem);
        let mut reader = Reader::from_reader(xml);
        let mut buffer = Vec::new();
        // Path of the open element below the root, and where each of its parts begins.
        let (mut path, mut starts, mut text) = (String::new(), Vec::new(), String::new());
        let mut document = Self { texts: BTreeMap::new(), listed: Vec::new() };
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(|error| malformed(format!("is no XML: {error}")))? {
                Event::Start(element) => {
                    if starts.len() >= MOST_DEPTH {
                        return Err(malformed("is nested too deeply".to_owned()));
                    }
                    starts.push(path.len());
                    if starts.len() > 1 {
                        if !path.is_empty() {
                            path.push('/');
                        }
                        path.push_str(element.local_name().as_ref());
                    }
                    text.clear();
                }
                // An empty point was not measured.
                Event::Empty(element) if path == LIST && element.local_name().as_ref() == "Datum" => {
                    document.listed.push(f64::NAN);
                }
                Event::Text(piece) => append(&mut text, &piece),
                Event::CData(piece) => append(&mut text, &piece),
                Event::End(_) => {
                    document.take(&path, text.trim());
                    text.clear();
                    match starts.pop() {
                        Some(start) => path.truncate(start),
                        None => return Err(malformed("closes more elements than it opens".to_owned())),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if starts.is_empty() { Ok(document) } else { Err(malformed("ends within an element".to_owned())) }
    }

    /// The text of an element; `None` if there is none or it is empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The number in an element; `None` if there is no such element.
    pub(super) fn number(&self, path: &str) -> Result<Option<f64>, FormatError> {
        let Some(text) = self.text(path) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(FormatError::malformed(FORMAT, path, "is no number")),
        }
    }

    fn take(&mut self, path: &str, text: &str) {
        if path == DATUM {
            let height = text.rsplit([';', ',']).next().unwrap_or_default().trim();
            self.listed.push(height.parse().unwrap_or(f64::NAN));
        } else if self.texts.len() < MOST_TEXTS && !path.is_empty() {
            self.texts.entry(path.to_owned()).or_insert_with(|| text.to_owned());
        }
    }
}

fn append(text: &mut String, piece: &str) {
    if text.len() + piece.len() <= MOST_TEXT {
        text.push_str(piece);
    }
}
