//! The pass against sums written out pixel by pixel.

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

use std::sync::Arc;

use super::*;
use crate::additive::{Additive, Shift};
use crate::grid::Grid;
use crate::normal::pair_of;
use crate::{Options, Placed, Terms, Weights};

/// Numbers without pattern, -1..1.
fn rough(seed: usize) -> f64 {
    let value = libm::sin(seed as f64 * 12.9898 + 3.0) * 43_758.545;
    2.0 * (value - libm::floor(value)) - 1.0
}

fn series(places: &[(i64, i64)]) -> Vec<Placed> {
    let of = |(k, (x, y)): (usize, &(i64, i64))| {
        let heights = Array2::from_shape_fn((6, 9), |(r, c)| {
            let seed = 1000 * k + 10 * r + c;
            if seed % 11 == 3 { f64::NAN } else { 5.0 * rough(seed) }
        });
        Placed {
            sub_aperture: SubAperture {
                name: format!("{k}"),
                map: HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.2 })),
                window: DetectorWindow { column: 0, row: 0 },
                position_mm: None,
                intensity: Some(Array2::from_shape_fn((6, 9), |(r, c)| 1.0 + ((r + 2 * c + k) % 3) as f32)),
                instrument: Instrument::default(),
            },
            x_mm: *x as f64 * 0.1,
            y_mm: *y as f64 * 0.2,
        }
    };
    places.iter().enumerate().map(of).collect()
}

/// The pass pixel by pixel: additive maps, then four terms of each sub-aperture; and the sum of squares.
fn direct(normal: &Normal, pass: Pass) -> (Vec<f64>, Correctors, f64) {
    let grid = normal.grid;
    let at = |k: usize, row: usize, column: usize| {
        let plate = &grid.plates[k];
        let (u, v) = (grid.u[column], grid.v[row]);
        let power = grid.power.0 * u * u + grid.power.1 * v * v;
        let pixel = row * grid.camera.1 + column;
        let factors = normal.additive.of(k);
        let maps: f64 =
            factors.iter().enumerate().map(|(i, f)| f * pass.reference[i * grid.camera_pixels() + pixel]).sum();
        let c = pass.correctors[k];
        let model = maps + c[0] + c[1] * u + c[2] * v + c[3] * power;
        let place = (plate.map.0 + row, plate.map.1 + column);
        let mut value = model;
        if pass.quantity == Quantity::Corrected {
            value = plate.row(row, &mut Vec::new())[column] - model;
            if let Some(shift) = &normal.shift {
                let [fx, fy, turn] = shift.of[k];
                let (x, y) = (column as f64 - 4.0, row as f64 - 2.5);
                let i = place.0 * grid.map.1 + place.1;
                value -= (fx - turn * y) * f64::from(shift.gx[i]) + (fy + turn * x) * f64::from(shift.gy[i]);
            }
        }
        (value, [1.0, u, v, power], place, pixel)
    };
    let used = |k: usize| {
        let runs = &normal.used[k];
        (0..6).flat_map(move |row| {
            runs.row(row).iter().flat_map(move |(s, e)| (*s as usize..*e as usize).map(move |c| (row, c)))
        })
    };
    let mut means = std::collections::HashMap::new();
    for k in 0..grid.plates.len() {
        for (row, column) in used(k) {
            let (value, _, place, _) = at(k, row, column);
            let w = grid.plates[k].weight(row, column);
            let mean = means.entry(place).or_insert((0.0, 0.0));
            *mean = (mean.0 + w * value, mean.1 + w);
        }
    }
    let mut maps = vec![0.0; normal.additive.maps() * grid.camera_pixels()];
    let mut correctors = vec![[0.0; TERMS]; grid.plates.len()];
    let mut squares = 0.0;
    for (k, sums) in correctors.iter_mut().enumerate() {
        for (row, column) in used(k) {
            let (value, terms, place, pixel) = at(k, row, column);
            let w = grid.plates[k].weight(row, column);
            let (sum, weight) = means[&place];
            let e = value - sum / weight;
            squares += w * e * e;
            for (i, f) in normal.additive.of(k).iter().enumerate() {
                maps[i * grid.camera_pixels() + pixel] += f * w * e;
            }
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += w * e * term;
            }
        }
    }
    (maps, correctors, squares)
}

