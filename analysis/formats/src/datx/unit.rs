//! Units of length as Zygo's programs spell them.

/// `true` for heights in fringes, which wavelength, scale and obliquity factor turn into a length.
pub(crate) fn is_fringes(unit: &str) -> bool {
    matches!(unit.trim().to_ascii_lowercase().as_str(), "fringes" | "fringe")
}

/// Metres in one unit of length; `None` for anything else.
pub(crate) fn metres(unit: &str) -> Option<f64> {
    let name: String = unit.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let singular = name.strip_suffix('s').filter(|s| s.len() > 1).unwrap_or(&name);
    Some(match singular.replace("metre", "meter").as_str() {
        "m" | "meter" => 1.0,
        "cm" | "centimeter" => 1e-2,
        "mm" | "millimeter" => 1e-3,
        "um" | "\u{b5}m" | "\u{3bc}m" | "micrometer" | "micron" => 1e-6,
        "nm" | "nanometer" => 1e-9,
        "pm" | "picometer" => 1e-12,
        "angstrom" | "\u{e5}" | "\u{e5}ngstr\u{f6}m" => 1e-10,
        "inch" | "inche" | "in" => 0.0254,
        "mil" => 25.4e-6,
        "microinch" | "microinche" | "uin" => 25.4e-9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_known_in_either_number_and_case() {
        for (unit, expected) in [
            ("Meters", 1.0),
            ("MilliMeters", 1e-3),
            ("MicroMeters", 1e-6),
            ("NanoMeters", 1e-9),
            ("nanometre", 1e-9),
            (" nm ", 1e-9),
            ("m", 1.0),
            ("Angstroms", 1e-10),
            ("Inches", 0.0254),
            ("MicroInches", 25.4e-9),
        ] {
            assert_eq!(metres(unit), Some(expected), "{unit}");
        }
    }

    #[test]
    fn what_is_no_length_is_not_guessed() {
        for unit in ["", "s", "Fringes", "Waves", "Counts", "Pixels", "Degrees"] {
            assert_eq!(metres(unit), None, "{unit}");
        }
        assert!(is_fringes("Fringes") && !is_fringes("Waves"));
    }
}
