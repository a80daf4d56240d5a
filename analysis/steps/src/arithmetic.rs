//! Arithmetic with maps of one shape: average, add, subtract, multiply.

use ndarray::{Array2, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{FileName, HeightMap};

use crate::remove::{Remove, Shape};
use crate::{StepError, SurfaceTerm};

/// Averages several maps pixel by pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Average {
    /// Shapes fitted and removed from each map first, because they differ from one measurement to the next. Default: none.
    pub remove: Vec<SurfaceTerm>,
    /// How many maps must be valid at a pixel for it to be valid in the average. Default: 1.
    pub at_least: u32,
}

impl Default for Average {
    fn default() -> Self {
        Self { remove: Vec::new(), at_least: 1 }
    }
}

/// What [`Average`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Averaged {
    /// The mean of the maps that are valid at each pixel.
    pub mean: HeightMap,
    /// Standard deviation of one map at each pixel (with n - 1), nm; 0 where fewer than two maps are valid.
    pub deviation_nm: Array2<f64>,
    /// How many maps were valid at each pixel.
    pub count: Array2<u32>,
    /// Root mean square of `deviation_nm` over the pixels with at least two maps: the repeatability of one map, nm.
    pub repeatability_nm: Option<f64>,
}

/// Subtracts another map, pixel by pixel; valid where both are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subtract {
    /// The file with the other map.
    pub file: FileName,
}

/// Adds another map, pixel by pixel; valid where both are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The file with the other map.
    pub file: FileName,
}

/// Multiplies all heights by a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Multiply {
    /// The number; -1 turns hills into valleys.
    pub factor: f64,
}

impl Average {
    /// Averages.
    ///
    /// # Errors
    /// [`StepError::Shapes`] and [`StepError::PixelSizes`] where the maps differ, [`StepError::NothingLeft`] without a
    /// map or a valid pixel, and the errors of [`Remove::apply`].
    pub fn apply(&self, maps: &[&HeightMap]) -> Result<Averaged, StepError> {
        const STEP: &str = "average";
        let first = maps.first().ok_or(StepError::NothingLeft { step: STEP })?;
        let known = maps.iter().find(|map| map.pixel().is_some()).unwrap_or(first);
        for map in maps {
            check_alike(STEP, known, map)?;
        }
        let leveled;
        let mut list: Vec<&HeightMap> = maps.to_vec();
        if !self.remove.is_empty() {
            let remove = Remove::shape(Shape::Terms(self.remove.clone()));
            leveled = maps.iter().map(|map| Ok(remove.apply(map)?.map)).collect::<Result<Vec<_>, StepError>>()?;
            list = leveled.iter().collect();
        }
        // Mean and sum of squares updated map by map (Welford), so that a large mean costs no digits.
        let mut mean = Array2::<f64>::zeros(first.shape());
        let mut squares = Array2::<f64>::zeros(first.shape());
        let mut count = Array2::<u32>::zeros(first.shape());
        for map in list {
            Zip::from(&mut mean).and(&mut squares).and(&mut count).and(map.heights_nm()).and(map.valid()).par_for_each(
                |mean, square, count, height, valid| {
                    if *valid {
                        *count += 1;
                        let before = height - *mean;
                        *mean += before / f64::from(*count);
                        *square += before * (height - *mean);
                    }
                },
            );
        }
        let valid = count.mapv(|n| n >= self.at_least.max(1));
        let (mut sum, mut pixels) = (0.0, 0usize);
        Zip::from(&mut squares).and(&count).for_each(|square, count| {
            *square = if *count > 1 { (*square / f64::from(*count - 1)).sqrt() } else { 0.0 };
            if *count > 1 {
                sum += *square * *square;
                pixels += 1;
            }
        });
        if !valid.iter().any(|v| *v) {
            return Err(StepError::NothingLeft { step: STEP });
        }
        let repeatability_nm = (pixels > 0).then(|| (sum / pixels as f64).sqrt());
        let mean = HeightMap::new(mean, valid, known.pixel())?;
        Ok(Averaged { mean, deviation_nm: squares, count, repeatability_nm })
    }
}

impl Subtract {
    /// `map` minus `other`.
    ///
    /// # Errors
    /// [`StepError::Shapes`] and [`StepError::PixelSizes`] where the maps differ.
    pub fn apply(&self, map: &HeightMap, other: &HeightMap) -> Result<HeightMap, StepError> {
        combine("subtract", map, other, |a, b| a - b)
    }
}

impl Add {
    /// `map` plus `other`.
    ///
    /// # Errors
    /// [`StepError::Shapes`] and [`StepError::PixelSizes`] where the maps differ.
    pub fn apply(&self, map: &HeightMap, other: &HeightMap) -> Result<HeightMap, StepError> {
        combine("add", map, other, |a, b| a + b)
    }
}

impl Multiply {
    /// `map` times the factor.
    ///
    /// # Errors
    /// [`StepError::Parameter`] if the factor is not finite.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        if !self.factor.is_finite() {
            let (step, value, why) = ("multiply", self.factor.to_string(), "it is a finite number");
            return Err(StepError::Parameter { step, parameter: "factor", value, why });
        }
        let (heights, valid, pixel) = map.clone().into_parts();
        Ok(HeightMap::new(heights * self.factor, valid, pixel)?)
    }
}

