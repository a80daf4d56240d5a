//! The least-squares plane through scattered differences, from their moments.

/// Sums over pixels at (x, y), counted in pixels from some corner, with a difference d.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    pub count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
    d: f64,
    xd: f64,
    yd: f64,
    dd: f64,
}

/// A plane: `piston + pitch x + roll y`, and the rms of what it leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Plane {
    pub piston: f64,
    pub pitch: f64,
    pub roll: f64,
    /// Root mean square of (d - plane).
    pub rms: f64,
}

impl Moments {
    /// Adds the pixels of one row `y`: those of `differences`, each with its x.
    pub fn add_row(&mut self, y: f64, differences: impl Iterator<Item = (f64, f64)>) {
        let (mut n, mut sx, mut sxx, mut sd, mut sxd, mut sdd) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, d) in differences {
            n += 1.0;
            sx += x;
            sxx += x * x;
            sd += d;
            sxd += x * d;
            sdd += d * d;
        }
        self.count += n;
        self.x += sx;
        self.y += n * y;
        self.xx += sxx;
        self.xy += y * sx;
        self.yy += n * y * y;
        self.d += sd;
        self.xd += sxd;
        self.yd += y * sd;
        self.dd += sdd;
    }

    /// Adds the sums of other pixels, counted from the same corner.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.xy += other.xy;
        self.yy += other.yy;
        self.d += other.d;
        self.xd += other.xd;
        self.yd += other.yd;
        self.dd += other.dd;
    }

    /// The normal matrix of 1, X, Y, where X = `x0` + `step.0` x and Y = `y0` + `step.1` y.
    pub fn normal(&self, (x0, y0): (f64, f64), step: (f64, f64)) -> [[f64; 3]; 3] {
        let (n, dx, dy) = (self.count, step.0, step.1);
        let (sx, sy) = (n * x0 + dx * self.x, n * y0 + dy * self.y);
        let xx = n * x0 * x0 + 2.0 * x0 * dx * self.x + dx * dx * self.xx;
        let yy = n * y0 * y0 + 2.0 * y0 * dy * self.y + dy * dy * self.yy;
        let xy = n * x0 * y0 + x0 * dy * self.y + y0 * dx * self.x + dx * dy * self.xy;
        [[n, sx, sy], [sx, xx, xy], [sy, xy, yy]]
    }

    /// The least-squares plane in the same coordinates, or `None` where the pixels hold none: all on one line. In one
    /// single row there is no roll, in one single column no pitch: that term is zero.
    pub fn plane(&self) -> Option<Plane> {
        if self.count < 1.0 {
            return None;
        }
        let n = self.count;
        let (mx, my, md) = (self.x / n, self.y / n, self.d / n);
        let (xx, xy, yy) = (self.xx - n * mx * mx, self.xy - n * mx * my, self.yy - n * my * my);
        let (xd, yd) = (self.xd - n * mx * md, self.yd - n * my * md);
        let (flat_x, flat_y) = (xx <= 1e-9 * (1.0 + self.xx), yy <= 1e-9 * (1.0 + self.yy));
        let (pitch, roll) = match (flat_x, flat_y) {
            (true, true) => (0.0, 0.0),
            (false, true) => (xd / xx, 0.0),
            (true, false) => (0.0, yd / yy),
            (false, false) => {
                let determinant = xx * yy - xy * xy;
                if determinant <= 1e-12 * xx * yy {
                    return None;
                }
                ((xd * yy - yd * xy) / determinant, (yd * xx - xd * xy) / determinant)
            }
        };
        let left = (self.dd - n * md * md) - pitch * xd - roll * yd;
        Some(Plane { piston: md - pitch * mx - roll * my, pitch, roll, rms: (left.max(0.0) / n).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_and_what_it_leaves_told() {
        // d = 2 + 3 x - y, and +1, -2, +1 on three of four columns of the second row, which no plane can hold.
        let mut moments = Moments::default();
        let plane = |x: f64, y: f64| 2.0 + 3.0 * x - y;
        let mut other = Moments::default();
        for y in 0..3 {
            let row = (0..5).map(|x| (f64::from(x), plane(f64::from(x), f64::from(y))));
            if y == 1 {
                let bump = [1.0, -2.0, 0.0, 2.0, -1.0];
                other.add_row(1.0, row.zip(bump).map(|((x, d), b)| (x, d + b)));
            } else {
                moments.add_row(f64::from(y), row);
            }
        }
        moments.add(&other);
        let found = moments.plane().unwrap();
        // The bump leans: sum x b = 0*1 - 2 + 0 + 6 - 4 = 0, sum b = 0: no plane in it, rms sqrt(10 / 15).
        for (found, expected) in [found.piston, found.pitch, found.roll].iter().zip([2.0, 3.0, -1.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert!((found.rms - (10.0f64 / 15.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_row_has_no_roll_and_a_diagonal_no_plane() {
        let mut row = Moments::default();
        row.add_row(7.0, (0..4).map(|x| (f64::from(x), 1.0 + 0.5 * f64::from(x))));
        let plane = row.plane().unwrap();
        assert!((plane.piston - 1.0).abs() < 1e-12 && (plane.pitch - 0.5).abs() < 1e-12 && plane.roll == 0.0);
        let mut diagonal = Moments::default();
        for y in 0..4 {
            diagonal.add_row(f64::from(y), std::iter::once((f64::from(y), 1.0)));
        }
        assert_eq!(diagonal.plane(), None);
        assert_eq!(Moments::default().plane(), None);
    }
}
