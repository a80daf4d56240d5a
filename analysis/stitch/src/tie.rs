//! What ties two sub-apertures together: common pixels that tell the difference of their correctors.

use crate::Terms;
use crate::grid::Plate;
use crate::runs::{Runs, common};

/// So few common pixels are no tie: a plane has three numbers (and power one more).
const LEAST_COMMON: usize = 3;

/// The two share at least three pixels, which spread along every direction in which the terms may tilt: not all on one
/// line with pitch and roll, not all in one column with pitch, nor in one row with roll.
pub(crate) fn tied(a: (&Plate, &Runs), b: (&Plate, &Runs), terms: Terms) -> bool {
    let ((a, a_runs), (b, b_runs)) = (a, b);
    // A camera of one row knows no roll, one of one column no pitch.
    let pitch = terms.pitch && a.shape.1.max(b.shape.1) > 1;
    let roll = terms.roll && a.shape.0.max(b.shape.0) > 1;
    let least = LEAST_COMMON + usize::from(terms.curvature);
    let mut seen = Seen::default();
    for row in a.map.0.max(b.map.0)..(a.map.0 + a.shape.0).min(b.map.0 + b.shape.0) {
        let (in_a, in_b) = (a_runs.row(row - a.map.0), b_runs.row(row - b.map.0));
        common(in_a, a.map.1, in_b, b.map.1, |start, end| {
            seen.count += end - start;
            seen.add(row as i64, start as i64);
            seen.add(row as i64, end as i64 - 1);
        });
        if seen.count >= least && seen.is_enough(pitch, roll) {
            return true;
        }
    }
    false
}

/// How common pixels (row, column) lie.
#[derive(Default)]
struct Seen {
    count: usize,
    first: Option<(i64, i64)>,
    /// From the first to the first other one.
    along: Option<(i64, i64)>,
    /// In more than one column, in more than one row, not on one line.
    columns: bool,
    rows: bool,
    plane: bool,
}

impl Seen {
    fn add(&mut self, row: i64, column: i64) {
        let first = *self.first.get_or_insert((row, column));
        let (down, right) = (row - first.0, column - first.1);
        if (down, right) == (0, 0) {
            return;
        }
        let along = *self.along.get_or_insert((down, right));
        self.rows |= down != 0;
        self.columns |= right != 0;
        self.plane |= along.0 * right != along.1 * down;
    }

    fn is_enough(&self, pitch: bool, roll: bool) -> bool {
        self.count >= LEAST_COMMON
            && (self.columns || !pitch)
            && (self.rows || !roll)
            && (self.plane || !(pitch && roll))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pixels: &[(i64, i64)]) -> Seen {
        let mut seen = Seen { count: pixels.len(), ..Seen::default() };
        for (row, column) in pixels {
            seen.add(*row, *column);
        }
        seen
    }

    #[test]
    fn a_line_of_pixels_holds_no_plane() {
        let diagonal = seen(&[(0, 5), (1, 7), (2, 9), (5, 15)]);
        assert!(!diagonal.is_enough(true, true) && diagonal.is_enough(true, false) && diagonal.is_enough(false, true));
        let column = seen(&[(0, 5), (1, 5), (2, 5)]);
        assert!(!column.is_enough(true, true) && !column.is_enough(true, false) && column.is_enough(false, true));
        let row = seen(&[(3, 5), (3, 6), (3, 9)]);
        assert!(!row.is_enough(false, true) && row.is_enough(true, false) && row.is_enough(false, false));
        assert!(seen(&[(0, 5), (1, 7), (2, 10)]).is_enough(true, true));
        assert!(!seen(&[(0, 5), (1, 7)]).is_enough(false, false));
    }
}
