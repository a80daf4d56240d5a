//! Shapes planted in maps are found and removed; the shapes are computed here, by other ways than the fits use.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_steps::{
    Beam, Conic, ConicTerm, Keep, Legendre, Mask, Polynomial, Pupil, Region, Remove, Removed, Shape, StepError,
    SurfaceTerm, Zernike, ZernikeOrder,
};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{HeightMap, PixelSize};

const PIXEL: PixelSize = PixelSize { x_mm: 0.4, y_mm: 0.5 };

/// A map of `height(x, y)` in nm, x and y in mm from its centre, with a few holes.
fn map(rows: usize, columns: usize, height: impl Fn(f64, f64) -> f64) -> HeightMap {
    let heights = Array2::from_shape_fn((rows, columns), |(row, column)| {
        if (row * 31 + column * 7) % 53 == 0 {
            return f64::NAN;
        }
        let x = (column as f64 - (columns as f64 - 1.0) / 2.0) * PIXEL.x_mm;
        let y = (row as f64 - (rows as f64 - 1.0) / 2.0) * PIXEL.y_mm;
        height(x, y)
    });
    HeightMap::from_heights_nm(heights, Some(PIXEL))
}

fn largest(map: &HeightMap) -> f64 {
    map.heights_nm().iter().fold(0.0, |m, h| m.max(h.abs()))
}

fn remove(shape: Shape, map: &HeightMap) -> Removed {
    Remove::shape(shape).apply(map).unwrap()
}

fn value(removed: &Removed, name: &str) -> f64 {
    removed.fit.term(name).unwrap_or_else(|| panic!("no term {name} in {:?}", removed.fit.terms)).value
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} instead of {expected}");
}

#[test]
fn terms_of_low_order_are_found_in_their_units() {
    let surface = |x: f64, y: f64| 1e5 + 12.0 * x - 5.0 * y + 0.3 * x * x - 0.1 * y * y + 0.07 * x * y;
    let map = map(61, 140, surface);
    use SurfaceTerm::{Astigmatism, CurvatureX, CurvatureY, Piston, Power, TiltX, TiltY, Twist};
    let separate = remove(Shape::Terms(vec![Piston, TiltX, TiltY, CurvatureX, CurvatureY, Twist]), &map);
    assert!(largest(&separate.map) < 1e-9 && separate.map.valid_count() == map.valid_count());
    for (name, expected) in [
        ("piston", 1e5),
        ("tilt-x", 12.0),
        ("tilt-y", -5.0),
        ("curvature-x", 6e-4),
        ("curvature-y", -2e-4),
        ("twist", 7e-5),
    ] {
        near(value(&separate, name), expected, 1e-10);
    }
    assert_eq!(separate.fit.term("curvature-x").unwrap().unit, "1/m");
    let together = remove(Shape::Terms(vec![Piston, TiltX, TiltY, Power, Astigmatism, Twist]), &map);
    near(value(&together, "power"), 2e-4, 1e-9);
    near(value(&together, "astigmatism"), 4e-4, 1e-9);
    // A plane takes the plane and leaves the rest; without pixel size the tilt is per pixel.
    let plane = remove(Shape::Plane, &map.clone().with_pixel(None));
    assert_eq!(plane.fit.term("tilt-x").unwrap().unit, "nm/px");
    assert!(plane.fit.residual_rms > 10.0);
}

#[test]
fn a_legendre_fit_of_an_exact_quadratic_leaves_nothing() {
    let (half_x, half_y) = (139.0 * 0.4 / 2.0, 60.0 * 0.5 / 2.0);
    let map = map(61, 140, |x, y| 40.0 * (x / half_x) * (x / half_x) - 8.0 * (x / half_x) * (y / half_y));
    let removed = remove(Shape::Legendre(Legendre { x: 5, y: 4, total: None }), &map);
    assert_eq!(removed.fit.terms.len(), 30);
    assert!(largest(&removed.map) < 1e-11, "{}", largest(&removed.map));
    // x² = (2 P2 + P0) / 3.
    near(value(&removed, "L2,0"), 80.0 / 3.0, 1e-12);
    near(value(&removed, "L0,0"), 40.0 / 3.0, 1e-12);
    near(value(&removed, "L1,1"), -8.0, 1e-12);
    assert!(value(&removed, "L4,2").abs() < 1e-11);
}

