//! Zygo MetroPro `.dat`: header, optional intensity frames, then one big-endian `i32` for each height.
//!
//! `height[m] = stored * S * O * wavelength / R` with R = 4096, 32768 or 131072 for phase resolution 0, 1, 2; stored
//! values from 2147483640 up mean "not measured". Row 0 is the top row of the camera; nothing is flipped.

mod bytes;
mod header;
mod writer;

pub use header::{IntensityBlock, MetroProHeader, PhaseWindow, Stage};
pub use writer::{WriteError, write_metropro, write_metropro_with_intensity};

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

use crate::intensity::{self, Frame};
use crate::{FormatError, Gives, Head, Limits, ReaderInfo, position};

/// Stored values from here up are pixels without a height.
pub(crate) const INVALID_FROM: i32 = 2_147_483_640;
/// The stored intensity of a pixel without one.
pub(crate) const NO_INTENSITY: u16 = u16::MAX;
const BYTES_PER_HEIGHT: u64 = 4;
const BYTES_PER_INTENSITY: u64 = 2;
const NM_PER_M: f64 = 1e9;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "metropro",
    name: "MetroPro .dat",
    extensions: &["dat"],
    mime: "application/x-zygo-metropro",
    versions: "header formats 1, 2 and 3",
    gives: Gives::Map,
    writes: true,
};

/// Reads a MetroPro file as a sub-aperture.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    Ok(read_metropro(bytes, limits)?.into_sub_aperture(name))
}

/// What the header tells of the sub-aperture, without a look at its heights.
pub(crate) fn head(name: &str, header: MetroProHeader, limits: &Limits) -> Result<Head, FormatError> {
    nm_per_step(&header)?;
    let (rows, columns) = shape(&header.phase)?;
    limits.admit(rows, columns).ok_or(FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels })?;
    let map = crate::head::no_pixel(pixel_size(header.lateral_resolution_m));
    let sub_aperture = MetroPro { header, map, intensity: None }.into_sub_aperture(name);
    Ok(Head { sub_aperture, shape: (rows as usize, columns as usize) })
}

/// A MetroPro file as data: what its header says, and its heights.
#[derive(Debug, Clone, PartialEq)]
pub struct MetroPro {
    /// The header, field by field.
    pub header: MetroProHeader,
    /// Heights in nm with their mask; the pixel size is `None` if the file has no lateral calibration.
    pub map: HeightMap,
    /// Mean intensity of each pixel of the map over the frames, camera counts; `0.0` where none was measured. `None`
    /// where the file has no frames, or none that cover the map.
    pub intensity: Option<Array2<f32>>,
}

/// Reads a MetroPro file of header format 1, 2 or 3 from its whole content.
///
/// A lateral resolution that is zero or no number is no error: the map then has no pixel size.
///
/// # Errors
/// [`FormatError`] where the file is of another format, is truncated, contradicts itself, holds no heights, exceeds
/// `limits`, or lacks a usable scale. Nothing is allocated for heights that are not there.
pub fn read_metropro(bytes: &[u8], limits: &Limits) -> Result<MetroPro, FormatError> {
    let header = MetroProHeader::parse(bytes)?;
    let nm_per_step = nm_per_step(&header)?;
    let (rows, columns) = shape(&header.phase)?;
    let pixels =
        limits.admit(rows, columns).ok_or(FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels })?;
    let (frames, stored) = stored_blocks(bytes, &header, rows, columns)?;

    let out_of_memory = |_| FormatError::OutOfMemory { columns, rows };
    let (mut heights, mut valid) = (Vec::new(), Vec::new());
    heights.try_reserve_exact(pixels).map_err(out_of_memory)?;
    valid.try_reserve_exact(pixels).map_err(out_of_memory)?;
    for value in stored.as_chunks::<4>().0 {
        let value = i32::from_be_bytes(*value);
        let measured = value < INVALID_FROM;
        heights.push(if measured { f64::from(value) * nm_per_step } else { 0.0 });
        valid.push(measured);
    }

    let no_heights = |_| FormatError::NoHeights { columns: columns as i64, rows: rows as i64 };
    let shape = (rows as usize, columns as usize);
    let intensity = mean_intensity(frames, &header, shape);
    let heights = Array2::from_shape_vec(shape, heights).map_err(no_heights)?;
    let valid = Array2::from_shape_vec(shape, valid).map_err(no_heights)?;
    let pixel = pixel_size(header.lateral_resolution_m);
    let map = HeightMap::new(heights, valid, pixel)
        .map_err(|_| FormatError::NoHeights { columns: columns as i64, rows: rows as i64 })?;
    Ok(MetroPro { header, map, intensity })
}

