//! As much of ZIP as X3P needs: files stored or deflated, found through the central directory, each unfolded only as
//! far as the caller wants. Layout: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

use std::io::Read;

use super::FORMAT;
use crate::FormatError;

/// The beginning of an archive whose first file is `main.xml`.
pub(crate) const SIGNATURE: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0main.xml";
const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
const MOST_COMMENT: usize = 65_535;
/// Most files of an archive that are listed; X3P has four.
const MOST_FILES: usize = 1000;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Deflate cannot pack tighter than this.
const MOST_UNFOLDING: u64 = 1032;

/// The files of an archive.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    files: Vec<File<'a>>,
}

struct File<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    local: usize,
}

/// The name of the first file.
pub(super) fn first_name(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(LOCAL) {
        return None;
    }
    let length = usize::from(word(bytes, 26)?);
    bytes.get(LOCAL_BYTES..LOCAL_BYTES + length)
}

impl<'a> Archive<'a> {
    /// Reads the central directory.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let damaged = |problem: &str| FormatError::malformed(FORMAT, "the ZIP archive", problem);
        let tail = bytes.len().saturating_sub(END_BYTES + MOST_COMMENT);
        let end = bytes.get(tail..).and_then(|rest| rest.windows(END.len()).rposition(|window| window == END));
        let end = tail + end.ok_or_else(|| damaged("has no directory at its end, so it is cut off"))?;
        let count = word(bytes, end + 10).ok_or_else(|| damaged("is cut off"))?;
        let mut at = long(bytes, end + 16).ok_or_else(|| damaged("is cut off"))? as usize;
        let mut files = Vec::new();
        for _ in 0..usize::from(count).min(MOST_FILES) {
            let file = File::read(bytes, &mut at).ok_or_else(|| damaged("has a damaged directory"))?;
            files.push(file);
        }
        Ok(Self { bytes, files })
    }

    /// Whether there is a file of this name.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The content of a file of at most `most` bytes.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, FormatError> {
        let damaged = |problem: String| FormatError::malformed(FORMAT, name, problem);
        let file = self.find(name).ok_or_else(|| damaged("is not in the archive".to_owned()))?;
        if file.flags & 1 != 0 {
            return Err(FormatError::unsupported(FORMAT, "encrypted files", "save it without a password"));
        }
        if file.size > most || file.size > file.packed.saturating_mul(MOST_UNFOLDING).saturating_add(64) {
            return Err(damaged(format!("announces {} bytes, which cannot be", file.size)));
        }
        let packed = self.packed(file).ok_or_else(|| damaged("is cut off".to_owned()))?;
        let mut content = Vec::new();
        let read = match file.method {
            STORED => packed.take(file.size + 1).read_to_end(&mut content),
            DEFLATED => flate2::read::DeflateDecoder::new(packed).take(file.size + 1).read_to_end(&mut content),
            method => {
                let what = format!("files packed by ZIP method {method}");
                return Err(FormatError::unsupported(FORMAT, what, "save it with plain (deflate) compression"));
            }
        };
        read.map_err(|_| damaged("cannot be unpacked".to_owned()))?;
        if content.len() as u64 != file.size {
            return Err(damaged(format!("has {} bytes instead of {}", content.len(), file.size)));
        }
        if crc32fast::hash(&content) != file.crc {
            return Err(damaged("does not fit its CRC, so it was damaged".to_owned()));
        }
        Ok(content)
    }

    fn find(&self, name: &str) -> Option<&File<'a>> {
        let name = name.trim().trim_start_matches("./").as_bytes();
        self.files.iter().find(|file| file.name.eq_ignore_ascii_case(name))
    }

    fn packed(&self, file: &File<'_>) -> Option<&'a [u8]> {
        let header = self.bytes.get(file.local..)?;
        if !header.starts_with(LOCAL) {
            return None;
        }
        let behind = LOCAL_BYTES + usize::from(word(header, 26)?) + usize::from(word(header, 28)?);
        header.get(behind..behind.checked_add(usize::try_from(file.packed).ok()?)?)
    }
}

impl<'a> File<'a> {
    /// One entry of the central directory; `at` moves behind it.
    fn read(bytes: &'a [u8], at: &mut usize) -> Option<Self> {
        let entry = bytes.get(*at..)?;
        if !entry.starts_with(CENTRAL) {
            return None;
        }
        let length = usize::from(word(entry, 28)?);
        let name = entry.get(CENTRAL_BYTES..CENTRAL_BYTES + length)?;
        *at += CENTRAL_BYTES + length + usize::from(word(entry, 30)?) + usize::from(word(entry, 32)?);
        Some(Self {
            name,
            flags: word(entry, 8)?,
            method: word(entry, 10)?,
            crc: long(entry, 16)?,
            packed: long(entry, 20)?.into(),
            size: long(entry, 24)?.into(),
            local: long(entry, 42)? as usize,
        })
    }
}

/// Puts files into an archive, deflated, in this order, dated 1980-01-01 so that the bytes depend on nothing else.
/// `None` where a file or the archive would need more than 32-bit lengths.
pub(super) fn pack(files: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    const VERSION: u16 = 20;
    const DATE: u16 = 0x21;
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut deflated = Vec::new();
        let mut encoder = flate2::read::DeflateEncoder::new(*content, flate2::Compression::fast());
        encoder.read_to_end(&mut deflated).ok()?;
        let offset = u32::try_from(archive.len()).ok()?;
        let mut common = Vec::new();
        for field in [VERSION, 0, DEFLATED, 0, DATE] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        for field in [crc32fast::hash(content), u32::try_from(deflated.len()).ok()?, u32::try_from(content.len()).ok()?]
        {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        archive.extend_from_slice(LOCAL);
        archive.extend_from_slice(&common);
        archive.extend_from_slice(name.as_bytes());
        archive.extend_from_slice(&deflated);
        directory.extend_from_slice(CENTRAL);
        directory.extend_from_slice(&VERSION.to_le_bytes());
        directory.extend_from_slice(&common);
        // No comment, first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (offset, size) = (u32::try_from(archive.len()).ok()?, u32::try_from(directory.len()).ok()?);
    let count = u16::try_from(files.len()).ok()?.to_le_bytes();
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(END);
    archive.extend_from_slice(&[0; 4]);
    archive.extend_from_slice(&count);
    archive.extend_from_slice(&count);
    archive.extend_from_slice(&size.to_le_bytes());
    archive.extend_from_slice(&offset.to_le_bytes());
    archive.extend_from_slice(&[0; 2]);
    Some(archive)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}
