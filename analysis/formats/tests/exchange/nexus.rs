//! HDF5 of every kind that is read, and what is written.

use stitchbox_formats::{
    FormatError, Limits, Measurement, NexusRecord, read_measurement, read_measurements, read_uncertainty,
    write_nexus_map, write_nexus_profile,
};
use stitchbox_surface::{DetectorWindow, HeightMap, ProfileKind, SubAperture};

use crate::{error, nexus_files, read_map, read_profile, small_map, small_profile};

fn record() -> NexusRecord {
    NexusRecord { title: "M1".to_owned(), start_time: "2026-11-20T13:00:00Z".to_owned(), creator: "test".to_owned() }
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn a_written_map_comes_back_bit_by_bit_and_always_the_same() {
    let large =
        ndarray::Array2::from_shape_fn(
            (70, 300),
            |(r, c)| if r == c { f64::NAN } else { 0.1 + r as f64 / (1.0 + c as f64) },
        );
    let large = HeightMap::from_heights_nm(large, small_map().pixel());
    for (map, origin) in
        [(small_map(), Some((-3.3, 0.7))), (small_map().with_pixel(None), None), (large, Some((0.1, 0.2)))]
    {
        let bytes = write_nexus_map(&map, None, origin, &record()).unwrap();
        assert_eq!(bytes, write_nexus_map(&map, None, origin, &record()).unwrap());
        let read = read_map(&bytes);
        assert_eq!(read.map, map);
        assert_eq!(read.position_mm, origin);
    }
}

#[test]
fn the_uncertainty_of_a_map_comes_back_bit_by_bit() {
    let map = small_map();
    let u = ndarray::Array2::from_shape_fn(map.shape(), |(r, c)| 0.1 + (r * 7 + c) as f64 / 3.0);
    let u = HeightMap::new(u, map.valid().clone(), map.pixel()).unwrap();
    let bytes = write_nexus_map(&map, Some(&u), Some((1.0, 2.0)), &record()).unwrap();
    assert_eq!(read_map(&bytes).map, map);
    let read = read_uncertainty(&bytes, &Limits::default()).unwrap().unwrap();
    assert_eq!(read.valid(), u.valid());
    assert!(read.heights_nm().iter().zip(u.heights_nm()).zip(u.valid()).all(|((a, b), ok)| !ok || a == b));
    let without = write_nexus_map(&map, None, Some((1.0, 2.0)), &record()).unwrap();
    assert!(read_uncertainty(&without, &Limits::default()).unwrap().is_none());
}

#[test]
fn the_uncertainty_of_each_point_of_a_profile_is_written() {
    let profile = stitchbox_surface::Profile { sigma: Some(0.05), ..small_profile(ProfileKind::HeightNm) };
    let points = profile.len();
    let written = |each: &[f64]| read_profile(&write_nexus_profile(&profile, Some(each), &record()).unwrap()).sigma;
    assert_eq!(written(&vec![0.25; points]), Some(0.25), "that of each point goes before that of all");
    let differing: Vec<f64> = (0..points).map(|k| 1.0 + k as f64).collect();
    assert_eq!(written(&differing), None);
}

#[test]
fn a_written_profile_comes_back_bit_by_bit() {
    for kind in [ProfileKind::HeightNm, ProfileKind::SlopeUrad] {
        for sigma in [Some(0.05), None] {
            let profile = stitchbox_surface::Profile { sigma, ..small_profile(kind) };
            let read = read_profile(&write_nexus_profile(&profile, None, &record()).unwrap());
            assert_eq!((&read.x_mm, &read.values, read.kind), (&profile.x_mm, &profile.values, kind));
            assert_eq!(read.sigma, sigma);
        }
    }
}

#[test]
fn a_stitched_map_is_found_along_the_defaults() {
    let sub = read_map(&nexus_files::stitched());
    assert_eq!(sub.map.shape(), (2, 3));
    assert_eq!(sub.map.valid_count(), 5);
    assert_eq!(sub.map.heights_nm()[[1, 2]], 6.0);
    assert_eq!(sub.position_mm, Some((10.0, -1.0)));
    let pixel = sub.map.pixel().unwrap();
    assert_eq!((pixel.x_mm, pixel.y_mm), (0.25, 0.5));
}

#[test]
fn a_pylost_file_is_a_series_with_its_motors_and_window() {
    let bytes = nexus_files::pylost();
    assert!(matches!(error(&bytes), FormatError::Several { count: 5 }));
    let all = read_measurements("p.h5", &bytes, &Limits::default()).unwrap();
    let maps: Vec<&SubAperture> =
        all.iter().filter_map(|m| if let Measurement::Map(s) = m { Some(s) } else { None }).collect();
    assert_eq!(maps.len(), 3);
    assert_eq!(maps[1].name, "p.h5 [scan_data/Scan_0/height 2]");
    assert_eq!(maps[1].position_mm, Some((1.5, -1.0)));
    assert_eq!(maps[0].window, DetectorWindow { column: 35, row: 25 });
    let pixel = maps[0].map.pixel().unwrap();
    assert_eq!((pixel.x_mm, pixel.y_mm), (0.2, 0.1));
    assert!(!maps[0].map.valid()[[1, 1]] && maps[0].map.valid_count() == 7);
    close(maps[2].map.heights_nm()[[1, 3]], 23_000.0);

    let slopes = all.iter().find_map(|m| if let Measurement::Slopes(s) = m { Some(s) } else { None }).unwrap();
    assert_eq!(slopes.valid.iter().filter(|v| !**v).count(), 1);
    close(slopes.x_urad[[1, 2]], 6000.0);
    close(slopes.y_urad.as_ref().unwrap()[[1, 2]], -6000.0);
    close(slopes.pixel.unwrap().x_mm, 0.05);

    let profile = all.iter().find_map(|m| if let Measurement::Profile(p) = m { Some(p) } else { None }).unwrap();
    assert_eq!(
        (profile.kind, &profile.x_mm, &profile.values),
        (ProfileKind::SlopeUrad, &vec![0.0, 0.5, 1.0], &vec![1.0, 2.0, 4.0])
    );
}

#[test]
fn mint_has_its_scale_its_sign_and_its_order() {
    let all = read_measurements("m.nxs", &nexus_files::mint(), &Limits::default()).unwrap();
    let [Measurement::Map(first), Measurement::Map(second)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(first.map.heights_nm().row(0).to_vec(), [255.5, 0.0, 766.5]);
    assert_eq!(first.map.valid_count(), 2);
    assert_eq!(first.position_mm, Some((-12.5, 1.0)));
    assert_eq!(second.position_mm, Some((-15.0, 2.0)));
    assert!(second.name.ends_with("wf_10]"));
    let pixel = first.map.pixel().unwrap();
    close(pixel.x_mm, 0.02);
    close(pixel.y_mm, 0.025);
}

#[test]
fn shadow_files_are_read_in_either_order() {
    for turned in [false, true] {
        let sub = read_map(&nexus_files::shadow(turned));
        assert_eq!(sub.map.shape(), (2, 3));
        close(sub.map.heights_nm()[[1, 0]], 4.0);
        close(sub.map.heights_nm()[[0, 2]], 3.0);
        close(sub.map.pixel().unwrap().x_mm, 1.0);
        assert!((sub.map.pixel().unwrap().y_mm - 2.0).abs() < 1e-9);
        let (x, y) = sub.position_mm.unwrap();
        assert_eq!((x, y), (-1.0, 100.0));
    }
}

#[test]
fn what_is_no_measurement_is_refused_and_limits_hold() {
    assert!(matches!(error(&nexus_files::foreign()), FormatError::NoSurface));
    let small = Limits { max_pixels: 5, ..Limits::default() };
    for bytes in [nexus_files::stitched(), nexus_files::pylost(), nexus_files::shadow(false)] {
        assert!(matches!(read_measurement("h", &bytes, &small), Err(FormatError::MapTooLarge { .. })));
    }
}

/// Not one file that is read, but one that must end soon: 3000 groups, each with 3 datasets, and depth beyond the bound.
#[test]
fn a_forest_of_groups_is_given_up_in_time() {
    let started = std::time::Instant::now();
    assert!(matches!(error(&nexus_files::forest()), FormatError::NoSurface));
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn all_maps_of_a_file_together_are_bounded() {
    let bytes = nexus_files::packed();
    assert!(bytes.len() < 10_000, "{}", bytes.len());
    let read = |max_pixels| read_measurements("p", &bytes, &Limits { max_pixels, ..Limits::default() });
    assert_eq!(read(30_000).unwrap().len(), 3);
    // Each map is within the limit, but not the three.
    assert!(matches!(read(29_999), Err(FormatError::MapTooLarge { rows: 100, columns: 100, limit: 9_999 })));
}