impl MetroPro {
    /// Where the camera looked at the mirror, (x, y) in mm: from the ESRF comment, or else from the stage coordinates
    /// (inches) where the header says that they are set; both with the sign turned, because a stage that carries the
    /// mirror by +x makes the camera look at mirror coordinate -x.
    #[must_use]
    pub fn position_mm(&self) -> Option<(f64, f64)> {
        position::from_comment(&self.header.comment).or_else(|| self.stage_mm())
    }

    /// The position by the stage coordinates alone.
    fn stage_mm(&self) -> Option<(f64, f64)> {
        let stage = &self.header.stage;
        let set = stage.state != 0;
        set.then(|| position::from_stage_inches(f64::from(stage.x_inches), f64::from(stage.y_inches))).flatten()
    }

    /// The sub-aperture of this file under the given name.
    #[must_use]
    pub fn into_sub_aperture(self, name: &str) -> SubAperture {
        let (position_mm, stage_mm) = (self.position_mm(), self.stage_mm());
        let Self { header, map, intensity } = self;
        let text = |text: String| (!text.is_empty()).then_some(text);
        SubAperture {
            name: name.to_owned(),
            map,
            window: window(&header.phase),
            position_mm,
            intensity,
            instrument: Instrument {
                format: format!("MetroPro .dat (format {})", header.format),
                wavelength_nm: Some(f64::from(header.wavelength_m) * NM_PER_M),
                scale_factor: Some(f64::from(header.scale_factor)),
                acquired_unix: (header.time_stamp > 0).then_some(i64::from(header.time_stamp)),
                comment: text(header.comment),
                objective: text(header.objective_name),
                part: text(header.part_name),
                stage_mm,
            },
        }
    }
}

/// Height of one step of the stored integers, nm.
pub(crate) fn nm_per_step(header: &MetroProHeader) -> Result<f64, FormatError> {
    let wavelength_m = f64::from(header.wavelength_m);
    let (scale, obliquity) = (f64::from(header.scale_factor), f64::from(header.obliquity_factor));
    nm_per_step_of(wavelength_m, scale, obliquity, header.phase_resolution)
}

/// The same from the four numbers; the text formats of Zygo use it, too.
pub(crate) fn nm_per_step_of(wavelength_m: f64, scale: f64, obliquity: f64, code: i16) -> Result<f64, FormatError> {
    let wavelength = FormatError::check_factor("wavelength", wavelength_m)?;
    let scale = FormatError::check_factor("interferometric scale factor", scale)?;
    let obliquity = FormatError::check_factor("obliquity factor", obliquity)?;
    let steps = match code {
        0 => 4096.0,
        1 => 32768.0,
        2 => 131_072.0,
        code => return Err(FormatError::PhaseResolution { code }),
    };
    Ok(scale * obliquity * wavelength / steps * NM_PER_M)
}

/// Where the heights lie in the camera.
fn window(phase: &PhaseWindow) -> DetectorWindow {
    DetectorWindow { column: i64::from(phase.column), row: i64::from(phase.row) }
}

