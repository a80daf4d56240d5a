//! Reads a series from its source, into memory or into a scratch file.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::grid::{Contents, Grid, heights_and_runs};
use crate::journal::Fingerprint;
use crate::layout::Layout;
use crate::scratch::{ScratchFile, ScratchRows};
use crate::watch::Watch;
use crate::{Described, Options, Reference, Source, StitchError, Weights};

/// So many sub-apertures are read at a time.
const AT_ONCE: usize = 4;

/// Reads all sub-apertures, their heights into a file in `folder` if there is one. Returns them placed, the fingerprint of the problem, and
/// how many positions were rounded to whole pixels.
pub(crate) fn read(
    source: &dyn Source,
    options: &Options,
    folder: Option<&Path>,
    watch: &Watch,
) -> Result<(Grid<'static>, u64, usize), StitchError> {
    if options.weights == Weights::Intensity {
        return Err(StitchError::NotInMemory { what: "weighting pixels by their intensity" });
    }
    let series: Vec<Described> = (0..source.len()).map(|k| source.describe(k)).collect();
    let mut layout = Layout::new(&series)?;
    let rounded = (0..series.len()).filter(|k| layout.is_between_pixels(*k)).count();
    layout.x.fraction.fill(0.0);
    layout.y.fraction.fill(0.0);
    let rows = match folder {
        None => Vec::new(),
        Some(folder) => {
            let file = Arc::new(ScratchFile::create(folder, "heights")?);
            let places: Vec<(usize, (usize, usize))> =
                layout.footprints.iter().map(|f| ((f.row - layout.map_origin.0) as usize, f.shape)).collect();
            ScratchRows::lay_out(&file, layout.map.0, &places)
        }
    };
    let mut rows: Vec<Option<ScratchRows>> = rows.into_iter().map(Some).collect();
    rows.resize_with(series.len(), || None);
    let mut fingerprint = Fingerprint::default();
    fingerprint.text(env!("CARGO_PKG_VERSION"));
    // All options but where the files go; a known reference comes with its pixels below.
    let told = Options { reference: Reference::None, scratch: None, ..options.clone() };
    fingerprint.text(&format!("{told:?}"));
    if let Reference::Known(known) = &options.reference {
        fingerprint.text(&format!("{:?}", known.window));
        fingerprint.absorb(known.map.heights_nm().iter().map(|h| h.to_bits()));
        fingerprint.text(&format!("{:?}", known.map.pixel()));
        fingerprint.absorb(known.map.valid().iter().map(|v| u64::from(*v)));
    } else {
        fingerprint.text(&format!("{:?}", options.reference));
    }
    let mut contents = Vec::with_capacity(series.len());
    let numbered: Vec<usize> = (0..series.len()).collect();
    for some in numbered.chunks(AT_ONCE) {
        let own_rows: Vec<Option<ScratchRows>> = some.iter().map(|k| rows[*k].take()).collect();
        let read: Result<Vec<(Contents, u64)>, StitchError> = some
            .par_iter()
            .zip(own_rows)
            .map(|(k, rows)| {
                watch.still()?;
                one(source, *k, &series[*k], rows)
            })
            .collect();
        for (k, (content, hash)) in some.iter().zip(read?) {
            fingerprint.text(&format!("{:?}", series[*k]));
            fingerprint.absorb(std::iter::once(hash));
            contents.push(content);
        }
        watch.at(contents.len() as f64 / series.len() as f64)?;
    }
    Ok((Grid::laid_out(layout, series, contents, options), fingerprint.value(), rounded))
}

/// Reads one; the number tells its pixels from others.
fn one(
    source: &dyn Source,
    k: usize,
    described: &Described,
    rows: Option<ScratchRows>,
) -> Result<(Contents<'static>, u64), StitchError> {
    let unreadable = |reason: String| StitchError::Unreadable { file: described.name.clone(), reason };
    let (map, _): (HeightMap, _) = source.read(k).map_err(unreadable)?;
    if map.shape() != described.shape {
        let ((rows, columns), (r, c)) = (described.shape, map.shape());
        return Err(unreadable(format!("it has {r} x {c} pixels, {rows} x {columns} were announced")));
    }
    let (heights, runs) = heights_and_runs(&described.name, &map)?;
    let mut hash = Fingerprint::default();
    hash.absorb(heights.iter().map(|h| h.to_bits()));
    for row in 0..described.shape.0 {
        hash.absorb(runs.row(row).iter().map(|(start, end)| u64::from(*start) << 32 | u64::from(*end)));
    }
    let heights = match &rows {
        None => heights.into_owned(),
        Some(rows) => {
            rows.store(&heights)?;
            Vec::new()
        }
    };
    let contents = Contents { heights: Cow::Owned(heights), scratch: rows, runs, weights: None };
    Ok((contents, hash.value()))
}