#[test]
fn every_kind_of_pass_is_what_it_says() {
    let in_line = [(0, 0), (3, 0), (5, 0), (9, 0), (12, 0)];
    let in_plane = [(0, 0), (3, 2), (5, 1), (9, 4), (12, 2)];
    for (places, curvature, weights, maps, shifted) in [
        (in_line, false, Weights::Equal, 1, false),
        (in_plane, false, Weights::Equal, 1, false),
        (in_line, true, Weights::Equal, 1, true),
        (in_plane, true, Weights::Intensity, 1, false),
        (in_line, false, Weights::Equal, 3, true),
        (in_plane, true, Weights::Intensity, 2, true),
    ] {
        let series = series(&places);
        let terms = Terms { curvature, ..Terms::default() };
        let grid = Grid::new(&series, &Options { terms, weights, ..Options::default() }).unwrap();
        let mut additive = Additive::reference(5);
        for map in 1..maps {
            additive = additive.with(&[0, 1, 2, 3, 4].map(|k| rough(100 * map + k)));
        }
        let used = grid.plates.iter().map(|p| p.runs.clone()).collect();
        let watch = Watch::step(&(), 0.0, 1.0, "solving").unwrap();
        let mut normal = Normal::new(&grid, used, additive, &watch).unwrap();
        if shifted {
            let gradient = |seed: usize| (0..grid.map.0 * grid.map.1).map(|i| rough(seed + i) as f32).collect();
            let of = (0..5).map(|k| [rough(k), rough(k + 7), 0.1 * rough(k + 9)]).collect();
            normal.shift = Some(Arc::new(Shift { gx: gradient(1), gy: gradient(5000), of }));
        }
        let reference: Vec<f64> = (0..maps * grid.camera_pixels()).map(|i| rough(i + 31)).collect();
        let correctors: Correctors = (0..5)
            .map(|k| [rough(k), rough(k + 40), rough(k + 50), if curvature { rough(k + 60) } else { 0.0 }])
            .collect();
        let mut gradient = Gradient::zeros(&normal);
        for quantity in [Quantity::Corrected, Quantity::Model] {
            let pass = Pass { quantity, reference: &reference, correctors: &correctors, with_reference: true };
            normal.gather(pass, &mut gradient, &watch).unwrap();
            let (maps, terms, squares) = direct(&normal, pass);
            let close = |a: &f64, b: &f64| (a - b).abs() < 1e-11;
            assert!(gradient.reference.iter().zip(&maps).all(|(a, b)| close(a, b)), "{quantity:?} {places:?}");
            for (found, expected) in gradient.correctors.iter().zip(&terms) {
                let active = if curvature { 4 } else { 3 };
                assert!(found[..active].iter().zip(expected).all(|(a, b)| close(a, b)), "{found:?} {expected:?}");
            }
            if quantity == Quantity::Corrected {
                assert!((gradient.squares - squares).abs() < 1e-9);
            }
        }
        // The diagonal: the operator applied to one pixel of one map, looked at in the same pixel of another.
        for pixel in [0, 7, 22, 40] {
            for pair in 0..maps * (maps + 1) / 2 {
                let (i, j) = pair_of(pair);
                let mut one = vec![0.0; reference.len()];
                one[j * grid.camera_pixels() + pixel] = 1.0;
                let none = vec![[0.0; TERMS]; 5];
                let pass = Pass { quantity: Quantity::Model, reference: &one, correctors: &none, with_reference: true };
                let image = direct(&normal, pass).0[i * grid.camera_pixels() + pixel];
                let found = normal.diagonal[pair * grid.camera_pixels() + pixel];
                assert!((image - found).abs() < 1e-12, "{image} {found}");
            }
        }
    }
}
