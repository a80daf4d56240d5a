//! NXdata: a signal with units and, named by `axes`, the coordinates along its dimensions. The way to it is the chain
//! of `default` attributes, or else the first NXdata of the first NXentry.

use hdf5_reader::{Dataset, group::Group};
use stitchbox_surface::{HeightMap, Instrument, Profile, ProfileKind};

use super::{FORMAT, NexusArray, Source, numbers, sub_aperture, tree};
use crate::datx::attributes::Attributes;
use crate::tables::{length_mm, length_nm, slope_urad};
use crate::{FormatError, Measurement, TableError, raster};

/// Longest chain of defaults.
const MOST_STEPS: usize = 8;

/// The signal of the default NXdata as a map or profile; `None` if there is no NXdata.
pub(super) fn read(source: &Source<'_>) -> Result<Option<Measurement>, FormatError> {
    let Some(group) = find(source) else { return Ok(None) };
    let Some(attributes) = Attributes::of_group(group.clone()).ok() else { return Ok(None) };
    let name = attributes.text("signal").unwrap_or_else(|| "data".to_owned());
    let Some(signal) = tree::dataset(&group, &name) else { return Ok(None) };
    let axes = attributes.texts("axes").unwrap_or_default();
    let unit = Attributes::of_dataset(&signal)?.text("units").unwrap_or_default();
    let measurement = match signal.ndim() {
        1 => Measurement::Profile(profile(source, &group, &signal, &unit, axes.first())?),
        2 => map(source, &group, &signal, unit, &axes)?,
        dimensions => return Err(FormatError::NotAMatrix { dimensions }),
    };
    Ok(Some(measurement))
}

/// The standard uncertainty that the signal names (`uncertainties` of the group or the signal), as a map in nm on its grid.
pub(super) fn uncertainty(source: &Source<'_>) -> Result<Option<HeightMap>, FormatError> {
    let Some(group) = find(source) else { return Ok(None) };
    let Ok(attributes) = Attributes::of_group(group.clone()) else { return Ok(None) };
    let Some(name) = attributes.text("uncertainties") else { return Ok(None) };
    let Some(values) = tree::dataset(&group, &name) else { return Ok(None) };
    let unit = Attributes::of_dataset(&values)?.text("units").unwrap_or_default();
    match map(source, &group, &values, unit, &attributes.texts("axes").unwrap_or_default())? {
        Measurement::Map(found) => Ok(Some(found.map)),
        Measurement::Slopes(_) | Measurement::Profile(_) => Ok(None),
    }
}

/// Two-dimensional datasets beside the signal, as they are.
pub(super) fn arrays(source: &Source<'_>, names: &[&str]) -> Result<Vec<Option<NexusArray>>, FormatError> {
    let Some(group) = find(source) else { return Err(FormatError::NoSurface) };
    let read = |name: &&str| {
        let Some(dataset) = tree::dataset(&group, name) else { return Ok(None) };
        let &[rows, columns] = dataset.shape() else { return Ok(None) };
        let unit = Attributes::of_dataset(&dataset)?.text("units").unwrap_or_default();
        let values = numbers::all(source, &dataset)?;
        // Admitted before it was read, so both fit.
        Ok(Some(NexusArray { shape: (rows as usize, columns as usize), unit, values }))
    };
    names.iter().map(read).collect()
}

/// The group to show.
fn find(source: &Source<'_>) -> Option<Group> {
    let root = source.file.root_group().ok()?;
    let mut group = root.clone();
    for _ in 0..MOST_STEPS {
        if tree::is_class(&group, "NXdata") {
            return Some(group);
        }
        let Some(next) = tree::text(&group, "default").and_then(|name| group.group(&name).ok()) else { break };
        group = next;
    }
    let first =
        |parent: &Group, class| tree::of_class(source, parent, class).into_iter().next().map(|named| named.group);
    first(&root, "NXdata")
        .or_else(|| tree::of_class(source, &root, "NXentry").iter().find_map(|entry| first(&entry.group, "NXdata")))
}

