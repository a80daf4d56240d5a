//! Polynomials through a few neighbouring points, which need not be equidistant (Lagrange).

/// The value at `at`, between point i and the next, of the cubic through the four nearest points (of the polynomial
/// through all, if there are fewer).
pub(crate) fn cubic_between(x: &[f64], values: &[f64], i: usize, at: f64) -> f64 {
    let count = x.len().min(4);
    let first = i.saturating_sub(1).min(x.len() - count);
    let (x, values) = (&x[first..first + count], &values[first..first + count]);
    let mut sum = 0.0;
    for (j, value) in values.iter().enumerate() {
        let mut factor = *value;
        for (k, other) in x.iter().enumerate() {
            if k != j {
                factor *= (at - other) / (x[j] - other);
            }
        }
        sum += factor;
    }
    sum
}
