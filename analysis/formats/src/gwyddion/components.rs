//! The serialised tree: each component is a name, a type letter and a value, little-endian; texts end with a NUL, and
//! capital letters are arrays with their length in front. Layout: Gwyddion user guide, "Gwyddion Native Data Files".

use super::FORMAT;
use crate::FormatError;

/// A value, of which only what data fields need is understood.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number of 32 bits.
    Whole(i32),
    /// A real number.
    Real(f64),
    /// A text without its NUL.
    Text(&'a [u8]),
    /// Name and content of an object.
    Object(&'a [u8], &'a [u8]),
    /// Real numbers as they are stored.
    Reals(&'a [u8]),
    /// Anything else, passed over.
    Other,
}

/// A named value.
#[derive(Debug, PartialEq)]
pub(super) struct Component<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: Value<'a>,
}

/// The components in the content of an object, one behind the other.
pub(super) struct Components<'a> {
    rest: &'a [u8],
}

impl<'a> Components<'a> {
    pub(super) fn of(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    fn read(&mut self) -> Option<Component<'a>> {
        let name = self.text()?;
        let [kind] = *self.take(1)? else { return None };
        let value = match kind {
            b'b' | b'c' => self.take(1).map(|_| Value::Other)?,
            b'i' => Value::Whole(i32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            b'q' => self.take(8).map(|_| Value::Other)?,
            b'd' => Value::Real(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            b's' => Value::Text(self.text()?),
            b'o' => {
                let (name, content, behind) = split_object(self.rest)?;
                self.rest = behind;
                Value::Object(name, content)
            }
            b'C' => self.array(1).map(|_| Value::Other)?,
            b'I' => self.array(4).map(|_| Value::Other)?,
            b'Q' => self.array(8).map(|_| Value::Other)?,
            b'D' => Value::Reals(self.array(8)?),
            b'S' => {
                for _ in 0..self.count()? {
                    self.text()?;
                }
                Value::Other
            }
            b'O' => {
                for _ in 0..self.count()? {
                    (.., self.rest) = split_object(self.rest)?;
                }
                Value::Other
            }
            _ => return None,
        };
        Some(Component { name, value })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let (text, behind) = split_text(self.rest)?;
        self.rest = behind;
        Some(text)
    }

    fn count(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn array(&mut self, size: usize) -> Option<&'a [u8]> {
        let count = self.count()? as usize;
        self.take(count.checked_mul(size)?)
    }
}

impl<'a> Iterator for Components<'a> {
    type Item = Result<Component<'a>, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let component = self.read();
        if component.is_none() {
            self.rest = &[];
        }
        Some(component.ok_or_else(|| FormatError::malformed(FORMAT, "a component", "is cut off or of an unknown type")))
    }
}

/// Name and content of the object the bytes begin with.
pub(super) fn object(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    split_object(bytes).map(|(name, content, _)| (name, content))
}

fn split_object(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = split_text(bytes)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (content, behind) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((name, content, behind))
}

fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((text, rest.get(1..)?))
}
