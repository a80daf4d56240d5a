//! Random roughness with a power-law spectrum: amplitude `f^(-beta/2)`, random phases, given rms.

use ndarray::{Array2, ArrayView1};
use rand::Rng;

use crate::{
    fourier::{Complex, Fourier},
    part::part,
};

/// A rough surface: a window of a periodic, band-limited field whose sides are powers of two, so that it is defined
/// between pixels too.
pub(crate) struct Fractal {
    /// Rows of the window, columns of the whole period, nm.
    field: Array2<f64>,
    /// Columns of the window.
    columns: usize,
}

impl Fractal {
    /// A surface of `rows` x `columns` with mean 0 and the given rms in nm over the window.
    pub(crate) fn new(rows: usize, columns: usize, beta: f64, rms_nm: f64, rng: &mut impl Rng) -> Self {
        let (vertical, horizontal) = (Fourier::at_least(rows), Fourier::at_least(columns));
        let (m, n) = (vertical.len(), horizontal.len());
        let mut spectrum = vec![Complex::default(); m * n];
        for (row, line) in spectrum.chunks_exact_mut(n).enumerate() {
            let fy = frequency(row, m);
            for (column, value) in line.iter_mut().enumerate() {
                let fx = frequency(column, n);
                let phase = std::f64::consts::TAU * rng.random::<f64>();
                let square = fx * fx + fy * fy;
                if square > 0.0 {
                    *value = Complex::polar(libm::pow(square, -beta / 4.0), phase);
                }
            }
            horizontal.synthesise(line);
        }
        let mut field = Array2::zeros((rows, n));
        let mut line = vec![Complex::default(); m];
        for column in 0..n {
            for (value, row) in line.iter_mut().zip(spectrum.chunks_exact(n)) {
                *value = row[column];
            }
            vertical.synthesise(&mut line);
            for (row, value) in line.iter().take(rows).enumerate() {
                field[[row, column]] = value.re;
            }
        }
        normalise(&mut field, columns, rms_nm);
        Self { field, columns }
    }

    /// The surface at whole pixels, nm.
    pub(crate) fn window(&self) -> Array2<f64> {
        part(&self.field, 0..self.field.nrows(), 0..self.columns).to_owned()
    }

    /// Spectra of the rows, for [`shifted`].
    pub(crate) fn row_spectra(&self) -> RowSpectra {
        let fourier = Fourier::at_least(self.field.ncols());
        let spectrum = |row: ArrayView1<'_, f64>| {
            let mut values: Vec<Complex> = row.iter().map(|re| Complex { re: *re, im: 0.0 }).collect();
            fourier.analyse(&mut values);
            values
        };
        let rows = self.field.rows().into_iter().map(spectrum).collect();
        RowSpectra { fourier, rows }
    }
}

/// A surface as the spectra of its rows.
pub(crate) struct RowSpectra {
    fourier: Fourier,
    rows: Vec<Vec<Complex>>,
}

impl RowSpectra {
    /// The surface at columns `x`, `x + 1`, ... with x anywhere between pixels: the band-limited field itself, no
    /// interpolation.
    pub(crate) fn shifted(&self, x: f64, columns: usize) -> Array2<f64> {
        let n = self.fourier.len();
        let whole = x.floor();
        let fraction = x - whole;
        let phase = |k: usize| Complex::polar(1.0, std::f64::consts::TAU * frequency(k, n) * fraction);
        let phases: Vec<Complex> = (0..n).map(phase).collect();
        let mut shifted = Array2::zeros((self.rows.len(), columns));
        let mut values = Vec::with_capacity(n);
        for (spectrum, mut out) in self.rows.iter().zip(shifted.rows_mut()) {
            values.clear();
            values.extend(spectrum.iter().zip(&phases).map(|(value, phase)| value.times(*phase)));
            self.fourier.synthesise(&mut values);
            for (column, to) in out.iter_mut().enumerate() {
                *to = values[(whole as usize + column) % n].re;
            }
        }
        shifted
    }
}

/// Frequency of a Fourier coefficient in cycles per pixel, -1/2 to 1/2.
fn frequency(k: usize, n: usize) -> f64 {
    let signed = if 2 * k < n { k as f64 } else { k as f64 - n as f64 };
    signed / n as f64
}

/// Gives the first columns of the field mean 0 and the rms wanted, moving and scaling all of it.
fn normalise(field: &mut Array2<f64>, columns: usize, rms: f64) {
    let window = part(field, 0..field.nrows(), 0..columns);
    let count = window.len() as f64;
    let mean = window.sum() / count;
    let variance = window.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / count;
    let scale = if variance > 0.0 { rms / variance.sqrt() } else { 0.0 };
    field.mapv_inplace(|z| (z - mean) * scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn mean_and_rms_are_those_wanted() {
        let surface = Fractal::new(30, 70, 2.2, 2.0, &mut stream(5, Purpose::Truth)).window();
        assert_eq!(surface.dim(), (30, 70));
        assert!(surface.mean().unwrap().abs() < 1e-12);
        assert!((surface.std(0.0) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_shift_by_whole_pixels_is_the_window_and_half_shifts_add_up() {
        let fractal = Fractal::new(8, 50, 2.2, 2.0, &mut stream(5, Purpose::Truth));
        let spectra = fractal.row_spectra();
        let window = fractal.window();
        let shifted = spectra.shifted(7.0, 40);
        let difference = &shifted - &part(&window, 0..8, 7..47);
        assert!(difference.iter().all(|d| d.abs() < 1e-12));
        let between = spectra.shifted(6.5, 40);
        let neighbours = (&part(&window, 0..8, 6..46) + &part(&window, 0..8, 7..47)) / 2.0;
        let rms = (&between - &neighbours).std(0.0);
        assert!(rms > 0.0 && rms < 1.0, "between its neighbours but not their mean: {rms}");
    }

    #[test]
    fn the_spectrum_falls_by_the_power_law() {
        // Mean square difference of neighbours over that of pixels 8 apart grows with beta.
        let ratio = |beta| {
            let z = Fractal::new(64, 512, beta, 1.0, &mut stream(9, Purpose::Truth)).window();
            let structure = |lag: usize| {
                let d = &part(&z, 0..64, lag..512) - &part(&z, 0..64, 0..512 - lag);
                d.iter().map(|d| d * d).sum::<f64>() / d.len() as f64
            };
            structure(8) / structure(1)
        };
        assert!(
            ratio(3.5) > 2.0 * ratio(2.2) && ratio(2.2) > ratio(1.5),
            "{} {} {}",
            ratio(3.5),
            ratio(2.2),
            ratio(1.5)
        );
    }
}
