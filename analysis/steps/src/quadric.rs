//! Surfaces of second order in a pose: heights, slopes and their derivatives with respect to every parameter.
//!
//! In the frame of the mirror, whose pole is the origin and whose normal there is z, every circle, ellipse, hyperbola
//! and parabola through the pole is `F = xx x² + 2 xz x z + zz z² + yy y² - 4 z = 0`. A rigid motion keeps the order, so
//! the height over any point of the map is the small root of a quadratic equation: exact, no iteration, no small angles.
//! Lengths in mm, angles in radian.
//!
//! For foci at the (signed) distances p = 1/u and q = 1/v under the grazing angle theta, squaring
//! `|r-S| + |r-I| = p + q` twice gives, with `k = u + v`, `d = u - v`, `s = sin(theta)`, `c = cos(theta)`:
//! `xx = k s`, `xz = -d c`, `zz = k/s - d² s/k`, and `yy = k/s` for the surface of revolution, 0 for the cylinder.

/// The four coefficients of `F`, 1/mm.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Form {
    pub xx: f64,
    pub xz: f64,
    pub zz: f64,
    pub yy: f64,
}

impl Form {
    /// `r M t` for two vectors.
    fn product(&self, r: [f64; 3], t: [f64; 3]) -> f64 {
        self.xx * r[0] * t[0] + self.xz * (r[0] * t[2] + r[2] * t[0]) + self.zz * r[2] * t[2] + self.yy * r[1] * t[1]
    }

    /// Half of the gradient of the part of second order.
    fn apply(&self, r: [f64; 3]) -> [f64; 3] {
        [self.xx * r[0] + self.xz * r[2], self.yy * r[1], self.xz * r[0] + self.zz * r[2]]
    }
}

/// Where the curvature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Curved along x only.
    AlongX,
    /// Curved along y only (circles).
    AlongY,
    /// A surface of revolution.
    Revolution,
}

/// The shape without its pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// Foci at the signed distances `1/u` (source) and `1/v` (image), mm; grazing angle, radian.
    Conic { u: f64, v: f64, theta: f64 },
    /// Curvature 1/R, 1/mm.
    Circle { curvature: f64 },
}

/// Names of the parameters in their order: the figure's, then the pose's.
pub(crate) const POSE: usize = 6;

impl Figure {
    /// Number of parameters of the figure.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Conic { .. } => 3,
            Self::Circle { .. } => 1,
        }
    }

    /// The form and its derivatives with respect to the parameters of the figure.
    fn form(&self, family: Family) -> (Form, Vec<Form>) {
        match *self {
            Self::Circle { curvature } => {
                let unit = Form {
                    xx: if family == Family::AlongY { 0.0 } else { 2.0 },
                    xz: 0.0,
                    zz: 2.0,
                    yy: if family == Family::AlongX { 0.0 } else { 2.0 },
                };
                let times = |c: f64| Form { xx: unit.xx * c, xz: 0.0, zz: unit.zz * c, yy: unit.yy * c };
                (times(curvature), vec![unit])
            }
            Self::Conic { u, v, theta } => {
                let (s, c) = (libm::sin(theta), libm::cos(theta));
                let (k, d) = (u + v, u - v);
                let round = if family == Family::Revolution { 1.0 } else { 0.0 };
                let form = Form { xx: k * s, xz: -d * c, zz: k / s - d * d * s / k, yy: round * k / s };
                // With respect to k and d, then to u and v.
                let by_k = Form { xx: s, xz: 0.0, zz: 1.0 / s + d * d * s / (k * k), yy: round / s };
                let by_d = Form { xx: 0.0, xz: -c, zz: -2.0 * d * s / k, yy: 0.0 };
                let sum =
                    |sign: f64| Form { xx: by_k.xx, xz: sign * by_d.xz, zz: by_k.zz + sign * by_d.zz, yy: by_k.yy };
                let by_theta =
                    Form { xx: k * c, xz: d * s, zz: -c * (k / (s * s) + d * d / k), yy: -round * k * c / (s * s) };
                (form, vec![sum(1.0), sum(-1.0), by_theta])
            }
        }
    }
}

/// Where the pole of the shape lies in the map and how the shape is turned there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pose {
    /// Pole along x from the centre of the map, mm.
    pub x0: f64,
    /// Pole along y, mm.
    pub y0: f64,
    /// Height of the pole, mm.
    pub piston: f64,
    /// Turned so that the height grows with x, radian.
    pub tilt: f64,
    /// Turned so that the height grows with y, radian.
    pub roll: f64,
    /// Turned about z, from x towards y, radian.
    pub yaw: f64,
}

type Matrix = [[f64; 3]; 3];

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]))
}

/// `Rᵀ r`.
fn turned_back(m: &Matrix, r: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|j| m[0][j] * r[0] + m[1][j] * r[1] + m[2][j] * r[2])
}

/// `R r`.
fn turned(m: &Matrix, r: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| m[i][0] * r[0] + m[i][1] * r[1] + m[i][2] * r[2])
}

