//! Maps of 20 million pixels: `cargo test --release -p stitchbox-steps --test large -- --ignored --nocapture`.

use std::time::Instant;

use ndarray::Array2;
use stitchbox_steps::{Compare, Conic, ConicTerm, Legendre, Polynomial, Register, Remove, Shape, Statistics, TwoFoci};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{HeightMap, PixelSize};

#[test]
#[ignore = "takes a minute and a gigabyte"]
fn twenty_million_pixels_take_seconds() {
    let mirror = TwoFoci::new(40_000.0, 400.0, 0.004).unwrap();
    let pixel = PixelSize { x_mm: 0.02, y_mm: 0.02 };
    let line: Vec<f64> = (0..10_000).map(|c| mirror.height_nm((f64::from(c) - 4999.5) * 0.02).unwrap()).collect();
    let map = HeightMap::from_heights_nm(
        Array2::from_shape_fn((2000, 10_000), |(row, column)| {
            let rough = ((row * 7919 + column * 104_729) % 1013) as f64 / 1013.0;
            if (row + column) % 997 == 0 { f64::NAN } else { line[column] + rough }
        }),
        Some(pixel),
    );
    use ConicTerm::{Piston, Q, Roll, Theta, Tilt};
    let target = Conic::new(Length::new(40_000.0), Length::new(401.0), Angle::new(4000.0));
    let conic = Conic { free: Some(vec![Q, Theta, Piston, Tilt, Roll]), ..target };
    for (name, shape) in [
        ("plane", Shape::Plane),
        ("polynomial 6", Shape::Polynomial(Polynomial { from: 0, to: 6 })),
        ("legendre 10 x 10", Shape::Legendre(Legendre { x: 10, y: 10, total: None })),
        ("sphere", Shape::Sphere),
        ("ellipse, 5 free", Shape::Ellipse(conic)),
    ] {
        let start = Instant::now();
        let removed = Remove::shape(shape).apply(&map).unwrap();
        println!("{name}: {:.2} s, rms {:.6}", start.elapsed().as_secs_f64(), removed.fit.residual_rms);
    }
    let start = Instant::now();
    Statistics::default().apply(&map).unwrap();
    println!("statistics: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let compare = Compare { register: Register::SubPixel, ..Compare::default() };
    let compared = compare.apply(&map, None, &map, None).unwrap();
    println!("compare, sub-pixel: {:.2} s {:?}", start.elapsed().as_secs_f64(), compared.shift);
}
