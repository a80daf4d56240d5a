//! Zygo's text files: "XYZ Data File - Format 1" (`.xyz`, a line for each pixel) and "ASCII Data File - Format 2"
//! (`.asc`, all pixels as integers). Both begin with the fields of the MetroPro header as lines.

mod header;

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

use crate::intensity::{self, Frame};
use crate::metropro::{INVALID_FROM, NO_INTENSITY, nm_per_step_of};
use crate::text::{self, number};
use crate::{FormatError, Gives, Limits, ReaderInfo, position};
use header::{Header, Lines};

/// For the reference page.
pub(crate) const XYZ_INFO: ReaderInfo = ReaderInfo {
    id: "zygo-xyz",
    name: "Zygo .xyz",
    extensions: &["xyz"],
    mime: "text/x-zygo-xyz",
    versions: "Format 1",
    gives: Gives::Map,
    writes: false,
};

/// For the reference page.
pub(crate) const ASCII_INFO: ReaderInfo = ReaderInfo {
    id: "zygo-ascii",
    name: "Zygo .asc",
    extensions: &["asc", "ascii"],
    mime: "text/x-zygo-ascii",
    versions: "Format 2 (and 1 of the same layout)",
    gives: Gives::Map,
    writes: false,
};

/// How every XYZ file begins.
pub(crate) const XYZ_HEAD: &[u8] = b"Zygo XYZ Data File";
/// How every ASCII file begins.
pub(crate) const ASCII_HEAD: &[u8] = b"Zygo ASCII Data File";

const NM_PER_UM: f64 = 1e3;
const NM_PER_M: f64 = 1e9;
/// The shortest line of an XYZ file that stands for a pixel: `0 0 0` and its end.
const LEAST_BYTES_PER_POINT: u64 = 6;
/// The shortest way to write a pixel in an ASCII file: a digit and a space.
const LEAST_BYTES_PER_INTEGER: u64 = 2;

/// Whether the bytes begin like an XYZ file.
pub(crate) fn recognises_xyz(bytes: &[u8]) -> bool {
    text::first_line(bytes).as_bytes().starts_with(XYZ_HEAD)
}

/// Whether the bytes begin like an ASCII file.
pub(crate) fn recognises_ascii(bytes: &[u8]) -> bool {
    text::first_line(bytes).as_bytes().starts_with(ASCII_HEAD)
}

/// Reads an XYZ file: lines `x y z` with camera coordinates and z in micrometres, or `x y No Data`, up to a `#`. Blank
/// lines and missing pixels are allowed where the `#` is there.
///
/// # Errors
/// [`FormatError`] where the header or a line is not as it must be, or the file ends early.
pub(crate) fn read_xyz(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    const NAME: &str = XYZ_INFO.name;
    let mut lines = Lines::new(NAME, bytes);
    let header = Header::read(&mut lines)?;
    let (rows, columns) = header.shape(bytes.len() as u64, LEAST_BYTES_PER_POINT, limits)?;
    let (mut heights, mut valid) = empty_map(rows, columns)?;
    let (mut points, mut ended) = (0u64, false);
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line == "#" {
            ended = true;
            break;
        }
        let mut fields = line.split_ascii_whitespace();
        let mut coordinate = |first: i64, count: usize| {
            let place = fields.next()?.parse::<i64>().ok()?.checked_sub(first)?;
            usize::try_from(place).ok().filter(|place| *place < count)
        };
        let at = coordinate(header.phase.column, columns).zip(coordinate(header.phase.row, rows));
        let Some((column, row)) = at else { return Err(lines.wrong("does not begin with the place of a pixel")) };
        let value = fields.next().unwrap_or_default();
        points += 1;
        if value.eq_ignore_ascii_case("No") {
            continue;
        }
        let Some(um) = number(value) else { return Err(lines.wrong("has no height and does not say \"No Data\"")) };
        if let (Some(height), Some(valid)) = (heights.get_mut((row, column)), valid.get_mut((row, column))) {
            (*height, *valid) = (um * NM_PER_UM, true);
        }
    }
    let needed = rows as u64 * columns as u64;
    if !ended && points < needed {
        let problem = format!("ends after {points} of {needed} points and without its closing #");
        return Err(FormatError::malformed(NAME, "it", problem));
    }
    header.sub_aperture(name, NAME, heights, valid, None)
}

