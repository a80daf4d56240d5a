//! A one-dimensional measurement along the mirror: the trace of an LTP or NOM, or a line taken from a map.

use crate::Instrument;

/// What the values of a [`Profile`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileKind {
    /// Heights, nm.
    HeightNm,
    /// Slopes along the profile, microradian (= nm/mm); positive where the height grows with x.
    SlopeUrad,
}

/// Values at positions along a line. All values are finite; a gap is a missing position.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// File name or origin, for messages and provenance.
    pub name: String,
    /// Positions along the mirror, mm, strictly ascending.
    pub x_mm: Vec<f64>,
    /// One value for each position, in the unit that `kind` tells.
    pub values: Vec<f64>,
    /// What the values are.
    pub kind: ProfileKind,
    /// Standard uncertainty of one value, in the unit of the values, where it is known.
    pub sigma: Option<f64>,
    /// Across the mirror: where the line lies, mm, where it is known.
    pub y_mm: Option<f64>,
    /// What the file tells of the instrument.
    pub instrument: Instrument,
}

/// Positions and values that do not make a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAProfile {
    /// The two differ in length.
    #[error("there are {positions} positions but {values} values")]
    Lengths {
        /// Number of positions.
        positions: usize,
        /// Number of values.
        values: usize,
    },
    /// Two points share a position.
    #[error("two points lie at the same position (rows {first} and {second} in ascending order)")]
    SamePosition {
        /// Index of the one, after sorting.
        first: usize,
        /// Index of the other, after sorting.
        second: usize,
    },
    /// Fewer than two points are finite.
    #[error("fewer than two points have a finite position and value")]
    TooShort,
}

impl Profile {
    /// Sorts by position and leaves out what is not finite. `name`, `sigma`, `y_mm` and `instrument` start empty.
    ///
    /// # Errors
    /// [`NotAProfile`] where lengths differ, positions repeat, or fewer than two points remain.
    pub fn new(x_mm: &[f64], values: &[f64], kind: ProfileKind) -> Result<Self, NotAProfile> {
        if x_mm.len() != values.len() {
            return Err(NotAProfile::Lengths { positions: x_mm.len(), values: values.len() });
        }
        let mut points: Vec<(f64, f64)> =
            x_mm.iter().copied().zip(values.iter().copied()).filter(|(x, h)| x.is_finite() && h.is_finite()).collect();
        if points.len() < 2 {
            return Err(NotAProfile::TooShort);
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(first) = points.windows(2).position(|pair| pair[0].0 >= pair[1].0) {
            return Err(NotAProfile::SamePosition { first, second: first + 1 });
        }
        let (x_mm, values) = points.into_iter().unzip();
        let instrument = Instrument::default();
        Ok(Self { name: String::new(), x_mm, values, kind, sigma: None, y_mm: None, instrument })
    }

    /// Number of points, at least two.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a profile has at least two points")]
    pub fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sorted_and_gaps_left_out() {
        let profile = Profile::new(&[2.0, 0.0, 1.0], &[5.0, 3.0, f64::NAN], ProfileKind::SlopeUrad).unwrap();
        assert_eq!((profile.x_mm, profile.values), (vec![0.0, 2.0], vec![3.0, 5.0]));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        let kind = ProfileKind::HeightNm;
        assert_eq!(Profile::new(&[0.0], &[], kind), Err(NotAProfile::Lengths { positions: 1, values: 0 }));
        assert_eq!(Profile::new(&[0.0, f64::NAN], &[1.0, 1.0], kind), Err(NotAProfile::TooShort));
        let repeated = Profile::new(&[1.0, 0.0, 1.0], &[1.0; 3], kind);
        assert_eq!(repeated, Err(NotAProfile::SamePosition { first: 1, second: 2 }));
    }
}
