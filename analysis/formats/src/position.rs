//! Where the mirror stood: the ESRF scan comment and the stage coordinates, turned into the mirror frame.
//!
//! A stage that carries the mirror by +x makes the camera look at mirror coordinate -x, hence the minus sign; the
//! ESRF comment and the stage fields of the header share it.

const MM_PER_INCH: f64 = 25.4;

/// Position (x, y) in mm from a comment such as `Position= 1  X-coord= -32.75  X-shift= 0.929  Y-coord= 0.5`: minus
/// the coordinates. A coordinate that is not given is 0; with neither there is no position. Case, spaces around the
/// signs, `_` or nothing for `-`, `:` for `=` and a decimal comma do not matter.
pub fn from_comment(comment: &str) -> Option<(f64, f64)> {
    let comment = comment.to_ascii_lowercase();
    let x = coordinate(&comment, 'x');
    let y = coordinate(&comment, 'y');
    (x.is_some() || y.is_some()).then(|| mirror(x.unwrap_or(0.0), y.unwrap_or(0.0)))
}

/// Position (x, y) in mm from stage coordinates in inches; `None` if a coordinate is not a number.
pub(crate) fn from_stage_inches(x: f64, y: f64) -> Option<(f64, f64)> {
    from_stage_mm(x * MM_PER_INCH, y * MM_PER_INCH)
}

/// Position (x, y) in mm from stage coordinates in mm; `None` if a coordinate is not a number.
pub(crate) fn from_stage_mm(x: f64, y: f64) -> Option<(f64, f64)> {
    (x.is_finite() && y.is_finite()).then(|| mirror(x, y))
}

/// From stage to mirror coordinates; written so that 0 does not become -0.
fn mirror(x: f64, y: f64) -> (f64, f64) {
    (0.0 - x, 0.0 - y)
}

/// The number behind `<axis>-coord =` in a lower-case comment.
fn coordinate(comment: &str, axis: char) -> Option<f64> {
    comment.match_indices(axis).find_map(|(at, _)| {
        let stands_alone = !comment.get(..at)?.ends_with(|c: char| c.is_alphanumeric());
        let rest = comment.get(at + axis.len_utf8()..)?;
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '-' || c == '_');
        let rest = rest.strip_prefix("coord")?.trim_start();
        let rest = rest.strip_prefix(['=', ':'])?.trim_start();
        if stands_alone { number(rest) } else { None }
    })
}

/// The longest number the text begins with. A space between sign and digits is allowed.
fn number(text: &str) -> Option<f64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text).trim_start()),
    };
    let bytes = digits.as_bytes();
    let count = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let whole = count(0);
    let mut end = whole;
    let decimals = count(end + 1);
    // A comma is a decimal sign only between digits; otherwise it separates.
    if matches!(bytes.get(end), Some(b'.')) || matches!(bytes.get(end), Some(b',')) && decimals > 0 {
        end += 1 + decimals;
    }
    if let Some(b'e') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = count(end + 1 + sign);
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    let value: f64 = digits.get(..end)?.replace(',', ".").parse().ok()?;
    value.is_finite().then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_minus_the_coordinates_of_the_comment() {
        let comment = "Position= 1  X-coord= 32.75  X-shift= 0.929  Y-coord= -1.5";
        assert_eq!(from_comment(comment), Some((-32.75, 1.5)));
        assert_eq!(from_comment("Position= 2  X-coord= -12.50000  X-shift= 0.000"), Some((12.5, 0.0)));
        assert_eq!(from_comment("Y-coord= 2"), Some((0.0, -2.0)));
    }

    #[test]
    fn spelling_and_spacing_do_not_matter() {
        for comment in [
            "x-coord=-1.5 y-coord=2",
            "X-COORD = - 1.5 ; Y-COORD : 2.0",
            "X_coord= -1,5  Ycoord=+2",
            "Position=1,X-coord=-1.5,Y-coord=2,",
            "x coord =-15e-1 y coord= 2.E0 end",
        ] {
            assert_eq!(from_comment(comment), Some((1.5, -2.0)), "{comment}");
        }
    }

    #[test]
    fn zero_has_no_sign() {
        let (x, y) = from_comment("X-coord= 0.0 Y-coord= -0.0").unwrap();
        assert!(x.is_sign_positive() && y.is_sign_positive());
    }

    #[test]
    fn what_is_no_coordinate_gives_no_position() {
        for comment in
            ["", "mirror M1, face up", "max-coord= 3", "X-coord= ", "X-coord= n/a", "X-shift= 0.9", "X-coord=1e999"]
        {
            assert_eq!(from_comment(comment), None, "{comment}");
        }
    }

    #[test]
    fn stage_inches_become_millimetres_with_the_same_sign_rule() {
        assert_eq!(from_stage_inches(2.0, -1.0), Some((-50.8, 25.4)));
        assert_eq!(from_stage_inches(f64::NAN, 0.0), None);
    }
}
