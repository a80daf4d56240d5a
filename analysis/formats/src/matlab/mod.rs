//! MATLAB files of version 5 (`save -v6`, `-v7`): their real numeric arrays, plain or compressed. Those of version 7.3
//! are HDF5 and not read here.
//!
//! A file has no units. The names of XMF's mirror files (nsls2omf/xmf) are understood as a measurement, in metres and
//! radian: `x2d`, `y2d`, `z2d` a map; `x1d` with `sx1d` slopes or with `z1d` heights. Everything else is for
//! [`read_matlab`].

mod elements;

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, Instrument, Profile, ProfileKind, SubAperture};

use crate::{FormatError, Gives, Limits, Measurement, ReaderInfo, TableError, raster};

const FORMAT: &str = "MATLAB .mat";
const SIGNATURE: &[u8] = b"MATLAB 5.0 MAT-file";
const HEADER: usize = 128;
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;
const URAD_PER_RAD: f64 = 1e6;
/// Farthest a coordinate may lie from an even grid, in steps.
const TOLERANCE: f64 = 1e-3;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "matlab",
    name: FORMAT,
    extensions: &["mat"],
    mime: "application/x-matlab-data",
    versions: "version 5, numeric arrays, with the names of XMF (x2d y2d z2d; x1d and sx1d or z1d)",
    gives: Gives::Map,
    writes: false,
};

/// A real numeric array of a MATLAB file.
#[derive(Debug, Clone, PartialEq)]
pub struct MatlabArray {
    /// Name of the variable.
    pub name: String,
    /// Its values as `[row, column]`; an array of more dimensions has them all in the columns. Values that are not
    /// finite are kept as they are.
    pub values: Array2<f64>,
}

/// Whether the bytes begin like such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// All real numeric arrays of a file, in its order; variables of other kinds (texts, structures, cells, complex) are
/// passed over. All arrays together may have `limits.max_pixels` values.
///
/// # Errors
/// [`FormatError`] if it is no MATLAB file of version 5 or a damaged one.
pub fn read_matlab(bytes: &[u8], limits: &Limits) -> Result<Vec<MatlabArray>, FormatError> {
    let found = bytes.len() as u64;
    if found > limits.max_file_bytes {
        return Err(FormatError::FileTooLarge { bytes: found, limit: limits.max_file_bytes });
    }
    if !recognises(bytes) {
        return Err(FormatError::unknown_signature(bytes));
    }
    let head = bytes.get(..HEADER).ok_or(FormatError::HeaderTruncated { needed: HEADER as u64, found })?;
    let big_endian = match head.get(126..) {
        Some(b"IM") => false,
        Some(b"MI") => true,
        _ => return Err(FormatError::malformed(FORMAT, "its header", "does not tell the order of the bytes")),
    };
    elements::arrays(bytes.get(HEADER..).unwrap_or_default(), big_endian, limits)
}

/// Reads the map or profile of an XMF file.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let arrays = read_matlab(bytes, limits)?;
    let array = |name: &str| arrays.iter().find(|array| array.name == name).map(|array| &array.values);
    let instrument = Instrument { format: FORMAT.to_owned(), ..Instrument::default() };
    if let (Some(x), Some(y), Some(z)) = (array("x2d"), array("y2d"), array("z2d")) {
        if x.dim() != z.dim() || y.dim() != z.dim() {
            return Err(FormatError::malformed(FORMAT, "x2d, y2d and z2d", "differ in shape"));
        }
        let (rows, columns) = z.dim();
        raster::admit(rows as u64, columns as u64, 0, 0, limits)?;
        // x along a row, y along a column: the first ones stand for all if all are like them.
        let uneven =
            || FormatError::unsupported(FORMAT, "coordinates that make no even grid", "save it on a regular grid");
        let x_step = even(x.row(0).iter().copied(), columns).ok_or_else(uneven)?;
        let y_step = even(y.column(0).iter().copied(), rows).ok_or_else(uneven)?;
        let (x0, y0) = (x.first().copied().unwrap_or(0.0), y.first().copied().unwrap_or(0.0));
        let fits = |at: usize, first: f64, step: f64, value: f64| {
            step == 0.0 || (value - first - at as f64 * step).abs() <= TOLERANCE * step.abs()
        };
        let on_grid = x.indexed_iter().all(|((_, column), value)| fits(column, x0, x_step, *value))
            && y.indexed_iter().all(|((row, _), value)| fits(row, y0, y_step, *value));
        if !on_grid {
            return Err(uneven());
        }
        let pixel = raster::pixel_mm(x_step.abs() * MM_PER_M, y_step.abs() * MM_PER_M);
        let heights = z.iter().map(|height| height.is_finite().then_some(height * NM_PER_M));
        return Ok(Measurement::Map(SubAperture {
            name: name.to_owned(),
            map: raster::fill(rows, columns, heights, pixel)?,
            window: DetectorWindow { column: 0, row: 0 },
            position_mm: Some((x0 * MM_PER_M, y0 * MM_PER_M)),
            intensity: None,
            instrument,
        }));
    }
    let slopes = array("sx1d").map(|values| (values, ProfileKind::SlopeUrad, URAD_PER_RAD));
    let values = slopes.or_else(|| array("z1d").map(|values| (values, ProfileKind::HeightNm, NM_PER_M)));
    let (Some(x), Some((values, kind, factor))) = (array("x1d"), values) else {
        let names = arrays.iter().take(8).map(|array| array.name.as_str()).collect::<Vec<_>>().join(", ");
        let what = format!("variables ({names}) that are not called x2d, y2d, z2d or x1d with sx1d or z1d");
        return Err(FormatError::unsupported(FORMAT, what, "rename them, or export the map as HDF5 or text"));
    };
    let scaled = |values: &Array2<f64>, factor: f64| values.iter().map(|value| value * factor).collect::<Vec<_>>();
    let profile = Profile::new(&scaled(x, MM_PER_M), &scaled(values, factor), kind).map_err(TableError::from)?;
    Ok(Measurement::Profile(Profile { name: name.to_owned(), instrument, ..profile }))
}

/// The step of evenly spaced coordinates; 0 for one alone.
fn even(mut coordinates: impl Iterator<Item = f64> + Clone, count: usize) -> Option<f64> {
    let last = coordinates.clone().last()?;
    let first = coordinates.next()?;
    let step = if count > 1 { (last - first) / (count - 1) as f64 } else { 0.0 };
    (step.is_finite() && (step != 0.0 || count == 1)).then_some(step)
}
