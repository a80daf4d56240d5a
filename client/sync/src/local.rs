//! The local folder as a scan saw it: one flat table, parents before children.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// What tells an untouched file from another: none of these changes without the file being touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes; for folders 0, or 1 when it is on another device than the top: something is mounted there.
    pub size: u64,
    /// Modification time, nanoseconds since 1970 (0 for folders, whose times mean nothing here).
    pub mtime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

/// What an entry of the local folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, pipe, socket or device: left alone, and no hindrance to the deletion of its folder (it goes to the trash with it).
    Special,
    /// Something that could not be looked at: nothing here or below is touched.
    Blind,
}

/// What is known of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Not read (needed only where the stamp is not the journal's).
    Unread,
    /// Hashed, and the stamp was the same before and after.
    Known(Sha256),
    /// Being written, or unreadable: left alone in this round.
    Busy,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEntry {
    /// Index of its folder; the top's is 0 (itself).
    pub parent: u32,
    /// Name; the top's is empty.
    pub name: Box<str>,
    /// What it is.
    pub kind: LocalKind,
    /// Size, time, inode.
    pub stamp: Stamp,
    /// Content, for files.
    pub content: Content,
}

/// The local folder: entry 0 is the top, and every parent stands before its children.
#[derive(Clone, Debug)]
pub struct LocalTree {
    /// The entries.
    pub entries: Vec<LocalEntry>,
}

impl Default for LocalTree {
    fn default() -> Self {
        let top = LocalEntry {
            parent: 0,
            name: "".into(),
            kind: LocalKind::Folder,
            stamp: Stamp::default(),
            content: Content::Unread,
        };
        Self { entries: vec![top] }
    }
}

impl LocalTree {
    /// The path of an entry below the synced folder; of the top: empty.
    pub fn path(&self, entry: u32) -> String {
        let mut names = Vec::new();
        let mut at = entry;
        while at != 0 {
            let Some(one) = self.entries.get(at as usize) else { break };
            names.push(&*one.name);
            at = one.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// For every entry the indices of what is directly in it.
    pub fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![Vec::new(); self.entries.len()];
        for (index, entry) in self.entries.iter().enumerate().skip(1) {
            if let (Some(list), Ok(index)) = (children.get_mut(entry.parent as usize), u32::try_from(index)) {
                list.push(index);
            }
        }
        children
    }

    /// Files in it.
    pub fn files(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kind == LocalKind::File).count()
    }

    /// A number for the whole state that does not depend on the order of the entries: a sum of digests over path and stamp.
    /// Two states with the same number are the same state.
    pub fn fingerprint(&self) -> [u8; 16] {
        use sha2::Digest;
        let mut sum = 0_u128;
        let mut chains: Vec<[u8; 32]> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let mut hash = sha2::Sha256::new();
            hash.update(chains.get(entry.parent as usize).unwrap_or(&[0; 32]));
            hash.update(entry.name.as_bytes());
            let chain: [u8; 32] = hash.clone().finalize().into();
            hash.update([0, entry.kind as u8]);
            hash.update(entry.stamp.size.to_le_bytes());
            hash.update(entry.stamp.mtime_ns.to_le_bytes());
            hash.update(entry.stamp.inode.to_le_bytes());
            let whole: [u8; 32] = hash.finalize().into();
            let (half, _) = whole.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
            sum = sum.wrapping_add(u128::from_le_bytes(*half));
            chains.push(if entry.kind == LocalKind::Folder { chain } else { [0; 32] });
        }
        sum.to_le_bytes()
    }
}

/// Inodes of files some process of this user has open for writing.
pub type OpenFiles = HashSet<u64>;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(parent: u32, name: &str, size: u64) -> LocalEntry {
        let stamp = Stamp { size, mtime_ns: 7, inode: size };
        LocalEntry { parent, name: name.into(), kind: LocalKind::File, stamp, content: Content::Unread }
    }

    #[test]
    fn the_fingerprint_knows_paths_and_stamps_but_not_the_order() {
        let folder = |name: &str| LocalEntry { kind: LocalKind::Folder, ..file(0, name, 0) };
        let mut one = LocalTree::default();
        one.entries.extend([folder("a"), folder("b"), file(1, "x", 1), file(2, "y", 2)]);
        let mut other = LocalTree::default();
        other.entries.extend([folder("b"), folder("a"), file(1, "y", 2), file(2, "x", 1)]);
        assert_eq!(one.fingerprint(), other.fingerprint());
        let mut moved = LocalTree::default();
        moved.entries.extend([folder("a"), folder("b"), file(2, "x", 1), file(1, "y", 2)]);
        assert_ne!(one.fingerprint(), moved.fingerprint());
        one.entries[3].stamp.mtime_ns = 8;
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.path(3), "a/x");
    }
}
