//! PyLOSt's HDF5: dictionaries as groups, data as datasets with the attribute `class` = `MetrologyData`, their `unit`
//! (astropy's spelling), `pix_size` and `pix_size_unit` (one for each dimension), `motors` and `index_list` (JSON).
//! `height`, `slopes_x` and `slopes_y` have the dimensions (sub-aperture,) y, x.

use hdf5_reader::{Dataset, group::Group};
use ndarray::Array2;
use serde_json::Value;
use stitchbox_surface::{DetectorWindow, Instrument, PixelSize, Profile, ProfileKind, SlopeSubAperture};

use super::{Source, numbers, sub_aperture, tree};
use crate::datx::attributes::Attributes;
use crate::tables::{length_mm, length_nm, slope_urad};
use crate::{FormatError, Measurement, TableError, raster};

const FORMAT: &str = "HDF5 (PyLOSt)";
/// Longest list of motors or indices, bytes.
const MOST_JSON: usize = 4 << 20;

/// All maps, slopes and profiles of the file; none if it is no such file.
pub(super) fn read(source: &Source<'_>) -> Result<Vec<Measurement>, FormatError> {
    let mut found = Vec::new();
    let Ok(root) = source.file.root_group() else { return Ok(found) };
    tree::visit(source, root, |path, group, datasets| {
        if let Some(item) = Item::open(group, datasets, "height")? {
            item.heights(source, &tree::join(path, "height"), &mut found)?;
        }
        if let Some(item) = Item::open(group, datasets, "slopes_x")? {
            let across = Item::open(group, datasets, "slopes_y")?;
            item.slopes(source, &tree::join(path, "slopes"), across.as_ref(), &mut found)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// One dataset with what its attributes say.
struct Item {
    dataset: Dataset,
    unit: String,
    pixel_mm: Vec<Option<f64>>,
    motors: Vec<Motor>,
    window: DetectorWindow,
}

struct Motor {
    name: String,
    values_mm: Vec<f64>,
}

impl Item {
    fn open(group: &Group, datasets: &[String], name: &str) -> Result<Option<Self>, FormatError> {
        if !datasets.iter().any(|found| found == name) {
            return Ok(None);
        }
        let Some(dataset) = tree::dataset(group, name) else { return Ok(None) };
        let (unit, pixel_mm, motors, window) = {
            let attributes = Attributes::of_dataset(&dataset)?;
            if attributes.text("class").as_deref() != Some("MetrologyData") {
                return Ok(None);
            }
            let json =
                |name| attributes.long_text(name, MOST_JSON).and_then(|text| serde_json::from_str::<Value>(&text).ok());
            let sizes = attributes.numbers("pix_size").unwrap_or_default();
            let units = json("pix_size_unit");
            let unit_of = |at: usize| units.as_ref()?.get(at)?.as_str().and_then(length_mm);
            // A dimension without a unit of length (the sub-apertures) has no pixel size.
            let pixel_mm = sizes.iter().enumerate().map(|(at, size)| unit_of(at).map(|mm| mm * size)).collect();
            let motors = json("motors").map(|motors| Motor::all(&motors)).unwrap_or_default();
            let window = json("index_list").as_ref().and_then(window).unwrap_or(DetectorWindow { column: 0, row: 0 });
            (attributes.text("unit").unwrap_or_default(), pixel_mm, motors, window)
        };
        Ok(Some(Self { dataset, unit, pixel_mm, motors, window }))
    }

    /// Sub-apertures, rows and columns.
    fn shape(&self) -> Result<(usize, usize, usize), FormatError> {
        match *self.dataset.shape() {
            [rows, columns] => Ok((1, rows as usize, columns as usize)),
            [count, rows, columns] => Ok((count as usize, rows as usize, columns as usize)),
            _ => Err(FormatError::NotAMatrix { dimensions: self.dataset.ndim() }),
        }
    }

    fn pixel(&self) -> Option<PixelSize> {
        let [.., y, x] = self.pixel_mm.as_slice() else { return None };
        raster::pixel_mm((*x)?, (*y)?)
    }

    /// Where sub-aperture `k` lies: the motors of the peer have the sign of the mirror's frame already.
    fn position(&self, k: usize) -> Option<(f64, f64)> {
        let motor = |name: &str| {
            let values = &self.motors.iter().find(|motor| motor.name == name)?.values_mm;
            values.get(k).copied().filter(|value| value.is_finite())
        };
        let (x, y) = (motor("motor_X"), motor("motor_Y"));
        (x.is_some() || y.is_some()).then(|| (x.unwrap_or(0.0), y.unwrap_or(0.0)))
    }

    fn heights(&self, source: &Source<'_>, path: &str, found: &mut Vec<Measurement>) -> Result<(), FormatError> {
        let unit = || FormatError::Unit { unit: self.unit.clone() };
        let nm = length_nm(&self.unit).ok_or_else(unit)?;
        if self.dataset.ndim() == 1 {
            found.push(Measurement::Profile(self.profile(source, path, ProfileKind::HeightNm, nm)?));
            return Ok(());
        }
        let (count, rows, columns) = self.shape()?;
        let stored = numbers::all(source, &self.dataset)?;
        for (k, frame) in stored.chunks_exact((rows * columns).max(1)).take(count).enumerate() {
            let heights = frame.iter().map(|height| height.is_finite().then_some(height * nm));
            let map = raster::fill(rows, columns, heights, self.pixel())?;
            let mut sub = sub_aperture(label(source.name, path, k, count), map, self.position(k), FORMAT);
            sub.window = self.window;
            found.push(Measurement::Map(sub));
        }
        Ok(())
    }

    fn slopes(
        &self,
        source: &Source<'_>,
        path: &str,
        across: Option<&Self>,
        found: &mut Vec<Measurement>,
    ) -> Result<(), FormatError> {
        let factor = |unit: &str| slope_urad(unit).ok_or_else(|| FormatError::Unit { unit: unit.to_owned() });
        let urad = factor(&self.unit)?;
        if self.dataset.ndim() == 1 {
            found.push(Measurement::Profile(self.profile(source, path, ProfileKind::SlopeUrad, urad)?));
            return Ok(());
        }
        let (count, rows, columns) = self.shape()?;
        let across = across.filter(|other| other.dataset.shape() == self.dataset.shape());
        let x = numbers::all(source, &self.dataset)?;
        let y = across.map(|other| Ok::<_, FormatError>((numbers::all(source, &other.dataset)?, factor(&other.unit)?)));
        let y = y.transpose()?;
        let size = (rows * columns).max(1);
        for (k, x) in x.chunks_exact(size).take(count).enumerate() {
            let y = y.as_ref().and_then(|(values, factor)| values.chunks_exact(size).nth(k).map(|y| (y, *factor)));
            let valid: Vec<bool> = match y {
                Some((y, _)) => x.iter().zip(y).map(|(x, y)| x.is_finite() && y.is_finite()).collect(),
                None => x.iter().map(|x| x.is_finite()).collect(),
            };
            let scaled = |values: &[f64], factor: f64| {
                let values = values.iter().zip(&valid).map(|(value, valid)| if *valid { value * factor } else { 0.0 });
                Array2::from_shape_vec((rows, columns), values.collect())
            };
            let dimensions = |_| FormatError::NotAMatrix { dimensions: 2 };
            let x_urad = scaled(x, urad).map_err(dimensions)?;
            let y_urad = y.map(|(y, factor)| scaled(y, factor)).transpose().map_err(dimensions)?;
            found.push(Measurement::Slopes(SlopeSubAperture {
                name: label(source.name, path, k, count),
                x_urad,
                y_urad,
                valid: Array2::from_shape_vec((rows, columns), valid).map_err(dimensions)?,
                pixel: self.pixel(),
                window: self.window,
                position_mm: self.position(k),
                instrument: Instrument { format: FORMAT.to_owned(), ..Instrument::default() },
            }));
        }
        Ok(())
    }

    /// One dimension: the positions are a motor's, or the pixel size makes them.
    fn profile(&self, source: &Source<'_>, path: &str, kind: ProfileKind, factor: f64) -> Result<Profile, FormatError> {
        let values: Vec<f64> = numbers::all(source, &self.dataset)?.into_iter().map(|value| value * factor).collect();
        let of_motor =
            self.motors.iter().find(|motor| motor.name == "motor_X" && motor.values_mm.len() == values.len());
        let x = match (of_motor, self.pixel_mm.last()) {
            (Some(motor), _) => motor.values_mm.clone(),
            (None, Some(Some(mm))) => (0..values.len()).map(|k| k as f64 * mm).collect(),
            _ => return Err(FormatError::malformed("HDF5", path, "has neither positions nor a pixel size")),
        };
        let profile = Profile::new(&x, &values, kind).map_err(TableError::from)?;
        let instrument = Instrument { format: FORMAT.to_owned(), ..Instrument::default() };
        Ok(Profile { name: label(source.name, path, 0, 1), instrument, ..profile })
    }
}

impl Motor {
    fn all(motors: &Value) -> Vec<Self> {
        let motors = motors.as_array().map(Vec::as_slice).unwrap_or_default();
        motors.iter().filter_map(Self::of).collect()
    }

    fn of(motor: &Value) -> Option<Self> {
        let mm = length_mm(motor.get("unit")?.as_str()?)?;
        let mut values_mm = Vec::new();
        flatten(motor.get("values")?, 0, &mut |value| values_mm.push(value * mm));
        Some(Self { name: motor.get("name")?.as_str()?.to_owned(), values_mm })
    }
}

/// The numbers of nested lists; what is no number counts as not known.
fn flatten(value: &Value, depth: usize, each: &mut impl FnMut(f64)) {
    match value {
        Value::Array(values) if depth < 4 => values.iter().for_each(|value| flatten(value, depth + 1, each)),
        other => each(other.as_f64().unwrap_or(f64::NAN)),
    }
}

/// The first camera row and column of the lists of indices along each dimension.
fn window(index_list: &Value) -> Option<DetectorWindow> {
    let [.., rows, columns] = index_list.as_array()?.as_slice() else { return None };
    let first = |list: &Value| list.as_array()?.first()?.as_i64();
    Some(DetectorWindow { column: first(columns)?, row: first(rows)? })
}

fn label(name: &str, path: &str, k: usize, count: usize) -> String {
    if count > 1 { format!("{name} [{path} {}]", k + 1) } else { format!("{name} [{path}]") }
}
