//! `Upload-Metadata`: what the file is called and what it is, in the dialects of the sync clients and of Uppy.

use crate::errors::Fault;
use crate::request_headers::seconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stitchbox_domain::uploads::Checksum;
use stitchbox_schema::Timestamp;

/// What the header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Path below the folder the request went to.
    pub path: Option<String>,
    /// The path came from a folder somebody dropped: what is missing above it is made.
    pub makes_folders: bool,
    pub mtime: Option<Timestamp>,
    pub checksum: Option<Checksum>,
}

impl Metadata {
    /// Reads the header: pairs of a key and a value in base64.
    pub(super) fn parse(header: &str) -> Result<Self, Fault> {
        let unreadable = || Fault::BadRequest("Upload-Metadata cannot be read: pairs of key and base64, with commas");
        let (mut name, mut relative) = (None, None);
        let mut metadata = Self::default();
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = STANDARD.decode(value.trim()).map_err(|_| unreadable())?;
            let value = String::from_utf8(value).map_err(|_| unreadable())?;
            match key {
                "filename" => name = Some(value),
                "name" if name.is_none() => name = Some(value),
                // Uppy writes the word where there is none.
                "relativePath" if !value.is_empty() && value != "null" => relative = Some(value),
                "mtime" => metadata.mtime = seconds(&value),
                // "SHA1 hex", as in OC-Checksum but for the blank.
                "checksum" => metadata.checksum = Some(Checksum::parse(&value.trim().replacen(' ', ":", 1))?),
                _ => {}
            }
        }
        metadata.makes_folders = relative.is_some();
        metadata.path = relative.or(name);
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Metadata, Fault> {
        let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
        Metadata::parse(&pairs.join(","))
    }

    #[test]
    fn the_dialect_of_the_sync_clients() {
        let checksum = "SHA1 a9993e364706816aba3e25717850c26c9cd0d89d";
        let read = parse(&[("filename", "/a/ü.txt"), ("checksum", checksum), ("mtime", "1600000000")]).unwrap();
        assert_eq!(read.path.as_deref(), Some("/a/ü.txt"));
        assert!(!read.makes_folders);
        assert_eq!(read.mtime, Some(Timestamp::from_unix_seconds(1_600_000_000)));
        assert_eq!(read.checksum.unwrap().to_string(), checksum.replace(' ', ":"));
    }

    #[test]
    fn the_dialect_of_uppy() {
        let read = parse(&[("relativePath", "null"), ("name", "a.txt"), ("type", "text/plain")]).unwrap();
        assert_eq!((read.path.as_deref(), read.makes_folders), (Some("a.txt"), false));
        let read = parse(&[("relativePath", "dropped/b/a.txt"), ("name", "a.txt"), ("filename", "a.txt")]).unwrap();
        assert_eq!((read.path.as_deref(), read.makes_folders), (Some("dropped/b/a.txt"), true));
        assert_eq!(Metadata::parse("is_confidential").unwrap(), Metadata::default());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(Metadata::parse("filename !").is_err());
        assert!(Metadata::parse("filename /w==").is_err(), "not UTF-8");
        assert!(parse(&[("checksum", "SHA1 short")]).is_err());
    }
}
