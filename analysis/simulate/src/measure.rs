//! Measures the simulated mirror: one height map for each position, with offsets, noise, missing pixels and, in case
//! O, outliers.

use std::ops::Range;

use ndarray::Array2;
use rand::Rng;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::{
    Case, Parameters,
    part::part,
    random::{Normal, Purpose, stream},
    surfaces::{Mirror, reference},
};

/// Length of the mirror, mm.
const LENGTH_MM: f64 = 300.0;
/// Part of the pixels missing at random.
const MISSING: f64 = 0.005;

/// A simulated series with everything that went into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// What was asked for.
    pub parameters: Parameters,
    /// The measured maps (nm), all of one shape, with pixel size.
    pub sub_apertures: Vec<HeightMap>,
    /// Mirror column of each map's column 0, pixels; whole numbers but for case D.
    pub x_px: Vec<f64>,
    /// Mirror row of each map's row 0, pixels.
    pub y_px: Vec<f64>,
    /// Pixel size, mm.
    pub pixel_mm: f64,
    /// The mirror, nm; two columns and one row larger than what the maps cover at whole pixels.
    pub truth_nm: Array2<f64>,
    /// The reference of the interferometer, of the shape of one map, nm.
    pub reference_nm: Array2<f64>,
    /// Piston that was added to each map, nm.
    pub piston_nm: Vec<f64>,
    /// Slope along x that was added to each map about its centre, nm/mm.
    pub pitch_nm_per_mm: Vec<f64>,
    /// Slope along y that was added to each map about its centre, nm/mm.
    pub roll_nm_per_mm: Vec<f64>,
    /// Standard deviation of the pixel noise, nm.
    pub sigma_nm: f64,
}

impl Simulated {
    /// Rows and columns of the mirror that the maps cover at whole pixels.
    #[must_use]
    pub fn map_shape(&self) -> (usize, usize) {
        let (_, rows, columns) = self.parameters.case.shape();
        let reach = |offsets: &[f64]| offsets.iter().fold(0.0f64, |m, o| m.max(*o)).round() as usize;
        let (full_rows, full_columns) = self.truth_nm.dim();
        ((rows + reach(&self.y_px)).min(full_rows), (columns + reach(&self.x_px)).min(full_columns))
    }

    /// The mirror over [`Self::map_shape`], nm.
    #[must_use]
    pub fn covered_truth_nm(&self) -> Array2<f64> {
        let (rows, columns) = self.map_shape();
        part(&self.truth_nm, 0..rows, 0..columns).to_owned()
    }
}

/// Simulates a series. The same parameters give the same bits.
#[must_use]
pub fn simulate(parameters: &Parameters) -> Simulated {
    let Parameters { case, seed, sigma_nm } = *parameters;
    let (count, rows, columns) = case.shape();
    let mut layout = stream(seed, Purpose::Layout);
    let offsets = case.offsets(&mut layout);
    let furthest = |of: fn(&(usize, usize)) -> usize| offsets.iter().map(of).max().unwrap_or(0);
    let (map_rows, map_columns) = (rows + furthest(|o| o.1) + 1, columns + furthest(|o| o.0) + 2);
    let pixel_mm = LENGTH_MM / map_columns as f64;

    let whole: Vec<f64> = offsets.iter().map(|o| o.0 as f64).collect();
    let x_px = if case == Case::D { between_pixels(&whole, &mut layout) } else { whole };
    let y_px = offsets.iter().map(|o| o.1 as f64).collect();

    let mirror = Mirror::new(map_rows, map_columns, pixel_mm, case == Case::D, &mut stream(seed, Purpose::Truth));
    let truth_nm = mirror.map();
    let mut of_detector = stream(seed, Purpose::Reference);
    let reference_nm = reference(rows, columns, &mut of_detector);
    let mut dust = Array2::from_elem((rows, columns), false);
    discs(&mut dust, 6, 2..(rows / 30).max(3), &mut of_detector);

    let mut normal = Normal::new(stream(seed, Purpose::Correctors));
    let mut correctors = |scale: f64| (0..count).map(|_| normal.next() * scale).collect::<Vec<f64>>();
    let piston_nm = correctors(300.0);
    let pitch_nm_per_mm = correctors(10.0);
    let roll_nm_per_mm = correctors(10.0);

    let measure = |k: usize| {
        let (column, row) = offsets[k];
        let seen = mirror
            .between(x_px[k], columns)
            .map(|map| part(&map, row..row + rows, 0..columns).to_owned())
            .unwrap_or_else(|| part(&truth_nm, row..row + rows, column..column + columns).to_owned());
        let mut heights = seen + &reference_nm;
        let (u0, v0) = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
        for ((v, u), height) in heights.indexed_iter_mut() {
            let (x, y) = ((u as f64 - u0) * pixel_mm, (v as f64 - v0) * pixel_mm);
            *height += piston_nm[k] + pitch_nm_per_mm[k] * x + roll_nm_per_mm[k] * y;
        }
        heights += &noise(rows, columns, parameters, k);
        if case == Case::O {
            outliers(&mut heights, &mut stream(seed, Purpose::Outliers(k)));
        }
        let valid = !gaps(&dust, &mut stream(seed, Purpose::Gaps(k)));
        map(heights, &valid, pixel_mm)
    };
    let sub_apertures = (0..count).map(measure).collect();

    let parameters = *parameters;
    Simulated {
        parameters,
        sub_apertures,
        x_px,
        y_px,
        pixel_mm,
        truth_nm,
        reference_nm,
        piston_nm,
        pitch_nm_per_mm,
        roll_nm_per_mm,
        sigma_nm,
    }
}

