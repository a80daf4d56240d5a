//! What a run leaves for people and programs: `height.h5`, figures, the report page, summary and provenance.
//!
//! [`write_all`] turns a [`Stitched`] map and the [`Record`] of its run into files in memory. Equal arguments give equal
//! bytes: no clock is read, nothing is iterated in a random order, no library here chooses its arithmetic by CPU.
//! This crate reads no files and knows no store.

pub mod figure;
mod figures;
mod h5;
mod html;
mod profile;
mod provenance;
mod record;
mod ro_crate;
mod summary;

pub use figures::Figures;
pub use h5::height_h5;
pub use html::report_html;
pub use provenance::{OutputEntity, PROVENANCE_SCHEMA, provenance};
pub use record::{Input, InputRole, RecipeRecord, Record, UnixTime};
pub use ro_crate::{CRATE_NAME, INPUT_ID, RECIPE_ID, RESULT_DIGEST_ID, ro_crate};
pub use summary::{SUMMARY_SCHEMA, Summary};

use sha2::{Digest, Sha256};
use stitchbox_stitch::Stitched;
use stitchbox_surface::PixelSize;

/// A file of the result, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// File name within `Stitched/`.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// A result that cannot be written down. Not a matter of the data: each of these is a fault of the program.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The HDF5 writer refused.
    #[error("height.h5 could not be written: {0}; please report this as a bug")]
    Hdf5(#[from] hdf5_writer::Error),
    /// The encoded HDF5 file has not the layout this crate relies on.
    #[error("height.h5 could not be finished: its object headers have an unknown layout; please report this as a bug")]
    Hdf5Layout,
    /// The PNG encoder refused.
    #[error("a figure could not be written: {0}; please report this as a bug")]
    Png(#[from] png::EncodingError),
    /// A JSON document could not be formed.
    #[error("a JSON document could not be written: {0}; please report this as a bug")]
    Json(#[from] serde_json::Error),
}

/// Names of the files of a result, in the order in which [`write_all`] returns them.
pub const OUTPUT_NAMES: [&str; 8] = [
    "height.h5",
    "height.png",
    "overlap.png",
    "residual.png",
    "report.html",
    "summary.json",
    "provenance.json",
    CRATE_NAME,
];

/// All files of a result, and its numbers. `more` are further files of the run, which the provenance names, too.
///
/// # Errors
/// [`ReportError`], only through a fault of this program.
pub fn write_all(
    stitched: &Stitched,
    record: &Record,
    more: Vec<OutputFile>,
) -> Result<(Vec<OutputFile>, Summary), ReportError> {
    let summary = Summary::new(stitched, record);
    let inner = serde_json::to_string(&provenance(record, &summary.digest, &[]))?;
    let figures = figures::draw(stitched, &summary)?;
    let html = report_html(stitched, record, &summary, &figures);
    let mut files = vec![
        OutputFile { name: "height.h5".to_owned(), bytes: height_h5(stitched, record, &inner)? },
        OutputFile { name: "height.png".to_owned(), bytes: figures.height },
        OutputFile { name: "overlap.png".to_owned(), bytes: figures.overlap },
        OutputFile { name: "residual.png".to_owned(), bytes: figures.residual },
        OutputFile { name: "report.html".to_owned(), bytes: html.into_bytes() },
        OutputFile { name: "summary.json".to_owned(), bytes: pretty(&serde_json::to_value(&summary)?)? },
    ];
    files.extend(more);
    let files = with_provenance(record, &summary.digest, files)?;
    Ok((files, summary))
}

/// Adds `provenance.json`, which names every other file, and the RO-Crate, which names that, too.
///
/// # Errors
/// [`ReportError::Json`], only through a fault of this program.
pub fn with_provenance(
    record: &Record,
    digest: &str,
    mut files: Vec<OutputFile>,
) -> Result<Vec<OutputFile>, ReportError> {
    let entity = |f: &OutputFile| OutputEntity {
        name: f.name.clone(),
        sha256: sha256_hex(&f.bytes),
        bytes: f.bytes.len() as u64,
    };
    let mut entities: Vec<OutputEntity> = files.iter().map(entity).collect();
    files.push(OutputFile {
        name: "provenance.json".to_owned(),
        bytes: pretty(&provenance(record, digest, &entities))?,
    });
    entities.extend(files.last().map(entity));
    files.push(OutputFile { name: CRATE_NAME.to_owned(), bytes: pretty(&ro_crate(record, digest, &entities))? });
    Ok(files)
}

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pretty(value: &serde_json::Value) -> Result<Vec<u8>, ReportError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The pixel size of a stitched map; the solver always sets it, one millimetre stands for "not told".
pub(crate) fn pixel_size(stitched: &Stitched) -> PixelSize {
    stitched.height.pixel().unwrap_or(PixelSize { x_mm: 1.0, y_mm: 1.0 })
}
