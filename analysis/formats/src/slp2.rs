//! ESRF long trace profiler, second generation, `.slp2`: sections of `key = "value"`, then a block of columns.
//!
//! The first section is `[legacy_header]` (`[general_header]` in the first version). In `[data]` the key `data_header`
//! names the columns and `Slopes_Xmin = "` opens the rows, which a lone `"` closes. The first two columns are position (mm)
//! and mean slope (microradian); where no column is called a slope, `SUT_Xmin` (detector pixels) is turned into one.

use stitchbox_surface::Profile;

use crate::slp::{Points, remark};
use crate::text::{self, number};
use crate::{FormatError, Gives, Limits, ReaderInfo};

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "slp2",
    name: "ESRF .slp2",
    extensions: &["slp2"],
    mime: "text/x-esrf-slp2",
    versions: "general header and legacy header",
    gives: Gives::Profile,
    writes: false,
};

/// Pixel of the detector, micrometres, and of the one before it, which has fewer than 1024 of them.
const PIXEL_UM: f64 = 7.0;
const OLD_PIXEL_UM: f64 = 25.0;
const OLD_DETECTOR: f64 = 1024.0;

/// Whether the bytes begin with a section of an `.slp2` file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let first = text::lines(head).map(|line| line.trim().to_owned()).find(|line| !line.is_empty());
    first.is_some_and(|line| line == "[legacy_header]" || line == "[general_header]")
}

/// What the header tells.
#[derive(Default)]
struct Header {
    comment: String,
    date: String,
    reference: String,
    gravity: String,
    focal_length_mm: Option<f64>,
    announced: Option<usize>,
}

/// How a row becomes a point.
enum Columns {
    Slope { x: usize, slope: usize },
    Pixels { x: usize, sut: usize, reference: Option<usize> },
}

/// Reads an `.slp2` file: slopes along a line.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Profile, FormatError> {
    let mut header = Header::default();
    let mut columns = Columns::Slope { x: 0, slope: 1 };
    let mut section = String::new();
    let mut points: Option<Points> = None;
    let mut closed = false;
    for (index, line) in text::lines(bytes).enumerate() {
        let line = line.trim();
        if let Some(points) = points.as_mut().filter(|_| !closed) {
            if line.starts_with('"') {
                closed = true;
            } else if !line.is_empty() {
                let point = columns.point(line, header.focal_length_mm).ok_or_else(|| points.wrong(index + 1))?;
                points.push(point)?;
            }
        } else if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            title.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            let in_data = section == "data" || section == "Slopes";
            if in_data && points.is_none() && value == "\"" {
                if header.focal_length_mm.is_none() && matches!(columns, Columns::Pixels { .. }) {
                    let problem = "has no focal length, without which detector pixels do not become slopes";
                    return Err(FormatError::malformed(INFO.name, "its header", problem));
                }
                points = Some(Points::new(INFO.name, header.announced, limits));
            } else if in_data {
                let names = value.trim_matches('"');
                columns = if key == "data_header" { Columns::named(names) } else { columns };
            } else {
                header.take(key, value.trim_matches('"').trim());
            }
        }
    }
    let Some(points) = points else {
        return Err(FormatError::malformed(INFO.name, "it", "has no rows of data"));
    };
    if !closed {
        return Err(FormatError::malformed(INFO.name, "its block of rows", "is not closed by a \" of its own"));
    }
    let mut profile = points.into_profile(name)?;
    let correction = [header.reference.as_str(), header.gravity.as_str()].join("/");
    let correction = if correction == "/" { "" } else { correction.as_str() };
    let remark = remark(&[&header.comment, correction, &header.date]);
    profile.instrument.comment = (!remark.is_empty()).then_some(remark);
    Ok(profile)
}

impl Header {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "comment" => value.clone_into(&mut self.comment),
            "date_time" => value.clone_into(&mut self.date),
            "reference" => value.clone_into(&mut self.reference),
            "gravity" => value.clone_into(&mut self.gravity),
            "focal_length" => self.focal_length_mm = number(value).filter(|f| *f > 0.0),
            "nb_acquisitions" => self.announced = number(value).map(|count| count as usize),
            _ => {}
        }
    }
}

impl Columns {
    /// By the names of the columns; those that are not named are the first two.
    fn named(names: &str) -> Self {
        let names: Vec<&str> = names.split_ascii_whitespace().collect();
        let at = |wanted: &str| names.iter().position(|name| *name == wanted);
        let x = at("mirror_coord").unwrap_or(0);
        let slope = at("mean_slopes").or_else(|| names.iter().position(|name| name.to_lowercase().contains("slope")));
        match (slope, at("SUT_Xmin")) {
            (None, Some(sut)) => Self::Pixels { x, sut, reference: at("REF_Xmin") },
            (slope, _) => Self::Slope { x, slope: slope.unwrap_or(1) },
        }
    }

    /// Position (mm) and slope (microradian) of a row.
    fn point(&self, line: &str, focal_length_mm: Option<f64>) -> Option<(f64, f64)> {
        let field = |index: usize| number(line.split_ascii_whitespace().nth(index)?);
        match *self {
            Self::Slope { x, slope } => Some((field(x)?, field(slope)?)),
            Self::Pixels { x, sut, reference } => {
                let old = reference.and_then(field).is_some_and(|pixel| pixel < OLD_DETECTOR);
                let pixel_um = if old { OLD_PIXEL_UM } else { PIXEL_UM };
                Some((field(x)?, field(sut)? * 1e3 * pixel_um / (2.0 * focal_length_mm?)))
            }
        }
    }
}
