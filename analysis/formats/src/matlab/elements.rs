//! Data elements: a type, a length, content, padding to eight bytes. Layout: "MAT-File Format" (MathWorks), chapter 1.

use std::io::Read;

use ndarray::{Array2, ShapeBuilder};

use super::{FORMAT, MatlabArray};
use crate::{FormatError, Limits};

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Classes of arrays that hold numbers: double, single, and whole numbers of 8 to 64 bits.
const NUMERIC: std::ops::RangeInclusive<u8> = 6..=15;
const COMPLEX: u8 = 0x08;
/// Most variables of a file.
const MOST_ARRAYS: usize = 1000;
/// Deflate cannot pack tighter than this.
const MOST_UNFOLDING: usize = 1032;

fn damaged(problem: &str) -> FormatError {
    FormatError::malformed(FORMAT, "a variable", problem)
}

/// The numeric arrays among the elements behind the header.
pub(super) fn arrays(bytes: &[u8], big_endian: bool, limits: &Limits) -> Result<Vec<MatlabArray>, FormatError> {
    let mut rest = Elements { bytes, big_endian };
    let mut arrays = Vec::new();
    let mut room = limits.max_pixels;
    for _ in 0..MOST_ARRAYS {
        let Some((kind, content)) = rest.next()? else { break };
        let array = match kind {
            MATRIX => array(Elements { bytes: content, big_endian }, room)?,
            COMPRESSED => {
                let unfolded = inflate(content, room)?;
                let mut inner = Elements { bytes: &unfolded, big_endian };
                match inner.next()? {
                    Some((MATRIX, content)) => array(Elements { bytes: content, big_endian }, room)?,
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(array) = array {
            room = room.saturating_sub(array.values.len());
            arrays.push(array);
        }
    }
    Ok(arrays)
}

/// Unfolds a compressed variable of at most `room` values.
fn inflate(content: &[u8], room: usize) -> Result<Vec<u8>, FormatError> {
    const OF_HEADER: usize = 4096;
    let most = room.saturating_mul(8).saturating_add(OF_HEADER).min(content.len().saturating_mul(MOST_UNFOLDING));
    let mut unfolded = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(content).take(most as u64);
    decoder.read_to_end(&mut unfolded).map_err(|_| damaged("cannot be unpacked"))?;
    Ok(unfolded)
}

/// One array; `None` if it is of another class than real numbers.
fn array(mut parts: Elements<'_>, room: usize) -> Result<Option<MatlabArray>, FormatError> {
    let cut = || damaged("is cut off");
    let (_, flags) = parts.next()?.ok_or_else(cut)?;
    let flags = parts.word(flags).ok_or_else(cut)?;
    let (class, attributes) = ((flags & 0xFF) as u8, (flags >> 8 & 0xFF) as u8);
    if !NUMERIC.contains(&class) || attributes & COMPLEX != 0 {
        return Ok(None);
    }
    let (_, dimensions) = parts.next()?.ok_or_else(cut)?;
    let dimensions: Vec<u32> = dimensions.chunks_exact(4).take(8).filter_map(|d| parts.word(d)).collect();
    let Some((rows, others)) = dimensions.split_first() else { return Err(damaged("has no dimensions")) };
    let columns = others.iter().try_fold(1u64, |n, d| n.checked_mul(u64::from(*d))).unwrap_or(u64::MAX);
    let rows = u64::from(*rows);
    let count = rows.checked_mul(columns).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= room);
    let count = count.ok_or(FormatError::MapTooLarge { columns, rows, limit: room })?;
    let (_, name) = parts.next()?.ok_or_else(cut)?;
    let name: String = name.iter().take(64).map(|b| char::from(*b)).collect();

    let (kind, content) = parts.next()?.unwrap_or((9, &[]));
    let size = size_of_kind(kind).ok_or_else(|| damaged("stores its numbers in an unknown way"))?;
    let needed = (count as u64).saturating_mul(size as u64);
    if needed > content.len() as u64 {
        return Err(FormatError::Truncated { what: "a variable", needed, found: content.len() as u64 });
    }
    let numbers = content.chunks_exact(size).take(count).map(|bytes| number(kind, bytes, parts.big_endian));
    // Column by column, as MATLAB stores; turned into rows here.
    let stored = Array2::from_shape_vec((rows as usize, columns as usize).f(), numbers.collect());
    let values = stored.map_err(|_| damaged("has another shape than it announces"))?;
    Ok(Some(MatlabArray { name, values: values.as_standard_layout().into_owned() }))
}

fn size_of_kind(kind: u32) -> Option<usize> {
    Some(match kind {
        1 | 2 => 1,
        3 | 4 => 2,
        5..=7 => 4,
        9 | 12 | 13 => 8,
        _ => return None,
    })
}

fn number(kind: u32, bytes: &[u8], big_endian: bool) -> f64 {
    let mut wide = [0u8; 8];
    let ordered = bytes.iter().take(8);
    if big_endian {
        wide.iter_mut().zip(ordered.rev()).for_each(|(to, from)| *to = *from);
    } else {
        wide.iter_mut().zip(ordered).for_each(|(to, from)| *to = *from);
    }
    let bits = u64::from_le_bytes(wide);
    match kind {
        1 => f64::from(bits as u8 as i8),
        3 => f64::from(bits as u16 as i16),
        5 => f64::from(bits as u32 as i32),
        7 => f64::from(f32::from_bits(bits as u32)),
        9 => f64::from_bits(bits),
        12 => bits as i64 as f64,
        _ => bits as f64,
    }
}

/// Elements one behind the other.
struct Elements<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Elements<'a> {
    /// Type and content of the next element; `None` at the end.
    fn next(&mut self) -> Result<Option<(u32, &'a [u8])>, FormatError> {
        let Some(tag) = self.word(self.bytes) else { return Ok(None) };
        let (small, kind) = (tag >> 16, tag & 0xFFFF);
        if small != 0 {
            // Length and content within the eight bytes of the tag.
            let content = self.bytes.get(4..4 + small.min(4) as usize).ok_or_else(|| damaged("is cut off"))?;
            self.bytes = self.bytes.get(8..).unwrap_or_default();
            return Ok(Some((kind, content)));
        }
        let length =
            self.bytes.get(4..).and_then(|rest| self.word(rest)).ok_or_else(|| damaged("is cut off"))? as usize;
        let content = self.bytes.get(8..).and_then(|rest| rest.get(..length)).ok_or_else(|| damaged("is cut off"))?;
        let padded = if kind == COMPRESSED { length } else { length.next_multiple_of(8) };
        self.bytes = self.bytes.get(8 + padded..).unwrap_or_default();
        Ok(Some((kind, content)))
    }

    fn word(&self, bytes: &[u8]) -> Option<u32> {
        let word = bytes.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) })
    }
}
