//! Puts the points of a profile onto an equidistant grid, with gaps where points are missing.

use stitchbox_surface::Profile;

use crate::StepError;

/// Values on a grid; `0.0` where there is none.
pub(super) struct Gridded {
    pub(super) values: Vec<f64>,
    pub(super) valid: Vec<bool>,
    pub(super) spacing_mm: f64,
}

/// A point may lie this part of the spacing beside its place.
const TOLERANCE: f64 = 0.1;
/// At most this many places for each point, so that two points far away cannot ask for any amount of memory.
const MOST_PLACES: usize = 100;

/// The grid whose spacing is the usual distance of the points.
pub(super) fn gridded(profile: &Profile, step: &'static str) -> Result<Gridded, StepError> {
    let x = &profile.x_mm;
    let distances: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut sorted = distances.clone();
    let Some(usual) = crate::filter::median(&mut sorted).filter(|usual| *usual > 0.0) else {
        return Err(StepError::TooFew { step, what: "points at different positions", found: x.len(), needed: 2 });
    };
    let off_grid = |index, spacing_mm| StepError::NotEquidistant { step, index, spacing_mm };
    let mut places = vec![0usize];
    let mut place = 0;
    for (index, distance) in distances.iter().enumerate() {
        let steps = (distance / usual).round();
        let most = MOST_PLACES.saturating_mul(x.len());
        if !(steps >= 1.0 && steps <= (most - place) as f64) {
            return Err(off_grid(index + 1, usual));
        }
        place += steps as usize;
        places.push(place);
    }
    let spacing_mm = (x[x.len() - 1] - x[0]) / place as f64;
    let beside = |(position, place): (&f64, &usize)| (position - x[0] - *place as f64 * spacing_mm).abs();
    if let Some(index) = x.iter().zip(&places).position(|pair| beside(pair) > TOLERANCE * spacing_mm) {
        return Err(off_grid(index, spacing_mm));
    }
    let (mut values, mut valid) = (vec![0.0; place + 1], vec![false; place + 1]);
    for (place, value) in places.iter().zip(&profile.values) {
        values[*place] = *value;
        valid[*place] = true;
    }
    Ok(Gridded { values, valid, spacing_mm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::ProfileKind;

    fn profile(x: &[f64]) -> Profile {
        Profile::new(x, &vec![1.0; x.len()], ProfileKind::HeightNm).unwrap()
    }

    #[test]
    fn missing_points_are_gaps_and_uneven_ones_are_refused() {
        let found = gridded(&profile(&[1.0, 1.5, 2.5, 3.01, 4.5, 5.0]), "psd").unwrap();
        assert_eq!(found.valid, [true, true, false, true, true, false, false, true, true]);
        assert!((found.spacing_mm - 0.5).abs() < 1e-12);
        let uneven = gridded(&profile(&[0.0, 1.0, 2.0, 2.5, 4.0, 5.0]), "psd");
        assert!(matches!(uneven, Err(StepError::NotEquidistant { .. })));
        assert!(gridded(&profile(&[0.0, 1.0, 2.0, 1e12]), "psd").is_err());
    }
}
