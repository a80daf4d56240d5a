//! The low-order shapes of the map that a series may leave open, and what correctors and reference do when one of them
//! moves from the one to the other.
//!
//! Map coordinates x, y run from -1 to 1 over the map. At sub-aperture k they are `x = a u + X_k`, `y = b v + Y_k` with u, v
//! the camera coordinates, so a shape of the map is a polynomial in u and v: terms up to first order go into the
//! correctors of each sub-aperture, the second order, the same for all, into the reference.

use crate::grid::Grid;
use crate::observable::Observable;

/// Number of shapes looked at: 1, x, y, x^2, x y, y^2.
pub(crate) const SHAPES: usize = 6;
/// Indices of the shapes of second order.
pub(crate) const XX: usize = 3;
pub(crate) const XY: usize = 4;
pub(crate) const YY: usize = 5;

/// Map coordinates and their relation to the camera.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    centre: (f64, f64),
    half: (f64, f64),
    /// Change of x per u, of y per v.
    per: (f64, f64),
    /// x and y at the camera's centre, for each sub-aperture.
    places: Vec<(f64, f64)>,
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
        Self { centre, half, per, places: grid.plates.iter().map(place).collect() }
    }

    /// x and y of a place given in map columns and rows.
    pub fn at(&self, column: f64, row: f64) -> (f64, f64) {
        ((column - self.centre.0) / self.half.0, (row - self.centre.1) / self.half.1)
    }

    /// u and v of sub-aperture `k` where the map has x and y.
    pub fn camera(&self, k: usize, (x, y): (f64, f64)) -> (f64, f64) {
        ((x - self.places[k].0) / self.per.0, (y - self.places[k].1) / self.per.1)
    }

    /// Pixels per unit of x and of y.
    pub fn half(&self) -> (f64, f64) {
        self.half
    }

    /// Change of the correctors (1, u, v) of sub-aperture `k` that puts a unit of each shape into the map.
    pub fn carried(&self, k: usize) -> [[f64; 3]; SHAPES] {
        let ((x, y), (a, b)) = (self.places[k], self.per);
        [
            [-1.0, 0.0, 0.0],
            [-x, -a, 0.0],
            [-y, 0.0, -b],
            [-x * x, -2.0 * a * x, 0.0],
            [-x * y, -a * y, -b * x],
            [-y * y, 0.0, -2.0 * b * y],
        ]
    }

    /// Change of the reference that goes with it: a factor on u^2, u v, v^2 for the shapes of second order.
    pub fn referred(&self) -> [f64; 3] {
        let (a, b) = self.per;
        [-a * a, -a * b, -b * b]
    }
}

/// The shapes at a place.
pub(crate) fn shapes((x, y): (f64, f64)) -> [f64; SHAPES] {
    [1.0, x, y, x * x, x * y, y * y]
}

/// Shapes that the result declares as not observable (functions of y alone count with their y and y^2).
pub(crate) fn declared(observable: &Observable, unknown_reference: bool) -> [bool; SHAPES] {
    let [one, x, y] = observable.free_plane();
    if !unknown_reference {
        return [one, x, y, false, false, false];
    }
    let [_, _, xx, xy, yy] = observable.imitated();
    [one, x, y, xx, xy, yy]
}