#[test]
fn monomials_are_found_between_two_degrees() {
    let map = map(80, 90, |x, y| 3.0 + 1e-3 * x * x * x - 2e-4 * x * x * y + 4e-6 * x * y * y * y * y);
    let all = remove(Shape::Polynomial(Polynomial { from: 0, to: 5 }), &map);
    assert!(largest(&all.map) < 1e-9);
    for (name, expected) in [("1", 3.0), ("x^3", 1e-3), ("x^2 y", -2e-4), ("x y^4", 4e-6)] {
        near(value(&all, name), expected, 1e-8);
    }
    assert_eq!(all.fit.term("x y^4").unwrap().unit, "nm/mm5");
    let high = remove(Shape::Polynomial(Polynomial { from: 3, to: 5 }), &map);
    assert!((high.map.heights_nm()[[3, 3]] - 3.0).abs() > 1e-6, "the piston is not of degree 3 to 5");
    let highest = remove(Shape::Polynomial(Polynomial { from: 0, to: 12 }), &map);
    assert!(largest(&highest.map) < 1e-7, "{}", largest(&highest.map));
}

#[test]
fn zernike_coefficients_are_those_planted() {
    // 100 x 80 pixels of 0.4 x 0.5 mm: 40 mm square, so that all three pupils are of known size.
    let build = |a: f64, b: f64| {
        map(80, 100, move |x, y| {
            let (x, y) = (x / a, y / b);
            let r2 = x * x + y * y;
            10.0 * 3f64.sqrt() * (2.0 * r2 - 1.0) + 4.0 * 8f64.sqrt() * (3.0 * r2 - 2.0) * y
                - 2.0 * 6f64.sqrt() * 2.0 * x * y
        })
    };
    let shape = |count, order, pupil| Shape::Zernike(Zernike { count, order, pupil });
    let inscribed = remove(shape(37, ZernikeOrder::Noll, Pupil::Inscribed), &build(20.0, 20.0));
    assert!(largest(&inscribed.map) < 1e-9);
    for (name, expected) in [("noll-4", 10.0), ("noll-7", 4.0), ("noll-5", -2.0)] {
        near(value(&inscribed, name), expected, 1e-10);
    }
    assert!(value(&inscribed, "noll-11").abs() < 1e-9);
    assert!((inscribed.map.valid_count() as f64 / 8000.0 - std::f64::consts::PI / 4.0 * 52.0 / 53.0).abs() < 0.01);
    let around = remove(shape(10, ZernikeOrder::Fringe, Pupil::Circumscribed), &build(800f64.sqrt(), 800f64.sqrt()));
    assert!(largest(&around.map) < 1e-9 && around.map.valid_count() > 7800);
    near(value(&around, "fringe-4"), 10.0 * 3f64.sqrt(), 1e-10);
    near(value(&around, "fringe-6"), -2.0 * 6f64.sqrt(), 1e-10);
    near(value(&around, "fringe-8"), 4.0 * 8f64.sqrt(), 1e-10);
    let long = map(60, 200, |x, y| 7.0 * (2.0 * ((x / 40.0) * (x / 40.0) + (y / 15.0) * (y / 15.0)) - 1.0));
    let elliptic = remove(shape(4, ZernikeOrder::Fringe, Pupil::Elliptic), &long);
    assert!(largest(&elliptic.map) < 1e-9);
    near(value(&elliptic, "fringe-4"), 7.0, 1e-10);
}

