//! Where everything lies, in whole pixels: positions are rounded, as the older programs do.

use std::borrow::Cow;

use stitchbox_stitch::Placed;
use stitchbox_surface::PixelSize;

use crate::CrossCheckError;

/// Pixel sizes of one series agree to this fraction.
const PIXEL_AGREEMENT: f64 = 1e-4;
/// A position this far from a whole pixel is worth a warning, px.
const ROUNDED_PX: f64 = 0.02;
/// No position and no window is farther from zero, px.
const FARTHEST_PX: f64 = 1e9;
/// Pixels at most of the camera frame, and of the stitched map.
const MOST_CAMERA_PIXELS: u64 = 1 << 26;
const MOST_MAP_PIXELS: u64 = 1 << 28;

/// One sub-aperture, in map and camera.
#[derive(Debug)]
pub(crate) struct Plate<'a> {
    /// Heights, nm, row by row.
    heights: Cow<'a, [f64]>,
    /// What was measured.
    valid: Cow<'a, [bool]>,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Row and column in the map of its row 0, column 0.
    pub map: (usize, usize),
    /// Row and column in the camera frame of its row 0, column 0.
    pub camera: (usize, usize),
    /// Valid pixels.
    pub count: usize,
}

impl Plate<'_> {
    /// Heights (nm) and validity of one of its rows.
    pub fn row(&self, row: usize) -> (&[f64], &[bool]) {
        let range = row * self.shape.1..(row + 1) * self.shape.1;
        (&self.heights[range.clone()], &self.valid[range])
    }

    /// Its row on map row `row`, if it has one.
    pub fn row_at_map(&self, row: usize) -> Option<usize> {
        row.checked_sub(self.map.0).filter(|r| *r < self.shape.0)
    }
}

/// The series in whole pixels.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    pub plates: Vec<Plate<'a>>,
    /// Rows and columns of the map.
    pub map: (usize, usize),
    /// Rows and columns of the camera frame.
    pub camera: (usize, usize),
    pub pixel: PixelSize,
    /// Mirror x and y of the map's column 0, row 0, mm.
    pub origin_mm: (f64, f64),
    /// Sub-apertures that lay between pixels and were rounded.
    pub rounded: usize,
}

impl<'a> Layout<'a> {
    /// Places a series of at least two sub-apertures.
    pub fn new(series: &'a [Placed]) -> Result<Self, CrossCheckError> {
        if series.len() < 2 {
            return Err(CrossCheckError::TooFew { count: series.len() });
        }
        let pixel = pixel_size(series)?;
        let base = (series[0].x_mm / pixel.x_mm, series[0].y_mm / pixel.y_mm);
        let mut places = Vec::with_capacity(series.len());
        let mut rounded = 0;
        for p in series {
            let window = p.sub_aperture.window;
            let step = (p.x_mm / pixel.x_mm - base.0, p.y_mm / pixel.y_mm - base.1);
            let near = |v: f64| v.abs() <= FARTHEST_PX;
            if !(near(step.0) && near(step.1) && near(window.row as f64) && near(window.column as f64)) {
                let file = p.sub_aperture.name.clone();
                return Err(CrossCheckError::AbsurdPosition { file, x_mm: p.x_mm, y_mm: p.y_mm });
            }
            let whole = (step.0.round_ties_even(), step.1.round_ties_even());
            rounded += usize::from((step.0 - whole.0).abs() > ROUNDED_PX || (step.1 - whole.1).abs() > ROUNDED_PX);
            places.push((whole.1 as i64 + window.row, whole.0 as i64 + window.column));
        }
        let shapes: Vec<(usize, usize)> = series.iter().map(|p| p.sub_aperture.map.shape()).collect();
        let windows: Vec<(i64, i64)> =
            series.iter().map(|p| (p.sub_aperture.window.row, p.sub_aperture.window.column)).collect();
        let (camera, camera_at) = frame("camera frame", &windows, &shapes, MOST_CAMERA_PIXELS)?;
        let (map, map_at) = frame("stitched map", &places, &shapes, MOST_MAP_PIXELS)?;
        let mut plates = Vec::with_capacity(series.len());
        for (k, p) in series.iter().enumerate() {
            let measured = &p.sub_aperture.map;
            if measured.valid_count() == 0 {
                return Err(CrossCheckError::NoValidPixels { file: p.sub_aperture.name.clone() });
            }
            let from = |at: (i64, i64), origin: (i64, i64)| ((at.0 - origin.0) as usize, (at.1 - origin.1) as usize);
            plates.push(Plate {
                heights: match measured.heights_nm().as_slice() {
                    Some(heights) => Cow::Borrowed(heights),
                    None => Cow::Owned(measured.heights_nm().iter().copied().collect()),
                },
                valid: match measured.valid().as_slice() {
                    Some(valid) => Cow::Borrowed(valid),
                    None => Cow::Owned(measured.valid().iter().copied().collect()),
                },
                shape: shapes[k],
                map: from(places[k], map_at),
                camera: from(windows[k], camera_at),
                count: measured.valid_count(),
            });
        }
        let origin_mm = (series[0].x_mm + map_at.1 as f64 * pixel.x_mm, series[0].y_mm + map_at.0 as f64 * pixel.y_mm);
        Ok(Self { plates, map, camera, pixel, origin_mm, rounded })
    }

