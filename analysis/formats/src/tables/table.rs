//! A table of numbers below (or between) lines of words.

use super::{TableError, dialect};
use crate::{FormatError, Limits};

/// Most lines of words above the numbers that are kept; no known export has more than a hundred.
const MAX_HEADER_LINES: usize = 500;
/// Characters of a wrong field that an error repeats.
const SHOWN: usize = 24;

/// Rows of equally many numbers, and the words above them. A missing number is NaN here and nowhere behind it.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// Lines of words above the first numbers, without the sign that makes them comments.
    pub(crate) header: Vec<&'a str>,
    /// All numbers, row by row.
    pub(crate) values: Vec<f64>,
    /// Numbers in a row, at least 1.
    pub(crate) columns: usize,
    /// Whether commas or semicolons separate the numbers.
    pub(crate) separated: bool,
}

impl<'a> Table<'a> {
    /// Reads the table in a text. Lines that begin with `#`, `%` or `//` are words wherever they stand; other words
    /// may only stand above the numbers.
    pub(crate) fn read(text: &'a str, limits: &Limits) -> Result<Self, FormatError> {
        Self::read_below(text, 0, limits)
    }

    /// Reads the table below `skipped` lines, which are not looked at.
    pub(crate) fn read_below(text: &'a str, skipped: usize, limits: &Limits) -> Result<Self, FormatError> {
        let mut header = Vec::new();
        let mut first = None;
        for (index, line) in text.lines().enumerate().skip(skipped) {
            if dialect::is_numeric(line) {
                first = Some(index);
                break;
            }
            let words = words(line);
            if !words.is_empty() && header.len() < MAX_HEADER_LINES {
                header.push(words);
            }
        }
        let first = first.ok_or(TableError::NoNumbers)?;
        let rows = || text.lines().enumerate().skip(first).filter(|(_, line)| !is_comment(line));
        let dialect = dialect::Dialect::of(rows().map(|(_, line)| line).filter(|line| dialect::is_numeric(line)));

        let (mut values, mut columns) = (Vec::new(), 0usize);
        for (index, line) in rows() {
            // A separator at the end of a line announces nothing, except where it makes a missing last number.
            let before = values.len();
            for field in dialect.fields(line.trim()) {
                let not_a_number =
                    || TableError::NotANumber { line: index + 1, found: field.chars().take(SHOWN).collect() };
                if values.len() >= limits.max_pixels {
                    let (columns, rows) = ((values.len() - before).max(columns) as u64, index as u64 + 1);
                    return Err(FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels });
                }
                values.push(dialect.number(field).ok_or_else(not_a_number)?);
            }
            let mut found = values.len() - before;
            if found == columns + 1 && columns > 0 && values.last().is_some_and(|v| v.is_nan()) {
                values.pop();
                found -= 1;
            }
            if columns == 0 {
                columns = found;
            } else if found != columns {
                return Err(TableError::Ragged { line: index + 1, found, expected: columns }.into());
            }
        }
        // Every row ends with a separator: the column of nothing behind it is none.
        let mut table = Self { header, values, columns, separated: dialect.is_separated() };
        table.drop_empty_last_column();
        Ok(table)
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// One column, from 0; nothing where there is no such column.
    pub(crate) fn column(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        let at = if at < self.columns { at } else { usize::MAX };
        self.values.iter().copied().skip(at).step_by(self.columns.max(1))
    }

    fn drop_empty_last_column(&mut self) {
        let columns = self.columns;
        if columns > 1 && self.values.iter().skip(columns - 1).step_by(columns).all(|v| v.is_nan()) {
            let mut at = 0;
            self.values.retain(|_| {
                at += 1;
                at % columns != 0
            });
            self.columns -= 1;
        }
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with(['#', '%', '\u{1a}']) || line.starts_with("//")
}

/// The words of a header line, without comment signs and white space.
fn words(line: &str) -> &str {
    line.trim().trim_start_matches(['#', '%', '/', ';']).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Table<'_>, FormatError> {
        Table::read(text, &Limits::default())
    }

    #[test]
    fn words_above_and_comments_between_are_no_numbers() {
        let table = read("title\n# a comment\nx, y\n\n1, 2\n# break\n3, 4\n\n").unwrap();
        assert_eq!(table.header, ["title", "a comment", "x, y"]);
        assert_eq!((table.columns, table.rows()), (2, 2));
        assert_eq!(table.values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(table.column(1).collect::<Vec<_>>(), [2.0, 4.0]);
        assert_eq!(table.column(7).count(), 0);
    }

    #[test]
    fn separators_at_the_end_of_the_lines_make_no_column() {
        let table = read("1;2;\n3;4;\n").unwrap();
        assert_eq!((table.columns, table.values.as_slice()), (2, [1.0, 2.0, 3.0, 4.0].as_slice()));
        let missing = read("1,2,3\n4,5,\n").unwrap();
        assert_eq!(missing.columns, 3);
        assert!(missing.values[5].is_nan());
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        let text = |error: FormatError| error.to_string();
        assert!(text(read("only words\n").unwrap_err()).contains("no line of numbers"));
        assert!(text(read("1 2\n3 4 5\n").unwrap_err()).starts_with("line 2 of the text has 3 numbers"));
        assert!(text(read("1 2\n3 abc\n").unwrap_err()).contains("line 2 of the text holds \"abc\""));
        let limits = Limits { max_pixels: 3, ..Limits::default() };
        assert!(matches!(Table::read("1 2\n3 4\n", &limits), Err(FormatError::MapTooLarge { .. })));
    }
}
