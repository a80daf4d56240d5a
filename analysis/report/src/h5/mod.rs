//! `height.h5`: the stitched map as NeXus NXdata, readable by h5py, silx and H5Web.
//!
//! ```text
//! /            NXroot    @default="entry" @file_time @creator
//! /entry       NXentry   @default="stitched"   title, start_time
//! /entry/stitched   NXdata  @signal="height" @axes=["y","x"] @auxiliary_signals
//!     height (nm)  uncertainty (nm, if computed)  overlap (1)  residual (nm)  y (mm)  x (mm)
//! /entry/reference  NXdata  @signal="reference"  @camera_column @camera_row
//!     reference (nm)  y (mm)  x (mm), camera frame; the attributes tell which camera pixel row 0, column 0 is
//! /entry/process    NXprocess  program, version, date, digest, recipe, provenance (JSON)
//! ```
//! Invalid pixels are NaN here and nowhere inside the program. The uncertainty is named both ways readers look for
//! it: `height@uncertainties` and the group's `@uncertainties` hold `uncertainty` (canSAS, silx).

use hdf5_writer::{
    AttributeBuilder, DatasetBuilder, FILTER_DEFLATE, FILTER_SHUFFLE, FilterDescription, H5WriteElement, Hdf5Builder,
    WriteOptions,
};
use ndarray::Array2;
use stitchbox_formats::make_scalar_strings;
use stitchbox_stitch::Stitched;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::record::Record;
use crate::{ReportError, pixel_size};

/// Chunks are about this many values: large enough to compress, small enough to read a corner quickly.
const CHUNK_VALUES: usize = 1 << 17;
/// Fast: heights are mostly noise in their lower bytes and hardly get smaller at higher levels.
const DEFLATE_LEVEL: u32 = 1;

/// The whole file as bytes. `provenance` is the JSON text of the provenance without the hashes of the outputs.
///
/// # Errors
/// Only if the HDF5 writer refuses, which would be a fault of this program.
pub fn height_h5(stitched: &Stitched, record: &Record, provenance: &str) -> Result<Vec<u8>, ReportError> {
    let mut file = Hdf5Builder::new()
        .attribute(string("NX_class", "NXroot")?)
        .attribute(string("default", "entry")?)
        .attribute(string("file_time", &record.started_at.rfc3339())?)
        .attribute(string("creator", &record.software)?)
        .group_attribute("entry", string("NX_class", "NXentry")?)
        .group_attribute("entry", string("default", "stitched")?)
        .dataset(text("entry/title", &record.title)?)
        .dataset(text("entry/start_time", &record.started_at.rfc3339())?);
    file = add_stitched(file, stitched)?;
    if let Some(reference) = &stitched.reference {
        file = add_reference(file, reference, pixel_size(stitched), record.camera_origin)?;
    }
    file = file
        .group_attribute("entry/process", string("NX_class", "NXprocess")?)
        .dataset(text("entry/process/program", "stitchbox")?)
        .dataset(text("entry/process/version", &record.engine)?)
        .dataset(text("entry/process/date", &record.started_at.rfc3339())?)
        .dataset(text("entry/process/digest", &stitched.digest())?)
        .dataset(text("entry/process/recipe", &record.recipe.resolved)?)
        .dataset(text("entry/process/provenance", provenance)?);
    let bytes = file.into_plan()?.encode(WriteOptions::default())?;
    make_scalar_strings(bytes).ok_or(ReportError::Hdf5Layout)
}

fn add_stitched(file: Hdf5Builder, stitched: &Stitched) -> Result<Hdf5Builder, ReportError> {
    const GROUP: &str = "entry/stitched";
    let valid = stitched.height.valid();
    let pixel = pixel_size(stitched);
    let (rows, columns) = stitched.height.shape();
    let mut auxiliary = vec!["overlap", "residual"];
    let height = masked(stitched.height.heights_nm(), valid);
    let mut signal = map(&format!("{GROUP}/height"), &height, "nm", "stitched height")?;
    let mut file = file
        .group_attribute(GROUP, string("NX_class", "NXdata")?)
        .group_attribute(GROUP, string("signal", "height")?)
        .group_attribute(GROUP, strings("axes", &["y", "x"])?);
    if let Some(uncertainty) = &stitched.uncertainty_nm {
        auxiliary.insert(0, "uncertainty");
        let name = format!("{GROUP}/uncertainty");
        file = file
            .dataset(map(&name, &masked(uncertainty, valid), "nm", "standard uncertainty (k = 1)")?)
            .group_attribute(GROUP, string("uncertainties", "uncertainty")?);
        signal = signal.attribute(string("uncertainties", "uncertainty")?);
    }
    // indices of the axes within the signal, for readers that want them spelled out
    for (axis, index) in [("y", 0i32), ("x", 1)] {
        file = file.group_attribute(GROUP, AttributeBuilder::scalar(format!("{axis}_indices"), index)?);
    }
    Ok(file
        .dataset(signal)
        .dataset(map(&format!("{GROUP}/overlap"), &stitched.overlap, "1", "number of sub-apertures")?)
        .dataset(map(
            &format!("{GROUP}/residual"),
            &masked(&stitched.residual_nm, valid),
            "nm",
            "rms of corrected sub-apertures minus map",
        )?)
        .dataset(axis(&format!("{GROUP}/y"), rows, stitched.y0_mm, pixel.y_mm, "y along the mirror's width")?)
        .dataset(axis(&format!("{GROUP}/x"), columns, stitched.x0_mm, pixel.x_mm, "x along the mirror's length")?)
        .group_attribute(GROUP, strings("auxiliary_signals", &auxiliary)?))
}