fn combine(
    step: &'static str,
    a: &HeightMap,
    b: &HeightMap,
    operation: impl Fn(f64, f64) -> f64,
) -> Result<HeightMap, StepError> {
    check_alike(step, a, b)?;
    let (mut heights, mut valid, pixel) = a.clone().into_parts();
    Zip::from(&mut heights).and(b.heights_nm()).for_each(|a, b| *a = operation(*a, *b));
    Zip::from(&mut valid).and(b.valid()).for_each(|a, b| *a &= *b);
    Ok(HeightMap::new(heights, valid, pixel.or(b.pixel()))?)
}

/// Two maps that are to be combined pixel by pixel have one shape and, as far as known, one pixel size.
fn check_alike(step: &'static str, a: &HeightMap, b: &HeightMap) -> Result<(), StepError> {
    let ((r1, c1), (r2, c2)) = (a.shape(), b.shape());
    if (r1, c1) != (r2, c2) {
        return Err(StepError::Shapes { step, first: [r1, c1], second: [r2, c2] });
    }
    if let (Some(a), Some(b)) = (a.pixel(), b.pixel()) {
        let differ = |a: f64, b: f64| (a - b).abs() > 1e-6 * a.abs();
        if differ(a.x_mm, b.x_mm) || differ(a.y_mm, b.y_mm) {
            return Err(StepError::PixelSizes { step });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use stitchbox_surface::PixelSize;

    fn map(heights: Array2<f64>) -> HeightMap {
        HeightMap::from_heights_nm(heights, None)
    }

    #[test]
    fn an_average_counts_only_what_is_valid() {
        let (a, b, c) =
            (map(array![[1.0, 10.0, f64::NAN]]), map(array![[2.0, f64::NAN, f64::NAN]]), map(array![[6.0, 14.0, 5.0]]));
        let averaged = Average::default().apply(&[&a, &b, &c]).unwrap();
        assert_eq!(averaged.mean.heights_nm(), &array![[3.0, 12.0, 5.0]]);
        assert_eq!(averaged.count, array![[3, 2, 1]]);
        assert!((averaged.deviation_nm[[0, 0]] - 7.0f64.sqrt()).abs() < 1e-12);
        assert!((averaged.deviation_nm[[0, 1]] - 8.0f64.sqrt()).abs() < 1e-12 && averaged.deviation_nm[[0, 2]] == 0.0);
        assert!((averaged.repeatability_nm.unwrap() - 7.5f64.sqrt()).abs() < 1e-12);
        let strict = Average { at_least: 2, ..Average::default() }.apply(&[&a, &b, &c]).unwrap();
        assert_eq!(strict.mean.valid(), &array![[true, true, false]]);
    }

    #[test]
    fn shapes_that_drift_are_taken_off_each_map() {
        let bump = |r: usize, c: usize| if (r, c) == (3, 4) { 40.0 } else { 0.0 };
        let tilted = |piston: f64, tilt: f64| {
            map(Array2::from_shape_fn((9, 11), |(r, c)| piston + tilt * c as f64 + bump(r, c)))
        };
        let (a, b) = (tilted(1e4, 3.0), tilted(-50.0, -7.0));
        let average = Average { remove: vec![SurfaceTerm::Piston, SurfaceTerm::TiltX], at_least: 1 };
        assert!(average.apply(&[&a, &b]).unwrap().repeatability_nm.unwrap() < 1e-9);
        assert!(Average::default().apply(&[&a, &b]).unwrap().repeatability_nm.unwrap() > 1e3);
    }

    #[test]
    fn difference_sum_and_product() {
        let (a, b) = (map(array![[5.0, 6.0]]), map(array![[1.0, f64::NAN]]));
        let file: FileName = "other.h5".parse().unwrap();
        assert_eq!(Subtract { file: file.clone() }.apply(&a, &b).unwrap().heights_nm(), &array![[4.0, 0.0]]);
        assert_eq!(Add { file }.apply(&a, &b).unwrap().valid(), &array![[true, false]]);
        assert_eq!(Multiply { factor: -2.0 }.apply(&a).unwrap().heights_nm(), &array![[-10.0, -12.0]]);
        assert!(Multiply { factor: f64::NAN }.apply(&a).is_err());
    }

    #[test]
    fn maps_that_do_not_match_are_refused() {
        let (a, b) = (map(array![[5.0, 6.0]]), map(array![[5.0], [6.0]]));
        let subtract = Subtract { file: "other.h5".parse().unwrap() };
        let shapes = StepError::Shapes { step: "subtract", first: [1, 2], second: [2, 1] };
        assert_eq!(subtract.apply(&a, &b).unwrap_err(), shapes);
        let sized = |x_mm| a.clone().with_pixel(Some(PixelSize { x_mm, y_mm: 1.0 }));
        assert_eq!(subtract.apply(&sized(1.0), &sized(1.1)).unwrap_err(), StepError::PixelSizes { step: "subtract" });
        assert!(subtract.apply(&sized(1.0), &a).is_ok(), "an unknown pixel size may be any");
    }
}