#[test]
fn a_sphere_is_a_sphere_and_not_a_parabola() {
    let radius = 2000.0;
    let sphere = |x: f64, y: f64| {
        let (x, y) = (x - 0.8, y + 0.3);
        (radius - (radius * radius - x * x - y * y).sqrt()) * 1e6 + 77.0
    };
    let map = map(120, 150, sphere);
    let removed = remove(Shape::Sphere, &map);
    assert!(largest(&removed.map) < 1e-4, "{}", largest(&removed.map));
    near(value(&removed, "radius"), 2.0, 1e-11);
    assert_eq!(removed.fit.term("radius").unwrap().unit, "m");
    let parabola = remove(Shape::Polynomial(Polynomial { from: 0, to: 2 }), &map);
    assert!(largest(&parabola.map) > 1.0, "the fourth order of a sphere of 2 m is nanometres");
    let cylinder = self::map(120, 150, |_, y| -(radius - (radius * radius - y * y).sqrt()) * 1e6);
    let along_y = remove(Shape::CylinderY, &cylinder);
    assert!(largest(&along_y.map) < 1e-4);
    near(value(&along_y, "radius"), -2.0, 1e-11);
    assert!(remove(Shape::CylinderX, &cylinder).fit.residual_rms > 1e4);
    // A flat map has no radius, and that is no trouble.
    let flat = self::map(20, 20, |x, _| 3.0 * x);
    assert!(largest(&remove(Shape::Sphere, &flat).map) < 1e-9);
}

/// A mirror with two foci in a pose: its height over (x, y) by bisection on the optical path.
#[derive(Clone, Copy)]
struct Mirror {
    p: f64,
    q: f64,
    theta: f64,
    pole: (f64, f64),
    piston: f64,
    tilt: f64,
    roll: f64,
    round: bool,
}

impl Mirror {
    fn new(p: f64, q: f64, theta: f64) -> Self {
        Self { p, q, theta, pole: (0.0, 0.0), piston: 0.0, tilt: 0.0, roll: 0.0, round: false }
    }

    fn height(&self, x: f64, y: f64) -> f64 {
        let path = |z: f64| {
            // Into the mirror's frame: first the tilt is undone, then the roll.
            let (x, y, z) = (x - self.pole.0, y - self.pole.1, z - self.piston);
            let (s, c) = (self.tilt.sin(), self.tilt.cos());
            let (x, z) = (c * x + s * z, c * z - s * x);
            let (s, c) = (self.roll.sin(), self.roll.cos());
            let (y, z) = (c * y + s * z, c * z - s * y);
            let y = if self.round { y } else { 0.0 };
            let distance = |f: f64, up: f64| {
                let (fx, fz) = (f * self.theta.cos(), f.abs() * self.theta.sin() * up);
                ((x - fx) * (x - fx) + y * y + (z - fz) * (z - fz)).sqrt()
            };
            self.p.signum() * distance(-self.p, self.p.signum()) + self.q.signum() * distance(self.q, self.q.signum())
                - self.p
                - self.q
        };
        let (mut low, mut high) = (-3.0, 3.0);
        let sign = path(low).signum();
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if path(middle).signum() == sign { low = middle } else { high = middle }
        }
        (low + high) / 2.0 * 1e6
    }
}

fn conic(p: f64, q: f64, theta: f64, free: &[ConicTerm]) -> Conic {
    let target = Conic::new(Length::new(p), Length::new(q), Angle::new(theta * 1e6));
    Conic { free: Some(free.to_vec()), ..target }
}

#[test]
fn an_ellipse_is_found_from_a_wrong_start() {
    use ConicTerm::{P, Piston, Q, Roll, Theta, Tilt, X0};
    let mirror = Mirror { piston: 2e-3, tilt: 1.5e-4, roll: -3e-4, ..Mirror::new(4000.0, 500.0, 0.01) };
    let map = map(24, 400, |x, y| mirror.height(x, y));
    let removed = remove(Shape::Ellipse(conic(4100.0, 495.0, 0.0101, &[P, Q, Theta, Piston, Tilt, Roll])), &map);
    // The optical path in double precision leaves 1e-12 mm / sin(theta).
    assert!(removed.fit.residual_rms < 1e-3, "{:?}", removed.fit);
    let one = |name: &str, expected: f64| {
        let term = removed.fit.term(name).unwrap();
        assert!((term.value - expected).abs() < 5.0 * term.uncertainty + 1e-7 * expected.abs(), "{term:?}");
    };
    for (name, expected) in
        [("p", 4000.0), ("q", 500.0), ("theta", 1e4), ("piston", 2000.0), ("tilt", 150.0), ("roll", -300.0)]
    {
        one(name, expected);
    }
    near(value(&removed, "p"), 4000.0, 1e-5);
    // The pole elsewhere, with the shape known.
    let moved = Mirror { pole: (7.5, 0.0), ..mirror };
    let map = self::map(24, 400, |x, y| moved.height(x, y));
    let removed = remove(Shape::Ellipse(conic(4000.0, 500.0, 0.01, &[X0, Piston, Tilt, Roll])), &map);
    assert!(removed.fit.residual_rms < 1e-3);
    near(value(&removed, "x0"), 7.5, 1e-6);
    assert!(!removed.fit.term("p").unwrap().free && removed.fit.term("p").unwrap().uncertainty == 0.0);
}

