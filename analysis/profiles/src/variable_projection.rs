//! Gauss-Newton steps for slopes, pitches and the instrument's error, with the slopes projected out of each.

use rayon::prelude::*;

use crate::angle_error::AngleError;
use crate::sampled::Sampled;
use crate::semidefinite::{Semidefinite, fit};

/// A grid point, and (profile, slope) of at least two that meet there.
type Point = (usize, Vec<(usize, f64)>);

/// Measured slopes, point by point.
pub(crate) struct Data {
    pub points: Vec<Point>,
    profiles: usize,
}

impl Data {
    pub fn new(sampled: &Sampled) -> Self {
        let of = |point: usize| {
            let scans = sampled.scans.iter().enumerate();
            let here: Vec<(usize, f64)> = scans.filter_map(|(k, scan)| Some((k, scan.at(point)?))).collect();
            (here.len() >= 2).then_some((point, here))
        };
        Self { points: (0..sampled.len).filter_map(of).collect(), profiles: sampled.scans.len() }
    }

    pub fn slopes(&self) -> impl Iterator<Item = f64> {
        self.points.iter().flat_map(|(_, here)| here.iter().map(|(_, m)| *m))
    }
}

/// Slopes, pitches and error under way.
pub(crate) struct State {
    pub slopes: Vec<f64>,
    pub pitches: Vec<f64>,
    pub error: AngleError,
}

/// The linear problem around a state, without the slopes.
pub(crate) struct Linear {
    pub matrix: Vec<f64>,
    right: Vec<f64>,
}

impl State {
    /// Pitches from the differences of the profiles, slopes as the mean, no error: one linear step does that.
    pub fn first(data: &Data, error: AngleError) -> Self {
        let slopes = data.points.iter().map(|(_, here)| here.iter().map(|(_, m)| m).sum::<f64>() / here.len() as f64);
        let mut state = Self { slopes: slopes.collect(), pitches: vec![0.0; data.profiles], error };
        let size = data.profiles + state.error.coefficients_urad.len();
        let n = data.profiles;
        let Linear { matrix, right } = state.linear(data);
        let own: Vec<f64> = (0..n).flat_map(|i| matrix[i * size..i * size + n].iter().copied()).collect();
        state.pitches = Semidefinite::new(&own, n).solve(&right[..n]);
        state.centre();
        for ((_, here), slope) in data.points.iter().zip(&mut state.slopes) {
            *slope = here.iter().map(|(k, m)| m - state.pitches[*k]).sum::<f64>() / here.len() as f64;
        }
        state
    }

    /// Columns of one datum beside its slope: the pitch's factor (that of the slope too), and four coefficients.
    fn columns(&self, k: usize, slope: f64) -> (f64, Option<(usize, [f64; 4])>) {
        let angle = self.error.within(slope + self.pitches[k]);
        (1.0 + self.error.slope(angle), self.error.basis(angle).map(|(first, values, _)| (first, values)))
    }

    /// The normal equations of changes of the pitches and of the new coefficients; the slopes are projected out.
    fn linear(&self, data: &Data) -> Linear {
        let n = data.profiles;
        let size = n + self.error.coefficients_urad.len();
        let (mut matrix, mut right) = (vec![0.0; size * size], vec![0.0; size]);
        for ((_, here), slope) in data.points.iter().zip(&self.slopes) {
            let (mut length, mut along) = (0.0, 0.0);
            let mut sums: Vec<(usize, f64)> = Vec::with_capacity(5 * here.len());
            for &(k, measured) in here {
                let (factor, splines) = self.columns(k, *slope);
                let left = measured - slope - self.pitches[k];
                let mut own = vec![(k, factor)];
                if let Some((first, values)) = splines {
                    own.extend(values.iter().enumerate().map(|(i, b)| (n + first + i, *b)));
                }
                for &(i, a) in &own {
                    right[i] += a * left;
                    for &(j, b) in &own {
                        matrix[i * size + j] += a * b;
                    }
                }
                length += factor * factor;
                along += factor * left;
                sums.extend(own.iter().map(|(i, a)| (*i, factor * a)));
            }
            for &(i, a) in &sums {
                right[i] -= a * along / length;
                for &(j, b) in &sums {
                    matrix[i * size + j] -= a * b / length;
                }
            }
        }
        Linear { matrix, right }
    }

    /// One Gauss-Newton step with the conventions applied; the largest change of a slope or pitch, microradian.
    pub fn step(&mut self, data: &Data) -> f64 {
        let n = data.profiles;
        let linear = self.held(data);
        let solution = Semidefinite::new(&linear.matrix, linear.right.len()).solve(&linear.right);
        let (turns, coefficients) = solution.split_at(n);
        let mut slopes = Vec::with_capacity(self.slopes.len());
        for ((_, here), slope) in data.points.iter().zip(&self.slopes) {
            let (mut length, mut along) = (0.0, 0.0);
            for &(k, measured) in here {
                let (factor, splines) = self.columns(k, *slope);
                let error: f64 = splines
                    .map_or(0.0, |(first, values)| coefficients[first..].iter().zip(values).map(|(c, b)| c * b).sum());
                along += factor * (measured - slope - self.pitches[k] - factor * turns[k] - error);
                length += factor * factor;
            }
            slopes.push(slope + along / length);
        }
        let before = std::mem::replace(&mut self.slopes, slopes);
        let pitches = self.pitches.iter().zip(turns).map(|(t, d)| t + d).collect();
        let pitches_before = std::mem::replace(&mut self.pitches, pitches);
        self.error.coefficients_urad = coefficients.to_vec();
        self.centre();
        let change = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        change(&before, &self.slopes).max(change(&pitches_before, &self.pitches))
    }

