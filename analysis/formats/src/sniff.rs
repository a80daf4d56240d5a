//! Says from the name and the first bytes of a file whether it belongs to a series.

use crate::Format;

/// What a file looks like, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniff {
    /// Its first bytes are those of a format that forms series ([`Format::forms_series`]).
    Recognised(Format),
    /// Its name says it is a measurement, its content is binary (or empty) and not recognised: a damaged file of a
    /// series, which must be reported and not passed over.
    Claimed,
    /// Anything else: a document, a picture, a text, a table, a profile, our own results. No business of a series,
    /// though [`crate::read_measurement`] may read it where somebody names it.
    Foreign,
}

/// Number of leading bytes [`sniff`] wants to see; fewer are fine where the file is shorter.
pub const SNIFF_BYTES: usize = 512;

pub(crate) const HDF5_SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// MetroPro signatures; the last digit counts the header formats 1, 2 and 3.
pub(crate) const METROPRO_SIGNATURES: [[u8; 4]; 3] =
    [[0x88, 0x1B, 0x03, 0x6F], [0x88, 0x1B, 0x03, 0x70], [0x88, 0x1B, 0x03, 0x71]];

/// Endings under which only measurements are kept: what is binary and unknown under such a name is a damaged one.
const CLAIMING_EXTENSIONS: [&str; 3] = ["dat", "datx", "opd"];

/// Documents, pictures and archives that people drop among measurements, sometimes under a wrong name.
const FOREIGN_SIGNATURES: [&[u8]; 9] = [
    b"%PDF-",
    b"\x89PNG\r\n",
    b"\xFF\xD8\xFF",
    b"GIF8",
    b"PK\x03\x04",
    b"\x1F\x8B",
    b"7z\xBC\xAF",
    b"\xD0\xCF\x11\xE0",
    b"II*\x00",
];

/// Classifies a file by its name and its first [`SNIFF_BYTES`] bytes. The content decides; the name only tells a
/// damaged measurement from a stranger, and our own `height.h5` from an instrument's HDF5 file.
#[must_use]
pub fn sniff(name: &str, head: &[u8]) -> Sniff {
    let extension = extension(name);
    let extension = extension.as_deref();
    let claimed = extension.is_some_and(|e| CLAIMING_EXTENSIONS.contains(&e));
    match signature(head) {
        Some(Format::Datx) if !matches!(extension, None | Some("dat" | "datx")) => Sniff::Foreign,
        Some(format) => Sniff::Recognised(format),
        None if claimed && !is_document(head) => Sniff::Claimed,
        None => Sniff::Foreign,
    }
}

/// The format of series that the bytes begin with.
pub(crate) fn signature(bytes: &[u8]) -> Option<Format> {
    Format::of(bytes.get(..SNIFF_BYTES).unwrap_or(bytes)).filter(|format| format.forms_series())
}

/// The part of the name behind its last dot, in lower case; a leading dot makes a hidden file, not an extension.
fn extension(name: &str) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => Some(extension.to_ascii_lowercase()),
        _ => None,
    }
}

/// A known document or a text. An empty file is neither: it is a measurement that did not arrive.
pub(crate) fn is_document(head: &[u8]) -> bool {
    let head = head.get(..SNIFF_BYTES).unwrap_or(head);
    !head.is_empty() && (FOREIGN_SIGNATURES.iter().any(|s| head.starts_with(s)) || is_text(head))
}

/// No control characters but the usual white space. Bytes above 127 pass: Latin-1 and UTF-8 comments are text.
fn is_text(head: &[u8]) -> bool {
    let control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A) || *b == 0x7F;
    !head.iter().any(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METROPRO: &[u8] = b"\x88\x1B\x03\x6F\x00\x01\x00\x00\x03\x42";
    const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n\x00\x00";

    #[test]
    fn the_content_decides_not_the_name() {
        for name in ["sub_01.dat", "sub_01.DAT", "sub_01", "sub_01.bin", "sub.01.txt"] {
            assert_eq!(sniff(name, METROPRO), Sniff::Recognised(Format::MetroPro), "{name}");
        }
        for name in ["a.datx", "a.DATX", "a.dat", "a", ".hidden"] {
            assert_eq!(sniff(name, HDF5), Sniff::Recognised(Format::Datx), "{name}");
        }
    }

    #[test]
    fn our_own_results_are_foreign() {
        assert_eq!(sniff("height.h5", HDF5), Sniff::Foreign);
        assert_eq!(sniff("scan.nxs", HDF5), Sniff::Foreign);
    }

    #[test]
    fn a_damaged_measurement_is_claimed() {
        assert_eq!(sniff("a.dat", b"\x00\x00\x00\x00\x00\x01"), Sniff::Claimed);
        assert_eq!(sniff("a.datx", b"\x89HDX\r\n\x1a\n\x00"), Sniff::Claimed);
        assert_eq!(sniff("a.dat", b""), Sniff::Claimed);
        assert_eq!(sniff("a.dat", &METROPRO[..3]), Sniff::Claimed);
    }

    #[test]
    fn documents_and_texts_are_foreign_under_any_name() {
        assert_eq!(sniff("drawing.pdf", b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\x00"), Sniff::Foreign);
        assert_eq!(sniff("drawing.dat", b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\x00"), Sniff::Foreign);
        assert_eq!(sniff("figure.png", b"\x89PNG\r\n\x1a\n\x00\x00"), Sniff::Foreign);
        assert_eq!(sniff("dabam-037.dat", b"LTP scan\r\n12/07/2018 @ 09:15:00\n-500.0\t0.12\n"), Sniff::Foreign);
        assert_eq!(sniff("stitch.toml", b"[series]\nexpected = 12\n"), Sniff::Foreign);
        assert_eq!(sniff("noise.bin", b"\x00\x01\x02"), Sniff::Foreign);
        assert_eq!(sniff("empty.txt", b""), Sniff::Foreign);
    }
}
