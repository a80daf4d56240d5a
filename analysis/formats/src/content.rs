//! What the first bytes of a file say, kept in a word: enough to classify the file again after it was renamed.

use crate::Format;
use crate::sniff;

/// Kind of content, whatever the file is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// MetroPro.
    MetroPro,
    /// HDF5 of any kind.
    Hdf5,
    /// Another format that forms series.
    Measurement(Format),
    /// Binary or empty, and not recognised.
    Unknown,
    /// A picture as PNG.
    Png,
    /// A text, another picture, document or archive.
    Document,
}

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

impl Content {
    /// Looks at the first [`crate::SNIFF_BYTES`] bytes, or all of a shorter file.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        match sniff::signature(head) {
            Some(Format::MetroPro) => Self::MetroPro,
            Some(Format::Datx) => Self::Hdf5,
            Some(format) => Self::Measurement(format),
            None if head.starts_with(PNG_SIGNATURE) => Self::Png,
            None if sniff::is_document(head) => Self::Document,
            None => Self::Unknown,
        }
    }

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MetroPro => "metropro",
            Self::Hdf5 => "hdf5",
            Self::Measurement(format) => format.id(),
            Self::Unknown => "unknown",
            Self::Png => "png",
            Self::Document => "document",
        }
    }

    /// Reads the word back; a word of a later version counts as unknown content.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let others = Format::OF_SERIES.into_iter().filter(|f| !matches!(f, Format::MetroPro | Format::Datx));
        let all =
            [Self::MetroPro, Self::Hdf5, Self::Png, Self::Document].into_iter().chain(others.map(Self::Measurement));
        all.into_iter().find(|content| content.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// Bytes that [`crate::sniff`] judges exactly as it would judge the file's own, under every name.
    #[must_use]
    pub fn head(self) -> &'static [u8] {
        match self {
            Self::MetroPro => Format::MetroPro.head(),
            Self::Hdf5 => Format::Datx.head(),
            Self::Measurement(format) => format.head(),
            Self::Unknown => &[0],
            Self::Png => PNG_SIGNATURE,
            Self::Document => b"text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sniff;

    #[test]
    fn the_word_stands_for_the_bytes_under_every_name() {
        let heads: Vec<&[u8]> = vec![
            b"\x88\x1B\x03\x71rest",
            b"\x89HDF\r\n\x1a\nrest",
            b"",
            b"\0\x01\x02",
            b"%PDF-1.7\0",
            b"x y z\n",
            b"\x89PNG\r\n\x1a\n\0",
            b"\x88\x1B",
            b"\x01\x00Directory\0\0\0\0\0\0\0\x01\x00",
            b"Zygo XYZ Data File - Format 1\r\n1 9 0\r\n",
            b"Zygo ASCII Data File - Format 2\n",
            b"DIGITAL SURF\0\0\x01\0",
            b"average\n24/01/2013 at 14:38\nNo ref/No gravity\n0\n-1\n2\n0\t1\n1\t2\n",
        ];
        for head in heads {
            let content = Content::of(head);
            assert_eq!(Content::from_word(content.as_str()), content);
            for name in ["a.dat", "a.datx", "a.h5", "a", "a.pdf", "a.txt", "a.opd", "a.xyz", "a.sur"] {
                assert_eq!(sniff(name, content.head()), sniff(name, head), "{name} {head:?}");
            }
        }
    }
}
