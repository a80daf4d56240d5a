//! Camera pixels that hang on each other only: what positions alone promise, masks and windows may not keep.
//!
//! Two camera pixels are compared where they saw the same pixel of the mirror. Groups that are not connected through such
//! comparisons can each take an offset from the map without changing a datum. So many groups as the lattice of positions
//! has cosets are declared with the positions (`g(y)`, periods); every further one is counted and declared here.

use std::collections::HashMap;

use crate::grid::Grid;
use crate::normal::Normal;
use crate::observable::Observable;
use crate::runs::{Runs, common};
use crate::{NonObservable, Warning};

/// Half width of the neighbourhood that an offset is taken from, px.
const REACH: usize = 4;
/// Part of the camera pixels above which the smooth reference is found first.
const MANY: f64 = 0.01;

/// Groups of camera pixels.
#[derive(Debug, Clone)]
pub(crate) struct Loose {
    /// Number of groups in all: dimensions of the reference that the data leave open by themselves.
    pub groups: usize,
    /// Groups beyond those that the positions explain: their camera pixels.
    loose: Vec<Vec<usize>>,
    /// Camera pixels that are compared at all.
    compared: usize,
}

impl Loose {
    /// Finds the groups among the camera pixels that `compared` holds for, with these used pixels.
    pub fn new(grid: &Grid, observable: &Observable, used: &[Runs], compared: &[bool]) -> Self {
        let number = compared.iter().filter(|c| **c).count();
        let expected = observable.free_cosets(grid.camera, compared);
        let mut parent: Vec<u32> = (0..compared.len() as u32).collect();
        let mut groups = number;
        let plates = grid.plates.len();
        // Neighbours in the series share most pixels: as a rule the first few tie everything.
        'all: for apart in 1..plates {
            for k in 0..plates - apart {
                if groups <= expected {
                    break 'all;
                }
                let (a, b) = (&grid.plates[k], &grid.plates[k + apart]);
                let rows = a.map.0.max(b.map.0)..(a.map.0 + a.shape.0).min(b.map.0 + b.shape.0);
                for row in rows {
                    let at = |plate: &crate::grid::Plate| {
                        (plate.camera.0 + row - plate.map.0) * grid.camera.1 + plate.camera.1
                    };
                    let (own_a, own_b) = (used[k].row(row - a.map.0), used[k + apart].row(row - b.map.0));
                    common(own_a, a.map.1, own_b, b.map.1, |start, end| {
                        for column in start..end {
                            let (p, q) = (at(a) + column - a.map.1, at(b) + column - b.map.1);
                            groups -= usize::from(join(&mut parent, p as u32, q as u32));
                        }
                    });
                }
            }
        }
        let loose = if groups > expected { beyond(grid, observable, &mut parent, compared) } else { Vec::new() };
        Self { groups, loose, compared: number }
    }

    /// So many that the reference has to be assumed smooth first.
    pub fn many(&self) -> bool {
        self.pixels() as f64 > MANY * self.compared as f64
    }

    fn pixels(&self) -> usize {
        self.loose.iter().map(Vec::len).sum()
    }

    /// Gives each loose group the mean of the reference around it, as far as there is any. If they are many, the smooth
    /// reference has done that already.
    pub fn settle(&self, grid: &Grid, compared: &[bool], reference: &mut [f64]) {
        if self.many() {
            return;
        }
        let (rows, columns) = grid.camera;
        let mut free = compared.to_vec();
        for at in self.loose.iter().flatten() {
            free[*at] = false;
        }
        for group in &self.loose {
            let (mut around, mut own, mut number) = (0.0, 0.0, 0.0);
            for at in group {
                let (row, column) = (at / columns, at % columns);
                let (mut sum, mut count) = (0.0, 0.0);
                for r in row.saturating_sub(REACH)..(row + REACH + 1).min(rows) {
                    let line = r * columns..(r + 1) * columns;
                    let part = column.saturating_sub(REACH)..(column + REACH + 1).min(columns);
                    for (value, _) in
                        reference[line.clone()][part.clone()].iter().zip(&free[line][part]).filter(|(_, free)| **free)
                    {
                        sum += value;
                        count += 1.0;
                    }
                }
                if count > 0.0 {
                    around += sum / count;
                    own += reference[*at];
                    number += 1.0;
                }
            }
            if number > 0.0 {
                let change = (around - own) / number;
                group.iter().for_each(|at| reference[*at] += change);
            }
        }
    }

    /// What to declare and to warn of, if anything hangs loose.
    pub fn declared(&self, normal: &Normal) -> Option<(NonObservable, Warning)> {
        if self.loose.is_empty() {
            return None;
        }
        let grid = normal.grid;
        let mut is_loose = vec![false; grid.camera_pixels()];
        for at in self.loose.iter().flatten() {
            is_loose[*at] = true;
        }
        let mut in_map = vec![false; normal.count.len()];
        for (plate, runs) in grid.plates.iter().zip(&normal.used) {
            for own in 0..plate.shape.0 {
                let camera = (plate.camera.0 + own) * grid.camera.1 + plate.camera.1;
                let map = (plate.map.0 + own) * grid.map.1 + plate.map.1;
                for column in runs.row(own).iter().flat_map(|(start, end)| *start as usize..*end as usize) {
                    in_map[map + column] |= is_loose[camera + column];
                }
            }
        }
        let in_map = in_map.iter().filter(|loose| **loose).count();
        let (groups, pixels) = (self.loose.len(), self.pixels());
        let open = NonObservable {
            term: format!("offsets of {groups} groups of pixels"),
            why: format!(
                "{pixels} camera pixels were compared with each other only, not with the rest, so the reference there may have \
                 any offset, and the {in_map} map pixels that they saw with it; by convention each group continues the \
                 reference around it"
            ),
        };
        let warning = Warning {
            code: "loose-pixels".into(),
            message: format!(
                "the heights of {in_map} map pixels hang on {pixels} camera pixels (in {groups} groups) that no overlap compares \
                 with the rest of the camera; their offset is taken from the reference around them. Masks, detector windows or \
                 too few sub-apertures do this"
            ),
        };
        Some((open, warning))
    }
}