#[test]
fn hyperbolas_and_surfaces_of_revolution_are_found() {
    use ConicTerm::{Piston, Q, Roll, Theta, Tilt, Yaw};
    let free = [Q, Theta, Piston, Tilt];
    let wolter = Mirror { piston: -1e-3, ..Mirror::new(-306.0, 115.0, 0.0046) };
    let map = map(20, 130, |x, y| wolter.height(x, y));
    let removed = remove(Shape::Hyperbola(conic(306.0, 116.0, 0.0046, &free)), &map);
    assert!(removed.fit.residual_rms < 1e-3, "{:?}", removed.fit);
    near(value(&removed, "q"), 115.0, 1e-6);
    near(value(&removed, "theta"), 4600.0, 1e-6);
    near(value(&removed, "p"), 306.0, 0.0);

    let round = Mirror { round: true, tilt: 1e-4, roll: 2e-4, ..Mirror::new(3000.0, 400.0, 0.05) };
    let map = self::map(20, 200, |x, y| round.height(x, y));
    let removed = remove(Shape::Ellipsoid(conic(3000.0, 402.0, 0.05, &[Q, Theta, Piston, Tilt, Roll, Yaw])), &map);
    assert!(removed.fit.residual_rms < 1e-3, "{:?}", removed.fit);
    near(value(&removed, "q"), 400.0, 1e-6);
    near(value(&removed, "roll"), 200.0, 1e-5);
    assert!(value(&removed, "yaw").abs() < 1e-3);
    let hyper = Mirror { round: true, ..Mirror::new(3000.0, -400.0, 0.05) };
    let map = self::map(20, 200, |x, y| hyper.height(x, y));
    let mut target = conic(3000.0, -401.0, 0.05, &[Q, Piston, Tilt, Roll]);
    let removed = remove(Shape::Hyperboloid(target.clone()), &map);
    near(value(&removed, "q"), -400.0, 1e-7);
    target.q = Length::new(401.0);
    // Concave does not become convex: a focus would have to pass through infinity.
    let concave = Remove::shape(Shape::Hyperboloid(target)).apply(&map);
    assert!(matches!(concave, Err(StepError::NotConverged { .. })), "{concave:?}");
}

#[test]
fn the_direction_of_the_beam_is_found_if_asked_for() {
    let mirror = Mirror::new(40_000.0, 300.0, 0.003);
    let map = map(10, 250, |x, y| mirror.height(-x, y));
    let target = conic(40_000.0, 302.0, 0.003, &[ConicTerm::Q, ConicTerm::Piston, ConicTerm::Tilt]);
    let low = remove(Shape::Ellipse(target.clone()), &map);
    let either = remove(Shape::Ellipse(Conic { beam: Beam::Either, ..target.clone() }), &map);
    let high = remove(Shape::Ellipse(Conic { beam: Beam::FromHighX, ..target }), &map);
    assert_eq!(either.fit, high.fit);
    assert!(low.fit.residual_rms > 1.0 && high.fit.residual_rms < 1e-2);
    near(value(&high, "q"), 300.0, 1e-6);
    near(value(&high, "p"), 40_000.0, 0.0);
}

