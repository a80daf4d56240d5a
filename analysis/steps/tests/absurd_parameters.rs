//! Parameters that have units and no sense: each is refused or does nothing, at once, and no NaN comes of it.

use ndarray::Array2;
use stitchbox_steps::geometry::{Resample, Shift};
use stitchbox_steps::psd::{ArealPsd, Psd};
use stitchbox_steps::{Average, Compare, Gravity, Region, Register, Remove, Resampled, Shape, StepError, SurfaceTerm};
use stitchbox_surface::quantity::{Density, Length};
use stitchbox_surface::{HeightMap, PixelSize, Profile, ProfileKind};

const PIXEL: PixelSize = PixelSize { x_mm: 0.1, y_mm: 0.1 };

fn map(rows: usize, columns: usize) -> HeightMap {
    let heights = Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 37 + c * c * 11) as f64 * 0.618).fract());
    HeightMap::from_heights_nm(heights, Some(PIXEL))
}

#[test]
fn a_surface_moved_beyond_all_bounds_is_gone() {
    for (x, y) in [(1e300, 0.0), (-1e300, 0.0), (0.0, f64::MAX), (0.0, -f64::MAX), (1e18, -1e18)] {
        let moved = Shift { x: Length::new(x), y: Length::new(y) }.apply(&map(5, 6)).unwrap();
        assert_eq!(moved.valid_count(), 0, "{x} {y}");
    }
}

#[test]
fn a_grid_fine_one_way_and_coarse_the_other_holds_no_more_than_its_largest_step() {
    // 10 rows become 1; before that, each would be 9e8 pixels long.
    let resample = Resample { x: Length::new(1e-8), y: Some(Length::new(1.0)), min_valid: 0.75 };
    assert!(matches!(resample.apply(&map(10, 90)), Err(StepError::TooManyPixels { .. })));
    let contradiction = Resample { x: Length::new(1e300), y: Some(Length::new(2.3e-308)), min_valid: 0.75 };
    assert!(contradiction.apply(&map(1000, 90)).is_err());
    // Columns first or rows first: a map that only shrinks is never too large.
    let shrink = Resample { x: Length::new(0.9), y: Some(Length::new(0.1)), min_valid: 0.75 };
    assert_eq!(shrink.apply(&map(10, 90)).unwrap().shape(), (10, 10));
}

#[test]
fn a_search_reaches_no_farther_than_the_map() {
    let (a, b) = (map(12, 15), map(12, 15));
    let compare = Compare { register: Register::Whole, max_shift: Some(Length::new(1e300)), ..Compare::default() };
    assert!(compare.apply(&a, None, &b, None).unwrap_err().to_string().contains("half of the longer side"));
    // A long narrow map has no coarse level: half a million shifts of it are refused, not tried.
    let (a, b) = (map(20, 12_000), map(20, 12_000));
    let compare = Compare { max_shift: Some(Length::new(5_900.0 * a.pixel().unwrap().x_mm)), ..compare };
    assert!(compare.apply(&a, None, &b, None).unwrap_err().to_string().contains("max_shift"));
}

#[test]
fn a_search_sees_small_differences_under_a_large_piston() {
    let wave = |r: usize, c: usize| 1e-3 * libm::sin(0.7 * c as f64 + 0.4 * r as f64);
    let heights = |piston: f64, by: usize| Array2::from_shape_fn((30, 40), |(r, c)| piston + wave(r, c + by));
    let (a, b) = (heights(1e7, 2), heights(-1e7, 0));
    let (a, b) = (HeightMap::from_heights_nm(a, Some(PIXEL)), HeightMap::from_heights_nm(b, Some(PIXEL)));
    let compare = Compare { register: Register::Whole, remove: Vec::new(), ..Compare::default() };
    assert_eq!(compare.apply(&a, None, &b, None).unwrap().shift.unwrap().x_px, 2.0);
}

