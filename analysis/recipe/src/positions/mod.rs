//! Where each sub-aperture lies: `positions.csv`, and which of several sources of positions counts.

mod resolve;

use std::collections::BTreeMap;

pub(crate) use resolve::{Source, Told, places};

use crate::list::{self, Column, Entries, ListError};

/// Positions by file name as written, mm in the mirror frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PositionsFile {
    places: Entries<(f64, f64)>,
}

/// Largest coordinate believed, mm.
const FARTHEST_MM: f64 = 1e6;

const COLUMNS: [Column; 2] = [
    Column { name: "x_mm", needed: true, most: FARTHEST_MM, most_is: "a place on a mirror" },
    Column { name: "y_mm", needed: false, most: FARTHEST_MM, most_is: "a place on a mirror" },
];

impl PositionsFile {
    /// Reads the list from its text: the columns `file,x_mm,y_mm`, where `y_mm` may be missing (0). See [`ListError`] and
    /// the forms it may have in `list`.
    ///
    /// # Errors
    /// [`ListError`] with the line: no header, unknown columns, a number that is none, a file named twice.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let place = |values: Vec<Option<f64>>| {
            let at = |index: usize| values.get(index).copied().flatten().unwrap_or(0.0);
            (at(0), at(1))
        };
        let rows = list::parse(text, &COLUMNS)?;
        let places: BTreeMap<_, _> = rows.into_iter().map(|(name, values)| (name, place(values))).collect();
        Ok(Self { places: places.into() })
    }

    /// The position of a file: by its exact name, or without regard to case, or by its name without extension.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(f64, f64)> {
        self.places.get(name).copied()
    }

    /// Number of files in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the list names no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_people_write_it() {
        for text in [
            "file,x_mm,y_mm\na.dat,1.5,0\nb.dat,-20,0.25\n",
            "\u{feff}# stage log\r\nfile;x_mm;y_mm\r\n\r\na.dat;1,5;0\r\nb.dat;-20;0,25\r\n",
            "File\tX_mm\tY_mm\na.dat\t1.5\t0\nb.dat\t-20\t0.25",
            "% by hand\nfile   x_mm  y_mm\n a.dat  1.5  0\nb.dat -20 0.25\n",
            "y_mm,x_mm,file\n0,1.5,\"a.dat\"\n 0.25 , -20 , b.dat",
        ] {
            let list = PositionsFile::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
            assert_eq!((list.get("a.dat"), list.get("B.DAT")), (Some((1.5, 0.0)), Some((-20.0, 0.25))), "{text:?}");
            assert_eq!(list.len(), 2);
        }
    }

    #[test]
    fn y_may_be_missing_and_extensions_too() {
        let list = PositionsFile::parse("file,x_mm\nsub_1,3\n").unwrap();
        assert_eq!(list.get("Sub_1.datx"), Some((3.0, 0.0)));
        assert_eq!(list.get("sub_2.datx"), None);
    }

    #[test]
    fn a_long_list_is_read_in_no_time_and_an_endless_one_refused() {
        let lines = |n: usize| (0..n).map(|k| format!("Sub_{k}.dat,{k}\n")).collect::<String>();
        let list = PositionsFile::parse(&("file,x_mm\n".to_owned() + &lines(20_000))).unwrap();
        // 20,000 look-ups that the exact names do not answer.
        for k in 0..20_000 {
            assert_eq!(list.get(&format!("sub_{k}.DAT")), Some((k as f64, 0.0)));
        }
        let error = PositionsFile::parse(&("file,x_mm\n".to_owned() + &lines(100_001))).unwrap_err();
        assert_eq!(error.line, 100_002);
        assert!(error.message.contains("100000"), "{error}");
    }

    #[test]
    fn every_line_end_counts_once() {
        let error = PositionsFile::parse("file,x_mm\ra.dat,1\r\nb.dat,2\n\nc.dat,x").unwrap_err();
        assert_eq!(error.line, 5);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("", 1, "first line"),
            ("name,x\na,1", 1, "file,x_mm,y_mm"),
            ("file,x_mm,y_mm\r\na.dat,1,0\r\nb.dat,two,0\r\n", 3, "\"two\""),
            ("file,x_mm,y_mm\n\n# c\na.dat,1,0\na.dat,2,0\n", 5, "already"),
            ("file,x_mm,y_mm\na.dat,1,5,0\n", 2, "decimals"),
            ("file,x_mm,y_mm\na.dat,,0\n", 2, "missing"),
            ("file,x_mm\na.dat,1e300\n", 2, "mirror"),
            ("file,x_mm\na.dat,nan\n", 2, "mirror"),
        ] {
            let error = PositionsFile::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.message.contains(part), "{text:?}: {error}");
        }
    }
}
