//! One item as a peer lists it.

/// An item at a peer; what the peer does not tell is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteEntry {
    /// Name, decoded; never a path. Empty for the item that was asked for itself.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// ETag with its quotes. A folder's moves with everything below it at Nextcloud, oCIS and Stitchbox.
    pub etag: Option<String>,
    /// Size of a file, bytes.
    pub size: Option<u64>,
    /// Last modification, Unix seconds.
    pub mtime: Option<i64>,
    /// Letters of `oc:permissions` (facts 5.3); `None` at peers that know none.
    pub permissions: Option<String>,
    /// `SHA256:hex` and others.
    pub checksums: Vec<String>,
    /// MIME type.
    pub content_type: Option<String>,
    /// The peer names it and does not say what it is: in its place stands an error other than that nothing is there.
    pub is_unclear: bool,
}

impl RemoteEntry {
    /// The SHA-256 in lower-case hex, if the peer tells it.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        self.checksums.iter().find_map(|text| {
            let (name, hex) = text.split_once(':')?;
            let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_hex && name.eq_ignore_ascii_case("SHA256")).then(|| hex.to_ascii_lowercase())
        })
    }
}
