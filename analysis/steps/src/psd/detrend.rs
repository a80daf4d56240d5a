//! Takes mean, line or parabola off before a spectrum is taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::elimination::NormalEquations;

/// What is removed by least squares before the window is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Detrend {
    /// Nothing.
    None,
    /// The mean.
    Mean,
    /// The straight line of each line, the plane of a map.
    #[default]
    Linear,
    /// The parabola of each line, the quadratic surface of a map.
    Quadratic,
}

impl Detrend {
    /// Takes the trend of the valid values off all of a line, in place.
    pub(super) fn line(self, values: &mut [f64], valid: &[bool]) {
        let centre = (values.len() as f64 - 1.0) / 2.0;
        let scale = 1.0 / centre.max(1.0);
        let place = |k: usize| (k as f64 - centre) * scale;
        let terms = |x: f64| -> [f64; 3] { [1.0, x, x * x - 1.0 / 3.0] };
        let Some(first) = values.iter().zip(valid).find(|(_, ok)| **ok).map(|(v, _)| *v) else { return };
        let points =
            || values.iter().zip(valid).enumerate().filter(|(_, (_, ok))| **ok).map(|(k, (v, _))| (k, v - first));
        let fitted = match self {
            Self::None => return,
            Self::Mean => fit(points().map(|(_, v)| ([1.0], v))).map(|[a]| [a, 0.0, 0.0]),
            Self::Linear => fit(points().map(|(k, v)| ([1.0, place(k)], v))).map(|[a, b]| [a, b, 0.0]),
            Self::Quadratic => fit(points().map(|(k, v)| (terms(place(k)), v))),
        };
        let Some(trend) = fitted else { return };
        for (k, value) in values.iter_mut().enumerate() {
            let [one, x, xx] = terms(place(k));
            *value -= first + (trend[0] * one + trend[1] * x + trend[2] * xx);
        }
    }
}

/// Least squares with equal weights.
pub(super) fn fit<const N: usize>(points: impl Iterator<Item = ([f64; N], f64)>) -> Option<[f64; N]> {
    let mut sums = NormalEquations::<N>::new();
    for (terms, value) in points {
        sums.add(terms, value, 1.0);
    }
    sums.solve()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parabolas_and_what_is_below_them_are_removed() {
        let valid: Vec<bool> = (0..20).map(|k| k != 4).collect();
        for (detrend, bend, tilt) in
            [(Detrend::Quadratic, 0.3, 2.0), (Detrend::Linear, 0.0, 2.0), (Detrend::Mean, 0.0, 0.0)]
        {
            let mut line: Vec<f64> = (0..20).map(|k| 1e6 + tilt * k as f64 + bend * (k * k) as f64).collect();
            detrend.line(&mut line, &valid);
            assert!(line.iter().all(|v| v.abs() < 1e-8), "{detrend:?} {line:?}");
        }
        let mut line = vec![3.0, 4.0];
        Detrend::None.line(&mut line, &[true, true]);
        assert_eq!(line, [3.0, 4.0]);
    }
}
