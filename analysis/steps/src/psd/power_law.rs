//! A power law fitted to a density by Whittle's likelihood: each value of a periodogram scatters about the true density
//! by a factor, so that it is the ratio, not the difference nor the logarithm, whose mean is known.

use stitchbox_surface::quantity::Frequency;

use super::Spectrum;
use crate::StepError;
use crate::elimination::{NormalEquations, solve};
use crate::frame::within;

/// `density = K f^-exponent` with f in 1/mm.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PowerLaw {
    /// By which power of the frequency the density falls.
    pub exponent: f64,
    /// Its standard uncertainty, from the scatter of the values and the window's alikeness.
    pub exponent_sigma: f64,
    /// K: the density at 1/mm, in the unit of the spectrum.
    pub density_at_1_per_mm: f64,
    /// Standard uncertainty of ln K (about the relative one of K).
    pub log_density_sigma: f64,
    /// Covariance of exponent and ln K.
    pub covariance: f64,
    /// Values that were fitted.
    pub values: usize,
}

const STEP: &str = "power-law";
const MOST_ITERATIONS: usize = 100;

impl Spectrum {
    /// Fits a power law to the values whose frequencies lie between two (inclusive; 0 never counts).
    ///
    /// # Errors
    /// [`StepError::Parameter`] for a band that is empty; [`StepError::TooFew`] with fewer than 3 values;
    /// [`StepError::NotDetermined`] where densities are zero or worse; [`StepError::NotConverged`].
    pub fn power_law(&self, from: Frequency, to: Frequency) -> Result<PowerLaw, StepError> {
        let (low, high) = (from.per_mm(), to.per_mm());
        within(STEP, "from", low, 0.0..=f64::MAX, "it must not be negative (1/mm)")?;
        within(STEP, "to", high, low..=f64::MAX, "it must not be below from (1/mm)")?;
        let inside = |f: f64| f > 0.0 && f >= low && f <= high;
        let points: Vec<(f64, f64)> = self
            .frequency_per_mm
            .iter()
            .zip(&self.density)
            .filter(|(f, s)| inside(**f) && **s > 0.0)
            .map(|(f, s)| (libm::log(*f), *s))
            .collect();
        let needed = 3;
        if points.len() < needed {
            return Err(StepError::TooFew {
                step: STEP,
                what: "positive densities in the band",
                found: points.len(),
                needed,
            });
        }
        // Logarithms of frequencies from their mean: then the two parameters are independent.
        let centre = points.iter().map(|(x, _)| x).sum::<f64>() / points.len() as f64;
        let undetermined = || StepError::NotDetermined { step: STEP, term: "the exponent".to_owned() };
        let mut start = NormalEquations::<2>::new();
        for (x, s) in &points {
            start.add([1.0, centre - x], libm::log(*s), 1.0);
        }
        let mut law = start.solve().ok_or_else(undetermined)?;
        let (ratios, matrix) = refine(&points, centre, &mut law)?;
        let left_over = points.len() as f64 - 2.0;
        let scatter = ratios.iter().map(|r| r * r).sum::<f64>() / left_over * self.alikeness;
        let column = |k: usize| solve(matrix, [f64::from(u8::from(k == 0)), f64::from(u8::from(k == 1))]);
        let (first, second) = (column(0).ok_or_else(undetermined)?, column(1).ok_or_else(undetermined)?);
        // Back to ln K at f = 1/mm: ln K = a + exponent * centre.
        let [a, exponent] = law;
        let (var_a, cov, var_e) = (first[0] * scatter, first[1] * scatter, second[1] * scatter);
        let var_k = var_a + centre * (2.0 * cov + centre * var_e);
        Ok(PowerLaw {
            exponent,
            exponent_sigma: var_e.max(0.0).sqrt(),
            density_at_1_per_mm: libm::exp(a + exponent * centre),
            log_density_sigma: var_k.max(0.0).sqrt(),
            covariance: cov + centre * var_e,
            values: points.len(),
        })
    }
}

/// Newton's method on the negative logarithm of the likelihood, `sum(ln M + S / M)`, which is convex in both parameters;
/// leaves the ratios less one, and the expected normal matrix.
fn refine(points: &[(f64, f64)], centre: f64, law: &mut [f64; 2]) -> Result<(Vec<f64>, [[f64; 2]; 2]), StepError> {
    let log_model = |law: [f64; 2], x: f64| law[0] + law[1] * (centre - x);
    let cost = |law: [f64; 2]| -> f64 {
        points.iter().map(|(x, s)| log_model(law, *x) + s * libm::exp(-log_model(law, *x))).sum()
    };
    let mut best = cost(*law);
    for _ in 0..MOST_ITERATIONS {
        let mut sums = NormalEquations::<2>::new();
        for (x, s) in points {
            let ratio = s * libm::exp(-log_model(*law, *x));
            // Weight times value is the gradient `ratio - 1`; the weight is the curvature.
            sums.add([1.0, centre - x], if ratio > 0.0 { (ratio - 1.0) / ratio } else { 0.0 }, ratio);
        }
        let Some(step) = sums.solve() else { break };
        let size = step[0].abs().max(step[1].abs());
        // Far from the solution the curvature can be tiny: never more than two e-folds at once, and never uphill.
        let mut factor = if size > 2.0 { 2.0 / size } else { 1.0 };
        let mut next = *law;
        let mut next_cost = f64::INFINITY;
        while factor * size > 1e-14 {
            next = [law[0] + factor * step[0], law[1] + factor * step[1]];
            next_cost = cost(next);
            if next_cost <= best + 1e-12 * best.abs() {
                break;
            }
            factor /= 2.0;
        }
        (*law, best) = (next, next_cost.min(best));
        if size < 1e-9 {
            let mut expected = NormalEquations::<2>::new();
            let ratios = points.iter().map(|(x, s)| s * libm::exp(-log_model(*law, *x)) - 1.0).collect();
            points.iter().for_each(|(x, _)| expected.add([1.0, centre - x], 0.0, 1.0));
            return Ok((ratios, expected.matrix));
        }
    }
    Err(StepError::NotConverged { step: STEP, iterations: MOST_ITERATIONS })
}