fn map(
    source: &Source<'_>,
    group: &Group,
    signal: &Dataset,
    unit: String,
    axes: &[String],
) -> Result<Measurement, FormatError> {
    let nm = length_nm(&unit).ok_or(FormatError::Unit { unit })?;
    let &[rows, columns] = signal.shape() else { return Err(FormatError::NotAMatrix { dimensions: signal.ndim() }) };
    let heights = numbers::all(source, signal)?;
    let mut placed = [None, None];
    for ((place, axis), count) in placed.iter_mut().zip(axes).zip([rows, columns]) {
        *place = coordinates(source, group, axis, count)?;
    }
    let [y, x] = placed;
    let step = |axis: Option<Axis>| axis.and_then(|axis| axis.step_mm);
    let pixel = step(x).zip(step(y)).and_then(|(x, y)| raster::pixel_mm(x, y));
    let position = x.zip(y).map(|(x, y)| (x.first_mm, y.first_mm));
    let heights = heights.into_iter().map(|height| height.is_finite().then_some(height * nm));
    let map = raster::fill(rows as usize, columns as usize, heights, pixel)?;
    Ok(Measurement::Map(sub_aperture(source.name.to_owned(), map, position, "HDF5 (NXdata)")))
}

fn profile(
    source: &Source<'_>,
    group: &Group,
    signal: &Dataset,
    unit: &str,
    axis: Option<&String>,
) -> Result<Profile, FormatError> {
    let height = length_nm(unit).map(|factor| (ProfileKind::HeightNm, factor));
    let slope = || slope_urad(unit).map(|factor| (ProfileKind::SlopeUrad, factor));
    let (kind, factor) = height.or_else(slope).ok_or_else(|| FormatError::Unit { unit: unit.to_owned() })?;
    let missing = || FormatError::malformed(FORMAT, "the profile", "has no axis with its positions");
    let axis = axis.and_then(|name| tree::dataset(group, name)).ok_or_else(missing)?;
    let unit = Attributes::of_dataset(&axis)?.text("units").unwrap_or_default();
    let mm = length_mm(&unit).ok_or(FormatError::Unit { unit })?;
    let x: Vec<f64> = numbers::all(source, &axis)?.into_iter().map(|x| x * mm).collect();
    let values: Vec<f64> = numbers::all(source, signal)?.into_iter().map(|value| value * factor).collect();
    let profile = Profile::new(&x, &values, kind).map_err(TableError::from)?;
    // A profile holds one uncertainty for all points.
    let uncertainties = tree::dataset(group, "uncertainty").and_then(|u| numbers::list(source, &u)).unwrap_or_default();
    let sigma =
        uncertainties.first().copied().filter(|first| uncertainties.iter().all(|u| u == first) && *first >= 0.0);
    let instrument = Instrument { format: "HDF5 (NXdata)".to_owned(), ..Instrument::default() };
    Ok(Profile { name: source.name.to_owned(), sigma: sigma.map(|s| s * factor), instrument, ..profile })
}

/// Where an axis begins and how it goes on.
#[derive(Debug, Clone, Copy)]
struct Axis {
    first_mm: f64,
    step_mm: Option<f64>,
}

/// The coordinates along a dimension; `None` where the axis is a `.` (there are none), missing or of another length.
fn coordinates(source: &Source<'_>, group: &Group, name: &str, count: u64) -> Result<Option<Axis>, FormatError> {
    let Some(dataset) = tree::dataset(group, name).filter(|dataset| dataset.shape() == [count]) else {
        return Ok(None);
    };
    let attributes = Attributes::of_dataset(&dataset)?;
    let Some(mm) = length_mm(&attributes.text("units").unwrap_or_default()) else { return Ok(None) };
    let coordinates = numbers::all(source, &dataset)?;
    let (first, step) = numbers::axis(&coordinates, name)?;
    // Our own files tell the step itself, which the differences of coordinates know only to rounding.
    let told =
        attributes.number("step").filter(|told| step.is_none_or(|step| (told - step).abs() <= 1e-6 * step.abs()));
    Ok(Some(Axis { first_mm: first * mm, step_mm: told.or(step).map(|step| step * mm) }))
}
