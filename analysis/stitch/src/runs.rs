//! Which pixels of a sub-aperture count, as runs of neighbouring columns: what is invalid costs no arithmetic.

/// Half-open range of columns, all of them valid.
pub(crate) type Run = (u32, u32);

/// Valid pixels of one map, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Runs {
    first: Vec<u32>,
    runs: Vec<Run>,
}

impl Runs {
    /// Collects the pixels for which `valid(row, column)` holds.
    pub fn collect(rows: usize, columns: usize, valid: impl Fn(usize, usize) -> bool) -> Self {
        let mut found = Self { first: Vec::with_capacity(rows + 1), runs: Vec::new() };
        found.first.push(0);
        for row in 0..rows {
            let mut start = None;
            for column in 0..columns {
                match (valid(row, column), start) {
                    (true, None) => start = Some(column as u32),
                    (false, Some(s)) => {
                        found.runs.push((s, column as u32));
                        start = None;
                    }
                    (true, Some(_)) | (false, None) => {}
                }
            }
            if let Some(s) = start {
                found.runs.push((s, columns as u32));
            }
            found.first.push(found.runs.len() as u32);
        }
        found
    }

    /// Collects the pixels of a row-major mask.
    pub fn of_mask(mask: &[bool], columns: usize) -> Self {
        let mut found = Self { first: Vec::with_capacity(mask.len() / columns.max(1) + 1), runs: Vec::new() };
        found.first.push(0);
        for row in mask.chunks_exact(columns.max(1)) {
            let mut at = 0;
            while let Some(start) = row[at..].iter().position(|valid| *valid).map(|ahead| at + ahead) {
                let end = row[start..].iter().position(|valid| !*valid).map_or(columns, |ahead| start + ahead);
                found.runs.push((start as u32, end as u32));
                at = end;
            }
            found.first.push(found.runs.len() as u32);
        }
        found.runs.shrink_to_fit();
        found
    }

    /// Runs of one row, from left to right.
    pub fn row(&self, row: usize) -> &[Run] {
        &self.runs[self.first[row] as usize..self.first[row + 1] as usize]
    }

    /// Number of valid pixels.
    pub fn count(&self) -> usize {
        self.runs.iter().map(|(start, end)| (end - start) as usize).sum()
    }

    /// The same without some pixels, given as (row, column) in ascending order.
    pub fn without(&self, pixels: &[(u32, u32)]) -> Self {
        let mut left = Self { first: Vec::with_capacity(self.first.len()), runs: Vec::with_capacity(self.runs.len()) };
        left.first.push(0);
        let mut next = pixels.iter().peekable();
        for row in 0..self.first.len() - 1 {
            for &(start, end) in self.row(row) {
                let mut from = start;
                while let Some(&&(r, column)) = next.peek() {
                    if (r as usize, column) >= (row, end) {
                        break;
                    }
                    if (r as usize, column) >= (row, from) {
                        if column > from {
                            left.runs.push((from, column));
                        }
                        from = column + 1;
                    }
                    next.next();
                }
                if end > from {
                    left.runs.push((from, end));
                }
            }
            left.first.push(left.runs.len() as u32);
        }
        left
    }
}

/// Calls `found` for each range of map columns that lies both in a run of `a`, whose column 0 is map column
/// `a_column`, and in a run of `b`, likewise.
pub(crate) fn common(a: &[Run], a_column: usize, b: &[Run], b_column: usize, mut found: impl FnMut(usize, usize)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (a_start, a_end) = (a[i].0 as usize + a_column, a[i].1 as usize + a_column);
        let (b_start, b_end) = (b[j].0 as usize + b_column, b[j].1 as usize + b_column);
        let (start, end) = (a_start.max(b_start), a_end.min(b_end));
        if start < end {
            found(start, end);
        }
        if a_end <= b_end {
            i += 1;
        } else {
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_exactly_the_valid_pixels() {
        let valid = |row: usize, column: usize| !(row * 7 + column * 3).is_multiple_of(5);
        let runs = Runs::collect(4, 11, valid);
        for row in 0..4 {
            let mut seen = [false; 11];
            for &(start, end) in runs.row(row) {
                seen[start as usize..end as usize].fill(true);
            }
            assert_eq!(seen.to_vec(), (0..11).map(|c| valid(row, c)).collect::<Vec<_>>());
        }
        for valid in [&valid as &dyn Fn(usize, usize) -> bool, &|_, _| true, &|_, _| false, &|r, c| (r + c) % 2 == 0] {
            let mask: Vec<bool> =
                (0..4).flat_map(|row| (0..11).map(move |column| (row, column))).map(|(r, c)| valid(r, c)).collect();
            assert_eq!(Runs::of_mask(&mask, 11), Runs::collect(4, 11, valid));
        }
    }

    #[test]
    fn removing_pixels_equals_collecting_without_them() {
        let gone = [(0, 0), (0, 5), (0, 6), (2, 3), (2, 10)];
        let whole = Runs::collect(3, 11, |_, column| column != 4);
        let expected = Runs::collect(3, 11, |row, column| column != 4 && !gone.contains(&(row as u32, column as u32)));
        assert_eq!(whole.without(&gone), expected);
        assert_eq!(whole.without(&[(1, 4)]), whole);
    }

    #[test]
    fn common_ranges_are_intersections_in_map_columns() {
        let mut found = Vec::new();
        common(&[(0, 4), (6, 9)], 10, &[(0, 20)], 12, |s, e| found.push((s, e)));
        assert_eq!(found, [(12, 14), (16, 19)]);
    }
}
