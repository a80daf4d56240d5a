//! Odd series from a small generator: everything is answered or refused, nothing panics, nothing is infinite.

use ndarray::Array2;
use stitchbox_profiles::{
    Averaging, Interpolation, MultiPitch, PlacedProfile, PlacedSlopes, ProfileMethod, ProfileReference,
    ProfileStitching, ProfilesError, SlopeMethod, SlopeReference, SlopeStitching, average_scans, calibrate_pitches,
    stitch_profiles, stitch_slopes,
};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{DetectorWindow, Instrument, PixelSize, Profile, ProfileKind, SlopeSubAperture};

struct Odd(u64);

impl Odd {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn part(&mut self) -> f64 {
        self.next(1_000_000) as f64 / 1e6
    }

    fn profile(&mut self, kind: ProfileKind) -> Profile {
        let step = [1.0, 1.0, 0.5, 0.3][self.next(4) as usize];
        let length = self.next(20) + 2;
        let (mut x, mut values) = (Vec::new(), Vec::new());
        for i in 0..length {
            if self.next(8) > 0 || i < 2 {
                x.push(i as f64 * step + if self.next(5) == 0 { 0.2 * step * self.part() } else { 0.0 });
                values.push(10.0 * self.part() + x[x.len() - 1] * 3.0);
            }
        }
        let mut profile = Profile::new(&x, &values, kind).unwrap();
        profile.sigma = (self.next(3) > 0).then(|| 0.1 + self.part());
        profile
    }
}

#[test]
fn profiles() {
    let mut odd = Odd(7);
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..600 {
        let kind = if odd.next(2) == 0 { ProfileKind::SlopeUrad } else { ProfileKind::HeightNm };
        let series: Vec<PlacedProfile> = (0..odd.next(7))
            .map(|_| PlacedProfile {
                profile: odd.profile(kind),
                x_mm: [1.0, 0.7][odd.next(2) as usize] * odd.next(9) as f64,
            })
            .collect();
        let options = ProfileStitching {
            method: if odd.next(4) == 0 { ProfileMethod::Chained } else { ProfileMethod::Global },
            reference: if odd.next(2) == 0 { ProfileReference::Pixelwise } else { ProfileReference::None },
            tilt: [None, Some(true), Some(false)][odd.next(3) as usize],
            step: [None, Some(Length::new(0.4)), Some(Length::new(30.0))][odd.next(3) as usize],
            interpolation: if odd.next(2) == 0 { Interpolation::Linear } else { Interpolation::Cubic },
        };
        match stitch_profiles(&series, &options) {
            Ok(stitched) => {
                answered += 1;
                let n = stitched.profile.len();
                assert_eq!((stitched.overlap.len(), stitched.residual.len()), (n, n));
                assert!(stitched.uncertainty.iter().flatten().all(|u| u.is_finite()));
                assert!(stitched.correctors.iter().all(|c| c.constant.is_finite() && c.tilt_per_mm.is_finite()));
                assert!(stitched.profile.values.iter().all(|v| v.abs() < 1e6), "{:?}", stitched.profile.values);
            }
            Err(error) => {
                refused += 1;
                assert!(!matches!(error, ProfilesError::Internal { .. }), "{error}: {options:?}");
            }
        }
        let scans: Vec<Profile> = series.iter().map(|p| p.profile.clone()).collect();
        let (forward, backward) = scans.split_at(scans.len() / 2);
        if let Ok(mean) = average_scans(forward, backward, &Averaging::default()) {
            assert_eq!(mean.kept + mean.excluded.len(), scans.len());
            assert!(mean.uncertainty.iter().all(|u| u.is_finite()));
        }
        let knot_spacing = [None, Some(Angle::new(3.0)), Some(Angle::new(0.2))][odd.next(3) as usize];
        if let Ok(found) = calibrate_pitches(&series, &MultiPitch { knot_spacing, ..MultiPitch::default() }) {
            assert!(found.residual_rms.is_finite() && found.pitches_urad.iter().all(|t| t.is_finite()));
        }
    }
    assert!(answered > 100 && refused > 100, "{answered} {refused}");
}

#[test]
fn slope_maps() {
    let mut odd = Odd(11);
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..200 {
        let with_y = odd.next(3) > 0;
        let mut series = Vec::new();
        for k in 0..odd.next(6) {
            let shape = (odd.next(6) as usize + 1, odd.next(8) as usize + 1);
            let mut map = || Array2::from_shape_simple_fn(shape, || 5.0 * odd.part());
            let (x_urad, y_urad) = (map(), with_y.then(map));
            let valid = Array2::from_shape_simple_fn(shape, || odd.next(6) > 0);
            let slopes = SlopeSubAperture {
                name: format!("{k}"),
                x_urad,
                y_urad,
                valid,
                pixel: (odd.next(20) > 0).then_some(PixelSize { x_mm: 0.5, y_mm: 0.25 }),
                window: DetectorWindow { row: odd.next(3) as i64 - 1, column: odd.next(2) as i64 },
                position_mm: None,
                instrument: Instrument::default(),
            };
            series.push(PlacedSlopes { slopes, x_mm: 0.5 * odd.next(5) as f64, y_mm: 0.25 * odd.next(3) as f64 });
        }
        let options = SlopeStitching {
            method: if odd.next(2) == 0 { SlopeMethod::Chained } else { SlopeMethod::Global },
            reference: [SlopeReference::None, SlopeReference::Pixelwise, SlopeReference::Smooth][odd.next(3) as usize],
            robust: odd.next(2) == 0,
            curl_block: odd.next(3) as u32 + 1,
        };
        match stitch_slopes(&series, &options, &()) {
            Ok(found) => {
                answered += 1;
                let y = found.y.as_ref();
                assert_eq!(y.is_some(), with_y);
                for axis in [Some(&found.x), y].into_iter().flatten() {
                    assert!(axis.slope_urad.iter().all(|s| s.is_finite()), "{:?}", axis.slope_urad);
                    assert!(axis.offsets_urad.iter().all(|s| s.is_finite()));
                    assert_eq!(axis.slope_urad.dim(), axis.valid.dim());
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().len() > 20);
            }
        }
    }
    assert!(answered > 50 && refused > 20, "{answered} {refused}");
}
