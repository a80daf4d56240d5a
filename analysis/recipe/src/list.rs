//! Lists that people and spreadsheets write: a file name and some numbers on each line.
//!
//! A header names the columns, the first being `file`. Fields are separated by commas, semicolons, tabs or spaces; with
//! anything but commas a decimal comma is understood. Lines that are empty or begin with `#` or `%` do not count; a byte
//! order mark and Windows line ends are harmless.

use std::collections::BTreeMap;

/// A list that cannot be used: the line and the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ListError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A column that a list may have beside `file`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its name in the header, with the unit.
    pub name: &'static str,
    /// Whether a list must have it.
    pub needed: bool,
    /// Largest value believed, in the unit of the name.
    pub most: f64,
    /// What a larger one is not.
    pub most_is: &'static str,
}

/// Most lines read.
const MOST_ROWS: usize = 100_000;

/// The numbers of each file, in the order of the columns asked for; `None` for a column that the list has not.
pub(crate) type Rows = BTreeMap<String, Vec<Option<f64>>>;

/// Reads a list from its text.
///
/// # Errors
/// [`ListError`] with the line: no header, missing columns, a number that is none, a file named twice.
pub(crate) fn parse(text: &str, columns: &[Column]) -> Result<Rows, ListError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut numbered = number_lines(text).filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with(['#', '%'])
    });
    let Some((header_line, header)) = numbered.next() else {
        let message = format!("the list is empty; its first line must be {}", header_of(columns));
        return Err(ListError { line: 1, message });
    };
    let separator = Separator::of(header);
    let header = Header::read(header_line, header, separator, columns)?;
    let mut rows = Rows::new();
    for (line, content) in numbered {
        if rows.len() == MOST_ROWS {
            return Err(ListError {
                line,
                message: format!("the list is longer than the {MOST_ROWS} lines that are read"),
            });
        }
        let (name, values) = header.row(line, content, separator)?;
        if rows.insert(name.clone(), values).is_some() {
            return Err(ListError { line, message: format!("\"{name}\" has a line already; keep one of the two") });
        }
    }
    Ok(rows)
}

/// The entries of a list, found however it writes the name of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entries<T> {
    exact: BTreeMap<String, T>,
    /// The names as written by their lower-case form; of names that differ only in case the first.
    lower: BTreeMap<String, String>,
}

impl<T> From<BTreeMap<String, T>> for Entries<T> {
    fn from(exact: BTreeMap<String, T>) -> Self {
        let mut lower = BTreeMap::new();
        for name in exact.keys() {
            lower.entry(name.to_lowercase()).or_insert_with(|| name.clone());
        }
        Self { exact, lower }
    }
}

impl<T> Entries<T> {
    /// By the name exactly, or without regard to case, or without extension.
    pub fn get(&self, name: &str) -> Option<&T> {
        let lower = name.to_lowercase();
        let stem = lower.rsplit_once('.').map_or(lower.as_str(), |(stem, _)| stem);
        let same = |wanted: &str| self.lower.get(wanted).and_then(|written| self.exact.get(written));
        self.exact.get(name).or_else(|| same(&lower)).or_else(|| same(stem))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.exact.len()
    }
}

fn header_of(columns: &[Column]) -> String {
    columns.iter().fold("file".to_owned(), |header, column| header + "," + column.name)
}

/// The lines with their numbers from 1; `\n`, `\r\n` and a lone `\r` each end one.
fn number_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
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

/// Where the columns stand.
struct Header<'c> {
    file: usize,
    at: Vec<(&'c Column, Option<usize>)>,
    count: usize,
}

impl<'c> Header<'c> {
    fn read(line: usize, header: &str, separator: Separator, columns: &'c [Column]) -> Result<Self, ListError> {
        let names: Vec<String> = separator.split(header).iter().map(|name| name.to_lowercase()).collect();
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let at: Vec<_> = columns.iter().map(|column| (column, find(column.name))).collect();
        let complete =
            at.iter().all(|(column, at)| at.is_some() || !column.needed) && at.iter().any(|(_, at)| at.is_some());
        match find("file") {
            Some(file) if complete => Ok(Self { file, at, count: names.len() }),
            _ => {
                let message = format!(
                    "the first line must name the columns {} but is \"{}\"; the names tell the units",
                    header_of(columns),
                    header.trim()
                );
                Err(ListError { line, message })
            }
        }
    }

    fn row(&self, line: usize, content: &str, separator: Separator) -> Result<(String, Vec<Option<f64>>), ListError> {
        let fields = separator.split(content);
        let error = |message: String| ListError { line, message };
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
        let number = |(column, index): &(&Column, Option<usize>)| {
            let Some(index) = index else { return Ok(None) };
            let text = field(*index, column.name)?;
            let text = if separator == Separator::Comma { text.clone() } else { text.replace(',', ".") };
            match text.replace('\u{2212}', "-").parse::<f64>() {
                Ok(value) if value.abs() <= column.most => Ok(Some(value)),
                Ok(value) => Err(error(format!("{} = {value} is not {}", column.name, column.most_is))),
                Err(_) => Err(error(format!("{} is \"{text}\", which is not a number", column.name))),
            }
        };
        let values = self.at.iter().map(number).collect::<Result<_, _>>()?;
        Ok((name.clone(), values))
    }
}
