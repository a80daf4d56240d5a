//! Non-linear least squares after Gauss and Newton, damped after Levenberg and Marquardt when a step does not help.
//!
//! The data are visited only through a pass that returns the [`Triangle`] of the derivatives and residuals at given
//! parameters, so the same iteration serves a profile of 200 points and a map of 20 million pixels.

use crate::least_squares::{Dependent, Solution, Triangle};

/// Where the sum of squares is smallest.
#[derive(Debug, Clone)]
pub(crate) struct Minimum {
    pub parameters: Vec<f64>,
    /// Covariance factor and sum of squares there.
    pub solution: Solution,
    /// Passes over the data.
    pub passes: usize,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMinimum {
    /// The model has no value at the start.
    Start,
    /// The parameter of this index is not determined beside those before it.
    Dependent(usize),
    /// No end in sight.
    Passes(usize),
}

impl From<Dependent> for NoMinimum {
    fn from(dependent: Dependent) -> Self {
        Self::Dependent(dependent.0)
    }
}

const MOST_PASSES: usize = 200;

/// Looks for the minimum from `start`. `pass` returns `None` where the model has no value; `rounding` is the size of the
/// rounding errors of one residual.
pub(crate) fn minimise(
    start: &[f64],
    rounding: f64,
    pass: impl Fn(&[f64]) -> Option<Triangle>,
) -> Result<Minimum, NoMinimum> {
    let mut parameters = start.to_vec();
    let mut here = pass(&parameters).ok_or(NoMinimum::Start)?;
    let mut damping = 0.0;
    for passes in 1..MOST_PASSES {
        let solution = here.solve()?;
        let cost = here.right_square();
        let freedom = here.rows().saturating_sub(parameters.len()).max(1) as f64;
        // |J step| in units of the noise is the size of the step in units of its uncertainty.
        let noise = (solution.residual_square / freedom).sqrt();
        let floor = rounding * (here.rows() as f64).sqrt();
        let gain = (cost - solution.residual_square).max(0.0).sqrt();
        if gain <= 1e-6 * noise + floor {
            return Ok(Minimum { parameters, solution, passes });
        }
        let step = if damping > 0.0 {
            let weights: Vec<f64> = (0..parameters.len()).map(|k| f64::sqrt(damping) * here.column_norm(k)).collect();
            here.damped(&weights).solve()?.values
        } else {
            solution.values.clone()
        };
        let trial: Vec<f64> = parameters.iter().zip(&step).map(|(p, s)| p + s).collect();
        match pass(&trial).filter(|there| there.right_square() < cost) {
            Some(there) => {
                parameters = trial;
                here = there;
                damping = if damping > 1e-8 { damping / 10.0 } else { 0.0 };
            }
            // Nothing better within rounding: this is the bottom.
            None if gain <= 1e-3 * noise + 10.0 * floor => return Ok(Minimum { parameters, solution, passes }),
            None if damping > 1e12 => return Err(NoMinimum::Passes(passes)),
            None => damping = (damping * 10.0).max(1e-4),
        }
    }
    Err(NoMinimum::Passes(MOST_PASSES))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y = a exp(b x)` from a start where pure Gauss-Newton overshoots.
    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let pass = |p: &[f64]| {
            let xs: Vec<f64> = (0..20).map(|i| f64::from(i) / 10.0).collect();
            let model = |x: f64| p[0] * libm::exp(p[1] * x);
            let mut columns = vec![
                xs.iter().map(|x| libm::exp(p[1] * x)).collect::<Vec<_>>(),
                xs.iter().map(|x| x * model(*x)).collect(),
                xs.iter().map(|x| 2.0 * libm::exp(-1.5 * x) - model(*x)).collect(),
            ];
            let mut triangle = Triangle::new(2);
            triangle.absorb(&mut columns);
            Some(triangle).filter(|t| t.right_square().is_finite())
        };
        let minimum = minimise(&[1.0, 2.0], 1e-16, pass).unwrap();
        assert!((minimum.parameters[0] - 2.0).abs() < 1e-10 && (minimum.parameters[1] + 1.5).abs() < 1e-10);
        assert_eq!(minimise(&[1.0, f64::NAN], 1e-16, pass).unwrap_err(), NoMinimum::Start);
    }
}