fn add_reference(
    file: Hdf5Builder,
    reference: &HeightMap,
    pixel: PixelSize,
    [camera_column, camera_row]: [i64; 2],
) -> Result<Hdf5Builder, ReportError> {
    const GROUP: &str = "entry/reference";
    let (rows, columns) = reference.shape();
    let heights = masked(reference.heights_nm(), reference.valid());
    Ok(file
        .group_attribute(GROUP, string("NX_class", "NXdata")?)
        .group_attribute(GROUP, string("signal", "reference")?)
        .group_attribute(GROUP, AttributeBuilder::scalar("camera_column", camera_column)?)
        .group_attribute(GROUP, AttributeBuilder::scalar("camera_row", camera_row)?)
        .group_attribute(GROUP, strings("axes", &["y", "x"])?)
        .dataset(map(&format!("{GROUP}/reference"), &heights, "nm", "reference in the camera frame")?)
        .dataset(axis(
            &format!("{GROUP}/y"),
            rows,
            camera_row as f64 * pixel.y_mm,
            pixel.y_mm,
            "y in the camera frame",
        )?)
        .dataset(axis(
            &format!("{GROUP}/x"),
            columns,
            camera_column as f64 * pixel.x_mm,
            pixel.x_mm,
            "x in the camera frame",
        )?))
}

/// Heights with NaN where invalid: the one place where NaN enters.
fn masked(values: &Array2<f64>, valid: &Array2<bool>) -> Array2<f64> {
    let mut out = values.clone();
    out.zip_mut_with(valid, |value, ok| {
        if !ok {
            *value = f64::NAN;
        }
    });
    out
}

fn map<T: H5WriteElement>(
    name: &str,
    values: &Array2<T>,
    units: &str,
    long_name: &str,
) -> Result<DatasetBuilder, ReportError> {
    let (rows, columns) = values.dim();
    let shape = vec![rows as u64, columns as u64];
    let flat: Vec<T> = values.iter().copied().collect();
    let mut dataset = DatasetBuilder::typed_data::<T>(name, shape, &flat)?;
    if rows * columns > 256 {
        let chunk_columns = columns.min(4096);
        let chunk_rows = (CHUNK_VALUES / chunk_columns).clamp(1, rows);
        let filter = |id, client_data| FilterDescription { id, name: None, client_data };
        dataset = dataset
            .chunked(vec![chunk_rows as u64, chunk_columns as u64])
            .filter(filter(FILTER_SHUFFLE, vec![size_of::<T>() as u32]))
            .filter(filter(FILTER_DEFLATE, vec![DEFLATE_LEVEL]));
    }
    Ok(dataset.attribute(string("units", units)?).attribute(string("long_name", &format!("{long_name} ({units})"))?))
}

fn axis(name: &str, count: usize, first: f64, step: f64, long_name: &str) -> Result<DatasetBuilder, ReportError> {
    let values: Vec<f64> = (0..count).map(|i| first + i as f64 * step).collect();
    let dataset = DatasetBuilder::typed_data::<f64>(name, vec![count as u64], &values)?;
    Ok(dataset.attribute(string("units", "mm")?).attribute(string("long_name", &format!("{long_name} (mm)"))?))
}

fn text(name: &str, value: &str) -> Result<DatasetBuilder, ReportError> {
    // HDF5 strings end at a zero byte
    let value = value.replace('\0', "\u{2400}");
    Ok(DatasetBuilder::vlen_string_data(name, Vec::<u64>::new(), &[value])?)
}

/// A string attribute. The writer can only make it an array of one; `make_scalar_strings` turns it into a scalar.
fn string(name: &str, value: &str) -> Result<AttributeBuilder, ReportError> {
    strings(name, &[value])
}

fn strings(name: &str, values: &[&str]) -> Result<AttributeBuilder, ReportError> {
    let values: Vec<String> = values.iter().map(|v| v.replace('\0', "\u{2400}")).collect();
    Ok(AttributeBuilder::vlen_strings(name, &values)?)
}
