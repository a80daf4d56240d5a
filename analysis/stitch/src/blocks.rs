//! The preconditioner of the conjugate gradients: the exact inverse of the corrector block beside that of the reference, and the way
//! between the parameters of the reference and its pixels.

use crate::cholesky::PivotedCholesky;
use crate::conjugate::Unknown;
use crate::corrector_matrix::CorrectorInverse;
use crate::normal::{Correctors, Normal, TERMS, pair_of};
use crate::smooth::Smooth;
use crate::vectors::{add, dot, multiply, scale_and_add};

/// Parameters of the reference and the correctors.
#[derive(Debug, Clone)]
pub(crate) struct Unknowns {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
}

impl Unknowns {
    pub fn zeros(blocks: &Blocks, normal: &Normal) -> Self {
        let length = match &blocks.reference {
            ReferenceBlock::Held => 0,
            ReferenceBlock::Pixels { .. } => normal.additive.maps() * normal.grid.camera_pixels(),
            ReferenceBlock::Smooth { basis, .. } => normal.additive.maps() * basis.len(),
        };
        Self { reference: vec![0.0; length], correctors: vec![[0.0; TERMS]; normal.grid.plates.len()] }
    }

    pub fn dot(&self, other: &Self) -> f64 {
        dot(&self.reference, &other.reference) + dot(self.correctors.as_flattened(), other.correctors.as_flattened())
    }

    pub fn add(&mut self, factor: f64, other: &Self) {
        add(&mut self.reference, factor, &other.reference);
        add(self.correctors.as_flattened_mut(), factor, other.correctors.as_flattened());
    }

    pub fn vectors(&self) -> [Vec<f64>; 2] {
        [self.reference.clone(), self.correctors.as_flattened().to_vec()]
    }

    /// Takes what a checkpoint holds, if that fits.
    pub fn recall(&mut self, reference: &[f64], correctors: &[f64]) -> bool {
        let own = self.correctors.as_flattened_mut();
        let fits = reference.len() == self.reference.len() && correctors.len() == own.len();
        if fits {
            self.reference.copy_from_slice(reference);
            own.copy_from_slice(correctors);
        }
        fits
    }

    pub fn scale_and_add(&mut self, factor: f64, other: &Self) {
        scale_and_add(&mut self.reference, factor, &other.reference);
        scale_and_add(self.correctors.as_flattened_mut(), factor, other.correctors.as_flattened());
    }
}

/// Preconditioner and the maps between parameters and camera pixels.
pub(crate) struct Blocks<'a> {
    correctors: &'a CorrectorInverse,
    reference: ReferenceBlock<'a>,
    pixels: usize,
}

enum ReferenceBlock<'a> {
    Held,
    /// `inverse` holds that of the matrix of the additive maps at each pixel, stored like [`Normal::diagonal`].
    Pixels {
        inverse: Vec<f64>,
        prior: &'a [f64],
        weight: f64,
    },
    /// One factor for each additive map.
    Smooth {
        basis: &'a Smooth,
        grams: Vec<PivotedCholesky>,
    },
}

impl<'a> Blocks<'a> {
    pub fn new(normal: &Normal, correctors: &'a CorrectorInverse, unknown: Unknown<'a>) -> Self {
        let pixels = normal.grid.camera_pixels();
        let maps = normal.additive.maps();
        let reference = match unknown {
            Unknown::Held => ReferenceBlock::Held,
            Unknown::Pixels { prior, weight } => {
                ReferenceBlock::Pixels { inverse: inverses(&normal.diagonal, maps, pixels, weight), prior, weight }
            }
            Unknown::Smooth(basis) => {
                let own = |map: usize| &normal.diagonal[(map * (map + 3) / 2) * pixels..][..pixels];
                ReferenceBlock::Smooth { basis, grams: (0..maps).map(|map| basis.gram(own(map))).collect() }
            }
        };
        Self { correctors, reference, pixels }
    }

    /// The parameters of the reference are its pixels.
    pub fn is_pixelwise(&self) -> bool {
        matches!(self.reference, ReferenceBlock::Pixels { .. })
    }