/// A turn in the plane of two axes, or its derivative.
fn turn(angle: f64, from: usize, to: usize, derivative: bool) -> Matrix {
    let (s, c) = (libm::sin(angle), libm::cos(angle));
    let mut m = [[0.0; 3]; 3];
    let (diagonal, side) = if derivative { (-s, c) } else { (c, s) };
    for (axis, row) in m.iter_mut().enumerate() {
        row[axis] = if axis == from || axis == to { diagonal } else { f64::from(u8::from(!derivative)) };
    }
    m[to][from] = side;
    m[from][to] = -side;
    m
}

/// A figure in its pose, ready to be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    form: Form,
    by_figure: Vec<Form>,
    pose: Pose,
    rotation: Matrix,
    by_angle: [Matrix; 3],
    /// The direction of the map's z in the mirror's frame.
    up: [f64; 3],
    square_up: f64,
}

/// A point of the surface.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// In the map's frame, from the pole.
    world: [f64; 3],
    /// In the mirror's frame.
    local: [f64; 3],
    /// Gradient of F in the mirror's frame.
    gradient: [f64; 3],
    /// Gradient of F in the map's frame.
    world_gradient: [f64; 3],
}

impl Placed {
    pub fn new(figure: Figure, family: Family, pose: Pose) -> Self {
        let (form, by_figure) = figure.form(family);
        let (yaw, tilt, roll) =
            (turn(pose.yaw, 0, 1, false), turn(pose.tilt, 0, 2, false), turn(pose.roll, 1, 2, false));
        let rotation = multiply(&yaw, &multiply(&tilt, &roll));
        let by_angle = [
            multiply(&yaw, &multiply(&turn(pose.tilt, 0, 2, true), &roll)),
            multiply(&yaw, &multiply(&tilt, &turn(pose.roll, 1, 2, true))),
            multiply(&turn(pose.yaw, 0, 1, true), &multiply(&tilt, &roll)),
        ];
        let up = rotation[2];
        Self { form, by_figure, pose, rotation, by_angle, up, square_up: form.product(up, up) }
    }

    fn point(&self, x: f64, y: f64) -> Option<Point> {
        let flat = [x - self.pose.x0, y - self.pose.y0, 0.0];
        let r = turned_back(&self.rotation, flat);
        let b = self.form.product(r, self.up) - 2.0 * self.up[2];
        let c = self.form.product(r, r) - 4.0 * r[2];
        let square = b * b - self.square_up * c;
        // Beyond the end of the shape, or over its far side.
        if square.is_nan() || square <= 0.0 || b >= 0.0 {
            return None;
        }
        let rise = c / (square.sqrt() - b);
        let world = [flat[0], flat[1], rise];
        let local = std::array::from_fn(|i| r[i] + rise * self.up[i]);
        let half = self.form.apply(local);
        let gradient = [2.0 * half[0], 2.0 * half[1], 2.0 * half[2] - 4.0];
        Some(Point { world, local, gradient, world_gradient: turned(&self.rotation, gradient) })
    }

    /// Height over a point of the map, mm. `None` beyond the end of the shape.
    pub fn height(&self, x: f64, y: f64) -> Option<f64> {
        self.point(x, y).map(|point| self.pose.piston + point.world[2])
    }

    /// Slope along x, as a tangent. `None` beyond the end of the shape.
    pub fn slope(&self, x: f64, y: f64) -> Option<f64> {
        self.point(x, y).map(|p| -p.world_gradient[0] / p.world_gradient[2])
    }

    /// Height (mm) and its derivatives: the figure's parameters, then x0, y0, piston, tilt, roll, yaw.
    pub fn height_and_derivatives(&self, x: f64, y: f64, derivatives: &mut [f64]) -> Option<f64> {
        let point = self.point(x, y)?;
        self.derive(&point, derivatives);
        Some(self.pose.piston + point.world[2])
    }

    fn derive(&self, point: &Point, derivatives: &mut [f64]) {
        let [gx, gy, gz] = point.world_gradient;
        let n = self.by_figure.len();
        for (derivative, form) in derivatives.iter_mut().zip(&self.by_figure) {
            *derivative = -form.product(point.local, point.local) / gz;
        }
        derivatives[n] = gx / gz;
        derivatives[n + 1] = gy / gz;
        derivatives[n + 2] = 1.0;
        for (k, matrix) in self.by_angle.iter().enumerate() {
            let moved = turned_back(matrix, point.world);
            let g = point.gradient;
            derivatives[n + 3 + k] = -(g[0] * moved[0] + g[1] * moved[1] + g[2] * moved[2]) / gz;
        }
    }

