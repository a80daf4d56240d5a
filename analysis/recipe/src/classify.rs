//! Which part a file plays in a folder, by its name and its first bytes.

use stitchbox_formats::{Sniff, sniff};

/// Name of the recipe in a folder.
pub const RECIPE_NAME: &str = "stitch.toml";
/// Name of the list of positions in a folder.
pub const POSITIONS_NAME: &str = "positions.csv";

/// The part a file plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A measured map in a known format.
    SubAperture,
    /// `stitch.toml`.
    Recipe,
    /// `positions.csv`, or the list the recipe names.
    Positions,
    /// A file that the recipe names for what it holds: reference, angles, profile, map of a step.
    Named,
    /// Named like a measurement, but its content is damaged: part of the series, and a reason to fail.
    Claimed,
    /// Everything else; ignored.
    Foreign,
}

/// The part a file plays, without a recipe's say. `head` is the first [`stitchbox_formats::SNIFF_BYTES`] bytes, or all
/// of a shorter file.
#[must_use]
pub fn classify(name: &str, head: &[u8]) -> Role {
    if name.eq_ignore_ascii_case(RECIPE_NAME) {
        return Role::Recipe;
    }
    if name.eq_ignore_ascii_case(POSITIONS_NAME) {
        return Role::Positions;
    }
    match sniff(name, head) {
        Sniff::Recognised(_) => Role::SubAperture,
        Sniff::Claimed => Role::Claimed,
        Sniff::Foreign => Role::Foreign,
    }
}

/// The recipe among the names of a folder: the exact spelling first, else the first by bytes of those that differ only
/// in the case of ASCII letters. Another file of such a name plays no part.
#[must_use]
pub fn recipe_among<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    named_so(RECIPE_NAME, names)
}

/// The list of positions among the names of a folder, by the same rule as [`recipe_among`].
#[must_use]
pub fn positions_among<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    named_so(POSITIONS_NAME, names)
}

fn named_so<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().filter(|name| name.eq_ignore_ascii_case(wanted)).min_by_key(|name| (*name != wanted, *name))
}

/// Whether a name fits a pattern in which `*` stands for any characters and `?` for one; case does not matter.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_for_recipe_and_positions() {
        assert_eq!(classify("Stitch.toml", b"[series]"), Role::Recipe);
        assert_eq!(classify("positions.csv", b"file,x_mm,y_mm"), Role::Positions);
    }

    #[test]
    fn one_of_several_spellings_counts_whatever_their_order() {
        for names in [["STITCH.TOML", "stitch.toml", "Stitch.toml"], ["stitch.toml", "Stitch.toml", "a.dat"]] {
            assert_eq!(recipe_among(names), Some("stitch.toml"));
        }
        assert_eq!(recipe_among(["stitch.TOML", "b", "Stitch.toml"]), Some("Stitch.toml"));
        assert_eq!(recipe_among(["stitch.toml.bak"]), None);
        assert_eq!(positions_among(["positions.CSV", "Positions.csv"]), Some("Positions.csv"));
    }

    #[test]
    fn content_decides_for_everything_else() {
        assert_eq!(classify("a.dat", &[0x88, 0x1b, 0x03, 0x6f, 0, 1]), Role::SubAperture);
        assert_eq!(classify("a.dat", &[0, 1, 2, 3, 0, 0, 0, 0, 0, 9]), Role::Claimed);
        assert_eq!(classify("paper.pdf", b"%PDF-1.7"), Role::Foreign);
    }

    #[test]
    fn patterns() {
        assert!(matches("*.dat", "Sub_01.DAT"));
        assert!(matches("sub_??.*", "sub_01.datx"));
        assert!(matches("*a*b*", "xxaxxbxx"));
        assert!(!matches("sub_?.dat", "sub_01.dat"));
        assert!(!matches("*.dat", "a.datx"));
    }
}
