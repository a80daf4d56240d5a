//! HDF5 files as PyLOSt, MINT and SHADOW write them, and as a stitch writes its `height.h5`, made here.
#![allow(dead_code)] // each test program uses its own part

use hdf5_writer::{AttributeBuilder, DatasetBuilder, H5WriteElement, Hdf5Builder, WriteOptions};

fn text(name: &str, value: &str) -> AttributeBuilder {
    AttributeBuilder::fixed_string(name, value)
}

fn long_text(name: &str, value: &str) -> AttributeBuilder {
    AttributeBuilder::vlen_strings(name, &[value]).unwrap()
}

fn data<T: H5WriteElement>(path: &str, shape: &[u64], values: &[T]) -> DatasetBuilder {
    DatasetBuilder::typed_data(path, shape.to_vec(), values).unwrap()
}

fn encode(file: Hdf5Builder) -> Vec<u8> {
    file.into_plan().unwrap().encode(WriteOptions::default()).unwrap()
}

/// The layout of `height.h5`: root -> entry -> stitched, auxiliary signals beside the height.
pub fn stitched() -> Vec<u8> {
    let group = "entry/stitched";
    let heights = [1.0, f64::NAN, 3.0, 4.0, 5.0, 6.0];
    let axis = |name: &str, values: &[f64]| {
        data(&format!("{group}/{name}"), &[values.len() as u64], values).attribute(long_text("units", "mm"))
    };
    let height = data(&format!("{group}/height"), &[2, 3], &heights).attribute(long_text("units", "nm"));
    let uncertainty = data(&format!("{group}/uncertainty"), &[2, 3], &[0.1f64; 6]).attribute(long_text("units", "nm"));
    let reference = data("entry/reference/reference", &[1, 1], &[7.0f64]).attribute(long_text("units", "nm"));
    let file = Hdf5Builder::new()
        .attribute(long_text("NX_class", "NXroot"))
        .attribute(long_text("default", "entry"))
        .group_attribute("entry", long_text("NX_class", "NXentry"))
        .group_attribute("entry", long_text("default", "stitched"))
        .group_attribute("entry/reference", long_text("NX_class", "NXdata"))
        .group_attribute("entry/reference", long_text("signal", "reference"))
        .group_attribute(group, long_text("NX_class", "NXdata"))
        .group_attribute(group, long_text("signal", "height"))
        .group_attribute(group, AttributeBuilder::vlen_strings("axes", &["y", "x"]).unwrap())
        .dataset(reference)
        .dataset(height)
        .dataset(uncertainty)
        .dataset(axis("y", &[-1.0, -0.5]))
        .dataset(axis("x", &[10.0, 10.25, 10.5]));
    encode(file)
}

