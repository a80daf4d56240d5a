//! Two sub-apertures that overlap, and the plane through their difference.

use rayon::prelude::*;

use crate::layout::{Layout, Plate};
use crate::plane::{Moments, Plane};

/// A pair (first < second) with overlap enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub first: usize,
    pub second: usize,
    /// Plane through first minus second, nm and nm/mm about the centre of the map.
    pub plane: Plane,
    /// Normal matrix of piston, pitch and roll over the common pixels, in the same coordinates.
    pub normal: [[f64; 3]; 3],
}

/// The map rows and columns that two sub-apertures share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common {
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Common {
    /// `None` where they share nothing.
    pub fn of(a: &Plate, b: &Plate) -> Option<Self> {
        let rows = (a.map.0.max(b.map.0), (a.map.0 + a.shape.0).min(b.map.0 + b.shape.0));
        let columns = (a.map.1.max(b.map.1), (a.map.1 + a.shape.1).min(b.map.1 + b.shape.1));
        (rows.0 < rows.1 && columns.0 < columns.1).then_some(Self { rows, columns })
    }

    fn area(&self) -> usize {
        (self.rows.1 - self.rows.0) * (self.columns.1 - self.columns.0)
    }

    /// First and end of the shared map rows.
    pub fn rows(&self) -> (usize, usize) {
        self.rows
    }

    /// First and end of the shared map columns.
    pub fn columns(&self) -> (usize, usize) {
        self.columns
    }

    /// Calls `on` with map column and (a minus b) for each pixel of a map row that is valid in both.
    pub fn on_row(&self, a: &Plate, b: &Plate, row: usize, mut on: impl FnMut(usize, f64)) {
        let (Some((ha, va)), Some((hb, vb))) = (self.part(a, row), self.part(b, row)) else { return };
        for (i, ((ha, hb), (va, vb))) in ha.iter().zip(hb).zip(va.iter().zip(vb)).enumerate() {
            if *va && *vb {
                on(self.columns.0 + i, ha - hb);
            }
        }
    }

    /// Heights and validity of the shared columns of one map row in one of the two.
    pub fn part<'p>(&self, plate: &'p Plate, row: usize) -> Option<(&'p [f64], &'p [bool])> {
        let own = plate.row_at_map(row).filter(|_| (self.rows.0..self.rows.1).contains(&row))?;
        let (heights, valid) = plate.row(own);
        let range = self.columns.0 - plate.map.1..self.columns.1 - plate.map.1;
        Some((&heights[range.clone()], &valid[range]))
    }

    /// Sums over the common valid pixels, x and y counted in pixels from the corner of the common rectangle.
    fn moments(&self, a: &Plate, b: &Plate) -> Moments {
        let mut moments = Moments::default();
        let mut line = Vec::with_capacity(self.columns.1 - self.columns.0);
        for row in self.rows.0..self.rows.1 {
            line.clear();
            self.on_row(a, b, row, |column, d| line.push(((column - self.columns.0) as f64, d)));
            moments.add_row((row - self.rows.0) as f64, line.iter().copied());
        }
        moments
    }
}

/// All pairs whose common valid area is at least `min_overlap` of the smaller valid area, in the order of the series.
pub(crate) fn pairs(layout: &Layout, min_overlap: f64) -> Vec<Pair> {
    let plates = &layout.plates;
    let mut near = Vec::new();
    for (first, a) in plates.iter().enumerate() {
        for (second, b) in plates.iter().enumerate().skip(first + 1) {
            let least = min_overlap * a.count.min(b.count) as f64;
            if let Some(common) = Common::of(a, b).filter(|common| common.area() as f64 >= least) {
                near.push((first, second, common, least));
            }
        }
    }
    let fit = |&(first, second, common, least): &(usize, usize, Common, f64)| {
        let moments = common.moments(&plates[first], &plates[second]);
        let plane = moments.plane().filter(|_| moments.count >= least)?;
        let corner = (layout.x(common.columns.0 as f64), layout.y(common.rows.0 as f64));
        let normal = moments.normal(corner, (layout.pixel.x_mm, layout.pixel.y_mm));
        Some(Pair { first, second, plane: in_map(layout, plane, common.rows.0, common.columns.0), normal })
    };
    near.par_iter().map(fit).collect::<Vec<_>>().into_iter().flatten().collect()
}

/// A plane counted in pixels from a map pixel, as one in mm about the centre of the map.
pub(crate) fn in_map(layout: &Layout, plane: Plane, row: usize, column: usize) -> Plane {
    let (pitch, roll) = (plane.pitch / layout.pixel.x_mm, plane.roll / layout.pixel.y_mm);
    let piston = plane.piston - pitch * layout.x(column as f64) - roll * layout.y(row as f64);
    Plane { piston, pitch, roll, rms: plane.rms }
}
