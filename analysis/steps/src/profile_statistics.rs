//! Numbers that describe a profile: roughness parameters (ISO 4287) and the slope error.

use serde::{Deserialize, Serialize};
use stitchbox_surface::{Profile, ProfileKind};

use crate::StepError;
use crate::statistics::{Moments, SlopeStatistics, Statistics};

/// Statistics of a profile about its mean, in the unit of its values (`nm` for heights, `urad` for slopes).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileStatistics {
    /// Number of points.
    pub count: usize,
    /// From the first to the last point, mm.
    pub length_mm: f64,
    /// Unit of the numbers below: `nm` or `urad`.
    pub unit: String,
    /// Mean value.
    pub mean: f64,
    /// Root mean square about the mean.
    pub rq: f64,
    /// Mean absolute distance from the mean.
    pub ra: f64,
    /// Highest value above the mean.
    pub rp: f64,
    /// Lowest value below the mean, positive.
    pub rv: f64,
    /// Highest minus lowest value.
    pub rt: f64,
    /// Mean over five equal sections of highest minus lowest value in the section.
    pub rz: f64,
    /// Skewness; 0 for a flat profile.
    pub rsk: f64,
    /// Kurtosis, 3 for a normal distribution; 0 for a flat profile.
    pub rku: f64,
    /// Slopes: of a slope profile its values (step 0), of heights the differences of points one slope step apart.
    pub slope: Option<SlopeStatistics>,
}

impl Statistics {
    /// Describes a profile.
    ///
    /// # Errors
    /// [`StepError::NothingLeft`] for a profile without points, [`StepError::Parameter`] for a slope step that is not
    /// positive.
    pub fn apply_to_profile(&self, profile: &Profile) -> Result<ProfileStatistics, StepError> {
        let all = Moments::of(1, |_| profile.values.iter().copied());
        let moments = all.ok_or(StepError::NothingLeft { step: "statistics" })?;
        let (first, last) = match (profile.x_mm.first(), profile.x_mm.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0.0, 0.0),
        };
        let length_mm = last - first;
        let mean_spacing = length_mm / (profile.len().max(2) - 1) as f64;
        let apart = self.pixels(mean_spacing)?;
        let (unit, slope) = match profile.kind {
            ProfileKind::SlopeUrad => ("urad", Some(slope_statistics(&moments, 0.0))),
            ProfileKind::HeightNm => ("nm", height_slopes(profile, apart, mean_spacing)),
        };
        Ok(ProfileStatistics {
            count: moments.count,
            length_mm,
            unit: unit.to_owned(),
            mean: moments.mean,
            rq: moments.rms(),
            ra: moments.absolute,
            rp: moments.max - moments.mean,
            rv: moments.mean - moments.min,
            rt: moments.max - moments.min,
            rz: mean_section_height(profile, first, length_mm),
            rsk: moments.skewness(),
            rku: moments.kurtosis(),
            slope,
        })
    }
}

fn slope_statistics(moments: &Moments, step_mm: f64) -> SlopeStatistics {
    SlopeStatistics {
        count: moments.count,
        step_mm,
        mean_urad: moments.mean,
        rms_urad: moments.rms(),
        pv_urad: moments.max - moments.min,
    }
}

/// Differences of heights a number of points apart, over their true distance.
fn height_slopes(profile: &Profile, apart: usize, mean_spacing: f64) -> Option<SlopeStatistics> {
    let slopes = |_| {
        let here = profile.x_mm.iter().zip(&profile.values);
        here.clone().skip(apart).zip(here).map(|((x2, h2), (x1, h1))| (h2 - h1) / (x2 - x1))
    };
    Moments::of(1, slopes).map(|moments| slope_statistics(&moments, apart as f64 * mean_spacing))
}

fn mean_section_height(profile: &Profile, first: f64, length_mm: f64) -> f64 {
    let mut sections = [(f64::INFINITY, f64::NEG_INFINITY); 5];
    for (x, value) in profile.x_mm.iter().zip(&profile.values) {
        let section = if length_mm > 0.0 { ((x - first) / length_mm * 5.0) as usize } else { 0 };
        let (low, high) = &mut sections[section.min(4)];
        *low = low.min(*value);
        *high = high.max(*value);
    }
    let filled: Vec<f64> = sections.iter().filter(|(low, high)| low <= high).map(|(low, high)| high - low).collect();
    filled.iter().sum::<f64>() / filled.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saw_has_the_numbers_of_a_saw() {
        // Five teeth of 0..20, one in each section, points 0.5 mm apart.
        let x: Vec<f64> = (0..105).map(|k| f64::from(k) * 0.5).collect();
        let h: Vec<f64> = (0..105).map(|k| f64::from(k % 21)).collect();
        let profile = Profile::new(&x, &h, ProfileKind::HeightNm).unwrap();
        let s = Statistics::default().apply_to_profile(&profile).unwrap();
        assert_eq!((s.count, s.length_mm, s.mean, s.rt, s.rp, s.rv), (105, 52.0, 10.0, 20.0, 10.0, 10.0));
        assert!((s.rq - (110.0f64 / 3.0).sqrt()).abs() < 1e-12 && (s.ra - 110.0 / 21.0).abs() < 1e-12);
        assert_eq!(s.rz, 20.0);
        assert!(s.rsk.abs() < 1e-12);
        let slope = s.slope.unwrap();
        // 100 steps of 2 nm/mm and 4 of -40.
        assert_eq!((slope.count, slope.step_mm, slope.pv_urad), (104, 0.5, 42.0));
        assert!((slope.mean_urad - (200.0 - 160.0) / 104.0).abs() < 1e-12);
    }

    #[test]
    fn slopes_are_described_as_they_are() {
        let profile = Profile::new(&[0.0, 1.0, 2.0], &[1.0, -1.0, 3.0], ProfileKind::SlopeUrad).unwrap();
        let s = Statistics::default().apply_to_profile(&profile).unwrap();
        assert_eq!((s.unit.as_str(), s.slope.unwrap().rms_urad), ("urad", s.rq));
        assert!((s.rq - (8.0f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
