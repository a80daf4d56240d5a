//! Arithmetic on long vectors in several threads, with sums in an order that their length alone determines.

use rayon::prelude::*;

use crate::cholesky;

/// Values that one task works on.
const TASK: usize = 1 << 14;

/// Scalar product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() <= TASK {
        return cholesky::dot(a, b);
    }
    let parts: Vec<f64> = a.par_chunks(TASK).zip(b.par_chunks(TASK)).map(|(a, b)| cholesky::dot(a, b)).collect();
    parts.iter().sum()
}

/// `values += factor * change`.
pub(crate) fn add(values: &mut [f64], factor: f64, change: &[f64]) {
    each(values, change, |value, change| *value += factor * change);
}

/// `values = base + factor * values`.
pub(crate) fn scale_and_add(values: &mut [f64], factor: f64, base: &[f64]) {
    each(values, base, |value, base| *value = base + factor * *value);
}

/// `change(value, other)` for every pair.
fn each(values: &mut [f64], others: &[f64], change: impl Fn(&mut f64, f64) + Sync) {
    values.par_chunks_mut(TASK).zip(others.par_chunks(TASK)).for_each(|(values, others)| {
        for (value, other) in values.iter_mut().zip(others) {
            change(value, *other);
        }
    });
}

/// `out = a * b`, or `out += a * b`, value by value.
pub(crate) fn multiply(out: &mut [f64], a: &[f64], b: &[f64], anew: bool) {
    out.par_chunks_mut(TASK).zip(a.par_chunks(TASK)).zip(b.par_chunks(TASK)).for_each(|((out, a), b)| {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = if anew { a * b } else { *out + a * b };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_are_summed_alike_by_any_number_of_threads() {
        let numbers = |seed: f64| (0..5 * TASK + 77).map(|i| libm::sin(i as f64 * seed)).collect::<Vec<f64>>();
        let (a, b) = (numbers(0.37), numbers(0.53));
        let simple: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut c = a.clone();
                add(&mut c, 0.25, &b);
                scale_and_add(&mut c, -0.5, &a);
                multiply(&mut c, &a, &b, false);
                (dot(&a, &b), c)
            })
        };
        let (one, three) = (run(1), run(3));
        assert!(one.0.to_bits() == three.0.to_bits() && one.1 == three.1);
        assert!((one.0 - simple).abs() < 1e-9);
        let expected = |(a, b): (&f64, &f64)| (a - 0.5 * (a + 0.25 * b)) + a * b;
        assert!(one.1.iter().zip(a.iter().zip(&b).map(expected)).all(|(found, expected)| *found == expected));
    }
}
