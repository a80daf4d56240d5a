//! The directory of an `.opd` file: which blocks there are and where. Nothing of it is kept; a look-up walks over it.

use super::NAME;
use crate::FormatError;

const SIGNATURE: usize = 2;
const ENTRY: usize = 24;
const NAME_BYTES: usize = 16;

/// Numbers of the types of blocks that are read; others are skipped by their length.
const ARRAY: i16 = 3;
const STRING: i16 = 5;
const SHORT: i16 = 6;
const FLOAT: i16 = 7;
const DOUBLE: i16 = 8;
const LONG: i16 = 12;

/// The directory over the bytes of the whole file.
pub(super) struct Directory<'b> {
    file: &'b [u8],
    entries: &'b [u8],
}

/// One block; `content` is `None` where it reaches beyond the end of the file.
pub(super) struct Block<'b> {
    pub(super) name: String,
    kind: i16,
    pub(super) length: u64,
    start: u64,
    content: Option<&'b [u8]>,
}

/// A block of values `[x][y]`.
pub(super) struct Array<'b> {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) element_bytes: usize,
    pub(super) values: &'b [u8],
}

impl<'b> Directory<'b> {
    /// Takes the directory's size from its own first entry.
    pub(super) fn new(file: &'b [u8]) -> Result<Self, FormatError> {
        let found = file.len() as u64;
        let short = |needed| FormatError::HeaderTruncated { needed, found };
        let first = file.get(SIGNATURE..).and_then(|rest| rest.first_chunk::<ENTRY>()).ok_or_else(|| short(26))?;
        let announced = i32::from_le_bytes([first[18], first[19], first[20], first[21]]);
        let Some(length) = usize::try_from(announced).ok().filter(|length| *length >= ENTRY) else {
            let problem = format!("announces {announced} bytes for itself, which cannot be");
            return Err(FormatError::malformed(NAME, "its directory", problem));
        };
        let end = length as u64 + SIGNATURE as u64;
        let entries = file.get(SIGNATURE + ENTRY..SIGNATURE + length).ok_or_else(|| short(end))?;
        Ok(Self { file, entries })
    }

    /// The first block that is wanted.
    pub(super) fn find(&self, wanted: impl Fn(&Block<'b>) -> bool) -> Option<Block<'b>> {
        let mut start = (SIGNATURE + ENTRY + self.entries.len()) as u64;
        // The directory ends with whole entries; what is left over belongs to it all the same.
        for entry in self.entries.as_chunks::<ENTRY>().0 {
            let length = i32::from_le_bytes([entry[18], entry[19], entry[20], entry[21]]);
            // A negative length cannot be skipped by: nothing behind it can be found.
            let length = u64::try_from(length).ok()?;
            let name = entry.iter().take(NAME_BYTES).take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
            let kind = i16::from_le_bytes([entry[16], entry[17]]);
            let range = usize::try_from(start).ok().zip(usize::try_from(start.saturating_add(length)).ok());
            let content = range.and_then(|(from, to)| self.file.get(from..to));
            let block = Block { name, kind, length, start, content };
            if wanted(&block) {
                return Some(block);
            }
            start = start.saturating_add(length);
        }
        None
    }

    /// Bytes of the block that are in the file.
    pub(super) fn available(&self, block: &Block<'_>) -> u64 {
        (self.file.len() as u64).saturating_sub(block.start).min(block.length)
    }

    /// A number under a name; `None` where there is none or it is not finite.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let block = self.find(|block| block.name == name)?;
        let content = block.content?;
        let value = match block.kind {
            SHORT => f64::from(i16::from_le_bytes(*content.first_chunk()?)),
            LONG => f64::from(i32::from_le_bytes(*content.first_chunk()?)),
            FLOAT => f64::from(f32::from_le_bytes(*content.first_chunk()?)),
            DOUBLE => f64::from_le_bytes(*content.first_chunk()?),
            _ => return None,
        };
        value.is_finite().then_some(value)
    }

    /// A text under a name: up to the first NUL, Latin-1, at most 256 bytes.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let block = self.find(|block| block.name == name && block.kind == STRING)?;
        let text: String = block.content?.iter().take(256).take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
        Some(text.trim().to_owned())
    }
}

impl<'b> Block<'b> {
    /// Whether it is an array of values.
    pub(super) fn is_array(&self) -> bool {
        self.kind == ARRAY
    }

    /// Its values and their shape; `None` where the block is cut off.
    pub(super) fn array(&self) -> Option<Array<'b>> {
        let content = self.content?;
        let head: [u8; 6] = *content.first_chunk()?;
        let word = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]));
        let [a, b, c, d, e, f] = head;
        Some(Array { x: word(a, b), y: word(c, d), element_bytes: word(e, f), values: content.get(6..)? })
    }
}
