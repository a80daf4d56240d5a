//! The one piece of SQL that is put together at run time: how many rows an INSERT has.

/// Most rows in one statement. SQLite looks a parameter's name up among all of them, so many rows cost more than many
/// statements; on PostgreSQL a round trip for so many is nothing.
pub(crate) const ROWS: usize = 50;

/// Whether a statement for so many rows comes again and is worth remembering.
pub(crate) fn is_common(rows: usize) -> bool {
    rows == 1 || rows == ROWS
}

/// `($1, $2), ($3, $4)` for two rows of two columns.
pub(crate) fn rows(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let numbers: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", numbers.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn placeholders_count_on_from_row_to_row() {
        assert_eq!(super::rows(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }
}
