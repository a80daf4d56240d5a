//! Writes a map or a profile as NeXus, laid out like the `height.h5` of a stitch: `/entry` NXentry, `/entry/data`
//! NXdata with the signal in nm (or microradian) and the axes in mm. Not measured is NaN.

use hdf5_writer::{
    AttributeBuilder, DatasetBuilder, FILTER_DEFLATE, FILTER_SHUFFLE, FilterDescription, Hdf5Builder, WriteOptions,
};
use stitchbox_surface::{HeightMap, Profile, ProfileKind};

use super::scalar_strings;
use crate::ExportError;

/// Chunks are about this many values: large enough to compress, small enough to read a corner quickly.
const CHUNK_VALUES: usize = 1 << 17;
const DEFLATE_LEVEL: u32 = 1;
const GROUP: &str = "entry/data";

/// What a NeXus file says of its origin. Nothing of it enters the numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NexusRecord {
    /// Title of the entry.
    pub title: String,
    /// When it was measured or computed, as RFC 3339; empty where it is not known.
    pub start_time: String,
    /// Name and version of the program.
    pub creator: String,
}

/// A map as NeXus HDF5, with its standard uncertainty (nm, same shape) where that is known. `origin_mm` is the position of column 0, row 0 in the mirror's frame. The same arguments give
/// the same bytes everywhere; [`crate::read_measurement`] gives back heights, mask, pixel size and position bit by bit.
///
/// # Errors
/// [`ExportError`] if the HDF5 writer refuses, which would be a fault of this program.
pub fn write_nexus_map(
    map: &HeightMap,
    uncertainty: Option<&HeightMap>,
    origin_mm: Option<(f64, f64)>,
    record: &NexusRecord,
) -> Result<Vec<u8>, ExportError> {
    let (rows, columns) = map.shape();
    let mut signal = matrix(map, "height")?;
    let mut file = begin(record, "height")?;
    if let Some(uncertainty) = uncertainty.filter(|uncertainty| uncertainty.shape() == (rows, columns)) {
        file = file
            .dataset(matrix(uncertainty, "uncertainty")?)
            .group_attribute(GROUP, string("uncertainties", "uncertainty")?);
        signal = signal.attribute(string("uncertainties", "uncertainty")?);
    }
    file = file.dataset(signal);
    file = match map.pixel() {
        Some(pixel) => {
            let (x0, y0) = origin_mm.unwrap_or((0.0, 0.0));
            file.group_attribute(GROUP, strings("axes", &["y", "x"])?)
                .dataset(axis("y", rows, y0, pixel.y_mm)?)
                .dataset(axis("x", columns, x0, pixel.x_mm)?)
        }
        None => file.group_attribute(GROUP, strings("axes", &[".", "."])?),
    };
    finish(file)
}

/// Numbers in nm, NaN where they are not valid.
fn matrix(map: &HeightMap, name: &str) -> Result<DatasetBuilder, ExportError> {
    let (rows, columns) = map.shape();
    let known = map.heights_nm().iter().zip(map.valid());
    let values: Vec<f64> = known.map(|(value, valid)| if *valid { *value } else { f64::NAN }).collect();
    let shape = vec![rows as u64, columns as u64];
    let mut dataset = DatasetBuilder::typed_data::<f64>(format!("{GROUP}/{name}"), shape, &values)?;
    if rows * columns > 256 {
        let chunk_columns = columns.min(4096);
        let chunk_rows = (CHUNK_VALUES / chunk_columns).clamp(1, rows);
        let filter = |id, client_data| FilterDescription { id, name: None, client_data };
        dataset = dataset
            .chunked(vec![chunk_rows as u64, chunk_columns as u64])
            .filter(filter(FILTER_SHUFFLE, vec![size_of::<f64>() as u32]))
            .filter(filter(FILTER_DEFLATE, vec![DEFLATE_LEVEL]));
    }
    Ok(dataset.attribute(string("units", "nm")?).attribute(string("long_name", &format!("{name} (nm)"))?))
}