/// Reads an ASCII file: intensities up to a `#`, then stored phases up to a `#`, scaled as in a MetroPro file.
///
/// # Errors
/// [`FormatError`] where the header or a value is not as it must be, or the file ends early.
pub(crate) fn read_ascii(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    const NAME: &str = ASCII_INFO.name;
    let mut lines = Lines::new(NAME, bytes);
    let header = Header::read(&mut lines)?;
    let nm_per_step =
        nm_per_step_of(header.wavelength_m, header.scale_factor, header.obliquity_factor, header.phase_resolution)?;
    let file_bytes = bytes.len() as u64;
    let (rows, columns) = header.shape(file_bytes, LEAST_BYTES_PER_INTEGER, limits)?;
    let counts = header.intensity_count(file_bytes / LEAST_BYTES_PER_INTEGER)?;
    let counts = lines.integers(counts, "intensities", |count| count as f32)?;
    // Without intensities some writers leave their `#` out.
    let pixels = rows * columns;
    let stored = lines.integers(pixels, "heights", |stored| {
        if stored < i64::from(INVALID_FROM) { stored as f64 * nm_per_step } else { f64::NAN }
    })?;
    let not_a_map = |_| FormatError::NoHeights { columns: columns as i64, rows: rows as i64 };
    let heights = Array2::from_shape_vec((rows, columns), stored).map_err(not_a_map)?;
    let valid = heights.mapv(f64::is_finite);

    let frame = header.intensity;
    let value = |row: usize, column: usize| {
        let of_bucket = |bucket: usize| {
            let count = counts.get((bucket * frame.rows + row) * frame.columns + column)?;
            (*count >= 0.0 && *count < f32::from(NO_INTENSITY)).then(|| f64::from(*count))
        };
        intensity::mean((0..header.buckets).map(of_bucket))
    };
    let intensity = (!counts.is_empty()).then(|| intensity::onto_map(frame, header.window(), (rows, columns), value));
    header.sub_aperture(name, NAME, heights, valid, intensity.flatten())
}

fn empty_map(rows: usize, columns: usize) -> Result<(Array2<f64>, Array2<bool>), FormatError> {
    let out_of_memory = FormatError::OutOfMemory { columns: columns as u64, rows: rows as u64 };
    let (mut heights, mut valid) = (Vec::new(), Vec::new());
    let pixels = rows * columns;
    if heights.try_reserve_exact(pixels).is_err() || valid.try_reserve_exact(pixels).is_err() {
        return Err(out_of_memory);
    }
    heights.resize(pixels, 0.0);
    valid.resize(pixels, false);
    let shaped = Array2::from_shape_vec((rows, columns), heights);
    match (shaped, Array2::from_shape_vec((rows, columns), valid)) {
        (Ok(heights), Ok(valid)) => Ok((heights, valid)),
        _ => Err(out_of_memory),
    }
}

impl Header {
    fn window(&self) -> DetectorWindow {
        DetectorWindow { column: self.phase.column, row: self.phase.row }
    }

    fn sub_aperture(
        self,
        name: &str,
        format: &str,
        heights: Array2<f64>,
        valid: Array2<bool>,
        intensity: Option<Array2<f32>>,
    ) -> Result<SubAperture, FormatError> {
        let mm = self.lateral_resolution_m * 1e3;
        let pixel = (mm.is_finite() && mm > 0.0).then_some(PixelSize { x_mm: mm, y_mm: mm });
        let (rows, columns) = (self.phase.rows as i64, self.phase.columns as i64);
        let map = HeightMap::new(heights, valid, pixel).map_err(|_| FormatError::NoHeights { columns, rows })?;
        let text = |text: String| (!text.is_empty()).then_some(text);
        let positive = |value: f64| (value > 0.0).then_some(value);
        Ok(SubAperture {
            name: name.to_owned(),
            window: self.window(),
            map,
            position_mm: position::from_comment(&self.comment),
            intensity,
            instrument: Instrument {
                format: format.to_owned(),
                wavelength_nm: positive(self.wavelength_m * NM_PER_M),
                scale_factor: positive(self.scale_factor),
                acquired_unix: (self.time_stamp > 0).then_some(self.time_stamp),
                comment: text(self.comment),
                objective: text(self.objective),
                part: text(self.part),
                stage_mm: None,
            },
        })
    }
}

impl Frame {
    /// Number of pixels, where that is a number.
    fn pixels(&self) -> Option<usize> {
        self.rows.checked_mul(self.columns)
    }
}
