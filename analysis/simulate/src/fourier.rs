//! A Fourier transform of lengths that are powers of two, giving the same bits on every machine.

/// A complex number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Complex {
    pub(crate) re: f64,
    pub(crate) im: f64,
}

impl Complex {
    /// `r (cos phi + i sin phi)`.
    pub(crate) fn polar(r: f64, phi: f64) -> Self {
        let (sin, cos) = libm::sincos(phi);
        Self { re: r * cos, im: r * sin }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

/// Transforms of one length.
pub(crate) struct Fourier {
    /// `exp(2 pi i k / n)` for the first half of k.
    roots: Vec<Complex>,
}

impl Fourier {
    /// Transforms of the smallest power of two that is at least `length` (and 2).
    pub(crate) fn at_least(length: usize) -> Self {
        let n = length.next_power_of_two().max(2);
        let root = |k| Complex::polar(1.0, std::f64::consts::TAU * k as f64 / n as f64);
        Self { roots: (0..n / 2).map(root).collect() }
    }

    /// The length.
    pub(crate) fn len(&self) -> usize {
        2 * self.roots.len()
    }

    /// `out[j] = sum_k in[k] exp(2 pi i j k / n)` in place: the synthesis, without a factor.
    pub(crate) fn synthesise(&self, values: &mut [Complex]) {
        let n = self.len();
        assert_eq!(values.len(), n, "a transform is made for one length");
        let shift = usize::BITS - n.trailing_zeros();
        for k in 0..n {
            let reversed = k.reverse_bits() >> shift;
            if k < reversed {
                values.swap(k, reversed);
            }
        }
        let mut half = 1;
        while half < n {
            let stride = n / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((a, b), root) in low.iter_mut().zip(high).zip(self.roots.iter().step_by(stride)) {
                    let product = b.times(*root);
                    (*a, *b) = (a.plus(product), a.minus(product));
                }
            }
            half *= 2;
        }
    }

    /// The spectrum of which `synthesise` makes these values again, in place.
    pub(crate) fn analyse(&self, values: &mut [Complex]) {
        for value in values.iter_mut() {
            value.im = -value.im;
        }
        self.synthesise(values);
        let scale = 1.0 / self.len() as f64;
        for value in values.iter_mut() {
            *value = Complex { re: value.re * scale, im: -value.im * scale };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        let fourier = Fourier::at_least(13);
        let n = fourier.len();
        assert_eq!(n, 16);
        let values: Vec<Complex> =
            (0..n).map(|k| Complex { re: (k * k % 7) as f64 - 2.0, im: (k % 5) as f64 }).collect();
        let mut fast = values.clone();
        fourier.synthesise(&mut fast);
        for (j, found) in fast.iter().enumerate() {
            let term = |(k, v): (usize, &Complex)| {
                v.times(Complex::polar(1.0, std::f64::consts::TAU * (j * k) as f64 / n as f64))
            };
            let sum = values.iter().enumerate().map(term).fold(Complex::default(), Complex::plus);
            assert!((found.re - sum.re).abs() < 1e-12 && (found.im - sum.im).abs() < 1e-12, "{j}");
        }
        fourier.analyse(&mut fast);
        for (a, b) in fast.iter().zip(&values) {
            assert!((a.re - b.re).abs() < 1e-13 && (a.im - b.im).abs() < 1e-13);
        }
    }
}
