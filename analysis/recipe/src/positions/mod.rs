//! `positions.csv`: where each sub-aperture was taken, as people and spreadsheets write it.
//!
//! A header names the columns, `file,x_mm,y_mm` (`y_mm` may be missing: 0). Fields are separated by commas,
//! semicolons, tabs or spaces; with anything but commas a decimal comma is understood. Lines that are empty or begin
//! with `#` or `%` do not count; a byte order mark and Windows line ends are harmless.

mod resolve;

use std::collections::BTreeMap;

pub(crate) use resolve::{Source, place};

/// A list of positions that cannot be used: the line and the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PositionsError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Positions by file name as written, mm in the mirror frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PositionsFile {
    places: BTreeMap<String, (f64, f64)>,
}

/// The place of a file in a list, however the list writes its name; `[positions.at]` and `positions.csv` share it.
fn place_of<T: Copy>(places: &BTreeMap<String, T>, name: &str) -> Option<T> {
    if let Some(place) = places.get(name) {
        return Some(*place);
    }
    let lower = name.to_lowercase();
    let stem = lower.rsplit_once('.').map_or(lower.as_str(), |(stem, _)| stem);
    let same = |wanted: &str| places.iter().find(|(key, _)| key.to_lowercase() == wanted).map(|(_, place)| *place);
    same(&lower).or_else(|| same(stem))
}

/// Largest coordinate believed, mm.
const FARTHEST_MM: f64 = 1e6;

impl PositionsFile {
    /// Reads the list from its text.
    ///
    /// # Errors
    /// [`PositionsError`] with the line: no header, unknown columns, a number that is none, a file named twice.
    pub fn parse(text: &str) -> Result<Self, PositionsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.split(['\n', '\r']).collect::<Vec<_>>();
        // "\r\n" gives an empty line between: count only "\n" and lone "\r"
        let mut numbered = number_lines(text, &lines).into_iter().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with(['#', '%'])
        });
        let Some((header_line, header)) = numbered.next() else {
            let message = "the list is empty; its first line must be file,x_mm,y_mm".to_owned();
            return Err(PositionsError { line: 1, message });
        };
        let separator = Separator::of(header);
        let columns = Columns::read(header_line, header, separator)?;
        let mut places = BTreeMap::new();
        for (line, content) in numbered {
            let (name, place) = columns.row(line, content, separator)?;
            if places.insert(name.clone(), place).is_some() {
                return Err(PositionsError {
                    line,
                    message: format!("\"{name}\" has a position already; keep one of the two"),
                });
            }
        }
        Ok(Self { places })
    }

    /// The position of a file: by its exact name, or without regard to case, or by its name without extension.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(f64, f64)> {
        place_of(&self.places, name)
    }

    /// Number of files in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the list names no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// Pairs each piece with its line number; the piece between `\r` and `\n` is dropped.
fn number_lines<'t>(text: &'t str, pieces: &[&'t str]) -> Vec<(usize, &'t str)> {
    let mut out = Vec::with_capacity(pieces.len());
    let mut line = 1;
    let mut offset = 0;
    for piece in pieces {
        out.push((line, *piece));
        offset += piece.len();
        let ends_with_crlf = text.as_bytes().get(offset..offset + 2) == Some(b"\r\n");
        if !ends_with_crlf {
            line += 1;
        }
        offset += 1;
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Comma,
    Semicolon,
    Tab,
    Spaces,
}

impl Separator {
    fn of(header: &str) -> Self {
        if header.contains(';') {
            Self::Semicolon
        } else if header.contains('\t') {
            Self::Tab
        } else if header.contains(',') {
            Self::Comma
        } else {
            Self::Spaces
        }
    }

    /// Fields of a line; a field may stand in double quotes.
    fn split(self, line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        for character in line.trim().chars() {
            let ends = match self {
                Self::Comma => character == ',',
                Self::Semicolon => character == ';',
                Self::Tab => character == '\t',
                Self::Spaces => character == ' ' || character == '\t',
            };
            if character == '"' {
                quoted = !quoted;
            } else if ends && !quoted {
                let collapse = self == Self::Spaces && fields.last().is_some_and(String::is_empty);
                if !collapse {
                    fields.push(String::new());
                }
            } else if let Some(last) = fields.last_mut() {
                last.push(character);
            }
        }
        fields.into_iter().map(|field| field.trim().to_owned()).collect()
    }
}

struct Columns {
    file: usize,
    x: usize,
    y: Option<usize>,
    count: usize,
}

impl Columns {
    fn read(line: usize, header: &str, separator: Separator) -> Result<Self, PositionsError> {
        let names: Vec<String> = separator.split(header).iter().map(|name| name.to_lowercase()).collect();
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let (file, x, y) = (find("file"), find("x_mm"), find("y_mm"));
        match (file, x) {
            (Some(file), Some(x)) => Ok(Self { file, x, y, count: names.len() }),
            _ => {
                let message = format!(
                    "the first line must name the columns file,x_mm,y_mm but is \"{}\"; positions are in millimetres",
                    header.trim()
                );
                Err(PositionsError { line, message })
            }
        }
    }

    fn row(&self, line: usize, content: &str, separator: Separator) -> Result<(String, (f64, f64)), PositionsError> {
        let fields = separator.split(content);
        let error = |message: String| PositionsError { line, message };
        if fields.len() > self.count {
            let hint = if separator == Separator::Comma {
                "; write decimals with a point, or separate the columns by ;"
            } else {
                ""
            };
            return Err(error(format!(
                "there are {} fields but the header names {} columns{hint}",
                fields.len(),
                self.count
            )));
        }
        let field = |index: usize, what: &str| {
            fields.get(index).filter(|f| !f.is_empty()).ok_or_else(|| error(format!("{what} is missing")))
        };
        let name = field(self.file, "the file name")?;
        let coordinate = |index: usize, what: &str| {
            let text = field(index, what)?;
            let text = if separator == Separator::Comma { text.clone() } else { text.replace(',', ".") };
            match text.replace('\u{2212}', "-").parse::<f64>() {
                Ok(value) if value.abs() <= FARTHEST_MM => Ok(value),
                Ok(value) => Err(error(format!("{what} = {value} mm is not a place on a mirror"))),
                Err(_) => Err(error(format!("{what} is \"{text}\", which is not a number"))),
            }
        };
        let x = coordinate(self.x, "x_mm")?;
        let y = match self.y {
            Some(index) => coordinate(index, "y_mm")?,
            None => 0.0,
        };
        Ok((name.clone(), (x, y)))
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
