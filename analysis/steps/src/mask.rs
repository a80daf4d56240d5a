//! Masks: which pixels stay valid.

use ndarray::Array2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::{Height, Length};
use stitchbox_surface::{HeightMap, fit_plane};

use crate::StepError;
use crate::extent::Extent;

/// Makes pixels invalid by their place or their height. Nothing becomes valid that was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Which pixels are meant.
    pub region: Region,
    /// Whether the pixels inside the region stay, or those outside. Default: `inside`.
    #[serde(default)]
    pub keep: Keep,
}

/// Which side of a region stays valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// What lies inside stays.
    #[default]
    Inside,
    /// What lies outside stays.
    Outside,
}

/// A set of pixels. Lengths are relative to the centre of the map: x with the columns, y down the rows. A pixel belongs
/// to a region if its centre does; edges belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Region {
    /// A rectangle along the axes.
    Rectangle {
        /// Its centre, x and y. Default: the centre of the map.
        #[serde(default = "origin")]
        centre: [Length; 2],
        /// Its full width along x and height along y.
        size: [Length; 2],
    },
    /// An ellipse along the axes; a circle if both sizes are alike.
    Ellipse {
        /// Its centre, x and y. Default: the centre of the map.
        #[serde(default = "origin")]
        centre: [Length; 2],
        /// Its full axes along x and y.
        size: [Length; 2],
    },
    /// A polygon; where its outline crosses itself, inside and outside alternate.
    Polygon {
        /// Its corners in order, x and y each; at least three.
        corners: Vec<[Length; 2]>,
    },
    /// Heights between two bounds, measured from the least-squares plane of the valid pixels.
    Threshold {
        /// The lowest height inside. Default: no bound.
        #[serde(default)]
        low: Option<Height>,
        /// The highest height inside. Default: no bound.
        #[serde(default)]
        high: Option<Height>,
    },
    /// What is at least a number of pixels away from every invalid pixel, diagonals counting as one: edge erosion.
    Erode {
        /// How many pixels are taken from each edge.
        pixels: u32,
        /// Whether the border of the map is an edge too. Default: no, only invalid pixels are.
        #[serde(default)]
        border: bool,
    },
}

fn origin() -> [Length; 2] {
    [Length::new(0.0); 2]
}

const STEP: &str = "mask";
/// Part of a pixel by which an edge meant to lie on pixel centres may miss them.
const SLACK: f64 = 1e-3;

impl Mask {
    /// The map with fewer valid pixels.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`] where lengths are given and the map has none, [`StepError::Parameter`] for a size that
    /// is not positive or a polygon with fewer than three corners, [`StepError::NothingLeft`] where no pixel stays valid.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let valid = self.kept(map)?;
        if !valid.iter().any(|v| *v) {
            return Err(StepError::NothingLeft { step: STEP });
        }
        Ok(HeightMap::new(map.heights_nm().clone(), valid, map.pixel())?)
    }

    /// The valid pixels that stay valid.
    ///
    /// # Errors
    /// As [`Mask::apply`], but it may be that none stays.
    pub fn kept(&self, map: &HeightMap) -> Result<Array2<bool>, StepError> {
        let mut inside = self.region.inside(map)?;
        let keep_inside = self.keep == Keep::Inside;
        for (inside, valid) in inside.iter_mut().zip(map.valid()) {
            *inside = *valid && *inside == keep_inside;
        }
        Ok(inside)
    }
}

impl Region {
    fn inside(&self, map: &HeightMap) -> Result<Array2<bool>, StepError> {
        match self {
            Self::Rectangle { centre, size } => {
                let [half_x, half_y] = half_sizes(size)?;
                let extent = Extent::in_mm(map, STEP)?;
                let (slack_x, slack_y) = (extent.pixel_x * SLACK, extent.pixel_y * SLACK);
                Ok(by_place(extent, |x, y| {
                    (x - centre[0].mm()).abs() <= half_x + slack_x && (y - centre[1].mm()).abs() <= half_y + slack_y
                }))
            }
            Self::Ellipse { centre, size } => {
                let [half_x, half_y] = half_sizes(size)?;
                Ok(by_place(Extent::in_mm(map, STEP)?, |x, y| {
                    let (a, b) = ((x - centre[0].mm()) / half_x, (y - centre[1].mm()) / half_y);
                    a * a + b * b <= 1.0 + 1e-9
                }))
            }
            Self::Polygon { corners } => polygon(Extent::in_mm(map, STEP)?, corners),
            Self::Threshold { low, high } => Ok(threshold(map, *low, *high)),
            Self::Erode { pixels, border } => Ok(away_from_edges(map.valid(), *pixels as usize, *border)),
        }
    }
}

fn half_sizes(size: &[Length; 2]) -> Result<[f64; 2], StepError> {
    for length in size {
        if length.mm() <= 0.0 {
            let why = "a size is greater than zero";
            return Err(StepError::Parameter { step: STEP, parameter: "size", value: length.to_string(), why });
        }
    }
    Ok(size.map(|length| length.mm() / 2.0))
}

