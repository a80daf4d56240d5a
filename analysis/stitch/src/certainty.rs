//! How sure the long waves of the map and the correctors are: the covariance of the correctors (and of shapes that
//! constraints determine), carried to the map.
//!
//! The map is the mean of `data - reference - corrector` over the overlaps. The mean of the data and the correctors are
//! uncorrelated (the correctors follow from differences to the mean), so the variance of a map pixel is that of the mean,
//! `noise^2 / n`, plus that of the mean of reference and correctors. Pixel by pixel the reference is nearly independent (see
//! `assemble`); here is what is left. Its covariance is the inverse of the corrector block with the reference held: once the
//! shapes that are declared not observable are taken out of the map's error, a reference that is found as well changes
//! it by 1 to 2 % from 12 sub-apertures on. With fewer, `probe` measures by how much.

use ndarray::Array2;
use rayon::prelude::*;

use crate::cells::Cells;
use crate::cholesky::{PivotedCholesky, dot};
use crate::corrector_matrix::CorrectorInverse;
use crate::normal::{Normal, TERMS};
use crate::shapes::{Frame, SHAPES};

/// A row of factors on the unknowns, most of them zero.
pub(crate) type Sparse = Vec<(usize, f64)>;

/// What the covariance is of: the correctors in the order of the preconditioner, then amplitudes of shapes.
#[derive(Debug, Clone)]
pub(crate) struct Unknowns {
    /// Where each corrector of each sub-aperture stands.
    of_plate: Vec<[Option<usize>; TERMS]>,
    /// Number of correctors.
    pub correctors: usize,
    /// Shapes whose amplitudes follow the correctors.
    pub shapes: Vec<usize>,
}

impl Unknowns {
    pub fn new(normal: &Normal, inverse: &CorrectorInverse, shapes: Vec<usize>) -> Self {
        let mut of_plate = vec![[None; TERMS]; normal.grid.plates.len()];
        for (i, (k, term)) in inverse.unknowns().iter().enumerate() {
            of_plate[*k][*term] = Some(i);
        }
        Self { of_plate, correctors: inverse.unknowns().len(), shapes }
    }

    pub fn len(&self) -> usize {
        self.correctors + self.shapes.len()
    }

    /// Where corrector `term` of sub-aperture `k` stands.
    pub fn corrector(&self, k: usize, term: usize) -> Option<usize> {
        self.of_plate[k][term]
    }

    /// Corrector `term` of sub-aperture `k`, with what the shapes carry into it.
    pub fn corrector_row(&self, frame: &Frame, k: usize, term: usize) -> Option<Sparse> {
        let own = self.corrector(k, term)?;
        let carried = frame.carried(k);
        let of_shapes = self.shapes.iter().enumerate().map(|(j, shape)| (self.correctors + j, carried[*shape][term]));
        Some(std::iter::once((own, 1.0)).chain(of_shapes.filter(|(_, factor)| *factor != 0.0)).collect())
    }

    /// Change of the mean height of a cell with the unknowns.
    pub fn height_row(&self, frame: &Frame, cells: &Cells, cell: usize, weights: &mut Vec<(usize, f64)>) -> Sparse {
        self.height_row_at(frame, cells, cell, cells.centre(frame, cell), weights)
    }

    /// The same at a place in the cell.
    pub fn height_row_at(
        &self,
        frame: &Frame,
        cells: &Cells,
        cell: usize,
        at: (f64, f64),
        weights: &mut Vec<(usize, f64)>,
    ) -> Sparse {
        cells.weights(cell, weights);
        let mut row = Sparse::with_capacity(TERMS * weights.len() + self.shapes.len());
        for (k, weight) in weights.iter() {
            for (term, factor) in frame.terms(*k, at).into_iter().enumerate() {
                if let Some(i) = self.corrector(*k, term) {
                    row.push((i, -weight * factor));
                }
            }
        }
        let values = frame.shapes(at);
        row.extend(self.shapes.iter().enumerate().map(|(j, shape)| (self.correctors + j, values[*shape])));
        row
    }
}

/// Covariance of the unknowns without the declared shapes of the map.
pub(crate) struct Certainty {
    unknowns: Unknowns,
    /// Covariance of the unknowns, nm^2; a generalised inverse where the whole map may move.
    covariance: Vec<f64>,
    removed: Vec<usize>,
    /// Amplitude of each removed shape in the map (least squares over the valid pixels) by unknown.
    fit: Vec<Vec<f64>>,
    fit_covariance: Vec<Vec<f64>>,
    fit_fit: Vec<f64>,
    /// The same for the heights themselves: factors on (1, x, ...) of a cell's pixels.
    gram: PivotedCholesky,
}

