//! Finds the height map of a `.datx` file: the `MetaData` table is a list of (source, link, destination) texts that
//! leads from `Root` over `Measurement` and `Surface` to a path.

use hdf5_reader::{Dataset, Hdf5File, group::Group};

use super::{attributes, refusal};
use crate::FormatError;

/// Most rows of the table that are read; a measurement needs about ten.
const MAX_ROWS: usize = 4096;
/// Most measurements that are looked for: each costs the parsing of an object, however often a table names one.
const MOST_MEASUREMENTS: usize = 64;

/// The height map, the intensity and the attributes of one measurement.
pub(super) struct Surface {
    pub(super) dataset: Dataset,
    pub(super) intensity: Option<Dataset>,
    pub(super) attributes: Option<Group>,
}

/// The surface of the only measurement of the table that has one; without a table the only dataset in
/// `/Data/Surface`. Two measurements of one surface count once.
pub(super) fn locate(file: &Hdf5File) -> Result<Surface, FormatError> {
    let links = Links::read(file);
    let path_of = |measurement, link| links.destination(measurement, link).and_then(|id| links.destination(id, "Path"));
    let mut found: Vec<(&str, &str)> = Vec::new();
    for measurement in links.destinations("Root", "Measurement").take(MOST_MEASUREMENTS) {
        if let Some(path) = path_of(measurement, "Surface")
            && found.iter().all(|(_, known)| *known != path)
            && file.dataset(path).is_ok()
        {
            found.push((measurement, path));
        }
    }
    match found.as_slice() {
        [] => {
            let dataset = only_surface(file)?;
            Ok(Surface { dataset, intensity: None, attributes: only_attributes(file) })
        }
        [(measurement, path)] => {
            let dataset = file.dataset(path).map_err(|e| refusal("opening the height map", e))?;
            let intensity = path_of(measurement, "Intensity").and_then(|path| file.dataset(path).ok());
            let attributes = links.destination(measurement, "Attributes").and_then(|path| file.group(path).ok());
            Ok(Surface { dataset, intensity, attributes: attributes.or_else(|| only_attributes(file)) })
        }
        several => Err(FormatError::SeveralSurfaces { count: several.len() }),
    }
}

/// The dataset in `/Data/Surface` if there is exactly one.
fn only_surface(file: &Hdf5File) -> Result<Dataset, FormatError> {
    let Ok(group) = file.group("/Data/Surface") else { return Err(FormatError::NoSurface) };
    let (_, names) = group.member_names().map_err(|e| refusal("listing /Data/Surface", e))?;
    match names.as_slice() {
        [] => Err(FormatError::NoSurface),
        [name] => group.dataset(name).map_err(|e| refusal("opening the height map", e)),
        several => Err(FormatError::SeveralSurfaces { count: several.len() }),
    }
}

/// The group in `/Attributes` beside `System` if there is exactly one.
fn only_attributes(file: &Hdf5File) -> Option<Group> {
    let group = file.group("/Attributes").ok()?;
    let (names, _) = group.member_names().ok()?;
    let mut names = names.iter().filter(|name| *name != "System");
    let name = names.next()?;
    if names.next().is_some() { None } else { group.group(name).ok() }
}

/// The rows of the `MetaData` table.
struct Links {
    rows: Vec<[String; 3]>,
}

impl Links {
    /// Reads the table. One that is missing or unreadable is empty: the map may still be the only one.
    fn read(file: &Hdf5File) -> Self {
        Self { rows: Self::rows(file).unwrap_or_default() }
    }

    fn rows(file: &Hdf5File) -> Option<Vec<[String; 3]>> {
        let table = file.dataset("/MetaData").ok()?;
        let row_bytes = table.raw_element_size().ok().filter(|bytes| *bytes > 0)?;
        if table.raw_byte_len().ok()? > MAX_ROWS.saturating_mul(row_bytes) {
            return None;
        }
        let raw = table.read_raw_bytes().ok()?;
        let column = |row, name| {
            let (datatype, bytes) = attributes::field(table.dtype(), row, name)?;
            attributes::text(datatype, bytes, |reference, size| table.resolve_vlen_reference_bytes(reference, size))
        };
        let row = |row| Some([column(row, "Source")?, column(row, "Link")?, column(row, "Destination")?]);
        Some(raw.chunks_exact(row_bytes).filter_map(row).collect())
    }

    fn destinations<'a>(&'a self, source: &'a str, link: &'a str) -> impl Iterator<Item = &'a str> {
        self.rows.iter().filter(move |row| row[0] == source && row[1] == link).map(|row| row[2].as_str())
    }

    fn destination<'a>(&'a self, source: &'a str, link: &'a str) -> Option<&'a str> {
        self.destinations(source, link).next()
    }
}
