//! The files of a result as a reader finds them: complete, deterministic, safe to open.

use std::collections::BTreeMap;

use ndarray::Array2;
use stitchbox_report::{
    CRATE_NAME, Input, InputRole, OUTPUT_NAMES, OutputFile, RecipeRecord, Record, UnixTime, sha256_hex, write_all,
};
use stitchbox_stitch::{Corrector, NonObservable, Stitched, Warning};
use stitchbox_surface::{HeightMap, PixelSize};

fn stitched(rows: usize, columns: usize) -> Stitched {
    let pixel = PixelSize { x_mm: 0.1, y_mm: 0.1 };
    let heights = Array2::from_shape_fn((rows, columns), |(r, c)| {
        let (x, y) = (c as f64 / columns as f64, r as f64 / rows as f64);
        if (r, c) == (1, 2) { f64::NAN } else { 40.0 * (x - 0.5) * (x - 0.5) + 3.0 * (9.0 * x + 2.0 * y).sin() + y }
    });
    let reference = Array2::from_shape_fn((rows, columns / 2), |(r, c)| 2.0 * ((r + c) as f64 / 7.0).cos());
    Stitched {
        height: HeightMap::from_heights_nm(heights, Some(pixel)),
        uncertainty_nm: Some(Array2::from_shape_fn((rows, columns), |(_, c)| 0.2 + 0.1 * (c as f64 / columns as f64))),
        profile_covariance: None,
        constraints: Vec::new(),
        overlap: Array2::from_shape_fn((rows, columns), |(_, c)| 1 + (4 * c / columns) as u16),
        residual_nm: Array2::from_shape_fn((rows, columns), |(r, c)| 0.3 + 0.1 * ((r * 7 + c * 13) % 11) as f64 / 11.0),
        reference: Some(HeightMap::from_heights_nm(reference, Some(pixel))),
        x0_mm: -1.5,
        y0_mm: 2.0,
        correctors: vec![Corrector {
            name: "<b>evil</b>.dat".to_owned(),
            x_mm: 0.0,
            y_mm: 0.0,
            piston_nm: -12.5,
            pitch_nm_per_mm: 1.25,
            roll_nm_per_mm: 0.5,
            uncertainty: None,
            curvature_nm_per_mm2: 0.0,
            dx_mm: None,
            dy_mm: None,
            rotation_urad: None,
            residual_rms_nm: 0.43,
            rejected: 3,
        }],
        non_observable: vec![NonObservable {
            term: "x^2".to_owned(),
            why: "the reference is unknown & <free>".to_owned(),
        }],
        warnings: vec![Warning { code: "uniform-steps".to_owned(), message: "steps < equal".to_owned() }],
        noise_nm: Some(0.5),
        iterations: 21,
    }
}

fn record() -> Record {
    Record {
        title: "Mirror \"A\" <script>alert(1)</script> µ".to_owned(),
        run: Some("r1".to_owned()),
        inputs: vec![Input {
            name: "<b>evil</b>.dat".to_owned(),
            role: InputRole::SubAperture,
            version: Some("v1".to_owned()),
            sha256: "ab".repeat(32),
            bytes: 12,
            format: Some("MetroPro .dat (format 1)".to_owned()),
            acquired_at: Some(UnixTime { seconds: 1_700_000_000, nanoseconds: 0 }),
            position_from: Some("file".to_owned()),
        }],
        ignored: vec!["paper.pdf".to_owned()],
        recipe: RecipeRecord {
            text: None,
            origin: None,
            sha256: "cd".repeat(32),
            resolved: "[series]\nquiet = \"10 s\"\n".to_owned(),
        },
        parameters: BTreeMap::from([("robust".to_owned(), serde_json::Value::Bool(true))]),
        engine: "stitchbox 0.1.0/1".to_owned(),
        software: "test".to_owned(),
        agent: "alice".to_owned(),
        site: None,
        source: None,
        camera_origin: [3, -2],
        started_at: UnixTime { seconds: 1_700_000_000, nanoseconds: 0 },
        ended_at: None,
    }
}

fn file<'a>(files: &'a [OutputFile], name: &str) -> &'a [u8] {
    &files.iter().find(|f| f.name == name).unwrap().bytes
}