/// Two scans: 3 sub-apertures of 2 x 4 heights in um with motors, and slopes of 2 x 3; a 1-D slope profile.
pub fn pylost() -> Vec<u8> {
    let heights: Vec<f32> = (0..24).map(|i| if i == 5 { f32::NAN } else { i as f32 }).collect();
    let motors = r#"[{"name": "motor_X", "values": [[0.0], [1.5], [3.25]], "axis": [-3], "unit": "mm"},
        {"name": "motor_Y", "values": [0, -1, -2], "axis": [-3], "unit": "mm"}]"#;
    let metrology = |dataset: DatasetBuilder, unit: &str, pixel: &[f64], units: &str| {
        dataset
            .attribute(text("class", "MetrologyData"))
            .attribute(text("unit", unit))
            .attribute(AttributeBuilder::vector("pix_size", pixel).unwrap())
            .attribute(long_text("pix_size_unit", units))
    };
    let height =
        metrology(data("scan_data/Scan_0/height", &[3, 2, 4], &heights), "um", &[1.0, 0.1, 0.2], r#"["", "mm", "mm"]"#)
            .attribute(long_text("motors", motors))
            .attribute(long_text("index_list", "[[0, 1, 2], [25, 26], [35, 36, 37, 38]]"));
    let slopes = |name: &str, values: &[f64]| {
        metrology(data(&format!("scan_data/Scan_1/{name}"), &[2, 3], values), "mrad", &[50.0, 50.0], r#"["um", "um"]"#)
    };
    let line = metrology(data("slopes_x", &[3], &[1.0f64, 2.0, 4.0]), "urad", &[0.5], r#"["mm"]"#);
    let file = Hdf5Builder::new()
        .dataset(data("scan_data/Scan_0/notes", &[1], &[1.0f64]))
        .dataset(height)
        .dataset(slopes("slopes_x", &[1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0]))
        .dataset(slopes("slopes_y", &[1.0, 2.0, 3.0, 4.0, 5.0, -6.0]))
        .dataset(line);
    encode(file)
}

/// One scan of two wavefronts, the second named so that plain sorting would put it first.
pub fn mint() -> Vec<u8> {
    let scan = "entry/scan_0001";
    let class = |file: Hdf5Builder, path: &str, class: &str| file.group_attribute(path, text("NX_class", class));
    let mut file = Hdf5Builder::new();
    for (path, name) in [
        ("entry".to_owned(), "NXentry"),
        (scan.to_owned(), "NXscan"),
        (format!("{scan}/data"), "NXscanData"),
        (format!("{scan}/data/wavefronts"), "NXwavefront_collection"),
        (format!("{scan}/data/wavefronts/wf_9"), "NXwavefront"),
        (format!("{scan}/data/wavefronts/wf_10"), "NXwavefront"),
        (format!("{scan}/instrument"), "NXinstrument"),
        (format!("{scan}/instrument/camera"), "NXdetector"),
        (format!("{scan}/instrument/stage"), "NXactuator"),
    ] {
        file = class(file, &path, name);
    }
    let file = file
        .dataset(data(&format!("{scan}/data/wavefronts/wf_9/unwrpdPhase"), &[1, 3], &[1.0f32, f32::NAN, 3.0]))
        .dataset(data(&format!("{scan}/data/wavefronts/wf_10/unwrpdPhase"), &[1, 3], &[4.0f32, 5.0, 6.0]))
        .dataset(data(&format!("{scan}/instrument/camera/x_pixel_size"), &[1], &[20.0f64]))
        .dataset(data(&format!("{scan}/instrument/camera/y_pixel_size"), &[1], &[25.0f64]))
        .dataset(data(&format!("{scan}/instrument/camera/x_dim"), &[1], &[3i32]))
        .dataset(data(&format!("{scan}/instrument/stage/sample_X"), &[2], &[12.5f64, 15.0]))
        .dataset(data(&format!("{scan}/instrument/stage/sample_Y"), &[2], &[1.0f64, 2.0]));
    encode(file)
}

/// Heights in metres on 2 y and 3 x coordinates, stored as `shape` says.
pub fn shadow(turned: bool) -> Vec<u8> {
    let (shape, heights) = match turned {
        false => ([2, 3], [1e-9, 2e-9, 3e-9, 4e-9, 5e-9, 6e-9]),
        true => ([3, 2], [1e-9, 4e-9, 2e-9, 5e-9, 3e-9, 6e-9]),
    };
    let file = Hdf5Builder::new()
        .dataset(data("surface_file/X", &[3], &[-0.001f64, 0.0, 0.001]))
        .dataset(data("surface_file/Y", &[2], &[0.1f64, 0.102]))
        .dataset(data("surface_file/Z", &shape, &heights));
    encode(file)
}

/// A file of numbers that says nothing of them.
pub fn foreign() -> Vec<u8> {
    encode(Hdf5Builder::new().dataset(data("numbers", &[2, 2], &[1.0f64, 2.0, 3.0, 4.0])))
}

/// Many groups, some of them deep.
pub fn forest() -> Vec<u8> {
    let mut file = Hdf5Builder::new();
    for k in 0..3000 {
        for name in ["a", "b", "height"] {
            file = file.dataset(data(&format!("forest/tree_{k}/{name}"), &[1], &[1.0f64]));
        }
    }
    let deep = "deep/".repeat(40);
    encode(file.dataset(data(&format!("{deep}height"), &[1], &[1.0f64])))
}

/// Three PyLOSt maps of 100 x 100 zeros, which deflate packs into next to nothing.
pub fn packed() -> Vec<u8> {
    let filter = |id, client_data| hdf5_writer::FilterDescription { id, name: None, client_data };
    let map = |k: usize| {
        data(&format!("scan_{k}/height"), &[100, 100], &[0.0f64; 10_000])
            .chunked(vec![100, 100])
            .filter(filter(hdf5_writer::FILTER_DEFLATE, vec![9]))
            .attribute(text("class", "MetrologyData"))
            .attribute(text("unit", "nm"))
    };
    encode((0..3).fold(Hdf5Builder::new(), |file, k| file.dataset(map(k))))
}
