//! Weights of pixels from the intensity that files tell.

use ndarray::Array2;

use crate::Placed;

/// Weights of one sub-aperture, row-major.
#[derive(Debug)]
pub(crate) struct PlateWeights(Vec<f32>);

impl PlateWeights {
    /// Weight of one pixel.
    pub fn at(&self, pixel: usize) -> f64 {
        f64::from(self.0[pixel])
    }
}

/// The weights of each sub-aperture; `None` where a file tells no intensity (its pixels count 1), and everywhere if no file does.
pub(crate) fn of_series(series: &[Placed]) -> Vec<Option<PlateWeights>> {
    let known = |p: &Placed| -> Vec<f32> {
        let Some(intensity) = usable(p) else { return Vec::new() };
        let pixels = intensity.iter().zip(p.sub_aperture.map.valid());
        pixels.filter(|(i, valid)| **valid && **i > 0.0 && i.is_finite()).map(|(i, _)| *i).collect()
    };
    let medians: Vec<Option<f32>> = series.iter().map(|p| median(known(p))).collect();
    // The median of the series: that of all pixels, not of the files' medians.
    let Some(of_series) = median(series.iter().flat_map(known).collect()) else {
        return series.iter().map(|_| None).collect();
    };
    let pairs = series.iter().zip(medians);
    pairs
        .map(|(p, own)| {
            let (intensity, own) = (usable(p)?, own?);
            let weight = |i: &f32| if *i > 0.0 && i.is_finite() { i / of_series } else { own / of_series };
            Some(PlateWeights(intensity.iter().map(weight).collect()))
        })
        .collect()
}

fn usable(p: &Placed) -> Option<&Array2<f32>> {
    p.sub_aperture.intensity.as_ref().filter(|intensity| intensity.dim() == p.sub_aperture.map.shape())
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    Some(*values.select_nth_unstable_by(half, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

    use super::*;

    fn placed(intensity: Option<Array2<f32>>) -> Placed {
        let mut heights = Array2::zeros((1, 4));
        heights[[0, 3]] = f64::NAN;
        Placed {
            sub_aperture: SubAperture {
                name: String::new(),
                map: HeightMap::from_heights_nm(heights, None),
                window: DetectorWindow { column: 0, row: 0 },
                position_mm: None,
                intensity,
                instrument: Instrument::default(),
            },
            x_mm: 0.0,
            y_mm: 0.0,
        }
    }

    #[test]
    fn unknown_intensity_counts_like_the_median_of_the_file() {
        let bright = placed(Some(ndarray::array![[4.0, 8.0, 0.0, 100.0]]));
        let dark = placed(Some(ndarray::array![[2.0, 2.0, 2.0, 0.0]]));
        let found = of_series(&[bright, dark, placed(None)]);
        // Known and valid: 4, 8, 2, 2, 2; their median is 2. Of the first file alone: the upper of 4 and 8.
        assert_eq!(found[0].as_ref().unwrap().0, [2.0, 4.0, 4.0, 50.0]);
        assert_eq!(found[1].as_ref().unwrap().0, [1.0; 4]);
        assert!(found[2].is_none());
        assert!(of_series(&[placed(None), placed(None)]).iter().all(Option::is_none));
    }
}