/// The representative of a pixel's group; paths are halved on the way.
fn root(parent: &mut [u32], mut at: u32) -> u32 {
    while parent[at as usize] != at {
        let above = parent[parent[at as usize] as usize];
        parent[at as usize] = above;
        at = above;
    }
    at
}

/// Joins two groups; tells whether they were two.
fn join(parent: &mut [u32], a: u32, b: u32) -> bool {
    let (a, b) = (root(parent, a), root(parent, b));
    // The smaller number leads: the result does not depend on the order.
    let (low, high) = (a.min(b), a.max(b));
    parent[high as usize] = low;
    low != high
}

/// Groups that are not the largest of their coset, by their first pixel.
fn beyond(grid: &Grid, observable: &Observable, parent: &mut [u32], compared: &[bool]) -> Vec<Vec<usize>> {
    let mut members: HashMap<u32, Vec<usize>> = HashMap::new();
    for at in (0..compared.len()).filter(|at| compared[*at]) {
        members.entry(root(parent, at as u32)).or_default().push(at);
    }
    let mut groups: Vec<Vec<usize>> = members.into_values().collect();
    groups.sort_unstable_by_key(|group| group[0]);
    let mut largest: HashMap<(i64, i64), usize> = HashMap::new();
    let coset = |group: &[usize]| {
        let (row, column) = (group[0] / grid.camera.1, group[0] % grid.camera.1);
        observable.lattice.coset(column as i64, row as i64)
    };
    for (i, group) in groups.iter().enumerate() {
        let best = largest.entry(coset(group)).or_insert(i);
        if group.len() > groups[*best].len() {
            *best = i;
        }
    }
    let main: Vec<bool> = groups.iter().enumerate().map(|(i, group)| largest[&coset(group)] == i).collect();
    let mut main = main.into_iter();
    groups.retain(|_| !main.next().unwrap_or(false));
    groups
}
