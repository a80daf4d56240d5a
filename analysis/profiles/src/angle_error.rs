//! The error of an instrument as a function of the angle: a cubic B-spline on evenly spaced knots.

/// `error(angle)`, microradian, zero outside its range.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AngleError {
    /// The smallest angle, microradian.
    pub first_urad: f64,
    /// Distance of the knots, microradian.
    pub spacing_urad: f64,
    /// Coefficients of the B-splines, microradian; there are three more than intervals.
    pub coefficients_urad: Vec<f64>,
}

impl AngleError {
    /// Zero everywhere, from the smallest angle over a number of intervals.
    pub(crate) fn zero(first_urad: f64, spacing_urad: f64, intervals: usize) -> Self {
        Self { first_urad, spacing_urad, coefficients_urad: vec![0.0; intervals + 3] }
    }

    /// The largest angle, microradian.
    #[must_use]
    pub fn last_urad(&self) -> f64 {
        self.first_urad + self.spacing_urad * (self.coefficients_urad.len() as f64 - 3.0)
    }

    /// The error at an angle (microradian), microradian.
    #[must_use]
    pub fn at(&self, angle_urad: f64) -> f64 {
        let Some((first, values, _)) = self.basis(angle_urad) else { return 0.0 };
        self.coefficients_urad.iter().skip(first).zip(values).map(|(c, b)| c * b).sum()
    }

    /// The angle, or the end of the range that is nearer: true angles pass the measured ones by the error.
    pub(crate) fn within(&self, angle_urad: f64) -> f64 {
        // A hair inside, so that rounding does not put it outside.
        let hair = 1e-9 * self.spacing_urad;
        angle_urad.max(self.first_urad + hair).min(self.last_urad() - hair)
    }

    /// Its derivative.
    pub(crate) fn slope(&self, angle_urad: f64) -> f64 {
        let Some((first, _, slopes)) = self.basis(angle_urad) else { return 0.0 };
        self.coefficients_urad.iter().skip(first).zip(slopes).map(|(c, b)| c * b).sum()
    }

    /// The first of the four B-splines that are not zero at an angle, their values, and their derivatives.
    pub(crate) fn basis(&self, angle_urad: f64) -> Option<(usize, [f64; 4], [f64; 4])> {
        let intervals = self.coefficients_urad.len().checked_sub(3)?;
        let place = (angle_urad - self.first_urad) / self.spacing_urad;
        if !(place >= 0.0 && place <= intervals as f64) {
            return None;
        }
        let first = (place.floor() as usize).min(intervals.saturating_sub(1));
        let t = place - first as f64;
        let r = 1.0 - t;
        let values = [
            r * r * r / 6.0,
            (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
            (3.0 * r * r * r - 6.0 * r * r + 4.0) / 6.0,
            t * t * t / 6.0,
        ];
        let slopes = [-r * r / 2.0, (3.0 * t * t - 4.0 * t) / 2.0, -(3.0 * r * r - 4.0 * r) / 2.0, t * t / 2.0];
        Some((first, values, slopes.map(|s| s / self.spacing_urad)))
    }

    /// The angle at which coefficient `index` stands: the line a + b angle has the coefficients a + b times these.
    pub(crate) fn stand(&self, index: usize) -> f64 {
        self.first_urad + self.spacing_urad * (index as f64 - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_spline_and_the_derivative_is_its_own() {
        let mut error = AngleError::zero(-10.0, 2.5, 8);
        assert_eq!((error.last_urad(), error.coefficients_urad.len()), (10.0, 11));
        for i in 0..11 {
            error.coefficients_urad[i] = 3.0 - 0.2 * error.stand(i);
        }
        for angle in [-10.0, -3.3, 0.0, 9.99, 10.0] {
            assert!((error.at(angle) - (3.0 - 0.2 * angle)).abs() < 1e-12, "{angle}");
            assert!((error.slope(angle) + 0.2).abs() < 1e-12, "{angle}");
        }
        assert_eq!((error.at(10.1), error.at(f64::NAN)), (0.0, 0.0));
        error.coefficients_urad = (0..11).map(|i| f64::from(i * i % 7)).collect();
        for angle in [-9.0, -4.1, 1.3, 7.7] {
            let difference = (error.at(angle + 1e-5) - error.at(angle - 1e-5)) / 2e-5;
            assert!((error.slope(angle) - difference).abs() < 1e-6, "{angle}");
        }
    }
}