/// The mean over the frames, cut to the map; `None` if the header does not tell their shape.
fn mean_intensity(stored: &[u8], header: &MetroProHeader, shape: (usize, usize)) -> Option<Array2<f32>> {
    let block = &header.intensity;
    let count = |n: i16| usize::try_from(n).ok().filter(|n| *n > 0);
    let (columns, rows, frames) = (count(block.width)?, count(block.height)?, count(block.frames)?);
    let counts = stored.as_chunks::<2>().0;
    if counts.len() != columns * rows * frames {
        return None;
    }
    let value = |row: usize, column: usize| {
        let of_frame = |frame: usize| {
            let stored = counts.get((frame * rows + row) * columns + column)?;
            Some(u16::from_be_bytes(*stored)).filter(|counts| *counts != NO_INTENSITY).map(f64::from)
        };
        intensity::mean((0..frames).map(of_frame))
    };
    let frame = Frame { column: i64::from(block.column), row: i64::from(block.row), columns, rows };
    intensity::onto_map(frame, window(&header.phase), shape, value)
}

/// Rows and columns of the heights, both at least 1.
fn shape(phase: &PhaseWindow) -> Result<(u64, u64), FormatError> {
    let count = |n: i16| u64::try_from(n).ok().filter(|n| *n > 0);
    match (count(phase.height), count(phase.width)) {
        (Some(rows), Some(columns)) => Ok((rows, columns)),
        _ => Err(FormatError::NoHeights { columns: i64::from(phase.width), rows: i64::from(phase.height) }),
    }
}

/// The bytes of the intensity frames and of the heights behind them, the latter exactly as long as the map needs.
fn stored_blocks<'b>(
    bytes: &'b [u8],
    header: &MetroProHeader,
    rows: u64,
    columns: u64,
) -> Result<(&'b [u8], &'b [u8]), FormatError> {
    let needed = rows * columns * BYTES_PER_HEIGHT;
    let announced = header.phase.bytes;
    if announced != 0 && i64::from(announced) != needed as i64 {
        return Err(FormatError::Contradiction {
            what: "the heights",
            expected: needed,
            announced: i64::from(announced),
        });
    }
    let header_bytes = u64::from(header.header_size);
    let body = bytes
        .get(header_bytes as usize..)
        .ok_or(FormatError::HeaderTruncated { needed: header_bytes, found: bytes.len() as u64 })?;
    let available = body.len() as u64;
    let skip = intensity_bytes(&header.intensity, available, needed)?;
    let (frames, rest) = body
        .split_at_checked(usize::try_from(skip).unwrap_or(usize::MAX))
        .ok_or(FormatError::IntensityTruncated { announced: skip, found: available })?;
    let truncated = FormatError::HeightsTruncated { columns, rows, needed, found: rest.len() as u64 };
    Ok((frames, rest.get(..needed as usize).ok_or(truncated)?))
}

/// Bytes of intensity before the heights. The header tells it twice, as a byte count and as pixels; Mx leaves one of
/// them at zero in processed data. Where the two differ, the one that makes the file end with the last height counts.
fn intensity_bytes(block: &IntensityBlock, available: u64, heights: u64) -> Result<u64, FormatError> {
    let cannot_be = FormatError::IntensitySize {
        columns: i64::from(block.width),
        rows: i64::from(block.height),
        frames: i64::from(block.frames),
        bytes: i64::from(block.bytes),
    };
    let sizes = [block.width, block.height, block.frames].map(u64::try_from);
    let ([Ok(width), Ok(height), Ok(frames)], Ok(counted)) = (sizes, u64::try_from(block.bytes)) else {
        return Err(cannot_be);
    };
    let computed = width * height * frames * BYTES_PER_INTENSITY;
    let fits = |intensity: u64| intensity + heights == available;
    if computed == counted || fits(computed) {
        Ok(computed)
    } else if fits(counted) {
        Ok(counted)
    } else {
        Err(FormatError::Contradiction {
            what: "the intensity frames",
            expected: computed,
            announced: i64::from(block.bytes),
        })
    }
}

/// Lateral resolution in m/px to the pixel size; zero, negative and non-numbers mean "not calibrated".
fn pixel_size(metres: f32) -> Option<PixelSize> {
    let mm = f64::from(metres) * 1e3;
    (mm.is_finite() && mm > 0.0).then_some(PixelSize { x_mm: mm, y_mm: mm })
}
