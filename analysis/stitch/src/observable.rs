//! What a series can determine, read off its positions and the terms that are solved for.
//!
//! Write a shift of the sub-apertures as (X, Y). A function h of the camera pixel that repeats under every difference
//! of shifts can be given to the reference and taken from the map without changing any datum: those differences
//! span a lattice, and h is any function on its cosets. Besides, a reference of power, twist or tilt is matched by
//! the same in the map together with pistons, pitches and rolls that grow with the position.

use crate::gauge::SHAPES;
use crate::grid::Grid;
use crate::{NonObservable, Terms};

/// `|sum exp(i q X)|^2 / N^2` above which steps count as nearly equal.
const NEARLY: f64 = 0.98;
/// Shortest period looked at for nearly equal steps, px; shorter ones need exactly equal steps to matter.
const SHORTEST_PX: f64 = 8.0;
/// At most so many frequencies are tried on one axis.
const MOST_FREQUENCIES: f64 = 20_000.0;

/// With nearly equal steps the reference is pulled to the smooth one like so many measurements of a pixel. With exactly
/// equal ones nothing pulls: what the data leave open stays as in the smooth one, and what they determine is not biased.
const PRIOR_WEIGHT: f64 = 1e-3;

/// Lattice of differences between positions, in Hermite form: spanned by `(a, b)` and `(0, d)`, px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lattice {
    a: i128,
    b: i128,
    d: i128,
}

impl Lattice {
    /// Spanned by the given differences.
    pub fn spanned(steps: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut lattice = Self { a: 0, b: 0, d: 0 };
        for (x, y) in steps {
            let (mut x, mut y) = (i128::from(x), i128::from(y));
            while x != 0 {
                let times = lattice.a.div_euclid(x);
                (lattice.a, lattice.b, x, y) = (x, y, lattice.a - times * x, lattice.b - times * y);
            }
            lattice.d = gcd(lattice.d, y);
            if lattice.d != 0 {
                lattice.b = lattice.b.rem_euclid(lattice.d);
            }
            if lattice.a < 0 {
                (lattice.a, lattice.b) = (-lattice.a, -lattice.b);
            }
        }
        lattice
    }

    /// 0: nothing moves; 1: all along one line; 2: the plane.
    pub fn rank(&self) -> usize {
        usize::from(self.a != 0) + usize::from(self.d != 0)
    }

    /// For rank 1: the shortest whole-pixel vector along the line, and how many of them make one step.
    fn line(&self) -> ((i64, i64), i64) {
        let (x, y) = if self.a != 0 { (self.a, self.b) } else { (0, self.d) };
        let g = gcd(x, y).max(1);
        (((x / g) as i64, (y / g) as i64), g as i64)
    }

    /// How many cosets replace one: 1 unless all differences share a divisor.
    fn index(&self) -> i128 {
        if self.rank() == 2 { self.a * self.d } else { i128::from(self.line().1) }
    }

