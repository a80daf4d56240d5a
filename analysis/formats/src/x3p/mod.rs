//! X3P (ISO 25178-72, before ISO 5436-2): a ZIP archive with `main.xml`, which describes the axes, and a binary file of
//! point data; all lengths in metres.
//!
//! Read are surfaces and profiles on evenly spaced ("incremental") axes with heights of types I, L, F and D, linked or
//! listed in the XML. A height is the stored number times the z increment plus the z offset. Not measured is what the
//! file of valid points says or, in F and D, NaN. Every MD5 sum that is there must fit.

mod archive;
mod document;
mod points;
mod writer;

pub use writer::{X3pRecord, write_x3p};

use md5::{Digest, Md5};
use stitchbox_surface::{DetectorWindow, Instrument, Profile, ProfileKind, SubAperture};

use crate::{FormatError, Gives, Limits, Measurement, ReaderInfo, TableError, raster};
use archive::Archive;
use document::Document;

const FORMAT: &str = "X3P (ISO 25178-72)";
const MAIN: &str = "main.xml";
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;
/// Largest description without heights that is looked at, bytes; real ones have about two thousand.
const MOST_XML: u64 = 1 << 20;
/// Bytes of the description for each height that it lists: `<Datum>;;-1.234567890123456e-006</Datum>` and a line end.
const MOST_DATUM: u64 = 64;
/// Largest file of a check sum, bytes.
const MOST_SUM: u64 = 64 << 10;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "x3p",
    name: FORMAT,
    extensions: &["x3p"],
    mime: "application/x-x3p",
    versions: "surfaces and profiles on incremental axes, types I, L, F and D",
    gives: Gives::Map,
    writes: true,
};

pub(crate) use archive::SIGNATURE;

/// Whether the bytes begin like an archive whose first file is one of X3P's.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    archive::first_name(bytes).is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name == b"main.xml" || name == b"md5checksum.hex" || name.starts_with(b"bindata/")
    })
}

/// Reads the surface or the profile of a file.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let archive = Archive::open(bytes)?;
    let most_xml = MOST_XML.saturating_add((limits.max_pixels as u64).saturating_mul(MOST_DATUM));
    let xml = archive.read(MAIN, most_xml)?;
    let document = Document::parse(&xml, limits)?;
    if let Some(file) = document.text("Record4/ChecksumFile").filter(|file| archive.holds(file)) {
        let sum = archive.read(file, MOST_SUM)?;
        check_sum(MAIN, &xml, &String::from_utf8_lossy(&sum))?;
    }
    let feature = document.text("Record1/FeatureType").unwrap_or("SUR");
    if !matches!(feature, "SUR" | "PRF") {
        const CURE: &str = "export the surface on a regular grid (feature type SUR)";
        return Err(FormatError::unsupported(FORMAT, format!("a feature of type {feature}"), CURE));
    }
    let (rows, columns) = shape(&document)?;
    let heights = points::read(&archive, &document, rows, columns, limits)?;
    let comment =
        ["Manufacturer", "Model"].iter().filter_map(|key| document.text(&format!("Record2/Instrument/{key}")));
    let comment = comment.collect::<Vec<_>>().join(" ");
    let instrument = Instrument {
        format: FORMAT.to_owned(),
        comment: (!comment.is_empty()).then_some(comment),
        ..Instrument::default()
    };
    let x_mm = step_mm(&document, "CX")?;
    if rows == 1 {
        let step = FormatError::check_factor("increment along x", x_mm)?;
        let (x, values): (Vec<f64>, Vec<f64>) =
            heights.into_iter().enumerate().filter_map(|(i, height)| height.map(|h| (i as f64 * step, h))).unzip();
        let profile = Profile::new(&x, &values, ProfileKind::HeightNm).map_err(TableError::from)?;
        return Ok(Measurement::Profile(Profile { name: name.to_owned(), instrument, ..profile }));
    }
    let pixel = raster::pixel_mm(x_mm, step_mm(&document, "CY")?);
    let map = raster::fill(rows as usize, columns as usize, heights.into_iter(), pixel)?;
    Ok(Measurement::Map(SubAperture {
        name: name.to_owned(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument,
    }))
}

/// Rows and columns. A profile may give its length as a list.
fn shape(document: &Document) -> Result<(u64, u64), FormatError> {
    let count = |path: &str| document.text(path).and_then(|text| text.parse::<u64>().ok());
    if let Some(points) = count("Record3/ListDimension") {
        return Ok((1, points));
    }
    let size = |axis: &str| {
        let path = format!("Record3/MatrixDimension/Size{axis}");
        count(&path).ok_or_else(|| FormatError::malformed(FORMAT, path, "is missing or no number"))
    };
    let layers = size("Z")?;
    if layers != 1 {
        let what = format!("{layers} layers of heights");
        return Err(FormatError::unsupported(FORMAT, what, "export one layer at a time"));
    }
    Ok((size("Y")?, size("X")?))
}

/// The increment of an axis, mm.
fn step_mm(document: &Document, axis: &str) -> Result<f64, FormatError> {
    let path = |leaf: &str| format!("Record1/Axes/{axis}/{leaf}");
    if document.text(&path("AxisType")) != Some("I") {
        let what = format!("coordinates for each point along {axis}");
        return Err(FormatError::unsupported(FORMAT, what, "export it on evenly spaced (incremental) axes"));
    }
    Ok(document.number(&path("Increment"))?.unwrap_or(0.0) * MM_PER_M)
}

/// Compares the MD5 sum of a file with the first word of `expected`. A word that is no MD5 sum cannot be compared.
fn check_sum(file: &str, content: &[u8], expected: &str) -> Result<(), FormatError> {
    let expected = expected.split_whitespace().next().unwrap_or_default();
    let is_sum = expected.len() == 32 && expected.bytes().all(|b| b.is_ascii_hexdigit());
    let found = hex(content);
    if is_sum && !found.eq_ignore_ascii_case(expected) {
        let problem = format!("has the MD5 sum {found} instead of {expected}: it was changed or damaged");
        return Err(FormatError::malformed(FORMAT, file, problem));
    }
    Ok(())
}

/// The MD5 sum in hexadecimal.
fn hex(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
