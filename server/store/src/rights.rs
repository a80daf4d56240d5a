//! What a peer lets us do with an item it shows us: its permission letters as bits of one column, so that no listing has
//! to look elsewhere for them.

/// Bits of what may be done with an item at its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(i64);

impl Rights {
    /// Remove it.
    pub const DELETE: Self = Self(1);
    /// Rename and move it.
    pub const MOVE: Self = Self(2);
    /// Replace its content.
    pub const WRITE: Self = Self(4);
    /// Make something in it.
    pub const CREATE: Self = Self(8);

    /// Of the permission letters of ownCloud and Nextcloud (`D` delete, `N` and `V` rename and move, `W` write, `C` and
    /// `K` make files and folders); other letters say nothing about changing.
    #[must_use]
    pub fn of_letters(letters: &str) -> Self {
        let mut bits = 0;
        for (any_of, right) in [("D", Self::DELETE), ("NV", Self::MOVE), ("W", Self::WRITE), ("CK", Self::CREATE)] {
            if letters.chars().any(|letter| any_of.contains(letter)) {
                bits |= right.0;
            }
        }
        Self(bits)
    }

    /// Whether all of `asked` is allowed.
    #[must_use]
    pub fn allow(self, asked: Self) -> bool {
        self.0 & asked.0 == asked.0
    }

    /// As the column keeps it.
    #[must_use]
    pub fn bits(self) -> i64 {
        self.0
    }

    /// Reads the column; bits nobody knows allow nothing.
    #[must_use]
    pub fn of_bits(bits: i64) -> Self {
        Self(bits & 15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_allow_what_nextcloud_takes_them_for() {
        let read_only = Rights::of_letters("SRG");
        for right in [Rights::DELETE, Rights::MOVE, Rights::WRITE, Rights::CREATE] {
            assert!(!read_only.allow(right));
        }
        let file = Rights::of_letters("GDNVW");
        assert!(file.allow(Rights::WRITE) && file.allow(Rights::MOVE) && !file.allow(Rights::CREATE));
        let drop = Rights::of_letters("GCK");
        assert!(drop.allow(Rights::CREATE) && !drop.allow(Rights::DELETE));
        assert_eq!(Rights::of_bits(file.bits()), file);
    }
}