    /// Mirror x of a map column, mm from the centre of the map.
    pub fn x(&self, column: f64) -> f64 {
        (column - (self.map.1 as f64 - 1.0) / 2.0) * self.pixel.x_mm
    }

    /// Mirror y of a map row, mm from the centre of the map.
    pub fn y(&self, row: f64) -> f64 {
        (row - (self.map.0 as f64 - 1.0) / 2.0) * self.pixel.y_mm
    }
}

/// The rectangle that all parts span: its shape, and where it begins.
#[expect(clippy::type_complexity, reason = "two pairs: shape and place")]
fn frame(
    what: &'static str,
    places: &[(i64, i64)],
    shapes: &[(usize, usize)],
    most: u64,
) -> Result<((usize, usize), (i64, i64)), CrossCheckError> {
    let span = |starts: &mut dyn Iterator<Item = (i64, usize)>| {
        starts.fold((i64::MAX, i64::MIN), |(low, high), (start, length)| {
            (low.min(start), high.max(start.saturating_add(length as i64)))
        })
    };
    let (top, bottom) = span(&mut places.iter().zip(shapes).map(|(p, s)| (p.0, s.0)));
    let (left, right) = span(&mut places.iter().zip(shapes).map(|(p, s)| (p.1, s.1)));
    let (rows, columns) = (bottom.abs_diff(top), right.abs_diff(left));
    if rows.saturating_mul(columns) > most {
        return Err(CrossCheckError::TooLarge { what, rows, columns });
    }
    Ok(((rows as usize, columns as usize), (top, left)))
}

fn pixel_size(series: &[Placed]) -> Result<PixelSize, CrossCheckError> {
    let mut first: Option<(PixelSize, &str)> = None;
    for p in series {
        let name = &p.sub_aperture.name;
        let usable = |s: &PixelSize| [s.x_mm, s.y_mm].iter().all(|v| v.is_finite() && *v > 0.0);
        let Some(size) = p.sub_aperture.map.pixel().filter(usable) else {
            return Err(CrossCheckError::NoLateralCalibration { file: name.clone() });
        };
        let (expected, first_name) = *first.get_or_insert((size, name));
        let agree = |a: f64, b: f64| (a - b).abs() <= PIXEL_AGREEMENT * b;
        if !(agree(size.x_mm, expected.x_mm) && agree(size.y_mm, expected.y_mm)) {
            return Err(CrossCheckError::PixelSizesDiffer { first: first_name.to_owned(), second: name.clone() });
        }
    }
    first.map(|(size, _)| size).ok_or(CrossCheckError::TooFew { count: 0 })
}
