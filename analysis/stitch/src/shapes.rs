//! The low-order shapes of the map that a series may leave open, and what correctors and reference do when one of them
//! moves from the one to the other.
//!
//! Map coordinates x, y run from -1 to 1 over the map. At sub-aperture k they are `x = a u + X_k`, `y = b v + Y_k` with u, v
//! the camera coordinates, so a shape of the map is a polynomial in u and v: terms up to first order (and power, if every
//! sub-aperture may carry it) go into the correctors of each sub-aperture, the rest, the same for all, into the reference.

use crate::grid::Grid;
use crate::normal::TERMS;
use crate::observable::Observable;

/// Number of shapes looked at: 1, x, y, x^2, x y, y^2; power, and the cubic that a scan along x or y with power in every
/// sub-aperture leaves open (both in mm, so that they are round).
pub(crate) const SHAPES: usize = 8;
/// Indices of the shapes of second order.
pub(crate) const XX: usize = 3;
pub(crate) const XY: usize = 4;
pub(crate) const YY: usize = 5;
const POWER: usize = 6;
const CUBIC: usize = 7;
/// The first six.
pub(crate) const QUADRATIC: [bool; SHAPES] = [true, true, true, true, true, true, false, false];

/// Map coordinates and their relation to the camera.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    centre: (f64, f64),
    half: (f64, f64),
    /// Change of x per u, of y per v.
    per: (f64, f64),
    /// x and y at the camera's centre, for each sub-aperture.
    places: Vec<(f64, f64)>,
    /// Power in a sub-aperture is this times u^2, v^2.
    power: (f64, f64),
    /// x and y in units of the longer side, for what is round.
    round: (f64, f64),
    /// Power in round units of a unit of power of a sub-aperture.
    unit_power: f64,
    /// The scan is along y.
    upright: bool,
}

impl Frame {
    pub fn new(grid: &Grid) -> Self {
        let (rows, columns) = grid.map;
        let centre = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
        let half = (centre.0.max(1.0), centre.1.max(1.0));
        let camera = ((grid.camera.1 as f64 - 1.0) / 2.0, (grid.camera.0 as f64 - 1.0) / 2.0);
        let place = |plate: &crate::grid::Plate| {
            let column = plate.map.1 as f64 - plate.camera.1 as f64 + camera.0;
            let row = plate.map.0 as f64 - plate.camera.0 as f64 + camera.1;
            ((column - centre.0) / half.0, (row - centre.1) / half.1)
        };
        let per = (grid.scale.0 / half.0, grid.scale.1 / half.1);
        let mm = (half.0 * grid.pixel.x_mm, half.1 * grid.pixel.y_mm);
        let longer = mm.0.max(mm.1);
        Self {
            centre,
            half,
            per,
            places: grid.plates.iter().map(place).collect(),
            power: grid.power,
            round: (mm.0 / longer, mm.1 / longer),
            unit_power: grid.power_mm2 / (longer * longer),
            upright: grid.plates.iter().all(|p| p.step.0 == 0),
        }
    }

    /// x and y of a place given in map columns and rows.
    pub fn at(&self, column: f64, row: f64) -> (f64, f64) {
        ((column - self.centre.0) / self.half.0, (row - self.centre.1) / self.half.1)
    }

    /// The terms of sub-aperture `k` where the map has x and y.
    pub fn terms(&self, k: usize, (x, y): (f64, f64)) -> [f64; TERMS] {
        let (u, v) = ((x - self.places[k].0) / self.per.0, (y - self.places[k].1) / self.per.1);
        [1.0, u, v, self.power.0 * u * u + self.power.1 * v * v]
    }

    /// Pixels per unit of x and of y.
    pub fn half(&self) -> (f64, f64) {
        self.half
    }

    /// The shapes at a place.
    pub fn shapes(&self, (x, y): (f64, f64)) -> [f64; SHAPES] {
        let (s, t) = (x * self.round.0, y * self.round.1);
        let (along, across) = if self.upright { (t, s) } else { (s, t) };
        let cubic = along * (along * along / 3.0 + across * across);
        [1.0, x, y, x * x, x * y, y * y, s * s + t * t, cubic]
    }

    /// Change of the correctors of sub-aperture `k` that puts a unit of each shape into the map.
    pub fn carried(&self, k: usize) -> [[f64; TERMS]; SHAPES] {
        let ((x, y), (a, b)) = (self.places[k], self.per);
        let ((s, t), (su, sv)) = ((x * self.round.0, y * self.round.1), (a * self.round.0, b * self.round.1));
        let unit = self.unit_power;
        let square = s * s + t * t;
        let cubic = if self.upright {
            [-t * (t * t / 3.0 + s * s), -2.0 * s * t * su, -square * sv, -t * unit]
        } else {
            [-s * (s * s / 3.0 + t * t), -square * su, -2.0 * s * t * sv, -s * unit]
        };
        [
            [-1.0, 0.0, 0.0, 0.0],
            [-x, -a, 0.0, 0.0],
            [-y, 0.0, -b, 0.0],
            [-x * x, -2.0 * a * x, 0.0, 0.0],
            [-x * y, -a * y, -b * x, 0.0],
            [-y * y, 0.0, -2.0 * b * y, 0.0],
            [-square, -2.0 * s * su, -2.0 * t * sv, -unit],
            cubic,
        ]
    }

    /// Change of the reference that goes with it: a factor on u^2, u v, v^2 for the shapes of second order.
    pub fn referred(&self) -> [f64; 3] {
        let (a, b) = self.per;
        [-a * a, -a * b, -b * b]
    }
}

/// Shapes that the result declares as not observable (functions of y alone count with their y and y^2).
pub(crate) fn declared(observable: &Observable, unknown_reference: bool) -> [bool; SHAPES] {
    let [one, x, y, power] = observable.free_shapes();
    let mut declared = [one, x, y, false, false, false, power, false];
    if unknown_reference {
        let imitated = observable.imitated();
        declared[XX..=YY].copy_from_slice(&imitated[2..5]);
        // Power is the sum of two shapes that are open already.
        declared[POWER] &= !(declared[XX] && declared[YY]);
        declared[CUBIC] = imitated[6];
    }
    declared
}