/// The same series with the noise alone: same positions and masks, but the mirror, the reference and all offsets are
/// zero. What a solver makes of it is its statistical limit.
#[must_use]
pub fn noise_only(simulated: &Simulated) -> Simulated {
    let zeros = vec![0.0; simulated.sub_apertures.len()];
    let of_noise = |(k, measured): (usize, &HeightMap)| {
        let (rows, columns) = measured.shape();
        map(noise(rows, columns, &simulated.parameters, k), measured.valid(), simulated.pixel_mm)
    };
    Simulated {
        parameters: simulated.parameters,
        sub_apertures: simulated.sub_apertures.iter().enumerate().map(of_noise).collect(),
        x_px: simulated.x_px.clone(),
        y_px: simulated.y_px.clone(),
        pixel_mm: simulated.pixel_mm,
        truth_nm: Array2::zeros(simulated.truth_nm.dim()),
        reference_nm: Array2::zeros(simulated.reference_nm.dim()),
        piston_nm: zeros.clone(),
        pitch_nm_per_mm: zeros.clone(),
        roll_nm_per_mm: zeros,
        sigma_nm: simulated.sigma_nm,
    }
}

fn map(mut heights: Array2<f64>, valid: &Array2<bool>, pixel_mm: f64) -> HeightMap {
    heights.zip_mut_with(valid, |height, valid| *height = if *valid { *height } else { f64::NAN });
    HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: pixel_mm, y_mm: pixel_mm }))
}

/// Moves all positions but the first by up to half a pixel; none becomes negative.
fn between_pixels(whole: &[f64], rng: &mut impl Rng) -> Vec<f64> {
    let moved = |x: &f64| (x + rng.random_range(-0.5..0.5)).max(0.0);
    let mut x_px: Vec<f64> = whole.iter().map(moved).collect();
    if let Some(first) = x_px.first_mut() {
        *first = 0.0;
    }
    x_px
}

/// The noise of sub-aperture k, nm.
fn noise(rows: usize, columns: usize, parameters: &Parameters, k: usize) -> Array2<f64> {
    let mut normal = Normal::new(stream(parameters.seed, Purpose::Noise(k)));
    Array2::from_shape_simple_fn((rows, columns), || normal.next() * parameters.sigma_nm)
}

/// Pixels of one map without a height: dust on the detector, single pixels, and two specks on the mirror.
fn gaps(dust: &Array2<bool>, rng: &mut impl Rng) -> Array2<bool> {
    let mut gaps = dust.clone();
    gaps.mapv_inplace(|on_detector| (rng.random::<f64>() < MISSING) | on_detector);
    let rows = gaps.nrows();
    discs(&mut gaps, 2, 2..(rows / 25).max(3), rng);
    gaps
}

/// Sets discs of random place and radius (pixels).
fn discs(mask: &mut Array2<bool>, count: usize, radii: Range<usize>, rng: &mut impl Rng) {
    let (rows, columns) = mask.dim();
    for _ in 0..count {
        let (v0, u0) = (rng.random_range(0..rows), rng.random_range(0..columns));
        let radius = rng.random_range(radii.clone());
        for ((v, u), set) in mask.indexed_iter_mut() {
            let (dv, du) = (v.abs_diff(v0), u.abs_diff(u0));
            *set |= dv * dv + du * du <= radius * radius;
        }
    }
}