#[test]
fn a_shape_fitted_in_a_region_is_removed_everywhere() {
    let map = map(61, 140, |x, y| 5.0 * x - 2.0 * y + if x > 10.0 { 1000.0 } else { 0.0 });
    let region = Region::Rectangle {
        centre: [Length::new(-10.0), Length::new(0.0)],
        size: [Length::new(30.0), Length::new(40.0)],
    };
    let remove = Remove { shape: Shape::Plane, fit_on: Some(Mask { region, keep: Keep::Inside }) };
    let removed = remove.apply(&map).unwrap();
    assert!((removed.map.heights_nm()[[30, 130]] - 1000.0).abs() < 1e-9);
    assert!(removed.fit.residual_rms < 1e-10 && removed.fit.points < 6000);
}

#[test]
fn what_cannot_be_told_apart_is_refused_with_its_cure() {
    let map = map(24, 40, |x, y| x * y);
    let error = |shape| Remove::shape(shape).apply(&map).unwrap_err();
    use ConicTerm::{P, Piston, Q, Roll, Theta, Tilt, X0, Y0, Yaw};
    let told = error(Shape::Ellipse(conic(4000.0, 500.0, 0.01, &[P, Q, Theta, X0, Tilt, Piston]))).to_string();
    assert!(told.contains("fix one of p, q, theta, x0 and tilt"), "{told}");
    assert!(error(Shape::Ellipsoid(conic(4000.0, 500.0, 0.01, &[Y0, Roll, Yaw]))).to_string().contains("y0, roll"));
    assert!(error(Shape::Ellipse(conic(4000.0, -500.0, 0.01, &[Piston]))).to_string().contains("one sign"));
    use SurfaceTerm::{CurvatureX, CurvatureY, Power};
    let told = error(Shape::Terms(vec![CurvatureX, CurvatureY, Power]));
    assert_eq!(told, StepError::NotDetermined { step: "remove", term: "power".to_owned() });
    assert!(matches!(error(Shape::Polynomial(Polynomial { from: 3, to: 2 })), StepError::Parameter { .. }));
    let zernike = Zernike { count: 99, order: ZernikeOrder::Noll, pupil: Pupil::Inscribed };
    assert!(matches!(error(Shape::Zernike(zernike)), StepError::Parameter { .. }));
    let short = conic(6.0, 3.0, 0.3, &[Piston, Tilt]);
    assert!(matches!(error(Shape::Ellipse(short)), StepError::BeyondShape { .. }));
    let line = HeightMap::from_heights_nm(Array2::zeros((1, 50)), Some(PIXEL));
    assert!(matches!(Remove::shape(Shape::Plane).apply(&line), Err(StepError::NotDetermined { .. })));
    let unknown = map.clone().with_pixel(None);
    assert_eq!(Remove::shape(Shape::Sphere).apply(&unknown), Err(StepError::NoPixelSize { step: "remove" }));
    let empty = HeightMap::from_heights_nm(Array2::from_elem((5, 5), f64::NAN), Some(PIXEL));
    for shape in [Shape::Piston, Shape::Sphere, Shape::Plane] {
        assert!(matches!(Remove::shape(shape).apply(&empty), Err(StepError::TooFewPoints { .. })));
    }
}

#[test]
fn the_result_is_the_same_on_any_number_of_threads() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let noise = Array2::from_shape_fn((300, 210), |_| rng.random::<f64>());
    let mirror = Mirror::new(4000.0, 500.0, 0.01);
    let clean = map(300, 210, |x, _| mirror.height(x, 0.0));
    let map = HeightMap::new(clean.heights_nm() + &noise, clean.valid().clone(), clean.pixel()).unwrap();
    let on = |threads: usize, shape: &Shape| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| remove(shape.clone(), &map))
    };
    use ConicTerm::{Piston, Q, Roll, Tilt};
    for shape in [
        Shape::Polynomial(Polynomial { from: 0, to: 6 }),
        Shape::Ellipse(conic(4000.0, 501.0, 0.01, &[Q, Piston, Tilt, Roll])),
    ] {
        assert_eq!(on(1, &shape), on(4, &shape));
    }
}
