//! SOLEIL's MINT: NXentry / NXscan / NXscanData / NXwavefront_collection / NXwavefront / `unwrpdPhase`, one wavefront
//! for each sub-aperture, beside an NXinstrument with the pixel size (NXdetector, micrometres) and the stage
//! (NXactuator, mm). The phase times [`NM_PER_PHASE`] is the height; the position is (-sample_X, sample_Y).

use hdf5_reader::group::Group;

use super::{Source, numbers, sub_aperture, tree};
use crate::datx::attributes::Attributes;
use crate::tables::length_mm;
use crate::{FormatError, Measurement, raster};

/// Height of one unit of phase, nm: MINT's customary scale, which the files do not tell.
const NM_PER_PHASE: f64 = 255.5;
const MM_PER_UM: f64 = 1e-3;

/// All wavefronts of all scans; none if it is no such file.
pub(super) fn read(source: &Source<'_>) -> Result<Vec<Measurement>, FormatError> {
    let mut maps = Vec::new();
    let Ok(root) = source.file.root_group() else { return Ok(maps) };
    for entry in tree::of_class(source, &root, "NXentry") {
        for scan in tree::of_class(source, &entry.group, "NXscan") {
            read_scan(source, &scan, &mut maps)?;
        }
    }
    Ok(maps)
}

fn read_scan(source: &Source<'_>, scan: &tree::Named, maps: &mut Vec<Measurement>) -> Result<(), FormatError> {
    let instruments = tree::of_class(source, &scan.group, "NXinstrument");
    let detectors = instruments.iter().flat_map(|instrument| tree::of_class(source, &instrument.group, "NXdetector"));
    let pixel = detectors.into_iter().find_map(|detector| {
        let side = |name| length(source, &detector.group, name, MM_PER_UM)?.first().copied();
        raster::pixel_mm(side("x_pixel_size")?, side("y_pixel_size")?)
    });
    let actuators: Vec<tree::Named> =
        instruments.iter().flat_map(|instrument| tree::of_class(source, &instrument.group, "NXactuator")).collect();
    let stage = |name: &str| actuators.iter().find_map(|actuator| length(source, &actuator.group, name, 1.0));
    let (x, y) = (stage("sample_X"), stage("sample_Y"));

    let data = tree::of_class(source, &scan.group, "NXscanData");
    let collections = data.iter().flat_map(|data| tree::of_class(source, &data.group, "NXwavefront_collection"));
    // The first collection is the scan; the numbers of the stage go with it.
    let Some(collection) = collections.into_iter().next() else { return Ok(()) };
    for (k, wavefront) in tree::of_class(source, &collection.group, "NXwavefront").into_iter().enumerate() {
        let Some(phase) = tree::dataset(&wavefront.group, "unwrpdPhase") else { continue };
        let &[rows, columns] = phase.shape() else { return Err(FormatError::NotAMatrix { dimensions: phase.ndim() }) };
        let stored = numbers::all(source, &phase)?;
        let heights = stored.into_iter().map(|phase| phase.is_finite().then_some(phase * NM_PER_PHASE));
        let map = raster::fill(rows as usize, columns as usize, heights, pixel)?;
        let at = |stage: &Option<Vec<f64>>| stage.as_ref().map(|values| values.get(k).copied());
        let position = match (at(&x), at(&y)) {
            (Some(Some(x)), None) => Some((0.0 - x, 0.0)),
            (Some(Some(x)), Some(Some(y))) => Some((0.0 - x, y)),
            _ => None,
        };
        let name = format!("{} [{}/{}]", source.name, scan.name, wavefront.name);
        let mut sub =
            sub_aperture(name, map, position.filter(|(x, y)| x.is_finite() && y.is_finite()), "HDF5 (SOLEIL MINT)");
        sub.instrument.comment = Some(format!("height = phase x {NM_PER_PHASE} nm"));
        maps.push(Measurement::Map(sub));
    }
    Ok(())
}

/// The numbers of a small dataset in mm: by its own unit, or times `factor` where it tells none.
fn length(source: &Source<'_>, group: &Group, name: &str, factor: f64) -> Option<Vec<f64>> {
    let dataset = tree::dataset(group, name)?;
    let unit = Attributes::of_dataset(&dataset).ok().and_then(|attributes| attributes.text("units"));
    let mm = unit.and_then(|unit| length_mm(&unit)).unwrap_or(factor);
    Some(numbers::list(source, &dataset)?.into_iter().map(|value| value * mm).collect())
}