/// Spikes of 60 nm on 0.3 % of the pixels and a blemish of 40 nm, radius 15 pixels; nothing flags them.
fn outliers(heights: &mut Array2<f64>, rng: &mut impl Rng) {
    let (rows, columns) = heights.dim();
    for height in heights.iter_mut() {
        if rng.random::<f64>() < 0.003 {
            *height += if rng.random::<bool>() { 60.0 } else { -60.0 };
        }
    }
    let (v0, u0) = (rng.random_range(20..rows - 20), rng.random_range(20..columns - 20));
    for ((v, u), height) in heights.indexed_iter_mut() {
        let (dv, du) = (v.abs_diff(v0), u.abs_diff(u0));
        if dv * dv + du * du < 15 * 15 {
            *height += 40.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(case: Case, seed: u64) -> Parameters {
        Parameters { case, seed, sigma_nm: 0.5 }
    }

    #[test]
    fn case_s_seed_7_has_its_shapes() {
        let s = simulate(&Parameters::default());
        assert_eq!(s.sub_apertures.len(), 12);
        assert!(s.sub_apertures.iter().all(|m| m.shape() == (40, 200)));
        assert_eq!(s.reference_nm.dim(), (40, 200));
        let furthest = s.x_px[11] as usize;
        assert_eq!(s.truth_nm.dim(), (41, 202 + furthest));
        assert_eq!(s.map_shape(), (40, 200 + furthest));
        assert_eq!(s.covered_truth_nm().dim(), s.map_shape());
        assert_eq!(s.pixel_mm, 300.0 / (202 + furthest) as f64);
        assert!(s.y_px.iter().all(|y| *y == 0.0));
        for map in &s.sub_apertures {
            let missing = 1.0 - map.valid_count() as f64 / 8000.0;
            assert!((0.005..0.03).contains(&missing), "{missing}");
        }
    }

    #[test]
    fn a_map_is_mirror_plus_reference_plus_plane_plus_noise() {
        let s = simulate(&parameters(Case::S, 3));
        for (k, map) in s.sub_apertures.iter().enumerate() {
            let mut squares = 0.0;
            for (((v, u), height), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
                if *valid {
                    let (x, y) = ((u as f64 - 99.5) * s.pixel_mm, (v as f64 - 19.5) * s.pixel_mm);
                    let plane = s.piston_nm[k] + s.pitch_nm_per_mm[k] * x + s.roll_nm_per_mm[k] * y;
                    let rest = height - s.truth_nm[[v, u + s.x_px[k] as usize]] - s.reference_nm[[v, u]] - plane;
                    squares += rest * rest;
                }
            }
            let rms = (squares / map.valid_count() as f64).sqrt();
            assert!((rms - 0.5).abs() < 0.02, "sub-aperture {k}: {rms} nm of noise");
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(simulate(&parameters(Case::S, 7)), simulate(&parameters(Case::S, 7)));
        assert_ne!(simulate(&parameters(Case::S, 7)).truth_nm, simulate(&parameters(Case::S, 8)).truth_nm);
    }

    #[test]
    fn noise_only_is_the_difference_to_the_series_without_noise() {
        let with = simulate(&parameters(Case::S, 7));
        let without = simulate(&Parameters { sigma_nm: 0.0, ..parameters(Case::S, 7) });
        let noise = noise_only(&with);
        assert!(noise.truth_nm.iter().chain(&noise.reference_nm).all(|z| *z == 0.0));
        for ((n, w), o) in noise.sub_apertures.iter().zip(&with.sub_apertures).zip(&without.sub_apertures) {
            assert_eq!((n.valid(), n.valid()), (w.valid(), o.valid()));
            let rest = w.heights_nm() - o.heights_nm() - n.heights_nm();
            assert!(rest.iter().all(|d| d.abs() < 1e-9));
        }
    }

    #[test]
    fn positions_between_pixels_stay_on_the_mirror() {
        let whole: Vec<f64> = (0..500).map(|k| f64::from(k % 3) * 10.0).collect();
        let moved = between_pixels(&whole, &mut stream(1, Purpose::Layout));
        assert_eq!(moved[0], 0.0);
        assert!(moved.iter().zip(&whole).all(|(m, w)| *m >= 0.0 && (m - w).abs() <= 0.5));
        assert!(moved.iter().any(|m| m.fract() != 0.0));
    }

    #[test]
    fn outliers_are_as_many_and_as_large_as_said() {
        let mut heights = Array2::zeros((200, 1000));
        outliers(&mut heights, &mut stream(1, Purpose::Outliers(0)));
        let spikes = heights.iter().filter(|h: &&f64| h.abs() == 60.0 || **h == 100.0 || **h == -20.0).count();
        let blemish = heights.iter().filter(|h| **h == 40.0).count();
        assert!((500..700).contains(&spikes), "{spikes}");
        assert!((690..720).contains(&blemish), "{blemish}");
    }
}
