//! Motor positions that Diamond keeps beside its `.datx` files: `<prefix>data.csv` for `<prefix>-P<n>.datx`.

use crate::position::from_stage_mm;
use crate::text::{self, number};
use crate::{FormatError, Limits};

const NAME: &str = "Diamond's table of motors";

/// Where the motors stood at one step of a scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiamondStep {
    /// Number of the step, as the table counts (`Step_Count_X`).
    pub step: u64,
    /// Position in the mirror frame (x, y), mm: minus `Motor_X_Pos`, 0.
    pub position_mm: (f64, f64),
    /// `Motor_ROLL_Pos` as it stands in the table, where it does; the table does not tell the unit.
    pub roll: Option<f64>,
    /// `Motor_PITCH_Pos` as it stands in the table, where it does; the table does not tell the unit.
    pub pitch: Option<f64>,
}

/// The number in `<prefix>-P<n>.datx` and the name of the table that belongs to it.
#[must_use]
pub fn diamond_table_of(name: &str) -> Option<(u64, String)> {
    let (stem, _) = name.rsplit_once('.')?;
    let (prefix, number) = stem.rsplit_once("-P")?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    Some((number.parse().ok().filter(|_| digits)?, format!("{prefix}data.csv")))
}

/// Reads the table, whatever the order of its columns: `Step_Count_X` and `Motor_X_Pos` (mm) must be there. A table that
/// repeats a step (a scan with several lines) gives it several times, in its order.
///
/// # Errors
/// [`FormatError::Malformed`] where a column is missing or a value is no number.
pub fn read_diamond_steps(bytes: &[u8], limits: &Limits) -> Result<Vec<DiamondStep>, FormatError> {
    let mut lines = text::lines(bytes).enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map(|(_, line)| line.into_owned()).unwrap_or_default();
    let names: Vec<&str> = header.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let column = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let needed = |wanted: &str| {
        let problem = || FormatError::malformed(NAME, "its first line", format!("names no column {wanted}"));
        column(wanted).ok_or_else(problem)
    };
    let (step, x) = (needed("Step_Count_X")?, needed("Motor_X_Pos")?);
    let (roll, pitch) = (column("Motor_ROLL_Pos"), column("Motor_PITCH_Pos"));
    let mut steps = Vec::new();
    for (index, line) in lines {
        let wrong = |problem: &str| FormatError::malformed(NAME, format!("line {}", index + 1), problem);
        let field = |at: usize| line.split(',').nth(at).and_then(|field| number(field.trim().trim_matches('"')));
        let whole = |value: f64| value >= 0.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
        let count =
            field(step).filter(|value| whole(*value)).ok_or_else(|| wrong("has no whole number of the step"))?;
        let position_mm = field(x).and_then(|x| from_stage_mm(x, 0.0)).ok_or_else(|| wrong("has no position"))?;
        if steps.len() == limits.max_pixels {
            return Err(wrong("is one too many to hold"));
        }
        let (roll, pitch) = (roll.and_then(field), pitch.and_then(field));
        steps.push(DiamondStep { step: count as u64, position_mm, roll, pitch });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_by_the_names_of_its_columns() {
        let table = b"Time,Motor_X_Pos,Step_Count_X,Motor_PITCH_Pos,Motor_ROLL_Pos\r\n12:00,-3.25,1,0.5,\r\n\r\n12:01,4,2,-1,7\r\n";
        let steps = read_diamond_steps(table, &Limits::default()).unwrap();
        let expected = [
            DiamondStep { step: 1, position_mm: (3.25, 0.0), roll: None, pitch: Some(0.5) },
            DiamondStep { step: 2, position_mm: (-4.0, 0.0), roll: Some(7.0), pitch: Some(-1.0) },
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_is_missing_is_named_with_its_line() {
        let message = |table: &[u8]| read_diamond_steps(table, &Limits::default()).unwrap_err().to_string();
        assert!(message(b"Step_Count_X,Y\n1,2\n").contains("names no column Motor_X_Pos"));
        assert!(message(b"Step_Count_X,Motor_X_Pos\n1,2\n1.5,2\n").contains("line 3 has no whole number"));
        assert!(message(b"Step_Count_X,Motor_X_Pos\n1,\n").contains("line 2 has no position"));
        assert!(message(b"").contains("names no column Step_Count_X"));
    }

    #[test]
    fn a_file_names_its_step_and_its_table() {
        assert_eq!(diamond_table_of("M1 scan-P12.datx"), Some((12, "M1 scandata.csv".to_owned())));
        for name in ["M1.datx", "M1-P.datx", "M1-P1x.datx", "M1-P12", "M1-P+1.datx"] {
            assert_eq!(diamond_table_of(name), None, "{name}");
        }
    }
}
