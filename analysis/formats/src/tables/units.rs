//! Units as header lines spell them.

use crate::datx::unit;

/// Millimetres in one unit of length; exactly 1 for mm, so that what was written is read bit by bit.
pub(crate) fn length_mm(name: &str) -> Option<f64> {
    let metres = unit::metres(name)?;
    Some(if metres == 1e-3 { 1.0 } else { metres * 1e3 })
}

/// Nanometres in one unit of length; exactly 1 for nm.
pub(crate) fn length_nm(name: &str) -> Option<f64> {
    let metres = unit::metres(name)?;
    Some(if metres == 1e-9 { 1.0 } else { metres * 1e9 })
}

/// Microradian in one unit of slope.
pub(crate) fn slope_urad(unit: &str) -> Option<f64> {
    let unit: String = unit.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    Some(match unit.as_str() {
        "rad" => 1e6,
        "mrad" => 1e3,
        "urad" | "\u{b5}rad" | "\u{3bc}rad" | "microrad" | "nm/mm" | "um/m" => 1.0,
        "nrad" => 1e-3,
        "arcsec" => std::f64::consts::PI / 648_000.0 * 1e6,
        _ => return None,
    })
}

/// Splits `12.34 µm` into number and unit (which may be empty). A decimal comma is a point here.
pub(crate) fn split_quantity(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let part_of_number = |(at, c): (usize, char)| {
        c.is_ascii_digit()
            || matches!(c, '.' | ',' | '+' | '-')
            || matches!(c, 'e' | 'E')
                && text
                    .get(at + 1..)
                    .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+'))
    };
    let end = text.char_indices().find(|at| !part_of_number(*at)).map_or(text.len(), |(at, _)| at);
    let (number, unit) = text.split_at_checked(end)?;
    if number.len() > 40 {
        return None;
    }
    let value: f64 = number.replace(',', ".").parse().ok()?;
    value.is_finite().then_some((value, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_split() {
        assert_eq!(split_quantity(" 12.34 µm"), Some((12.34, "µm")));
        assert_eq!(split_quantity("3.69862e-007 m"), Some((3.69862e-7, "m")));
        assert_eq!(split_quantity("12,5 mm"), Some((12.5, "mm")));
        assert_eq!(split_quantity("3"), Some((3.0, "")));
        assert_eq!(split_quantity("2 em"), Some((2.0, "em")));
        assert_eq!(split_quantity("mm"), None);
    }

    #[test]
    fn slopes_have_units() {
        assert_eq!(slope_urad("mrad"), Some(1e3));
        assert_eq!(slope_urad("µrad"), Some(1.0));
        assert!((slope_urad("arcsec").unwrap() - 4.848_136_811).abs() < 1e-9);
        assert_eq!(slope_urad("nm"), None);
    }
}
