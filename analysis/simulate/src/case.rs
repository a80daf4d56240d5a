//! The cases: how many sub-apertures of which shape, and where they lie.

use std::{fmt, str::FromStr};

use rand::Rng;

/// A geometry with its disturbances. Sub-apertures are given as count x rows x columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// x-scan with a uniform step of a quarter of the width, 40 x 200 x 1000.
    A,
    /// x-scan with random whole steps of 20 to 30 % of the width, 40 x 200 x 1000.
    B,
    /// Two rows of 20 with random steps, 40 x 200 x 1000: a two-dimensional scan.
    C,
    /// As B with positions between pixels, known exactly.
    D,
    /// The small one: as B, 12 x 40 x 200.
    S,
    /// The large one: as B, 40 x 500 x 1000.
    L,
    /// As B with outliers that nothing flags: 0.3 % spikes of 60 nm either way and a blemish of 40 nm each.
    O,
}

/// The text names no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no case '{0}'; choose one of A, B, C, D, S, L, O")]
pub struct UnknownCase(String);

impl Case {
    /// All cases.
    pub const ALL: [Self; 7] = [Self::A, Self::B, Self::C, Self::D, Self::S, Self::L, Self::O];

    /// Number of sub-apertures, rows and columns of each.
    #[must_use]
    pub fn shape(self) -> (usize, usize, usize) {
        match self {
            Self::S => (12, 40, 200),
            Self::L => (40, 500, 1000),
            Self::A | Self::B | Self::C | Self::D | Self::O => (40, 200, 1000),
        }
    }

    /// Whole-pixel offsets of column 0, row 0 of each sub-aperture on the mirror; the smallest of each is 0.
    pub(crate) fn offsets(self, rng: &mut impl Rng) -> Vec<(usize, usize)> {
        let (count, _, columns) = self.shape();
        if self != Self::C {
            return self.scan(count, columns, rng).into_iter().map(|x| (x, 0)).collect();
        }
        let first = self.scan(count / 2, columns, rng);
        let second: Vec<i64> = first.iter().map(|x| *x as i64 + rng.random_range(-20..=20)).collect();
        let least = second.iter().copied().min().unwrap_or(0).min(0);
        let x = first.iter().map(|x| *x as i64).chain(second).map(|x| (x - least) as usize);
        let y: Vec<usize> = (0..count).map(|k| if k < count / 2 { 0 } else { 60 } + rng.random_range(0..10)).collect();
        let top = y.iter().copied().min().unwrap_or(0);
        x.zip(y).map(|(x, y)| (x, y - top)).collect()
    }

    /// Offsets of one x-scan.
    fn scan(self, count: usize, columns: usize, rng: &mut impl Rng) -> Vec<usize> {
        let mut x = 0;
        let mut offsets = vec![0];
        for _ in 1..count {
            x += match self {
                Self::A => columns / 4,
                _ => rng.random_range(columns / 5..=columns * 3 / 10),
            };
            offsets.push(x);
        }
        offsets
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Case {
    type Err = UnknownCase;

    /// One letter, in either case.
    fn from_str(text: &str) -> Result<Self, UnknownCase> {
        let wanted = |case: &Self| case.to_string().eq_ignore_ascii_case(text.trim());
        Self::ALL.into_iter().find(wanted).ok_or_else(|| UnknownCase(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn every_case_has_its_steps() {
        for case in Case::ALL {
            let (count, _, columns) = case.shape();
            let offsets = case.offsets(&mut stream(3, Purpose::Layout));
            assert_eq!(offsets.len(), count);
            assert_eq!(offsets.iter().map(|o| o.0).min(), Some(0));
            assert_eq!(offsets.iter().map(|o| o.1).min(), Some(0));
            let row = if case == Case::C { count / 2 } else { count };
            let steps: Vec<usize> = offsets[..row].windows(2).map(|w| w[1].0 - w[0].0).collect();
            assert!(steps.iter().all(|s| (columns / 5..=columns * 3 / 10).contains(s)), "{case}: {steps:?}");
            assert_eq!(steps.iter().all(|s| *s == steps[0]), case == Case::A);
        }
        let two = Case::C.offsets(&mut stream(3, Purpose::Layout));
        assert!(two[..20].iter().all(|o| o.1 < 10) && two[20..].iter().all(|o| (50..70).contains(&o.1)));
    }

    #[test]
    fn a_case_is_named_by_its_letter() {
        assert_eq!("s".parse(), Ok(Case::S));
        assert_eq!(Case::C.to_string(), "C");
        assert!("X".parse::<Case>().unwrap_err().to_string().contains("choose one of A, B"));
    }
}
