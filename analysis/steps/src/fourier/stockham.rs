//! Stockham's self-sorting transform for lengths made of the primes up to 13.

use super::Complex;

/// One length, as stages from the outermost to the innermost.
pub(super) struct Stockham {
    stages: Vec<Stage>,
}

struct Stage {
    radix: usize,
    /// Length of the transforms that this stage leaves to the next.
    rest: usize,
    /// `exp(-2 pi i p k / (radix rest))` for p below `rest` and k = 1..radix, in that order.
    twiddles: Vec<Complex>,
    /// `exp(-2 pi i k / radix)`.
    roots: Vec<Complex>,
}

const SIN_60: f64 = 0.866_025_403_784_438_6;
const COS_72: f64 = 0.309_016_994_374_947_45;
const SIN_72: f64 = 0.951_056_516_295_153_5;
const COS_144: f64 = -0.809_016_994_374_947_5;
const SIN_144: f64 = 0.587_785_252_292_473_1;

impl Stockham {
    /// `None` where the length has a larger prime factor.
    pub(super) fn new(length: usize) -> Option<Self> {
        let mut stages = Vec::new();
        let mut n = length;
        for radix in [4, 2, 3, 5, 7, 11, 13] {
            while n.is_multiple_of(radix) && n > 1 {
                let rest = n / radix;
                let twiddles =
                    (0..rest).flat_map(|p| (1..radix).map(move |k| Complex::root((p * k) as u64, n as u64))).collect();
                let roots = (0..radix).map(|k| Complex::root(k as u64, radix as u64)).collect();
                stages.push(Stage { radix, rest, twiddles, roots });
                n = rest;
            }
        }
        (n == 1).then_some(Self { stages })
    }

    /// Transforms in place; `swap` is room of the same length.
    pub(super) fn transform(&self, values: &mut [Complex], swap: &mut Vec<Complex>) {
        // Every stage writes all of it: what is left from the last transform does not matter.
        swap.resize(values.len(), Complex::default());
        let mut stride = 1;
        for (index, stage) in self.stages.iter().enumerate() {
            if index % 2 == 0 {
                stage.step(values, swap, stride);
            } else {
                stage.step(swap, values, stride);
            }
            stride *= stage.radix;
        }
        if self.stages.len() % 2 == 1 {
            values.copy_from_slice(swap);
        }
    }
}

impl Stage {
    /// Reads `from[q + stride (p + j rest)]`, writes `to[q + stride (radix p + k)]`.
    fn step(&self, from: &[Complex], to: &mut [Complex], stride: usize) {
        match self.radix {
            2 => self.each(from, to, stride, |[a, b]: [Complex; 2]| [a + b, a - b]),
            3 => self.each(from, to, stride, |[a, b, c]: [Complex; 3]| {
                let (sum, turned) = (b + c, (b - c).turned().scaled(SIN_60));
                let middle = a - sum.scaled(0.5);
                [a + sum, middle + turned, middle - turned]
            }),
            4 => self.each(from, to, stride, |[a, b, c, d]: [Complex; 4]| {
                let (even, even_less) = (a + c, a - c);
                let (odd, odd_less) = (b + d, (b - d).turned());
                [even + odd, even_less + odd_less, even - odd, even_less - odd_less]
            }),
            5 => self.each(from, to, stride, |[a, b, c, d, e]: [Complex; 5]| {
                let (outer, outer_less) = (b + e, (b - e).turned());
                let (inner, inner_less) = (c + d, (c - d).turned());
                let first = a + outer.scaled(COS_72) + inner.scaled(COS_144);
                let second = a + outer.scaled(COS_144) + inner.scaled(COS_72);
                let first_turned = outer_less.scaled(SIN_72) + inner_less.scaled(SIN_144);
                let second_turned = outer_less.scaled(SIN_144) - inner_less.scaled(SIN_72);
                [
                    a + (outer + inner),
                    first + first_turned,
                    second + second_turned,
                    second - second_turned,
                    first - first_turned,
                ]
            }),
            _ => self.general(from, to, stride),
        }
    }

    fn each<const R: usize>(
        &self,
        from: &[Complex],
        to: &mut [Complex],
        stride: usize,
        butterfly: impl Fn([Complex; R]) -> [Complex; R],
    ) {
        let length = self.rest * stride;
        let legs: [&[Complex]; R] = std::array::from_fn(|j| &from[j * length..(j + 1) * length]);
        let blocks = to.chunks_exact_mut(R * stride).zip(self.twiddles.chunks_exact(R - 1));
        if stride == 1 {
            for (p, (out, twiddles)) in blocks.enumerate() {
                let mixed = butterfly(std::array::from_fn(|j| legs[j][p]));
                out[0] = mixed[0];
                for k in 1..R {
                    out[k] = mixed[k] * twiddles[k - 1];
                }
            }
            return;
        }
        for (p, (out, twiddles)) in blocks.enumerate() {
            let ins: [&[Complex]; R] = std::array::from_fn(|j| &legs[j][p * stride..][..stride]);
            let mut parts = out.chunks_exact_mut(stride);
            let outs: [&mut [Complex]; R] = std::array::from_fn(|_| parts.next().unwrap_or(&mut []));
            if outs.iter().any(|out| out.len() != stride) || twiddles.len() != R - 1 {
                continue;
            }
            for q in 0..stride {
                let mixed = butterfly(std::array::from_fn(|j| ins[j][q]));
                outs[0][q] = mixed[0];
                for k in 1..R {
                    outs[k][q] = mixed[k] * twiddles[k - 1];
                }
            }
        }
    }

    fn general(&self, from: &[Complex], to: &mut [Complex], stride: usize) {
        let (radix, rest) = (self.radix, self.rest);
        for (p, out) in to.chunks_exact_mut(radix * stride).enumerate() {
            for q in 0..stride {
                for k in 0..radix {
                    let mut sum = from[q + stride * p];
                    for j in 1..radix {
                        sum = sum + from[q + stride * (p + j * rest)] * self.roots[j * k % radix];
                    }
                    let twiddle = if k == 0 { Complex::new(1.0, 0.0) } else { self.twiddles[p * (radix - 1) + k - 1] };
                    out[k * stride + q] = sum * twiddle;
                }
            }
        }
    }
}