/// A profile as NeXus HDF5, with the standard uncertainty of each point (in its unit) where that is given, else the one of
/// the profile for all of them. Read back bit by bit; a [`Profile`] has no place for uncertainties that differ.
///
/// # Errors
/// [`ExportError`] if the HDF5 writer refuses, which would be a fault of this program.
pub fn write_nexus_profile(
    profile: &Profile,
    uncertainty: Option<&[f64]>,
    record: &NexusRecord,
) -> Result<Vec<u8>, ExportError> {
    let (signal, unit) = match profile.kind {
        ProfileKind::HeightNm => ("height", "nm"),
        ProfileKind::SlopeUrad => ("slope", "urad"),
    };
    let column = |name: &str, values: &[f64], unit: &str| -> Result<DatasetBuilder, ExportError> {
        let dataset = DatasetBuilder::typed_data::<f64>(format!("{GROUP}/{name}"), vec![values.len() as u64], values)?;
        Ok(dataset.attribute(string("units", unit)?).attribute(string("long_name", &format!("{name} ({unit})"))?))
    };
    let mut dataset = column(signal, &profile.values, unit)?;
    let mut file = begin(record, signal)?.group_attribute(GROUP, strings("axes", &["x"])?).dataset(column(
        "x",
        &profile.x_mm,
        "mm",
    )?);
    let points = profile.values.len();
    let each = uncertainty.filter(|each| each.len() == points).map(<[f64]>::to_vec);
    if let Some(each) = each.or_else(|| profile.sigma.map(|sigma| vec![sigma; points])) {
        file = file
            .dataset(column("uncertainty", &each, unit)?)
            .group_attribute(GROUP, string("uncertainties", "uncertainty")?);
        dataset = dataset.attribute(string("uncertainties", "uncertainty")?);
    }
    finish(file.dataset(dataset))
}

fn begin(record: &NexusRecord, signal: &str) -> Result<Hdf5Builder, ExportError> {
    let mut file = Hdf5Builder::new()
        .attribute(string("NX_class", "NXroot")?)
        .attribute(string("default", "entry")?)
        .attribute(string("creator", &record.creator)?)
        .group_attribute("entry", string("NX_class", "NXentry")?)
        .group_attribute("entry", string("default", "data")?)
        .dataset(text("entry/title", &record.title)?);
    if !record.start_time.is_empty() {
        file = file.dataset(text("entry/start_time", &record.start_time)?);
    }
    Ok(file.group_attribute(GROUP, string("NX_class", "NXdata")?).group_attribute(GROUP, string("signal", signal)?))
}

fn finish(file: Hdf5Builder) -> Result<Vec<u8>, ExportError> {
    let bytes = file.into_plan()?.encode(WriteOptions::default())?;
    scalar_strings::make_scalar(bytes).ok_or(ExportError::Hdf5Layout)
}

/// Coordinates in mm; `step` besides, which their differences tell only to rounding.
fn axis(name: &str, count: usize, first: f64, step: f64) -> Result<DatasetBuilder, ExportError> {
    let values: Vec<f64> = (0..count).map(|i| first + i as f64 * step).collect();
    let dataset = DatasetBuilder::typed_data::<f64>(format!("{GROUP}/{name}"), vec![count as u64], &values)?;
    Ok(dataset
        .attribute(string("units", "mm")?)
        .attribute(string("long_name", &format!("{name} (mm)"))?)
        .attribute(AttributeBuilder::scalar("step", step)?))
}

fn text(name: &str, value: &str) -> Result<DatasetBuilder, ExportError> {
    // HDF5 strings end at a zero byte.
    let value = value.replace('\0', "\u{2400}");
    Ok(DatasetBuilder::vlen_string_data(name, Vec::<u64>::new(), &[value])?)
}

fn string(name: &str, value: &str) -> Result<AttributeBuilder, ExportError> {
    strings(name, &[value])
}

fn strings(name: &str, values: &[&str]) -> Result<AttributeBuilder, ExportError> {
    let values: Vec<String> = values.iter().map(|v| v.replace('\0', "\u{2400}")).collect();
    Ok(AttributeBuilder::vlen_strings(name, &values)?)
}