impl Certainty {
    /// `covariance` (nm^2, row-major) of `unknowns`; `removed` are the shapes that are declared not observable.
    pub fn new(
        unknowns: Unknowns,
        covariance: Vec<f64>,
        removed: [bool; SHAPES],
        frame: &Frame,
        cells: &Cells,
    ) -> Self {
        let removed: Vec<usize> = (0..SHAPES).filter(|s| removed[*s]).collect();
        let (size, count) = (unknowns.len(), removed.len());
        let mut gram = vec![0.0; count * count];
        let mut products = vec![vec![0.0; size]; count];
        let mut weights = Vec::new();
        for cell in (0..cells.pixels.len()).filter(|cell| cells.pixels[*cell] > 0.0) {
            let values = frame.shapes(cells.centre(frame, cell));
            let row = unknowns.height_row(frame, cells, cell, &mut weights);
            for (i, a) in removed.iter().enumerate() {
                let weighted = cells.pixels[cell] * values[*a];
                for (j, b) in removed.iter().enumerate() {
                    gram[i * count + j] += weighted * values[*b];
                }
                for (at, factor) in &row {
                    products[i][*at] += weighted * factor;
                }
            }
        }
        let gram = PivotedCholesky::new(&gram, count);
        let mut fit = vec![vec![0.0; size]; count];
        let (mut right, mut solved) = (vec![0.0; count], vec![0.0; count]);
        for at in 0..size {
            for (r, row) in right.iter_mut().zip(&products) {
                *r = row[at];
            }
            gram.solve(&right, &mut solved);
            for (row, value) in fit.iter_mut().zip(&solved) {
                row[at] = *value;
            }
        }
        let times = |row: &Vec<f64>| covariance.chunks_exact(size.max(1)).map(|c| dot(row, c)).collect::<Vec<f64>>();
        let fit_covariance: Vec<Vec<f64>> = fit.par_iter().map(times).collect();
        let fit_fit = fit.iter().flat_map(|a| fit_covariance.iter().map(move |b| dot(a, b))).collect();
        Self { unknowns, covariance, removed, fit, fit_covariance, fit_fit, gram }
    }

    /// How a change of the unknowns changes the amplitude of a removed shape in the map (least squares over the valid pixels),
    /// and the variance of that amplitude, nm^2.
    pub fn amplitude(&self, shape: usize) -> Option<(&[f64], f64)> {
        let i = self.removed.iter().position(|s| *s == shape)?;
        Some((&self.fit[i], self.fit_fit[i * self.removed.len() + i]))
    }

    /// Variance (nm^2) of `row - sum of factor_j times the amplitude of the j-th removed shape`.
    fn variance(&self, row: &Sparse, factors: &[f64]) -> f64 {
        let size = self.unknowns.len();
        let mut sum = 0.0;
        for (i, a) in row {
            for (j, b) in row {
                sum += a * b * self.covariance[i * size + j];
            }
        }
        for (i, factor) in factors.iter().enumerate() {
            let with_row: f64 = row.iter().map(|(at, a)| a * self.fit_covariance[i][*at]).sum();
            sum -= 2.0 * factor * with_row;
            for (j, other) in factors.iter().enumerate() {
                sum += factor * other * self.fit_fit[i * self.removed.len() + j];
            }
        }
        sum.max(0.0)
    }

    /// Variance of each cell's mean height, nm^2, without what the pixels' own noise adds.
    pub fn of_cells(&self, frame: &Frame, cells: &Cells) -> Vec<f64> {
        let mut variances = vec![0.0; cells.pixels.len()];
        variances.par_chunks_mut(cells.width()).enumerate().for_each_init(Vec::new, |weights, (row, variances)| {
            for (column, variance) in variances.iter_mut().enumerate() {
                let cell = row * cells.width() + column;
                if cells.pixels[cell] > 0.0 {
                    let values = frame.shapes(cells.centre(frame, cell));
                    let factors: Vec<f64> = self.removed.iter().map(|s| values[*s]).collect();
                    *variance = self.variance(&self.unknowns.height_row(frame, cells, cell, weights), &factors);
                }
            }
        });
        variances
    }

