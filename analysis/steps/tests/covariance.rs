//! Uncertainties of fitted terms against the scatter of many fits to the same shape with other noise.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_steps::{Conic, ConicTerm, Fit, Legendre, ProfileShape, Remove, RemoveFromProfile, Shape, Term, TwoFoci};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{HeightMap, PixelSize, Profile, ProfileKind};

/// A standard normal number: the sum of twelve uniform ones is near enough for a scatter.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// The scatter of each free term over the fits equals its uncertainty within 15 % (five sigma for 250 fits), its mean
/// the truth, and scatter of pairs their covariance.
fn check(fits: &[Fit], truth: impl Fn(&Term) -> f64) {
    let n = fits.len() as f64;
    let first = &fits[0];
    let mut deviations = Vec::new();
    for (k, term) in first.terms.iter().enumerate().filter(|(_, term)| term.free) {
        let values: Vec<f64> = fits.iter().map(|fit| fit.terms[k].value - truth(term)).collect();
        let mean = values.iter().sum::<f64>() / n;
        let scatter = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt();
        let stated = (fits.iter().map(|fit| fit.terms[k].uncertainty.powi(2)).sum::<f64>() / n).sqrt();
        assert!((scatter / stated - 1.0).abs() < 0.15, "{}: scatter {scatter}, stated {stated}", term.name);
        assert!(mean.abs() < 5.0 * stated / n.sqrt(), "{}: off by {mean}, uncertainty {stated}", term.name);
        deviations.push((k, term.name.clone(), values));
    }
    for (i, name_i, a) in &deviations {
        for (j, name_j, b) in &deviations {
            let scatter = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
            let norm = (first.covariance[[*i, *i]] * first.covariance[[*j, *j]]).sqrt();
            let stated = first.covariance[[*i, *j]];
            assert!((scatter - stated).abs() < 0.35 * norm, "{name_i} {name_j}: {scatter} {stated}");
        }
    }
}

#[test]
fn an_ellipse_in_heights_and_in_slopes_has_the_uncertainties_it_states() {
    use ConicTerm::{P, Piston, Q, Theta, Tilt};
    let (p, q, theta) = (4000.0, 500.0, 0.01);
    let mirror = TwoFoci::new(p, q, theta).unwrap();
    let x: Vec<f64> = (-150..=150).map(f64::from).collect();
    for (kind, noise) in [(ProfileKind::HeightNm, 0.5), (ProfileKind::SlopeUrad, 0.1)] {
        let heights = kind == ProfileKind::HeightNm;
        let free = if heights { vec![P, Q, Theta, Piston, Tilt] } else { vec![P, Q, Theta, Tilt] };
        let conic = Conic { free: Some(free), ..Conic::new(Length::new(p), Length::new(q), Angle::new(theta * 1e6)) };
        let fits: Vec<Fit> = (0..250)
            .map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let values: Vec<f64> = x
                    .iter()
                    .map(|x| if heights { mirror.height_nm(*x) } else { mirror.slope_urad(*x) }.unwrap())
                    .map(|value| value + noise * normal(&mut rng))
                    .collect();
                let profile = Profile::new(&x, &values, kind).unwrap();
                let shape = ProfileShape::Ellipse(conic.clone());
                RemoveFromProfile::shape(shape).apply(&profile).unwrap().fit
            })
            .collect();
        check(&fits, |term| match term.name.as_str() {
            "p" => p,
            "q" => q,
            "theta" => theta * 1e6,
            _ => 0.0,
        });
        let radius = |fit: &Fit| fit.term("radius").unwrap().clone();
        let mean = fits.iter().map(|fit| radius(fit).value).sum::<f64>() / 250.0;
        let scatter = (fits.iter().map(|fit| (radius(fit).value - mean).powi(2)).sum::<f64>() / 249.0).sqrt();
        let expected = 2.0 / (theta.sin() * (1.0 / p + 1.0 / q)) * 1e-3;
        assert!((mean - expected).abs() < 5.0 * scatter, "{mean} {expected}");
        assert!((scatter / radius(&fits[0]).uncertainty - 1.0).abs() < 0.3);
        let rms = fits.iter().map(|fit| fit.residual_rms.powi(2)).sum::<f64>() / 250.0;
        assert!((rms.sqrt() / noise - 1.0).abs() < 0.02);
    }
}

#[test]
fn a_map_with_holes_has_the_uncertainties_it_states() {
    let pixel = Some(PixelSize { x_mm: 1.0, y_mm: 1.0 });
    let fits = |shape: &Shape| -> Vec<Fit> {
        (0..250)
            .map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
                let heights = Array2::from_shape_fn((14, 30), |(row, column)| {
                    let value = 0.7 * normal(&mut rng);
                    if row > 9 && column > 18 { f64::NAN } else { value + 20.0 }
                });
                Remove::shape(shape.clone()).apply(&HeightMap::from_heights_nm(heights, pixel)).unwrap().fit
            })
            .collect()
    };
    check(&fits(&Shape::Plane), |term| if term.name == "piston" { 20.0 } else { 0.0 });
    let legendre = Shape::Legendre(Legendre { x: 2, y: 1, total: None });
    check(&fits(&legendre), |term| if term.name == "L0,0" { 20.0 } else { 0.0 });
    check(&fits(&Shape::Sphere), |term| if term.name == "piston" { 20.0 } else { 0.0 });
}
