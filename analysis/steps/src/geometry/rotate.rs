//! Turns a map about its centre.

use ndarray::{Array2, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Angle;
use stitchbox_surface::{HeightMap, PixelSize};

use super::at_point;
use crate::StepError;
use crate::frame::{parameter_error, pixel_size};

/// Turns a map about its centre, from +x towards +y (clockwise as stored, with row 0 on top).
///
/// Multiples of 90 degrees move the pixels exactly (rows and columns change places, and with them the pixel sizes).
/// Any other angle keeps shape and pixel size and interpolates with cubic convolution; what comes from outside of the
/// map, or from beside an invalid pixel, is invalid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Angle of rotation, for instance `"90 deg"` or `"-2 mrad"`.
    pub angle: Angle,
}

/// Angles this close (radian) to a multiple of 90 degrees are that multiple: 1e-9 moves the edge of a map of 1e6 px by
/// a thousandth of a pixel.
const EXACT: f64 = 1e-9;

impl Rotate {
    /// The turned map.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`] for an angle that is not a multiple of 90 degrees, where the pixel size is not
    /// known; [`StepError::Parameter`] for an angle that is not finite.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let radian = self.angle.urad() * 1e-6;
        if !radian.is_finite() {
            let (parameter, allowed) = ("angle", "it must be a finite angle");
            return Err(parameter_error("rotate", parameter, radian, allowed));
        }
        let quarters = (radian / std::f64::consts::FRAC_PI_2).round();
        if (radian - quarters * std::f64::consts::FRAC_PI_2).abs() < EXACT {
            return by_quarters(map, quarters.rem_euclid(4.0) as u8);
        }
        by_angle(map, radian)
    }
}

fn by_quarters(map: &HeightMap, quarters: u8) -> Result<HeightMap, StepError> {
    let (mut heights, mut valid) = (map.heights_nm().view(), map.valid().view());
    let mut pixel = map.pixel();
    if quarters % 2 == 1 {
        heights = heights.reversed_axes();
        valid = valid.reversed_axes();
        pixel = pixel.map(|p| PixelSize { x_mm: p.y_mm, y_mm: p.x_mm });
    }
    let inverted: &[usize] = match quarters {
        0 => &[],
        1 => &[1],
        2 => &[0, 1],
        _ => &[0],
    };
    for axis in inverted {
        heights.invert_axis(ndarray::Axis(*axis));
        valid.invert_axis(ndarray::Axis(*axis));
    }
    let heights = Array2::from_shape_fn(heights.dim(), |at| heights[at]);
    let valid = Array2::from_shape_fn(valid.dim(), |at| valid[at]);
    Ok(HeightMap::new(heights, valid, pixel)?)
}

fn by_angle(map: &HeightMap, radian: f64) -> Result<HeightMap, StepError> {
    let pixel = pixel_size(map, "rotate")?;
    let (rows, columns) = map.shape();
    let (u0, v0) = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
    let (sin, cos) = libm::sincos(radian);
    let mut heights = Array2::zeros((rows, columns));
    let mut valid = Array2::from_elem((rows, columns), false);
    Zip::indexed(&mut heights).and(&mut valid).par_for_each(|(row, column), height, ok| {
        let (x, y) = ((column as f64 - u0) * pixel.x_mm, (row as f64 - v0) * pixel.y_mm);
        // Back to where the point came from.
        let (u, v) = ((cos * x + sin * y) / pixel.x_mm + u0, (cos * y - sin * x) / pixel.y_mm + v0);
        if let Some(value) = at_point(map.heights_nm().view(), map.valid().view(), u, v) {
            (*height, *ok) = (value, true);
        }
    });
    Ok(HeightMap::new(heights, valid, Some(pixel))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn degrees(angle: f64) -> Rotate {
        Rotate { angle: format!("{angle} deg").parse().unwrap() }
    }

    #[test]
    fn quarter_turns_move_pixels_exactly() {
        let pixel = Some(PixelSize { x_mm: 0.1, y_mm: 0.2 });
        let map = HeightMap::from_heights_nm(array![[1.0, 2.0, 3.0], [4.0, f64::NAN, 6.0]], pixel);
        let quarter = degrees(90.0).apply(&map).unwrap();
        // What lay at +x of the centre (3, 6) lies at +y, the bottom row.
        assert_eq!(quarter.heights_nm(), array![[4.0, 1.0], [0.0, 2.0], [6.0, 3.0]]);
        assert_eq!(quarter.valid(), array![[true, true], [false, true], [true, true]]);
        assert_eq!(quarter.pixel(), Some(PixelSize { x_mm: 0.2, y_mm: 0.1 }));
        let half = degrees(180.0).apply(&map).unwrap();
        assert_eq!(half.heights_nm(), array![[6.0, 0.0, 4.0], [3.0, 2.0, 1.0]]);
        assert_eq!(degrees(-90.0).apply(&quarter).unwrap(), map);
        assert_eq!(degrees(270.0).apply(&quarter).unwrap(), map);
        assert_eq!(degrees(-360.0).apply(&map).unwrap(), map);
    }

    #[test]
    fn any_angle_turns_a_quadratic_surface_exactly() {
        let pixel = PixelSize { x_mm: 0.1, y_mm: 0.25 };
        let surface = |x: f64, y: f64| 7.0 + 30.0 * x - 4.0 * y + 9.0 * x * x - 2.0 * x * y + 5.0 * y * y;
        let place = |r: usize, c: usize| ((c as f64 - 20.0) * pixel.x_mm, (r as f64 - 7.0) * pixel.y_mm);
        let heights = Array2::from_shape_fn((15, 41), |(r, c)| {
            let (x, y) = place(r, c);
            surface(x, y)
        });
        let turned = degrees(10.0).apply(&HeightMap::from_heights_nm(heights, Some(pixel))).unwrap();
        let (sin, cos) = (10f64.to_radians().sin(), 10f64.to_radians().cos());
        for ((r, c), ok) in turned.valid().indexed_iter() {
            let (x, y) = place(r, c);
            let (from_x, from_y) = (cos * x + sin * y, cos * y - sin * x);
            // Half a pixel beyond the last centre is the border; between the two nothing is promised.
            if from_x.abs() < 1.999 && from_y.abs() < 1.7499 {
                assert!(ok, "{r} {c}");
                assert!((turned.heights_nm()[[r, c]] - surface(from_x, from_y)).abs() < 1e-10, "{r} {c}");
            }
            if from_x.abs() > 2.06 || from_y.abs() > 1.88 {
                assert!(!ok, "{r} {c}");
            }
        }
        assert!(turned.valid_count() > 400);
        let unknown = HeightMap::from_heights_nm(Array2::zeros((3, 3)), None);
        assert!(matches!(degrees(1.0).apply(&unknown), Err(StepError::NoPixelSize { .. })));
    }
}
