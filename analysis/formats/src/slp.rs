//! ESRF long trace profiler, `.slp`: six header lines, then position (mm) and slope (microradian) in two columns.
//!
//! The header lines are comment, date, `reference/gravity`, focal length (mm), step (mm; negative = the direction of the
//! scan, positions increase all the same) and number of points. Archives hold variants: header lines behind `;`, integers
//! where others write decimals, blank lines.

mod writer;

pub use writer::{SlpHeader, SlpWriteError, write_slp};

use stitchbox_surface::{Instrument, Profile, ProfileKind};

use crate::text::{self, number};
use crate::{FormatError, Gives, Limits, ReaderInfo};

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "slp",
    name: "ESRF .slp",
    extensions: &["slp"],
    mime: "text/x-esrf-slp",
    versions: "LTP, with six header lines",
    gives: Gives::Profile,
    writes: true,
};

const HEADER_LINES: usize = 6;
/// How far the announced number of points may be from that of the lines: old static files count one too many or few.
const MISCOUNT: usize = 1;

/// Whether the bytes are an `.slp` file: a date in the second line, numbers in the fourth to sixth, two of them in the
/// seventh.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let lines: Vec<_> = text::lines(head).take(HEADER_LINES + 1).collect();
    let lines: Vec<&str> = lines.iter().map(|line| header_line(line)).collect();
    let [_, date, _, focal, step, count, first] = lines.as_slice() else { return false };
    let begins_with_date =
        date.split(['/', '-', '.']).take(2).all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            && date.contains('/');
    let numbers = number(focal).is_some() && number(step).is_some() && count.parse::<usize>().is_ok();
    begins_with_date && numbers && point(first).is_some()
}

/// Reads an `.slp` file: slopes along a line.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Profile, FormatError> {
    let mut lines = text::lines(bytes);
    let mut header = || lines.next().map(|line| header_line(&line).to_owned()).unwrap_or_default();
    let (comment, date, correction) = (header(), header(), header());
    let (_focal, _step, count) = (header(), header(), header());
    let announced = count.parse().ok();
    let mut points = Points::new(INFO.name, announced, limits);
    for (index, line) in lines.enumerate() {
        if !line.trim().is_empty() {
            let point = point(&line).ok_or_else(|| points.wrong(HEADER_LINES + 1 + index))?;
            points.push(point)?;
        }
    }
    let mut profile = points.into_profile(name)?;
    profile.instrument.comment = Some(remark(&[&comment, &correction, &date]));
    Ok(profile)
}

/// A header line without white space and without the mark of a comment before it.
fn header_line(line: &str) -> &str {
    line.trim().trim_start_matches(';').trim()
}

/// Position and slope.
fn point(line: &str) -> Option<(f64, f64)> {
    let mut fields = line.split_ascii_whitespace();
    let point = (number(fields.next()?)?, number(fields.next()?)?);
    fields.next().is_none().then_some(point)
}

/// What was measured and how it was corrected, in one line.
pub(crate) fn remark(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

/// The points of a profile while they are read; serves `.slp2`, too.
pub(crate) struct Points {
    format: &'static str,
    announced: Option<usize>,
    most: usize,
    x_mm: Vec<f64>,
    slopes_urad: Vec<f64>,
}

impl Points {
    pub(crate) fn new(format: &'static str, announced: Option<usize>, limits: &Limits) -> Self {
        Self { format, announced, most: limits.max_pixels, x_mm: Vec::new(), slopes_urad: Vec::new() }
    }

    /// The error for a line that is no point.
    pub(crate) fn wrong(&self, line: usize) -> FormatError {
        FormatError::malformed(self.format, format!("line {line}"), "does not have a position and a slope")
    }

    pub(crate) fn push(&mut self, (x_mm, slope_urad): (f64, f64)) -> Result<(), FormatError> {
        if self.x_mm.len() == self.most {
            return Err(FormatError::malformed(self.format, "it", format!("has more than {} points", self.most)));
        }
        self.x_mm.push(x_mm);
        self.slopes_urad.push(slope_urad);
        Ok(())
    }

    /// The profile of what was read. A last line that steps back, which old static files have, is left out; so is
    /// nothing else.
    pub(crate) fn into_profile(mut self, name: &str) -> Result<Profile, FormatError> {
        if self.last_steps_back() {
            self.x_mm.pop();
            self.slopes_urad.pop();
        }
        let found = self.x_mm.len();
        if let Some(announced) = self.announced
            && found + MISCOUNT < announced
        {
            let problem = format!("has {found} points where its header announces {announced}");
            return Err(FormatError::malformed(self.format, "it", problem));
        }
        let mut profile = Profile::new(&self.x_mm, &self.slopes_urad, ProfileKind::SlopeUrad)
            .map_err(|why| FormatError::malformed(self.format, "it", format!("holds no profile: {why}")))?;
        profile.name = name.to_owned();
        profile.instrument = Instrument { format: self.format.to_owned(), ..Instrument::default() };
        Ok(profile)
    }

    /// Whether the last step goes against the one before it, or nowhere.
    fn last_steps_back(&self) -> bool {
        match self.x_mm.as_slice() {
            [.., a, b, c] => (b - a) * (c - b) <= 0.0,
            _ => false,
        }
    }
}
