//! The header lines that both text formats share, and the lines and integers behind them.

use std::borrow::Cow;

use crate::intensity::Frame;
use crate::text::{self, number};
use crate::{FormatError, Limits};

/// Most lines before the first `#`; genuine files have 13 or 14.
const MOST_HEADER_LINES: usize = 24;

/// What the header says.
pub(super) struct Header {
    pub(super) intensity: Frame,
    /// Number of intensity frames.
    pub(super) buckets: usize,
    pub(super) phase: Frame,
    pub(super) comment: String,
    pub(super) part: String,
    pub(super) objective: String,
    pub(super) scale_factor: f64,
    pub(super) wavelength_m: f64,
    pub(super) obliquity_factor: f64,
    /// m per pixel; not positive where not calibrated.
    pub(super) lateral_resolution_m: f64,
    pub(super) time_stamp: i64,
    /// -1 where the line is missing.
    pub(super) phase_resolution: i16,
}

/// The lines of the file, counted.
pub(super) struct Lines<'b> {
    format: &'static str,
    lines: Box<dyn Iterator<Item = Cow<'b, str>> + 'b>,
    number: usize,
}

impl<'b> Lines<'b> {
    pub(super) fn new(format: &'static str, bytes: &'b [u8]) -> Self {
        Self { format, lines: Box::new(text::lines(bytes)), number: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Cow<'b, str>> {
        self.number += 1;
        self.lines.next()
    }

    /// The error that names the line read last.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> FormatError {
        FormatError::malformed(self.format, format!("line {}", self.number), problem)
    }

    /// Exactly `count` integers, over any number of lines, up to a line `#`. With none wanted the `#` may be missing,
    /// too: then nothing is taken.
    pub(super) fn integers<T>(
        &mut self,
        count: usize,
        what: &str,
        value: impl Fn(i64) -> T,
    ) -> Result<Vec<T>, FormatError> {
        let mut values = Vec::new();
        if count == 0 {
            return Ok(values);
        }
        values.try_reserve_exact(count).map_err(|_| self.wrong(format!("begins {count} {what}, too many to hold")))?;
        while let Some(line) = self.next() {
            let line = line.trim();
            if line == "#" {
                // The end of an empty block before this one.
                if values.is_empty() {
                    continue;
                }
                break;
            }
            for field in line.split_ascii_whitespace() {
                let Ok(integer) = field.parse() else { return Err(self.wrong("has something that is no integer")) };
                if values.len() == count {
                    return Err(self.wrong(format!("has more {what} than the {count} of the header")));
                }
                values.push(value(integer));
            }
        }
        if values.len() < count {
            let problem = format!("ends the {what} after {} of {count}", values.len());
            return Err(self.wrong(problem));
        }
        Ok(values)
    }
}

impl Header {
    /// Reads up to and including the first line `#`.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, FormatError> {
        let mut header: Vec<String> = Vec::new();
        loop {
            let Some(line) = lines.next() else { return Err(lines.wrong("should be there: the header has no end")) };
            let line = line.trim();
            if line == "#" {
                break;
            }
            if header.len() == MOST_HEADER_LINES {
                return Err(lines.wrong("should be the # that ends the header"));
            }
            header.push(line.to_owned());
        }
        let line = |number: usize| header.get(number - 1).map_or("", String::as_str);
        let wrong = |number: usize, problem: &str| {
            FormatError::malformed(lines.format, format!("line {number} of the header"), problem)
        };
        let (intensity, buckets) =
            frame(line(3)).ok_or_else(|| wrong(3, "does not tell the rectangle of the intensity"))?;
        let (phase, _) = frame(line(4)).ok_or_else(|| wrong(4, "does not tell the rectangle of the heights"))?;
        let source: Option<Vec<f64>> = line(8).split_ascii_whitespace().map(number).collect();
        // Source, S, wavelength, numerical aperture, obliquity, magnification, camera resolution, time.
        let Some(&[_, scale_factor, wavelength_m, _, obliquity_factor, _, lateral_resolution_m, time]) =
            source.as_deref()
        else {
            return Err(wrong(8, "does not have the 8 numbers of source, scale and resolution"));
        };
        Ok(Self {
            intensity,
            buckets,
            phase,
            comment: quoted(line(5)),
            part: quoted(line(7)),
            objective: quoted(line(9)),
            scale_factor,
            wavelength_m,
            obliquity_factor,
            lateral_resolution_m,
            time_stamp: time as i64,
            phase_resolution: line(11).split_ascii_whitespace().next().and_then(|code| code.parse().ok()).unwrap_or(-1),
        })
    }

    /// Rows and columns of the heights, within the limits and within what a file of this many bytes can hold.
    pub(super) fn shape(&self, file_bytes: u64, least: u64, limits: &Limits) -> Result<(usize, usize), FormatError> {
        let (rows, columns) = (self.phase.rows as u64, self.phase.columns as u64);
        if rows == 0 || columns == 0 {
            return Err(FormatError::NoHeights { columns: columns as i64, rows: rows as i64 });
        }
        let too_large = FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels };
        let pixels = limits.admit(rows, columns).ok_or(too_large)? as u64;
        let needed = pixels.saturating_mul(least);
        if needed > file_bytes {
            return Err(FormatError::HeightsTruncated { columns, rows, needed, found: file_bytes });
        }
        Ok((self.phase.rows, self.phase.columns))
    }

    /// Number of intensity values, which a file can hold at most `most` of.
    pub(super) fn intensity_count(&self, most: u64) -> Result<usize, FormatError> {
        let count = self.intensity.pixels().and_then(|pixels| pixels.checked_mul(self.buckets));
        count.filter(|count| *count as u64 <= most).ok_or(FormatError::IntensitySize {
            columns: self.intensity.columns as i64,
            rows: self.intensity.rows as i64,
            frames: self.buckets as i64,
            bytes: 0,
        })
    }
}

/// A rectangle x, y, width, height, and the number of frames where a fifth number tells it.
fn frame(line: &str) -> Option<(Frame, usize)> {
    let mut numbers = line.split_ascii_whitespace().map(number);
    let mut next = || numbers.next().flatten();
    let (column, row) = (next()? as i64, next()? as i64);
    let count = |value: f64| (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as usize);
    let (columns, rows) = (count(next()?)?, count(next()?)?);
    let buckets = next().and_then(count).unwrap_or(0);
    Some((Frame { column, row, columns, rows }, buckets))
}

/// The text between the first and the last quotation mark.
fn quoted(line: &str) -> String {
    let between = line.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(text, _)| text);
    between.unwrap_or_default().trim().to_owned()
}
