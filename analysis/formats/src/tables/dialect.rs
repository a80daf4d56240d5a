//! How a text file separates its numbers and writes their decimals, found from all of its lines of numbers: one line
//! such as `1,5` alone cannot tell.

/// Separator and decimal sign of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    separator: Separator,
    decimal_comma: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    WhiteSpace,
    Comma,
    Semicolon,
}

impl Dialect {
    /// The dialect of these lines of numbers.
    pub(super) fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let (mut point, mut comma, mut semicolon, mut gap, mut listed) = (false, false, false, false, false);
        for line in lines {
            point |= line.contains('.');
            comma |= line.contains(',');
            semicolon |= line.contains(';');
            // A white space between two numbers, and a comma that can only separate.
            let mut tokens = line.split_whitespace().peekable();
            while let Some(token) = tokens.next() {
                listed |= token.starts_with(',') || token.ends_with(',') || token.contains(",,");
                let separated = token.ends_with([',', ';']);
                gap |= tokens.peek().is_some_and(|next| !separated && !next.starts_with([',', ';']));
            }
        }
        let separator = match (semicolon, comma) {
            (true, _) => Separator::Semicolon,
            (false, false) => Separator::WhiteSpace,
            (false, true) if gap && !listed && !point => Separator::WhiteSpace,
            (false, true) => Separator::Comma,
        };
        Self { separator, decimal_comma: comma && separator != Separator::Comma }
    }

    /// Whether commas or semicolons separate the numbers.
    pub(super) fn is_separated(self) -> bool {
        self.separator != Separator::WhiteSpace
    }

    /// The texts between the separators. An empty one counts unless white space separates.
    pub(super) fn fields<'a>(self, line: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self.separator {
            Separator::WhiteSpace => Box::new(line.split_whitespace()),
            Separator::Comma => Box::new(line.split(',').map(str::trim)),
            Separator::Semicolon => Box::new(line.split(';').map(str::trim)),
        }
    }

    /// The number a field holds, NaN for one that says "nothing here"; `None` for anything else.
    pub(super) fn number(self, field: &str) -> Option<f64> {
        let field = field.trim_matches('"').trim();
        if is_missing(field) {
            return Some(f64::NAN);
        }
        if let Ok(value) = field.parse::<f64>() {
            return Some(if value.is_finite() { value } else { f64::NAN });
        }
        let exponent = |c: char| matches!(c, 'd' | 'D');
        if !self.decimal_comma && !field.contains(exponent) || field.len() > 64 {
            return None;
        }
        let plain: String = field
            .chars()
            .map(|c| match c {
                ',' if self.decimal_comma => '.',
                'd' | 'D' => 'e',
                other => other,
            })
            .collect();
        plain.parse::<f64>().ok().filter(|value| value.is_finite())
    }
}

/// Words for a point that was not measured.
fn is_missing(field: &str) -> bool {
    ["", "nan", "bad", "-", "--", "n/a", "null", "none", "---", "***"]
        .iter()
        .any(|word| field.eq_ignore_ascii_case(word))
}

/// Whether a line can be a row of numbers in some dialect: every piece between any separators is a number or missing,
/// and at least one is a number, or all say `nan`, or there is nothing but commas or semicolons (a row of a map in which
/// nothing was measured).
pub(super) fn is_numeric(line: &str) -> bool {
    let any = Dialect { separator: Separator::WhiteSpace, decimal_comma: true };
    let (mut numbers, mut nans, mut pieces) = (0usize, 0usize, 0usize);
    for piece in line.split([' ', '\t', ',', ';', '\r', '\u{c}']).filter(|piece| !piece.is_empty()) {
        pieces += 1;
        match any.number(piece) {
            Some(value) if value.is_finite() => numbers += 1,
            Some(_) => nans += usize::from(piece.eq_ignore_ascii_case("nan")),
            None => return false,
        }
    }
    numbers > 0 || pieces > 0 && nans == pieces || pieces == 0 && line.contains([',', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(lines: &[&str], at: usize) -> Vec<f64> {
        let dialect = Dialect::of(lines.iter().copied());
        dialect.fields(lines[at]).map(|f| dialect.number(f).unwrap()).collect()
    }

    #[test]
    fn the_dialects_people_export_are_told_apart() {
        assert_eq!(row(&["1 2.5 3"], 0), [1.0, 2.5, 3.0]);
        assert_eq!(row(&["1\t-2e-3\t3"], 0), [1.0, -2e-3, 3.0]);
        assert_eq!(row(&["1,2,3", "4,5,6"], 1), [4.0, 5.0, 6.0]);
        assert_eq!(row(&["1.5, 2.5, 3"], 0), [1.5, 2.5, 3.0]);
        assert_eq!(row(&["1, 2, 3"], 0), [1.0, 2.0, 3.0]);
        assert_eq!(row(&["1;2,5;3"], 0), [1.0, 2.5, 3.0]);
        assert_eq!(row(&["1 2 3", "1 2,5 3"], 1), [1.0, 2.5, 3.0]);
        assert_eq!(row(&["1\t2,5\t3e-1"], 0), [1.0, 2.5, 0.3]);
        assert_eq!(row(&["1.0D-03 2"], 0), [1e-3, 2.0]);
    }

    #[test]
    fn gaps_are_missing_numbers() {
        let found = row(&["1,,nan,4"], 0);
        assert_eq!(found.len(), 4);
        assert!(found[1].is_nan() && found[2].is_nan() && found[3] == 4.0);
    }

    #[test]
    fn words_are_no_numbers() {
        assert!(is_numeric("1 2 nan") && is_numeric("1;2,5") && is_numeric("1,,3") && is_numeric("nan nan"));
        assert!(is_numeric(",,,"));
        for line in ["x y z", "12 mm", "-----", "nan mm", "1360mmx160mm", "2012-01-03", ""] {
            assert!(!is_numeric(line), "{line}");
        }
    }
}
