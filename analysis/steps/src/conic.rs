//! The mirror that images one point onto another: elliptic and hyperbolic cylinders and their surfaces of revolution.
//!
//! Geometry: x along the mirror, z up (out of the reflecting side), the beam comes from -x under the grazing angle
//! theta onto the pole at the origin. The source lies at `S = p (-cos theta, sin theta)`, the image at
//! `I = q (cos theta, sin theta)`. A negative distance is a virtual point, behind the mirror: p > 0 and q > 0 is the
//! concave ellipse `|r-S| + |r-I| = p + q`; one of the two negative is a hyperbola, `|r-S| - |r-I| = |p| - |q|`,
//! concave if the virtual point is the farther one; both negative is the convex ellipse.

use crate::StepError;
use crate::quadric::{Family, Figure, Placed, Pose};

/// A mirror with two foci, exact.
#[derive(Debug, Clone)]
pub struct TwoFoci {
    cylinder: Placed,
    revolution: Placed,
}

impl TwoFoci {
    /// From the signed distances of source and image (mm) and the grazing angle (radian).
    ///
    /// # Errors
    /// [`StepError::Parameter`] if a distance is zero, `p = -q` (a flat mirror), or the angle is not between 0 and pi/2.
    pub fn new(p_mm: f64, q_mm: f64, theta_rad: f64) -> Result<Self, StepError> {
        check("conic", p_mm, q_mm, theta_rad)?;
        let figure = Figure::Conic { u: 1.0 / p_mm, v: 1.0 / q_mm, theta: theta_rad };
        Ok(Self {
            cylinder: Placed::new(figure, Family::AlongX, Pose::default()),
            revolution: Placed::new(figure, Family::Revolution, Pose::default()),
        })
    }

    /// Height of the cylinder at `x_mm` from the pole, nm; `None` beyond its end.
    #[must_use]
    pub fn height_nm(&self, x_mm: f64) -> Option<f64> {
        self.cylinder.height(x_mm, 0.0).map(|z| z * 1e6)
    }

    /// Slope of the cylinder at `x_mm` from the pole, microradian (tangent times 1e6); `None` beyond its end.
    #[must_use]
    pub fn slope_urad(&self, x_mm: f64) -> Option<f64> {
        self.cylinder.slope(x_mm, 0.0).map(|s| s * 1e6)
    }

    /// Height of the ellipsoid or hyperboloid of revolution, nm; y across the mirror. `None` beyond its end.
    #[must_use]
    pub fn revolved_height_nm(&self, x_mm: f64, y_mm: f64) -> Option<f64> {
        self.revolution.height(x_mm, y_mm).map(|z| z * 1e6)
    }

    /// Slope along x of the ellipsoid or hyperboloid of revolution, microradian. `None` beyond its end.
    #[must_use]
    pub fn revolved_slope_urad(&self, x_mm: f64, y_mm: f64) -> Option<f64> {
        self.revolution.slope(x_mm, y_mm).map(|s| s * 1e6)
    }
}