fn by_place(extent: Extent, inside: impl Fn(f64, f64) -> bool + Sync) -> Array2<bool> {
    let mut mask = Array2::from_elem((extent.rows, extent.columns), false);
    mask.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, mut line)| {
        let y = extent.y(row);
        for (column, pixel) in line.iter_mut().enumerate() {
            *pixel = inside(extent.x(column), y);
        }
    });
    mask
}

/// Even-odd rule: along each row the outline is crossed at sorted places, between every other pair of them is inside.
fn polygon(extent: Extent, corners: &[[Length; 2]]) -> Result<Array2<bool>, StepError> {
    if corners.len() < 3 {
        let why = "a polygon has at least three";
        return Err(StepError::Parameter { step: STEP, parameter: "corners", value: corners.len().to_string(), why });
    }
    let corners: Vec<(f64, f64)> = corners.iter().map(|[x, y]| (x.mm(), y.mm())).collect();
    let mut mask = Array2::from_elem((extent.rows, extent.columns), false);
    mask.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, mut line)| {
        let y = extent.y(row);
        let following = corners.iter().cycle().skip(1);
        let mut crossings: Vec<f64> = corners
            .iter()
            .zip(following)
            .filter(|((_, y1), (_, y2))| (*y1 <= y) != (*y2 <= y))
            .map(|((x1, y1), (x2, y2))| x1 + (y - y1) / (y2 - y1) * (x2 - x1))
            .collect();
        crossings.sort_by(f64::total_cmp);
        let mut passed = 0;
        for (column, pixel) in line.iter_mut().enumerate() {
            let x = extent.x(column);
            while crossings.get(passed).is_some_and(|crossing| *crossing <= x) {
                passed += 1;
            }
            *pixel = passed % 2 == 1;
        }
        // Edges belong to it, whichever side of it they are.
        let to_column = |x: f64| x / extent.pixel_x + (extent.columns as f64 - 1.0) / 2.0;
        for (from, to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let Some((low, high)) = on_edge(*from, *to, y, extent.pixel_y * SLACK) else { continue };
            let first = (to_column(low) - SLACK).ceil().clamp(0.0, extent.columns as f64) as usize;
            let end = ((to_column(high) + SLACK).floor() + 1.0).clamp(0.0, extent.columns as f64) as usize;
            line.iter_mut().take(end).skip(first).for_each(|pixel| *pixel = true);
        }
    });
    Ok(mask)
}

/// The x from and to of the part of an edge that lies within `slack` of a row at `y`.
fn on_edge((x1, y1): (f64, f64), (x2, y2): (f64, f64), y: f64, slack: f64) -> Option<(f64, f64)> {
    if y1.min(y2) > y + slack || y1.max(y2) < y - slack {
        return None;
    }
    let at = |level: f64| x1 + ((level - y1) / (y2 - y1)).clamp(0.0, 1.0) * (x2 - x1);
    let (a, b) = if y1 == y2 { (x1, x2) } else { (at(y - slack), at(y + slack)) };
    (a.is_finite() && b.is_finite()).then_some((a.min(b), a.max(b)))
}

fn threshold(map: &HeightMap, low: Option<Height>, high: Option<Height>) -> Array2<bool> {
    let (rows, columns) = map.shape();
    let (u0, v0) = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
    // A single line of pixels has no plane; its mean is the best there is.
    let mean = || map.heights_nm().sum() / map.valid_count().max(1) as f64;
    let [piston, pitch, roll] = fit_plane(map).unwrap_or_else(|| [mean(), 0.0, 0.0]);
    let low = low.map_or(f64::NEG_INFINITY, Height::nm);
    let high = high.map_or(f64::INFINITY, Height::nm);
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let plane = piston + pitch * (column as f64 - u0) + roll * (row as f64 - v0);
        let height = map.heights_nm()[[row, column]] - plane;
        height >= low && height <= high
    })
}

/// `true` where the square of `2 pixels + 1` around a pixel is valid throughout: along the rows, then down the columns.
fn away_from_edges(valid: &Array2<bool>, pixels: usize, border: bool) -> Array2<bool> {
    let mut kept = valid.clone();
    kept.outer_iter_mut().into_par_iter().for_each(|mut row| {
        let line: Vec<bool> = row.iter().copied().collect();
        for (pixel, kept) in row.iter_mut().zip(erode_line(&line, pixels, border)) {
            *pixel = kept;
        }
    });
    kept.axis_iter_mut(ndarray::Axis(1)).into_par_iter().for_each(|mut column| {
        let line: Vec<bool> = column.iter().copied().collect();
        for (pixel, kept) in column.iter_mut().zip(erode_line(&line, pixels, border)) {
            *pixel = kept;
        }
    });
    kept
}