    pub fn precondition(&self, right: &Unknowns, out: &mut Unknowns) {
        match &self.reference {
            ReferenceBlock::Held => {}
            ReferenceBlock::Pixels { inverse, .. } => {
                for (pair, inverse) in inverse.chunks_exact(self.pixels).enumerate() {
                    let (i, j) = pair_of(pair);
                    let of = |map: usize| map * self.pixels..(map + 1) * self.pixels;
                    // The pairs of map i begin with (i, 0): there its part is written for the first time.
                    multiply(&mut out.reference[of(i)], &right.reference[of(j)], inverse, j == 0);
                    if i != j {
                        multiply(&mut out.reference[of(j)], &right.reference[of(i)], inverse, false);
                    }
                }
            }
            ReferenceBlock::Smooth { grams, basis } => {
                let parts = right.reference.chunks_exact(basis.len()).zip(out.reference.chunks_exact_mut(basis.len()));
                for (gram, (right, out)) in grams.iter().zip(parts) {
                    gram.solve(right, out);
                }
            }
        }
        self.correctors.apply(&right.correctors, &mut out.correctors);
    }

    /// Parameters as camera pixels: themselves, or written into `buffer`, which is zero as long as the reference is held.
    pub fn surface<'b>(&self, parameters: &'b [f64], buffer: &'b mut [f64]) -> &'b [f64] {
        match &self.reference {
            ReferenceBlock::Held => buffer,
            ReferenceBlock::Pixels { .. } => parameters,
            ReferenceBlock::Smooth { basis, .. } => {
                let maps = parameters.chunks_exact(basis.len()).zip(buffer.chunks_exact_mut(self.pixels));
                for (parameters, surface) in maps {
                    basis.expand(parameters, surface);
                }
                buffer
            }
        }
    }

    /// The transpose of `surface`.
    pub fn restrict(&self, field: &[f64], products: &mut [f64]) {
        match &self.reference {
            ReferenceBlock::Held => {}
            ReferenceBlock::Pixels { .. } => products.copy_from_slice(field),
            ReferenceBlock::Smooth { basis, .. } => {
                let maps = products.chunks_exact_mut(basis.len()).zip(field.chunks_exact(self.pixels));
                for (products, field) in maps {
                    basis.restrict(field, products);
                }
            }
        }
    }

    /// Negative gradient of the pull towards the prior.
    pub fn pull(&self, reference: &[f64], left: &mut [f64]) {
        if let ReferenceBlock::Pixels { inverse, prior, weight } = &self.reference
            && *weight > 0.0
        {
            for (((l, r), p), i) in
                left.iter_mut().zip(reference).zip(*prior).zip(inverse[..self.pixels].iter().cycle())
            {
                *l -= if *i > 0.0 { weight * (r - p) } else { 0.0 };
            }
        }
    }

    /// The pull's part of the normal operator.
    pub fn stiffen(&self, direction: &[f64], image: &mut [f64]) {
        if let ReferenceBlock::Pixels { weight, .. } = &self.reference
            && *weight > 0.0
        {
            for (i, d) in image.iter_mut().zip(direction) {
                *i += weight * d;
            }
        }
    }
}

/// Inverse of the matrix of the additive maps at each camera pixel, pivoted: what a pixel does not tell comes out as zero.
fn inverses(diagonal: &[f64], maps: usize, pixels: usize, weight: f64) -> Vec<f64> {
    let pull = |d: f64| if d > 0.0 { d + weight } else { 0.0 };
    if maps == 1 {
        return diagonal.iter().map(|d| if *d > 0.0 { 1.0 / pull(*d) } else { 0.0 }).collect();
    }
    let mut inverse = vec![0.0; diagonal.len()];
    let mut matrix = vec![0.0; maps * maps];
    let (mut unit, mut column) = (vec![0.0; maps], vec![0.0; maps]);
    for pixel in 0..pixels {
        for (pair, at) in (pixel..diagonal.len()).step_by(pixels).enumerate() {
            let (i, j) = pair_of(pair);
            let value = if i == j { pull(diagonal[at]) } else { diagonal[at] };
            matrix[i * maps + j] = value;
            matrix[j * maps + i] = value;
        }
        let factor = PivotedCholesky::new(&matrix, maps);
        for j in 0..maps {
            unit.fill(0.0);
            unit[j] = 1.0;
            factor.solve(&unit, &mut column);
            for i in j..maps {
                inverse[(i * (i + 1) / 2 + j) * pixels + pixel] = column[i];
            }
        }
    }
    inverse
}
