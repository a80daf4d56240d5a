//! Where the mirror stood, from the comments of a `.has` file: motors as `name = value`, by commas or semicolons.

use crate::position::from_stage_mm;
use crate::text::number;

/// Position (x, y) in mm in the mirror frame: minus the motors, 0 for one that is not named, `None` without either.
///
/// `xpos:[[v]]`, `X = v` and `Y (Scan) = v` move along the mirror; `Y = v` and `X (tool) = v` across it. `RX`, `tiltX` and
/// their like are angles. The value may stand in `[[ ]]`.
pub(super) fn position(comments: &str) -> Option<(f64, f64)> {
    let (mut x, mut y) = (None, None);
    for part in comments.split([';', ',', '\n']) {
        let Some((name, value)) = part.split_once('=').or_else(|| part.split_once(':')) else { continue };
        let value = value.trim().trim_start_matches('[').trim_end_matches(']');
        let Some(value) = number(value) else { continue };
        let name = name.trim().to_ascii_lowercase();
        let mut words = name.split_ascii_whitespace().rev();
        match (words.next().unwrap_or_default(), words.next()) {
            ("xpos" | "x", _) | ("(scan)", Some("y")) | ("y(scan)", _) => x = Some(value),
            ("ypos" | "y", _) | ("(tool)", Some("x")) | ("x(tool)", _) => y = Some(value),
            _ => {}
        }
    }
    (x.is_some() || y.is_some()).then(|| from_stage_mm(x.unwrap_or(0.0), y.unwrap_or(0.0))).flatten()
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn motors_are_found_in_every_spelling() {
        for (comments, expected) in [
            ("xpos:[[12.5]]", Some((-12.5, 0.0))),
            ("RX = 0.1; X =3.5, Y=-2; RZ=9", Some((-3.5, 2.0))),
            ("X (tool) = 1.5; Y (Scan) = [[40]]", Some((-40.0, -1.5))),
            ("tiltX=4; RX (tool) = 2; TZ = 7", None),
            ("X = open", None),
            ("", None),
            ("time 12:30:05", None),
        ] {
            assert_eq!(position(comments), expected, "{comments}");
        }
    }
}
