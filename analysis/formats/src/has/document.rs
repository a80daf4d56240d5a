//! Walks over the XML once and keeps what the first `raw_slopes` holds. Entities are not expanded: hostile ones stay short.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::{INFO, RAW_SLOPES};
use crate::text::number;
use crate::{FormatError, Limits};

/// Deepest nesting; genuine files have seven levels.
const DEEPEST: usize = 64;
/// Longest comment that is kept, bytes.
const LONGEST_COMMENT: usize = 4096;

/// What the first `raw_slopes` holds, as stored.
#[derive(Default)]
pub(super) struct Document {
    /// Columns and rows.
    pub(super) size: [Option<usize>; 2],
    /// Distance of neighbours along x and y, micrometres.
    pub(super) step: [Option<f64>; 2],
    /// mrad; not finite where not measured.
    pub(super) x_slopes: Option<Vec<f64>>,
    pub(super) y_slopes: Option<Vec<f64>>,
    /// 0 outside the pupil.
    pub(super) pupil: Option<Vec<f64>>,
    pub(super) comments: String,
}

impl Document {
    pub(super) fn read(xml: &str, limits: &Limits) -> Result<Self, FormatError> {
        let mut document = Self::default();
        let mut reader = Reader::from_str(xml);
        // The open elements below the first raw_slopes; `None` outside it.
        let mut path: Option<Vec<String>> = None;
        let mut depth = 0usize;
        let mut seen = false;
        loop {
            let event = reader.read_event();
            let event = event.map_err(|why| wrong(xml, reader.error_position(), &format!("is no XML ({why})")))?;
            match event {
                Event::Eof => break,
                Event::Start(element) => {
                    depth += 1;
                    if depth > DEEPEST {
                        return Err(wrong(xml, reader.buffer_position(), "is nested too deeply"));
                    }
                    let name = element.local_name();
                    let name = name.as_ref();
                    match &mut path {
                        Some(path) => path.push(name.to_owned()),
                        None if name == RAW_SLOPES && !seen => (path, seen) = (Some(Vec::new()), true),
                        None => {}
                    }
                }
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    if path.as_mut().is_some_and(|path| path.pop().is_none()) {
                        path = None;
                    }
                }
                Event::Text(text) => document.take(path.as_deref(), &text.into_inner(), limits)?,
                Event::CData(text) => document.take(path.as_deref(), &text.into_inner(), limits)?,
                _ => {}
            }
        }
        if !seen {
            return Err(FormatError::malformed(INFO.name, "it", "has no element raw_slopes"));
        }
        Ok(document)
    }

    /// Keeps a text that stands in a known place.
    fn take(&mut self, path: Option<&[String]>, text: &str, limits: &Limits) -> Result<(), FormatError> {
        let Some(path) = path else { return Ok(()) };
        let place: Vec<&str> = path.iter().map(String::as_str).collect();
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(());
        }
        match place.as_slice() {
            ["slopes", "size", "x"] => self.size[0] = trimmed.parse().ok(),
            ["slopes", "size", "y"] => self.size[1] = trimmed.parse().ok(),
            ["slopes", "step", "x"] => self.step[0] = number(trimmed),
            ["slopes", "step", "y"] => self.step[1] = number(trimmed),
            ["slopes", "x_slopes", "buffer"] => values(&mut self.x_slopes, trimmed, limits)?,
            ["slopes", "y_slopes", "buffer"] => values(&mut self.y_slopes, trimmed, limits)?,
            ["slopes", "pupil", "buffer"] => values(&mut self.pupil, trimmed, limits)?,
            ["metadata", "comments"] if self.comments.len() + trimmed.len() <= LONGEST_COMMENT => {
                self.comments.push_str(trimmed);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Appends the numbers of a buffer.
fn values(to: &mut Option<Vec<f64>>, text: &str, limits: &Limits) -> Result<(), FormatError> {
    let values = to.get_or_insert_default();
    let count = text.split_ascii_whitespace().count().min(limits.max_pixels);
    if values.try_reserve_exact(count).is_err() {
        let problem = format!("holds {count} values, too many for the memory");
        return Err(FormatError::malformed(INFO.name, "a buffer of its slopes", problem));
    }
    for field in text.split_ascii_whitespace() {
        // Microsoft's libraries write what is no number as `1.#QNAN` or `-1.#IND`.
        let value = if field.contains('#') { Some(f64::NAN) } else { field.parse().ok() };
        let Some(value) = value else {
            let field: String = field.chars().take(20).collect();
            let problem = format!("holds '{field}', which is no number");
            return Err(FormatError::malformed(INFO.name, "a buffer of its slopes", problem));
        };
        if values.len() == limits.max_pixels {
            let problem = format!("holds more than {} values", limits.max_pixels);
            return Err(FormatError::malformed(INFO.name, "a buffer of its slopes", problem));
        }
        values.push(value);
    }
    Ok(())
}

/// The error that names the line of a position.
fn wrong(xml: &str, position: u64, problem: &str) -> FormatError {
    let before = xml.as_bytes().iter().take(position as usize);
    let line = 1 + before.filter(|byte| **byte == b'\n').count();
    FormatError::malformed(INFO.name, format!("line {line}"), problem)
}
