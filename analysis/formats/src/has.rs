//! Imagine Optic HASO and SHARPeR, `.has`: XML with several roots, of which `haso_slopes_process_manager/raw_slopes` holds
//! wavefront slopes (mrad) as text. The mirror's slopes are minus half of them: the light is reflected once.

mod document;
mod motors;

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, Instrument, PixelSize, SlopeSubAperture};

use crate::text;
use crate::{FormatError, Gives, Limits, ReaderInfo};
use document::Document;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "has",
    name: "HASO .has",
    extensions: &["has"],
    mime: "application/x-haso+xml",
    versions: "XML with raw slopes",
    gives: Gives::Slopes,
    writes: false,
};

/// Element that holds the slopes, and the one around it in genuine files.
const RAW_SLOPES: &str = "raw_slopes";
const MANAGER: &str = "haso_slopes_process_manager";

/// Mirror slope (microradian) for one unit of wavefront slope (mrad).
const URAD_PER_WAVEFRONT_MRAD: f64 = -0.5 * 1e3;
const MM_PER_UM: f64 = 1e-3;

/// Whether the bytes are XML that names the element of slopes or its manager.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    text.starts_with(b"<") && [MANAGER, RAW_SLOPES].iter().any(|name| opens(text, name))
}

/// Whether an element of this name is opened anywhere.
fn opens(text: &[u8], name: &str) -> bool {
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'<');
    starts.filter_map(|(at, _)| text.get(at + 1..)).any(|rest| {
        let behind = rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.first());
        behind.is_some_and(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace())
    })
}

/// Reads a `.has` file: slopes of the mirror along x and, where they are there, y.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SlopeSubAperture, FormatError> {
    let text = text::decode(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let document = Document::read(&text, limits)?;
    let missing = |what: &str| FormatError::malformed(INFO.name, "its raw_slopes", format!("have no {what}"));
    let (columns, rows) = document.size[0].zip(document.size[1]).ok_or_else(|| missing("size x and y"))?;
    if rows == 0 || columns == 0 {
        return Err(FormatError::NoHeights { columns: columns as i64, rows: rows as i64 });
    }
    let too_large = FormatError::MapTooLarge { columns: columns as u64, rows: rows as u64, limit: limits.max_pixels };
    let pixels = limits.admit(rows as u64, columns as u64).ok_or(too_large)?;
    let shaped = |values: Vec<f64>, what: &str| {
        let found = values.len();
        Array2::from_shape_vec((rows, columns), values).map_err(|_| {
            let problem = format!("have {found} values where their size of {columns} x {rows} needs {pixels}");
            FormatError::malformed(INFO.name, format!("its {what}"), problem)
        })
    };
    let mut x_urad = shaped(document.x_slopes.ok_or_else(|| missing("x_slopes"))?, "x_slopes")?;
    let mut y_urad = document.y_slopes.map(|values| shaped(values, "y_slopes")).transpose()?;
    let mut valid = match document.pupil {
        Some(pupil) => shaped(pupil, "pupil values")?.mapv(|inside| inside != 0.0),
        None => Array2::from_elem((rows, columns), true),
    };
    for slopes in [Some(&mut x_urad), y_urad.as_mut()].into_iter().flatten() {
        for (slope, valid) in slopes.iter_mut().zip(&mut valid) {
            *valid &= slope.is_finite();
            *slope *= URAD_PER_WAVEFRONT_MRAD;
        }
    }
    for slopes in [Some(&mut x_urad), y_urad.as_mut()].into_iter().flatten() {
        for (slope, valid) in slopes.iter_mut().zip(&valid) {
            *slope = if *valid { *slope } else { 0.0 };
        }
    }
    let positive = |um: f64| (um.is_finite() && um > 0.0).then_some(um * MM_PER_UM);
    let step = document.step.map(|step| step.and_then(positive));
    let pixel = step[0].zip(step[1]).map(|(x_mm, y_mm)| PixelSize { x_mm, y_mm });
    let text = |text: String| (!text.is_empty()).then_some(text);
    Ok(SlopeSubAperture {
        name: name.to_owned(),
        x_urad,
        y_urad,
        valid,
        pixel,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: motors::position(&document.comments),
        instrument: Instrument {
            format: INFO.name.to_owned(),
            comment: text(document.comments),
            part: None,
            ..Instrument::default()
        },
    })
}