fn erode_line(line: &[bool], pixels: usize, border: bool) -> Vec<bool> {
    // Distance to the last invalid pixel on the left, then on the right.
    let start = if border { 0 } else { usize::MAX / 2 };
    let mut distance = start;
    let mut left: Vec<usize> = Vec::with_capacity(line.len());
    for valid in line {
        distance = if *valid { distance + 1 } else { 0 };
        left.push(distance);
    }
    distance = start;
    let mut kept: Vec<bool> = Vec::with_capacity(line.len());
    for (valid, left) in line.iter().zip(&left).rev() {
        distance = if *valid { distance + 1 } else { 0 };
        kept.push(distance.min(*left) > pixels);
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::PixelSize;

    fn flat(rows: usize, columns: usize) -> HeightMap {
        let pixel = Some(PixelSize { x_mm: 0.5, y_mm: 1.0 });
        HeightMap::from_heights_nm(Array2::zeros((rows, columns)), pixel)
    }

    fn pair(x: f64, y: f64) -> [Length; 2] {
        [Length::new(x), Length::new(y)]
    }

    fn count(region: Region, keep: Keep, map: &HeightMap) -> usize {
        Mask { region, keep }.apply(map).unwrap().valid_count()
    }

    #[test]
    fn a_rectangle_keeps_the_pixels_whose_centres_it_holds() {
        let map = flat(11, 21);
        let region = Region::Rectangle { centre: pair(1.0, -1.0), size: pair(2.0, 4.0) };
        let kept = Mask { region: region.clone(), keep: Keep::Inside }.apply(&map).unwrap();
        assert_eq!(kept.valid_count(), 5 * 5);
        assert!(kept.valid()[[4, 12]] && kept.valid()[[2, 10]] && !kept.valid()[[7, 12]] && !kept.valid()[[4, 9]]);
        assert_eq!(count(region, Keep::Outside, &map), 11 * 21 - 25);
    }

    #[test]
    fn an_ellipse_has_its_area_and_a_polygon_its_own() {
        let map = flat(401, 801);
        let ellipse = count(Region::Ellipse { centre: pair(10.0, 20.0), size: pair(200.0, 300.0) }, Keep::Inside, &map);
        let area = std::f64::consts::PI * 100.0 * 150.0 / 0.5;
        assert!((ellipse as f64 / area - 1.0).abs() < 2e-3, "{ellipse} {area}");
        // A bow tie: two triangles of 100 x 100 / 2 / 2 mm2 each.
        let corners = vec![pair(-50.0, -50.0), pair(50.0, 50.0), pair(50.0, -50.0), pair(-50.0, 50.0)];
        let tie = Region::Polygon { corners };
        let kept = Mask { region: tie, keep: Keep::Inside }.apply(&map).unwrap();
        assert!((kept.valid_count() as f64 / (5000.0 / 0.5) - 1.0).abs() < 0.03, "{}", kept.valid_count());
        assert!(kept.valid()[[200, 340]] && !kept.valid()[[160, 400]]);
    }

    #[test]
    fn a_threshold_is_measured_from_the_plane() {
        let mut heights = Array2::from_shape_fn((20, 30), |(r, c)| 1000.0 + 7.0 * c as f64 - 3.0 * r as f64);
        heights[[4, 5]] += 60.0;
        heights[[15, 25]] -= 60.0;
        let map = HeightMap::from_heights_nm(heights, None);
        let band = |low, high| Region::Threshold { low, high };
        let (low, high) = (Some(Height::new(-30.0)), Some(Height::new(30.0)));
        assert_eq!(count(band(low, high), Keep::Inside, &map), 598);
        let spikes = Mask { region: band(None, high), keep: Keep::Outside }.apply(&map).unwrap();
        assert!(spikes.valid()[[4, 5]] && spikes.valid_count() == 1);
    }

    #[test]
    fn erosion_takes_a_rim_around_what_is_invalid() {
        let mut heights = Array2::zeros((9, 12));
        heights[[4, 5]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, None);
        let kept = Mask { region: Region::Erode { pixels: 2, border: false }, keep: Keep::Inside }.apply(&map).unwrap();
        assert_eq!(kept.valid_count(), 9 * 12 - 25);
        assert!(!kept.valid()[[2, 3]] && kept.valid()[[1, 5]] && kept.valid()[[4, 8]]);
        let region = Region::Erode { pixels: 1, border: true };
        assert_eq!(count(region, Keep::Inside, &map), 7 * 10 - 9);
    }

    #[test]
    fn what_makes_no_mask_is_refused() {
        let map = flat(5, 5);
        let apply = |region| Mask { region, keep: Keep::Inside }.apply(&map).unwrap_err();
        let far = Region::Ellipse { centre: pair(100.0, 0.0), size: pair(1.0, 1.0) };
        assert_eq!(apply(far), StepError::NothingLeft { step: "mask" });
        assert!(apply(Region::Rectangle { centre: pair(0.0, 0.0), size: pair(0.0, 1.0) }).to_string().contains("size"));
        assert!(apply(Region::Polygon { corners: vec![pair(0.0, 0.0)] }).to_string().contains("three"));
        let unknown = map.clone().with_pixel(None);
        let region = Region::Rectangle { centre: pair(0.0, 0.0), size: pair(1.0, 1.0) };
        let error = Mask { region, keep: Keep::Inside }.apply(&unknown).unwrap_err();
        assert_eq!(error, StepError::NoPixelSize { step: "mask" });
    }
}