/// Refuses distances and angles that make no mirror.
pub(crate) fn check(step: &'static str, p_mm: f64, q_mm: f64, theta_rad: f64) -> Result<(), StepError> {
    let wrong = |parameter, value: String, why| Err(StepError::Parameter { step, parameter, value, why });
    for (parameter, value) in [("p", p_mm), ("q", q_mm)] {
        if !value.is_finite() || value == 0.0 {
            return wrong(parameter, format!("{value} mm"), "a focus lies at a finite distance that is not zero");
        }
    }
    if !(theta_rad > 0.0 && theta_rad < std::f64::consts::FRAC_PI_2) {
        return wrong("theta", format!("{theta_rad} rad"), "a grazing angle lies between 0 and 90 deg");
    }
    if (1.0 / p_mm + 1.0 / q_mm).abs() * p_mm.abs().min(q_mm.abs()) < 1e-9 {
        return wrong(
            "q",
            format!("{q_mm} mm"),
            "source and image at opposite distances make a flat mirror: remove a plane",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// p, q, theta, half length of real mirrors (mm, radian), also a steep one.
    const MIRRORS: [(f64, f64, f64, f64); 6] = [
        (65_630.0, 310.0, 0.003, 50.0),
        (30_000.0, 80.0, 0.005, 40.0),
        (46_000.0, 100.0, 0.003, 25.0),
        (-306.0, 115.0, 0.0046, 26.0),
        (25_000.0, -4_000.0, 0.004, 200.0),
        (500.0, 120.0, 0.4, 60.0),
    ];

    fn foci(p: f64, q: f64, theta: f64) -> ([f64; 3], [f64; 3]) {
        let (s, c) = (libm::sin(theta), libm::cos(theta));
        ([-p * c, 0.0, p * s], [q * c, 0.0, q * s])
    }

    fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
        ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2])).sqrt()
    }

    #[test]
    fn every_point_has_the_same_optical_path() {
        for (p, q, theta, half) in MIRRORS {
            let mirror = TwoFoci::new(p, q, theta).unwrap();
            let (source, image) = foci(p, q, theta);
            for k in -10..=10 {
                let x = half * f64::from(k) / 10.0;
                for y in [0.0, 0.1, -0.3] {
                    let z = mirror.revolved_height_nm(x, y).unwrap() * 1e-6;
                    let path = p.signum() * distance([x, y, z], source) + q.signum() * distance([x, y, z], image);
                    assert!((path - (p + q)).abs() < 1e-12 * (p.abs() + q.abs()), "{p} {q} {x} {y}: {}", path - p - q);
                }
                let cylinder = mirror.height_nm(x).unwrap();
                assert!((cylinder - mirror.revolved_height_nm(x, 0.0).unwrap()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn rays_leave_under_the_angle_they_arrive_with() {
        for (p, q, theta, half) in MIRRORS {
            let mirror = TwoFoci::new(p, q, theta).unwrap();
            let (source, image) = foci(p, q, theta);
            for k in -10..=10 {
                let x = half * f64::from(k) / 10.0;
                let r = [x, 0.0, mirror.height_nm(x).unwrap() * 1e-6];
                let slope = mirror.slope_urad(x).unwrap() * 1e-6;
                // Rays as they travel: a virtual source is where they would go, a virtual image where they seem to come from.
                let ray = |from: [f64; 3], to: [f64; 3], sign: f64| {
                    let d = distance(from, to) * sign;
                    [(to[0] - from[0]) / d, (to[2] - from[2]) / d]
                };
                let arriving = ray(source, r, p.signum());
                let leaving = ray(r, image, q.signum());
                let along = |d: [f64; 2]| d[0] + d[1] * slope;
                let across = |d: [f64; 2]| d[1] - d[0] * slope;
                assert!((along(arriving) - along(leaving)).abs() < 1e-11, "{p} {q} {x}");
                assert!((across(arriving) + across(leaving)).abs() < 1e-11, "{p} {q} {x}");
                assert!(across(arriving) < 0.0, "light comes from above: {p} {q} {x}");
            }
        }
    }

    /// The approximate ellipse of facts/stitching.md section 1.2, m, without its constant and tilt.
    fn approximate(p: f64, q: f64, theta: f64, x: f64) -> f64 {
        let (a, b) = ((p + q) / 2.0, (p * q).sqrt() * libm::sin(theta));
        let f = (a * a - b * b).sqrt();
        let alpha = libm::asin(p * libm::sin(2.0 * theta) / (2.0 * f));
        let mu = alpha - theta;
        let x0 = f - q * libm::cos(alpha);
        let root = |x: f64| b * (1.0 - x / a * (x / a)).sqrt();
        libm::cos(mu) * (root(x0) - root(x0 + x * libm::cos(mu))) - x * libm::cos(mu) * libm::sin(mu)
    }

    #[test]
    fn the_usual_approximation_is_as_close_as_the_facts_say() {
        // 30 m, 80 mm, 5 mrad, 80 mm long: the worst of the facts' six mirrors, 0.27 nm PV; the others 0.05 nm rms or less.
        for (p, q, theta, half, bound_pv) in [
            (30.0, 0.08, 0.005, 0.04, (0.2, 0.35)),
            (65.63, 0.31, 0.003, 0.05, (0.0, 0.1)),
            (46.0, 0.1, 0.003, 0.025, (0.0, 0.1)),
        ] {
            let mirror = TwoFoci::new(p * 1e3, q * 1e3, theta).unwrap();
            let xs: Vec<f64> = (-100..=100).map(|k| half * f64::from(k) / 100.0).collect();
            let d: Vec<f64> =
                xs.iter().map(|x| mirror.height_nm(x * 1e3).unwrap() - approximate(p, q, theta, *x) * 1e9).collect();
            // Piston and tilt are free.
            let n = d.len() as f64;
            let mean = d.iter().sum::<f64>() / n;
            let slope = d.iter().zip(&xs).map(|(d, x)| d * x).sum::<f64>() / xs.iter().map(|x| x * x).sum::<f64>();
            let rest: Vec<f64> = d.iter().zip(&xs).map(|(d, x)| d - mean - slope * x).collect();
            let pv = rest.iter().copied().fold(f64::MIN, f64::max) - rest.iter().copied().fold(f64::MAX, f64::min);
            assert!(pv >= bound_pv.0 && pv <= bound_pv.1, "{p} {q}: {pv} nm");
        }
    }

    #[test]
    fn beyond_the_end_of_the_ellipse_there_is_nothing() {
        let mirror = TwoFoci::new(500.0, 120.0, 0.4).unwrap();
        assert!(mirror.height_nm(130.0).is_none() && mirror.height_nm(-520.0).is_none());
        assert!(TwoFoci::new(0.0, 1.0, 0.1).is_err() && TwoFoci::new(1.0, 1.0, 0.0).is_err());
        assert!(TwoFoci::new(100.0, -100.0, 0.1).unwrap_err().to_string().contains("flat"));
    }
}