    /// The coset of a camera pixel, named by one of its members. No position is so far off that this overflows.
    pub fn coset(&self, mut x: i64, mut y: i64) -> (i64, i64) {
        let (a, b, d) = (self.a as i64, self.b as i64, self.d as i64);
        if a != 0 {
            let times = x.div_euclid(a);
            (x, y) = (x - times * a, y - times * b);
        }
        if d != 0 {
            y = y.rem_euclid(d);
        }
        (x, y)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

/// What the positions and terms leave open.
#[derive(Debug, Clone)]
pub(crate) struct Observable {
    pub lattice: Lattice,
    /// Something moves along x, along y.
    pub moves: (bool, bool),
    /// Period in px, and its axis, with which positions repeat nearly but not exactly.
    pub nearly_equal: Option<(f64, char)>,
    terms: Terms,
    reference_unknown: bool,
}

impl Observable {
    pub fn new(grid: &Grid, terms: Terms, reference_unknown: bool) -> Self {
        let steps = || grid.plates.iter().map(|p| p.step);
        let moves = (steps().any(|s| s.0 != 0), steps().any(|s| s.1 != 0));
        let along = |axis: char| -> Vec<f64> {
            let position = |p: &crate::grid::Plate| match axis {
                'x' => p.step.0 as f64 + p.fraction.0,
                _ => p.step.1 as f64 + p.fraction.1,
            };
            grid.plates.iter().map(position).collect()
        };
        let nearly_equal = [('x', moves.0, grid.camera.1), ('y', moves.1, grid.camera.0)]
            .into_iter()
            .filter(|(_, moves, _)| *moves)
            .find_map(|(axis, _, length)| {
                let positions = along(axis);
                nearly_periodic(&positions, length, divisor(&positions)).map(|period| (period, axis))
            });
        Self { lattice: Lattice::spanned(steps()), moves, nearly_equal, terms, reference_unknown }
    }

    /// Steps share a divisor: the reference has content that no data of this series can show.
    pub fn periodic(&self) -> bool {
        self.lattice.rank() > 0 && self.lattice.index() > 1
    }

    /// Weight of the pull towards the smooth reference, in measurements of a pixel.
    pub fn prior_weight(&self) -> f64 {
        if self.nearly_equal.is_some() { PRIOR_WEIGHT } else { 0.0 }
    }

    /// The shared divisor in words, if there is one: `multiples of 250 px`.
    pub fn divisor(&self) -> Option<String> {
        let Lattice { a, b, d } = self.lattice;
        self.periodic().then(|| match (self.lattice.rank(), self.lattice.line()) {
            (1, ((_, 0), g)) => format!("multiples of {g} px"),
            (1, ((0, _), g)) => format!("multiples of {g} px along y"),
            (1, ((dx, dy), g)) => format!("multiples of ({}, {}) px", dx * g, dy * g),
            _ => format!("sums of multiples of ({a}, {b}) and (0, {d}) px"),
        })
    }

    /// Nothing moves: reference and mirror cannot be told apart at all.
    pub fn nothing_moves(&self) -> bool {
        self.lattice.rank() == 0
    }

    /// Which of u, v, u^2, uv, v^2, power, and the cubic t^3/3 + t n^2 (t along the only direction of motion, n across) in the
    /// reference the map and the correctors can imitate.
    pub fn imitated(&self) -> [bool; SHAPES] {
        let Terms { piston, pitch, roll, curvature } = self.terms;
        let (x, y) = self.moves;
        [
            piston || pitch || !x,
            piston || roll || !y,
            (piston && pitch) || !x,
            (pitch || !y) && (roll || !x) && (piston || !x || !y),
            (piston && roll) || !y,
            curvature,
            curvature && piston && (pitch || !x) && (roll || !y) && self.lattice.rank() == 1,
        ]
    }

    /// Whole pixels that all motion, if it is along x alone, is a multiple of.
    pub fn period_along_x(&self) -> Option<usize> {
        match (self.lattice.rank(), self.lattice.line()) {
            (1, ((_, 0), g)) => usize::try_from(g).ok(),
            _ => None,
        }
    }

    /// The only direction of motion, px; x if there is none or more than one.
    pub fn direction(&self) -> (f64, f64) {
        let ((dx, dy), _) = self.lattice.line();
        if self.lattice.rank() == 1 { (dx as f64, dy as f64) } else { (1.0, 0.0) }
    }

    /// Which of 1, x, y and power in the map are free.
    pub fn free_shapes(&self) -> [bool; 4] {
        let Terms { piston, pitch, roll, curvature } = self.terms;
        let (x, y) = self.moves;
        let [one, along_x, along_y] = self.free_plane();
        let power = curvature && (piston || !(x || y)) && (pitch || !x) && (roll || !y);
        [one, along_x, along_y, power]
    }

    /// Which of 1, x, y in the map are free.
    pub fn free_plane(&self) -> [bool; 3] {
        let Terms { piston, pitch, roll, .. } = self.terms;
        let (x, y) = (piston || !self.moves.0, piston || !self.moves.1);
        if self.reference_unknown { [true, x, y] } else { [piston, pitch && x, roll && y] }
    }

    /// Label of every camera pixel (row-major) such that any function of the label may move between reference and
    /// map, and the number of labels. Shared divisors of the steps are left out: see [`Observable::periodic`].
    pub fn labels(&self, camera: (usize, usize)) -> (Vec<u32>, usize) {
        let (rows, columns) = (camera.0 as i64, camera.1 as i64);
        if self.lattice.rank() == 2 {
            return (vec![0; camera.0 * camera.1], 1);
        }
        let ((dx, dy), _) = self.lattice.line();
        let key = |row: i64, column: i64| row * dx - column * dy;
        let corners = [key(0, 0), key(rows - 1, 0), key(0, columns - 1), key(rows - 1, columns - 1)];
        let low = corners.iter().copied().fold(i64::MAX, i64::min);
        let mut names: Vec<i64> =
            (0..rows).flat_map(|row| (0..columns).map(move |column| key(row, column) - low)).collect();
        let labels = names.clone();
        names.sort_unstable();
        names.dedup();
        let label = |name: &i64| names.binary_search(name).unwrap_or(0) as u32;
        (labels.iter().map(label).collect(), names.len())
    }

    /// Number of cosets met by the camera pixels for which `seen` holds: dimensions of the reference that the
    /// data leave free by themselves.
    pub fn free_cosets(&self, camera: (usize, usize), seen: &[bool]) -> usize {
        if self.lattice.rank() == 2 && self.lattice.index() == 1 {
            return 1;
        }
        let pixels = seen.iter().enumerate().filter(|(_, seen)| **seen);
        let mut cosets: Vec<(i64, i64)> =
            pixels.map(|(i, _)| self.lattice.coset((i % camera.1) as i64, (i / camera.1) as i64)).collect();
        cosets.sort_unstable();
        cosets.dedup();
        cosets.len()
    }

    /// The list for the results.
    pub fn non_observable(&self) -> Vec<NonObservable> {
        let mut list = Vec::new();
        let mut say = |term: &str, why: &str| list.push(NonObservable { term: term.into(), why: why.into() });
        let plane = self.free_plane();
        let removed = "the least-squares plane {1, x, y} over the valid pixels is taken off the map, as far as it is not observable";
        if plane[0] {
            say("1", &format!("a constant height of the mirror looks like a piston of every sub-aperture: {removed}"));
        }
        if plane[1] {
            say("x", &format!("a tilt of the mirror along x looks like a tilt of the set-up: {removed}"));
        }
        if plane[2] && (self.moves.1 || !self.reference_unknown || self.nothing_moves()) {
            say("y", &format!("a tilt of the mirror along y looks like a tilt of the set-up: {removed}"));
        }
        if self.free_shapes()[3] {
            say(
                "x^2 + y^2",
                "power of the mirror looks like power of every sub-aperture and tilts that grow with the position: the least-squares \
                 power over the valid pixels is taken off the map together with the plane",
            );
        }
        if !self.reference_unknown {
            return list;
        }
        if self.nothing_moves() {
            let why = "nothing moved, so every shape may belong to reference or mirror; the reference is taken as zero, so all of \
                       it is in the map";
            say("any shape", why);
            return list;
        }
        let assumed =
            "by convention the reference has none (least squares over the camera frame), so all of it is in the map";
        let imitated = self.imitated();
        let shapes = [
            ("x^2", imitated[2] && self.moves.0, "power of the reference and pitch growing with x"),
            ("x y", imitated[3], "twist of the reference and roll growing with x, pitch with y"),
            ("y^2", imitated[4] && self.moves.1, "power of the reference along y and roll growing with y"),
        ];
        for (term, is_free, imitation) in shapes {
            if is_free {
                say(term, &format!("{imitation} look the same; {assumed}"));
            }
        }
        if imitated[6] {
            let term = match self.lattice.line().0 {
                (_, 0) => "x^3 / 3 + x y^2".to_owned(),
                (0, _) => "y^3 / 3 + y x^2".to_owned(),
                (dx, dy) => format!("t^3 / 3 + t n^2, t along ({dx}, {dy}) px, n across"),
            };
            say(
                &term,
                &format!(
                    "a cubic of the reference and power of the sub-apertures growing with the position look the same; {assumed}"
                ),
            );
        }
        if self.lattice.rank() == 1 {
            let ((dx, dy), _) = self.lattice.line();
            let (term, what) = match (dx, dy) {
                (_, 0) => ("g(y)".to_owned(), "any function of y alone (tilt, curvature along y included)".to_owned()),
                (0, _) => ("g(x)".to_owned(), "any function of x alone (tilt, curvature along x included)".to_owned()),
                _ => (
                    format!("constant along ({dx}, {dy}) px"),
                    format!("any shape that is constant along the direction ({dx}, {dy}) px"),
                ),
            };
            say(
                &term,
                &format!("nothing moved across that direction, so {what} may belong to reference or mirror; {assumed}"),
            );
        }
        if self.periodic() {
            let term = match self.lattice.rank() {
                1 => match self.lattice.line() {
                    ((_, 0), g) => format!("period {g} px"),
                    ((0, _), g) => format!("period {g} px in y"),
                    ((dx, dy), g) => format!("period ({}, {}) px", dx * g, dy * g),
                },
                _ => format!("period lattice ({}, {}), (0, {}) px", self.lattice.a, self.lattice.b, self.lattice.d),
            };
            say(
                &term,
                "all steps are multiples of it, so any shape that repeats with it may belong to reference or mirror; \
                 what the smooth terms of the reference do not explain is assumed zero in the reference (least norm), so it is in the map",
            );
        }
        list
    }
}

/// The largest whole number of pixels that all differences of positions are multiples of; 1 between whole pixels.
fn divisor(positions: &[f64]) -> f64 {
    if positions.iter().any(|p| p.fract() != 0.0) {
        return 1.0;
    }
    let steps = positions.iter().map(|p| (p - positions[0]) as i128);
    steps.fold(0, gcd).max(1) as f64
}

/// The period (px) with which positions along one axis repeat nearly, if there is one shorter than the camera. With
/// `exact` and its harmonics they repeat exactly: those are passed over.
fn nearly_periodic(positions: &[f64], length: usize, exact: f64) -> Option<f64> {
    let low = positions.iter().copied().fold(f64::INFINITY, f64::min);
    let high = positions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let travel = high - low;
    if travel <= 0.0 || (length as f64) < SHORTEST_PX {
        return None;
    }
    let tau = 2.0 * std::f64::consts::PI;
    // A quarter of the width of a spectral line.
    let spacing = 0.25 * tau / travel;
    let lowest = (tau / length as f64).max(tau / travel);
    let highest = (tau / SHORTEST_PX).min(lowest + MOST_FREQUENCIES * spacing);
    if lowest > highest {
        return None;
    }
    let line = tau / travel;
    let is_exact = |q: f64| {
        let order = (q * exact / tau).round();
        order >= 1.0 && (q - order * tau / exact).abs() < line
    };
    let strength = |q: f64| {
        if is_exact(q) {
            return 0.0;
        }
        let (mut re, mut im) = (0.0f64, 0.0f64);
        for p in positions {
            let (sin, cos) = libm::sincos(q * (p - low));
            re += cos;
            im += sin;
        }
        (re * re + im * im) / (positions.len() as f64 * positions.len() as f64)
    };
    let mut best = (0.0, 0.0);
    let mut q = lowest;
    while q <= highest {
        let s = strength(q);
        if s > best.0 {
            best = (s, q);
        }
        q += spacing;
    }
    // Refine around the best line.
    let (centre, mut fine) = (best.1, best);
    for i in -8..=8 {
        let q = (centre + f64::from(i) * spacing / 8.0).max(lowest);
        let s = strength(q);
        if s > fine.0 {
            fine = (s, q);
        }
    }
    (fine.0 > NEARLY).then(|| tau / fine.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lattice_knows_direction_and_divisor() {
        let x_scan = Lattice::spanned([(0, 0), (250, 0), (500, 0), (-750, 0)].into_iter());
        assert_eq!((x_scan.rank(), x_scan.line(), x_scan.index()), (1, ((1, 0), 250), 250));
        let odd = Lattice::spanned([(0, 0), (250, 0), (501, 0)].into_iter());
        assert_eq!((odd.rank(), odd.index()), (1, 1));
        let y_scan = Lattice::spanned([(0, 0), (0, -6), (0, 9)].into_iter());
        assert_eq!((y_scan.rank(), y_scan.line()), (1, ((0, 1), 3)));
        let diagonal = Lattice::spanned([(0, 0), (6, -9), (12, -18)].into_iter());
        assert_eq!((diagonal.rank(), diagonal.line()), (1, ((2, -3), 3)));
        let plane = Lattice::spanned([(4, 0), (0, 6), (8, 6)].into_iter());
        assert_eq!((plane.rank(), plane.index()), (2, 24));
        let skew = Lattice::spanned([(4, 1), (8, 3), (13, 5)].into_iter());
        assert_eq!((skew.rank(), skew.index()), (2, 1));
        assert_eq!(Lattice::spanned([(0, 0), (0, 0)].into_iter()).rank(), 0);
    }

    #[test]
    fn pixels_that_differ_by_a_lattice_vector_share_a_coset() {
        let lattice = Lattice::spanned([(4, 1), (2, 7)].into_iter());
        assert_eq!(lattice.coset(10, 10), lattice.coset(10 + 4 - 2, 10 + 1 - 7));
        assert_ne!(lattice.coset(10, 10), lattice.coset(11, 10));
    }

    #[test]
    fn nearly_equal_steps_are_seen_and_random_ones_are_not() {
        let jittered: Vec<f64> = (0..20).map(|k| 50.0 * f64::from(k) + 0.3 * f64::from(k % 3)).collect();
        let period = nearly_periodic(&jittered, 200, 1.0).unwrap();
        assert!((period - 50.0).abs() < 0.5 || (50.0 / period).fract() < 0.05, "{period}");
        let random = [0.0, 43.0, 98.0, 157.0, 198.0, 251.0, 297.0, 354.0, 396.0];
        assert_eq!(nearly_periodic(&random, 200, 1.0), None);
        // Exactly equal steps are another matter; but a divisor of 10 px hides no near period of 500 px.
        let equal: Vec<f64> = (0..20).map(|k| 50.0 * f64::from(k)).collect();
        assert_eq!((divisor(&equal), nearly_periodic(&equal, 200, 50.0)), (50.0, None));
        let both = [0.0, 500.0, 1000.0, 1510.0];
        assert_eq!(divisor(&both), 10.0);
        assert!(nearly_periodic(&both, 1000, 10.0).is_some());
    }
}