#[test]
fn all_files_are_there_and_equal_runs_give_equal_bytes() {
    let stitched = stitched(40, 300);
    let (files, summary) = write_all(&stitched, &record(), Vec::new()).unwrap();
    assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), OUTPUT_NAMES);
    assert_eq!(summary.digest, stitched.digest());
    let (again, _) = write_all(&stitched, &record(), Vec::new()).unwrap();
    assert!(files == again);
    if let Ok(folder) = std::env::var("STITCHBOX_KEEP_REPORT") {
        for f in &files {
            std::fs::write(std::path::Path::new(&folder).join(&f.name), &f.bytes).unwrap();
        }
    }
}

#[test]
fn nothing_of_the_input_becomes_markup_and_nothing_is_fetched() {
    let (files, _) = write_all(&stitched(20, 50), &record(), Vec::new()).unwrap();
    let html = String::from_utf8(file(&files, "report.html").to_vec()).unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>evil"));
    assert!(html.contains("&lt;script&gt;") && html.contains("&lt;b&gt;evil"));
    for outside in ["http://", "https://", "src=\"/", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn the_provenance_names_inputs_and_outputs_by_hash() {
    let (files, summary) = write_all(&stitched(20, 50), &record(), Vec::new()).unwrap();
    let provenance: serde_json::Value = serde_json::from_slice(file(&files, "provenance.json")).unwrap();
    let entities = provenance["entity"].as_object().unwrap();
    assert_eq!(entities["sbx:version/v1"]["sbx:sha256"], "ab".repeat(32));
    for name in OUTPUT_NAMES.iter().filter(|n| !["provenance.json", CRATE_NAME].contains(n)) {
        let hash = sha256_hex(file(&files, name));
        assert!(entities.values().any(|e| e["prov:label"] == **name && e["sbx:sha256"] == hash), "{name}");
    }
    assert_eq!(provenance["activity"]["sbx:run/r1"]["sbx:result_digest"], summary.digest);
}

#[test]
fn maps_of_every_shape_are_written() {
    for (rows, columns) in [(2, 3), (3, 4000), (900, 4), (300, 300)] {
        let mut result = stitched(rows, columns);
        result.uncertainty_nm = None;
        result.reference = None;
        let (files, _) = write_all(&result, &record(), Vec::new()).unwrap();
        assert!(file(&files, "height.png").starts_with(b"\x89PNG"), "{rows} x {columns}");
        assert!(file(&files, "height.h5").starts_with(b"\x89HDF"), "{rows} x {columns}");
    }
}

#[test]
fn the_map_is_read_back_with_units_as_scalar_strings_and_nan_where_invalid() {
    let stitched = stitched(40, 300);
    let (files, _) = write_all(&stitched, &record(), Vec::new()).unwrap();
    let h5 = hdf5_reader::Hdf5File::from_bytes(file(&files, "height.h5")).unwrap();
    let heights = h5.dataset("/entry/stitched/height").unwrap().read_array::<f64>().unwrap();
    assert_eq!(heights.shape(), [40, 300]);
    assert!(heights[[1, 2]].is_nan());
    let wrong = heights
        .indexed_iter()
        .filter(|(_, h)| !h.is_nan())
        .find(|(at, h)| stitched.height.heights_nm()[[at[0], at[1]]] != **h);
    assert_eq!(wrong, None);
    for (name, units) in
        [("height", "nm"), ("uncertainty", "nm"), ("overlap", "1"), ("residual", "nm"), ("x", "mm"), ("y", "mm")]
    {
        let attribute = h5.dataset(&format!("/entry/stitched/{name}")).unwrap().attribute("units").unwrap();
        assert_eq!(attribute.shape, Vec::<u64>::new(), "{name}");
        assert_eq!(attribute.read_string().unwrap(), units, "{name}");
    }
    let x = h5.dataset("/entry/stitched/x").unwrap().read_array::<f64>().unwrap();
    assert_eq!((x[[0]], x[[10]]), (-1.5, -0.5));
    let group = h5.group("/entry/stitched").unwrap();
    assert_eq!(group.attribute("signal").unwrap().read_string().unwrap(), "height");
    assert_eq!(group.attribute("axes").unwrap().read_strings().unwrap(), ["y", "x"]);
    let camera = h5.group("/entry/reference").unwrap();
    let origin =
        ["camera_column", "camera_row"].map(|name| camera.attribute(name).unwrap().read_scalar::<i64>().unwrap());
    assert_eq!(origin, [3, -2]);
}
