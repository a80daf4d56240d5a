//! The regular grid behind a list of points, whatever their order; nodes without a point are not measured.

use stitchbox_surface::HeightMap;

use crate::{FormatError, Limits, TableError, raster};

/// A map may have this many nodes for each point: a round mirror fills 78 % of its square, a narrow ring a few per
/// cent; a diagonal line of points is no map.
const MOST_NODES_PER_POINT: u64 = 32;
/// Farthest a coordinate may lie from its node, in steps.
const TOLERANCE: f64 = 0.2;
/// Coordinates closer than this part of their range may be one; tried in this order.
const SAME: [f64; 5] = [1e-9, 1e-6, 1e-5, 1e-4, 1e-3];

/// The map of points x, y (mm) and height (nm, NaN where not measured). Column 0 has the smallest x, row 0 the
/// smallest y.
pub(super) fn map(points: impl Iterator<Item = [f64; 3]>, limits: &Limits) -> Result<HeightMap, FormatError> {
    let points: Vec<[f64; 3]> = points.filter(|[x, y, _]| x.is_finite() && y.is_finite()).collect();
    let none = |why| FormatError::from(TableError::NoGrid { points: points.len(), why });
    let axis = |at: usize| {
        let mut coordinates: Vec<f64> = points.iter().filter_map(|point| point.get(at).copied()).collect();
        coordinates.sort_by(f64::total_cmp);
        SAME.iter().find_map(|same| Axis::of(&coordinates, *same, points.len()))
    };
    let x = axis(0).ok_or_else(|| none("the x coordinates are not evenly spaced"))?;
    let y = axis(1).ok_or_else(|| none("the y coordinates are not evenly spaced"))?;
    let nodes = x.count.saturating_mul(y.count);
    if nodes > (points.len() as u64).saturating_mul(MOST_NODES_PER_POINT) {
        return Err(none("nearly all nodes would be empty"));
    }
    raster::admit(y.count, x.count, 1, u64::MAX, limits)?;
    let (rows, columns) = (y.count as usize, x.count as usize);

    let mut heights = vec![f64::NAN; rows * columns];
    let mut seen = vec![false; rows * columns];
    for [px, py, height] in &points {
        let node = y.node(*py) * columns + x.node(*px);
        let (Some(place), Some(taken)) = (heights.get_mut(node), seen.get_mut(node)) else { continue };
        if std::mem::replace(taken, true) {
            return Err(none("two points share a node"));
        }
        *place = *height;
    }
    let heights = heights.into_iter().map(|height| height.is_finite().then_some(height));
    raster::fill(rows, columns, heights, raster::pixel_mm(x.step, y.step))
}

/// Nodes `first + k * step`, `k` below `count`.
#[derive(Debug, PartialEq)]
struct Axis {
    first: f64,
    step: f64,
    count: u64,
}

impl Axis {
    /// The axis of sorted coordinates, of which those closer than `same` times the range are one.
    fn of(sorted: &[f64], same: f64, points: usize) -> Option<Self> {
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let range = last - first;
        if !range.is_finite() || range <= 0.0 {
            return None;
        }
        let gaps = || sorted.iter().zip(sorted.iter().skip(1)).map(|(a, b)| b - a).filter(|gap| *gap > same * range);
        let least = gaps().fold(f64::INFINITY, f64::min);
        // Missing columns make gaps of several steps. Counting gap by gap keeps rounding from adding up; the gaps
        // between the clusters are a little short where the clusters are wide, which the rounding forgives.
        let typical = mean(gaps().filter(|gap| *gap < 1.5 * least))?;
        let steps = gaps().map(|gap| (gap / typical).round()).sum::<f64>();
        if !(1.0..=points as f64 * MOST_NODES_PER_POINT as f64).contains(&steps) {
            return None;
        }
        let step = range / steps;
        let fits = |x: &f64| {
            let k = (x - first) / step;
            (k - k.round()).abs() <= TOLERANCE
        };
        sorted.iter().all(fits).then_some(Self { first, step, count: steps as u64 + 1 })
    }

    fn node(&self, coordinate: f64) -> usize {
        ((coordinate - self.first) / self.step).round() as usize
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then_some(sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(points: &[[f64; 3]]) -> Result<HeightMap, FormatError> {
        map(points.iter().copied(), &Limits::default())
    }

    /// Heights 10 row + column on 3 rows and 4 columns.
    fn points() -> Vec<[f64; 3]> {
        let node = |i: usize| [5.0 + 0.1 * (i % 4) as f64, -2.0 + 0.3 * (i / 4) as f64, (10 * (i / 4) + i % 4) as f64];
        (0..12).map(node).collect()
    }

    #[test]
    fn the_order_of_the_points_does_not_matter() {
        let expected = grid(&points()).unwrap();
        assert_eq!(expected.shape(), (3, 4));
        assert_eq!(expected.heights_nm()[[2, 1]], 21.0);
        let pixel = expected.pixel().unwrap();
        assert!((pixel.x_mm - 0.1).abs() < 1e-12 && (pixel.y_mm - 0.3).abs() < 1e-12);
        let mut shuffled = points();
        shuffled.reverse();
        shuffled.swap(2, 7);
        assert_eq!(grid(&shuffled).unwrap(), expected);
    }

    #[test]
    fn missing_points_are_not_measured_even_whole_columns() {
        let mut some = points();
        some.retain(|[x, _, z]| (x - 5.1).abs() > 1e-9 && *z != 12.0);
        let map = grid(&some).unwrap();
        assert_eq!(map.shape(), (3, 4));
        assert_eq!(map.valid_count(), 8);
        assert!(!map.valid()[[0, 1]] && !map.valid()[[1, 2]] && map.valid()[[1, 3]]);
    }

    #[test]
    fn jitter_of_a_hundredth_of_a_step_is_forgiven() {
        let mut jittered = points();
        for (i, point) in jittered.iter_mut().enumerate() {
            point[0] += 1e-5 * ((i * 7) % 5) as f64;
        }
        assert_eq!(grid(&jittered).unwrap().shape(), (3, 4));
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        let diagonal: Vec<_> = (0..1000).map(|i| [f64::from(i), f64::from(i), 0.0]).collect();
        assert!(grid(&diagonal).unwrap_err().to_string().contains("nearly all nodes"));
        let mut twice = points();
        twice.push(twice[3]);
        assert!(grid(&twice).unwrap_err().to_string().contains("share a node"));
        let irregular: Vec<_> = (0..30).map(|i| [f64::from(i).sqrt(), f64::from(i % 3), 0.0]).collect();
        assert!(grid(&irregular).is_err());
        assert!(grid(&[[0.0, 0.0, 1.0]]).is_err());
    }
}