    /// The linear problem with what is open held by the conventions: no line in the coefficients, and the mean pitch
    /// zero. The data do not resist, so this bends nothing; without it the steps would wander along what is open, for
    /// the linear problem is not quite blind to it.
    pub fn held(&self, data: &Data) -> Linear {
        let n = data.profiles;
        let mut linear = self.linear(data);
        let size = linear.right.len();
        let strength = (0..size).map(|i| linear.matrix[i * (size + 1)]).fold(0.0, f64::max);
        let rows = self.line_rows(&linear);
        let used = rows.iter().map(|row| row[0]).sum::<f64>().max(1.0);
        let centre = rows.iter().map(|row| row[1]).sum::<f64>() / used;
        let constant: Vec<f64> = rows.iter().map(|row| row[0]).collect();
        let ramp: Vec<f64> = rows.iter().map(|row| row[1] - centre * row[0]).collect();
        for shape in [constant, ramp] {
            let square = shape.iter().map(|v| v * v).sum::<f64>().max(f64::MIN_POSITIVE);
            for (i, a) in shape.iter().enumerate() {
                for (j, b) in shape.iter().enumerate() {
                    linear.matrix[(n + i) * size + n + j] += strength * a * b / square;
                }
            }
        }
        let sum: f64 = self.pitches.iter().sum();
        for i in 0..n {
            linear.right[i] -= strength * sum / n as f64;
            linear.matrix[i * size..i * size + n].iter_mut().for_each(|entry| *entry += strength / n as f64);
        }
        linear
    }

    /// The line through the coefficients as a fit: 1 and the place of the coefficient counted in knots; zero where it has no
    /// data or stands outside the angles measured, where little of it is seen.
    fn line_rows(&self, linear: &Linear) -> Vec<Vec<f64>> {
        let size = linear.right.len();
        let count = self.error.coefficients_urad.len();
        let has_data = |i: usize| i > 0 && i + 1 < count && linear.matrix[(size - count + i) * (size + 1)] > 0.0;
        (0..count).map(|i| if has_data(i) { vec![1.0, i as f64] } else { vec![0.0, 0.0] }).collect()
    }

    /// Pitches get the mean zero; the slopes keep the angles.
    fn centre(&mut self) {
        let mean = self.pitches.iter().sum::<f64>() / self.pitches.len().max(1) as f64;
        self.pitches.iter_mut().for_each(|t| *t -= mean);
        self.slopes.iter_mut().for_each(|s| *s += mean);
    }

    pub fn squares(&self, data: &Data) -> f64 {
        let of = |((_, here), slope): (&Point, &f64)| {
            let left = |(k, m): &(usize, f64)| {
                let angle = slope + self.pitches[*k];
                m - angle - self.error.at(self.error.within(angle))
            };
            here.iter().map(|datum| left(datum) * left(datum)).sum::<f64>()
        };
        data.points.iter().zip(&self.slopes).map(of).sum()
    }

    /// Variance of each slope in units of that of one datum, with the conventions.
    pub fn variances(&self, data: &Data, linear: &Linear, factor: &Semidefinite) -> Vec<f64> {
        let n = data.profiles;
        let size = linear.right.len();
        let rows = self.line_rows(linear);
        // How the line answers to each coefficient: the columns of its pseudo-inverse.
        let unit = |i: usize| {
            let mut one = vec![0.0; rows.len()];
            one[i] = 1.0;
            fit(&rows, &one)
        };
        let answers: Vec<Vec<f64>> = (0..rows.len()).into_par_iter().map(unit).collect();
        let of = |((_, here), slope): (&Point, &f64)| {
            let mut effect = vec![0.0; size];
            let mut length = 0.0;
            for &(k, _) in here {
                let (factor, _) = self.columns(k, *slope);
                length += factor * factor;
            }
            for &(k, _) in here {
                let (factor, splines) = self.columns(k, *slope);
                effect[k] -= factor * factor / length;
                if let Some((first, values)) = splines {
                    for (i, b) in values.iter().enumerate() {
                        effect[n + first + i] -= factor * b / length;
                    }
                }
            }
            // The line at this slope, in knots from the first coefficient; and the mean pitch.
            let place = (slope - self.error.stand(0)) / self.error.spacing_urad;
            for (entry, answer) in effect[n..].iter_mut().zip(&answers) {
                *entry += answer[0] + answer[1] * place;
            }
            effect[..n].iter_mut().for_each(|entry| *entry += 1.0 / n as f64);
            1.0 / length + factor.variance(&effect)
        };
        data.points.par_iter().zip(&self.slopes).map(of).collect()
    }
}