#[test]
fn pixels_of_one_area_and_two_shapes_are_not_one_size() {
    let sized = |x_mm, y_mm| map(20, 20).with_pixel(Some(PixelSize { x_mm, y_mm }));
    let compared = Compare::default().apply(&sized(0.1, 0.2), None, &sized(0.2, 0.1), None).unwrap();
    assert_eq!(compared.resampled, Resampled::Second);
}

#[test]
fn a_profile_with_a_filler_position_is_off_the_grid() {
    for far in [1e19, 1e30, 9.96921e36] {
        let x = [0.0, 1.0, 2.0, 3.0, far];
        let profile = Profile::new(&x, &[1.0, 2.0, 1.0, 2.0, 1.0], ProfileKind::HeightNm).unwrap();
        let found = Psd::default().apply_to_profile(&profile);
        assert!(matches!(found, Err(StepError::NotEquidistant { index: 4, .. })), "{far}: {found:?}");
    }
}

#[test]
fn a_density_needs_pixels_that_have_weight() {
    // Valid only along the first row and column, where Hann's weights are zero.
    let heights = Array2::from_shape_fn((6, 6), |(r, c)| if r == 0 || c == 0 { (r * c + r) as f64 } else { f64::NAN });
    let frame = HeightMap::from_heights_nm(heights, Some(PIXEL));
    let found = ArealPsd { min_valid: 0.0, ..ArealPsd::default() }.apply(&frame);
    assert!(matches!(found, Err(StepError::TooFew { .. })), "{found:?}");
}

#[test]
fn a_sag_is_finite_or_refused() {
    let mirror = |length: f64, thickness: f64| {
        Gravity::silicon(Length::new(length), Length::new(thickness), Length::new(length / 2.0))
    };
    let profile = Profile::new(&[-1.0, 0.0, 1.0], &[0.0; 3], ProfileKind::HeightNm).unwrap();
    let heavy = Gravity { density: Density::new(1e300), ..mirror(1e4, 1e-3) };
    for gravity in [mirror(1e200, 1.0), mirror(10.0, 1e-200), heavy] {
        let error = gravity.apply_to_profile(&profile).unwrap_err();
        assert!(error.to_string().contains("sag"), "{error}");
        assert!(gravity.apply(&map(5, 6)).is_err());
    }
}

#[test]
fn a_term_named_twice_is_one_term() {
    use SurfaceTerm::{Piston, TiltX};
    let twice = vec![Piston, TiltX, Piston];
    assert_eq!(Remove::shape(Shape::Terms(twice.clone())).apply(&map(9, 9)).unwrap().fit.terms.len(), 2);
    let compare = Compare { remove: twice, register: Register::SubPixel, ..Compare::default() };
    assert_eq!(compare.apply(&map(9, 9), None, &map(9, 9), None).unwrap().removed.len(), 2);
}

#[test]
fn an_average_keeps_the_pixel_size_that_one_of_its_maps_knows() {
    let unknown = map(4, 4).with_pixel(None);
    assert_eq!(Average::default().apply(&[&unknown, &map(4, 4)]).unwrap().mean.pixel(), Some(PIXEL));
    let other = map(4, 4).with_pixel(Some(PixelSize { x_mm: 0.2, y_mm: 0.1 }));
    let found = Average::default().apply(&[&unknown, &map(4, 4), &other]);
    assert!(matches!(found, Err(StepError::PixelSizes { .. })));
}

#[test]
fn the_edges_of_a_polygon_belong_to_it_as_those_of_a_rectangle_do() {
    let length = Length::new;
    let size = [length(2.0), length(1.0)];
    let corners = [(-1.0, -0.5), (1.0, -0.5), (1.0, 0.5), (-1.0, 0.5)].map(|(x, y)| [length(x), length(y)]).to_vec();
    let kept =
        |region| stitchbox_steps::Mask { region, keep: stitchbox_steps::Keep::Inside }.apply(&map(31, 41)).unwrap();
    let rectangle = kept(Region::Rectangle { centre: [length(0.0); 2], size });
    assert_eq!(rectangle.valid_count(), 11 * 21);
    assert_eq!(kept(Region::Polygon { corners }).valid(), rectangle.valid());
}