    /// Slope along x and its derivatives, in the order of [`Self::height_and_derivatives`].
    pub fn slope_and_derivatives(&self, x: f64, y: f64, derivatives: &mut [f64]) -> Option<f64> {
        let point = self.point(x, y)?;
        self.derive(&point, derivatives);
        let [gx, _, gz] = point.world_gradient;
        let n = self.by_figure.len();
        for (k, derivative) in derivatives.iter_mut().enumerate() {
            // How the point over the fixed (x, y) moves in the map's frame, then in the mirror's.
            let mut world = [0.0, 0.0, *derivative];
            match k.checked_sub(n) {
                Some(0) => world[0] = -1.0,
                Some(1) => world[1] = -1.0,
                Some(2) => world[2] = 0.0,
                _ => {}
            }
            let mut local = turned_back(&self.rotation, world);
            let angle = k.checked_sub(n + 3).and_then(|a| self.by_angle.get(a));
            if let Some(matrix) = angle {
                let moved = turned_back(matrix, point.world);
                local = std::array::from_fn(|i| local[i] + moved[i]);
            }
            let mut change = self.form.apply(local).map(|v| 2.0 * v);
            if let Some(form) = self.by_figure.get(k) {
                let own = form.apply(point.local);
                change = std::array::from_fn(|i| change[i] + 2.0 * own[i]);
            }
            let mut gradient = turned(&self.rotation, change);
            if let Some(matrix) = angle {
                let own = turned(matrix, point.gradient);
                gradient = std::array::from_fn(|i| gradient[i] + own[i]);
            }
            *derivative = -(gradient[0] * gz - gx * gradient[2]) / (gz * gz);
        }
        Some(-gx / gz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSED: Pose = Pose { x0: 1.5, y0: -0.7, piston: 2e-3, tilt: 3e-4, roll: -2e-4, yaw: 0.01 };

    fn set(figure: Figure, pose: Pose, k: usize, by: f64) -> (Figure, Pose) {
        let (mut figure, mut pose) = (figure, pose);
        let n = figure.parameters();
        match (&mut figure, k) {
            (Figure::Conic { u, .. }, 0) => *u += by,
            (Figure::Conic { v, .. }, 1) => *v += by,
            (Figure::Conic { theta, .. }, 2) => *theta += by,
            (Figure::Circle { curvature }, 0) => *curvature += by,
            _ => {
                let fields =
                    [&mut pose.x0, &mut pose.y0, &mut pose.piston, &mut pose.tilt, &mut pose.roll, &mut pose.yaw];
                for (i, field) in fields.into_iter().enumerate() {
                    if i == k - n {
                        *field += by;
                    }
                }
            }
        }
        (figure, pose)
    }

    #[test]
    fn derivatives_are_those_of_central_differences() {
        let conic = Figure::Conic { u: 1.0 / 400.0, v: 1.0 / 120.0, theta: 0.02 };
        let circle = Figure::Circle { curvature: 1e-3 };
        for (figure, family) in [
            (conic, Family::AlongX),
            (conic, Family::Revolution),
            (circle, Family::AlongY),
            (circle, Family::Revolution),
        ] {
            let n = figure.parameters() + POSE;
            let (mut heights, mut slopes) = (vec![0.0; n], vec![0.0; n]);
            let (x, y) = (11.0, 0.4);
            let placed = Placed::new(figure, family, POSED);
            placed.height_and_derivatives(x, y, &mut heights).unwrap();
            placed.slope_and_derivatives(x, y, &mut slopes).unwrap();
            for k in 0..n {
                let step = if k < figure.parameters() { 1e-6 } else { 1e-4 };
                let at = |by: f64| {
                    let (figure, pose) = set(figure, POSED, k, by);
                    Placed::new(figure, family, pose)
                };
                let numeric = |f: &dyn Fn(&Placed) -> f64| (f(&at(step)) - f(&at(-step))) / (2.0 * step);
                let height = numeric(&|p| p.height(x, y).unwrap());
                let slope = numeric(&|p| p.slope(x, y).unwrap());
                assert!((heights[k] - height).abs() < 1e-6 * (height.abs() + 1e-3), "{k}: {} {height}", heights[k]);
                assert!((slopes[k] - slope).abs() < 1e-6 * (slope.abs() + 1e-2), "{k}: {} {slope}", slopes[k]);
            }
        }
    }

    #[test]
    fn a_circle_has_the_height_of_a_circle_however_it_is_turned() {
        let radius = 50.0;
        let pose = Pose { tilt: 0.1, ..Pose::default() };
        let placed = Placed::new(Figure::Circle { curvature: 1.0 / radius }, Family::AlongX, pose);
        // Turned about its pole by 0.1, the centre of the circle lies at R (-sin, cos).
        let (cx, cz) = (-radius * libm::sin(0.1), radius * libm::cos(0.1));
        for x in [-20.0, -3.0, 0.0, 0.5, 17.0f64] {
            let expected = cz - (radius * radius - (x - cx) * (x - cx)).sqrt();
            assert!((placed.height(x, 3.0).unwrap() - expected).abs() < 1e-12);
        }
        assert!(placed.height(46.0, 0.0).is_none());
    }
}