    /// Variance of corrector `term` of sub-aperture `k`, nm^2 per unit of the term; `None` where that term is off.
    pub fn of_corrector(&self, frame: &Frame, k: usize, term: usize) -> Option<f64> {
        let row = self.unknowns.corrector_row(frame, k, term)?;
        let carried = frame.carried(k);
        let factors: Vec<f64> = self.removed.iter().map(|shape| carried[*shape][term]).collect();
        Some(self.variance(&row, &factors))
    }

    /// Covariance (nm^2) of the mean heights of the stretches along x: from the unknowns, and from the pixels' own
    /// noise, of which `own` is the sum of the variances in each cell, nm^2.
    pub fn of_bins(&self, frame: &Frame, cells: &Cells, own: &[f64]) -> (Array2<f64>, Array2<f64>) {
        let (bins, size, count) = (cells.bins(), self.unknowns.len(), self.removed.len());
        let mut pixels = vec![0.0; bins];
        let mut rows = vec![vec![0.0; size]; bins];
        let mut means = vec![vec![0.0; count]; bins];
        // Of the pixels' own noise: its variance by stretch, its covariance with the fitted shapes, and theirs.
        let mut noise = vec![0.0; bins];
        let mut noise_fit = vec![vec![0.0; count]; bins];
        let mut fit_noise = vec![0.0; count * count];
        let mut weights = Vec::new();
        let (mut values, mut fitted) = (vec![0.0; count], vec![0.0; count]);
        for cell in (0..cells.pixels.len()).filter(|cell| cells.pixels[*cell] > 0.0) {
            let bin = cell % cells.width() / cells.per_bin;
            let of_cell = cells.pixels[cell];
            let all = frame.shapes(cells.centre(frame, cell));
            values.iter_mut().zip(&self.removed).for_each(|(value, shape)| *value = all[*shape]);
            self.gram.solve(&values, &mut fitted);
            pixels[bin] += of_cell;
            for (at, factor) in self.unknowns.height_row(frame, cells, cell, &mut weights) {
                rows[bin][at] += of_cell * factor;
            }
            noise[bin] += own[cell];
            for i in 0..count {
                means[bin][i] += of_cell * values[i];
                noise_fit[bin][i] += own[cell] * fitted[i];
                for j in 0..count {
                    fit_noise[i * count + j] += own[cell] * fitted[i] * fitted[j];
                }
            }
        }
        for bin in (0..bins).filter(|bin| pixels[*bin] > 0.0) {
            let n = pixels[bin];
            means[bin].iter_mut().chain(noise_fit[bin].iter_mut()).chain(rows[bin].iter_mut()).for_each(|m| *m /= n);
            noise[bin] /= n * n;
            for (i, fit) in self.fit.iter().enumerate() {
                for (value, f) in rows[bin].iter_mut().zip(fit) {
                    *value -= means[bin][i] * f;
                }
            }
        }
        let product = |row: &Vec<f64>| self.covariance.chunks_exact(size.max(1)).map(|c| dot(row, c)).collect();
        let carried: Vec<Vec<f64>> = rows.par_iter().map(product).collect();
        let of_unknowns = Array2::from_shape_fn((bins, bins), |(a, b)| {
            // The same bits on both sides of the diagonal.
            dot(&rows[a.min(b)], &carried[a.max(b)])
        });
        let of_noise = Array2::from_shape_fn((bins, bins), |(a, b)| {
            if pixels[a] == 0.0 || pixels[b] == 0.0 {
                return 0.0;
            }
            let (a, b) = (a.min(b), a.max(b));
            let mut sum = if a == b { noise[a] } else { 0.0 };
            for i in 0..count {
                sum -= means[a][i] * noise_fit[b][i] + means[b][i] * noise_fit[a][i];
                for j in 0..count {
                    sum += means[a][i] * means[b][j] * fit_noise[i * count + j];
                }
            }
            sum
        });
        (of_unknowns, of_noise)
    }
}

/// Explicit inverse, row-major, of what was factored: unknowns that were dropped have zero rows and columns.
pub(crate) fn inverted(factor: &PivotedCholesky, size: usize, scale: f64) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    inverse.par_chunks_mut(size.max(1)).enumerate().for_each(|(i, row)| {
        let mut unit = vec![0.0; size];
        unit[i] = scale;
        factor.solve(&unit, row);
    });
    inverse
}
