//! Zygo Mx `.datx`: an HDF5 file whose `MetaData` table says where the height map and its attributes lie.
//!
//! The HDF5 structure is read by `hdf5-reader` under limits; attributes are decoded here, each only when it is
//! wanted, because a hostile file can let thousands of them point at the same large string.

pub(crate) mod attributes;
pub(crate) mod heights;
mod links;
pub(crate) mod unit;

use hdf5_reader::{Hdf5File, OpenOptions, error::Error as Hdf5Error};
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

use crate::{FormatError, Gives, Limits, ReaderInfo, position};
use attributes::{Attributes, Settings};

const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;
const MAX_OBJECT_HEADER_BYTES: usize = 4 << 20;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "datx",
    name: "Zygo .datx",
    extensions: &["datx"],
    mime: "application/x-hdf5",
    versions: "Mx, plain or compressed (deflate, szip)",
    gives: Gives::Map,
    writes: false,
};

/// Reads the height map of a `.datx` file and, where it has one that can be read, the intensity. Other data (text
/// buffers, data behind Zygo's private filter 44440) is not looked at.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    let file = open(bytes, limits)?;
    let surface = links::locate(&file)?;
    let of_map = Attributes::of_dataset(&surface.dataset)?;
    let settings = surface.attributes.map(Settings::of_group).unwrap_or_default();

    let factors = Factors { of_map: &of_map, settings: &settings };
    let nm_per_unit = factors.nm_per_unit()?;
    let (heights, valid) = heights::read(&surface.dataset, &of_map, nm_per_unit, bytes.len(), limits)?;
    let dimensions = FormatError::NotAMatrix { dimensions: 2 };
    let map = HeightMap::new(heights, valid, pixel_size(&of_map, &settings)).map_err(|_| dimensions)?;

    let window = window(&of_map);
    let counts = |dataset| heights::intensity(dataset, window, map.shape(), bytes.len(), limits);
    let intensity = surface.intensity.as_ref().and_then(counts);

    let comment = settings.text("Data Attributes.Comment").filter(|c| !c.is_empty());
    let stage_mm = stage_position(&settings);
    Ok(SubAperture {
        name: name.to_owned(),
        map,
        window,
        position_mm: comment.as_deref().and_then(position::from_comment).or(stage_mm),
        intensity,
        instrument: Instrument {
            format: crate::Format::Datx.to_string(),
            wavelength_nm: factors.wavelength_m().map(|metres| metres * NM_PER_M),
            scale_factor: factors.scale_factor(),
            acquired_unix: settings.field_number("Data Attributes.Time Stamp", "time").map(|s| s as i64),
            comment,
            objective: settings.text("Data Attributes.Objective").filter(|o| !o.is_empty()),
            part: settings.text("Data Attributes.Part Number").filter(|p| !p.is_empty()),
            stage_mm,
        },
    })
}

/// Opens an HDF5 file under the limits.
pub(crate) fn open(bytes: &[u8], limits: &Limits) -> Result<Hdf5File, FormatError> {
    let height_bytes = limits.max_pixels.saturating_mul(size_of::<f64>());
    let options = OpenOptions {
        chunk_cache_bytes: 0,
        max_chunk_bytes: height_bytes.min(hdf5_reader::DEFAULT_MAX_CHUNK_BYTES),
        max_read_bytes: height_bytes,
        max_object_header_bytes: MAX_OBJECT_HEADER_BYTES,
        ..OpenOptions::default()
    };
    Hdf5File::from_bytes_with_options(bytes, options).map_err(|e| refusal("opening it", e))
}

/// What turns fringes into metres: attributes of the map first, then the settings of the measurement.
struct Factors<'a, 'f> {
    of_map: &'a Attributes<'f>,
    settings: &'a Settings<'f>,
}

impl Factors<'_, '_> {
    fn wavelength_m(&self) -> Option<f64> {
        let of_settings = || self.settings.length_m("Data Attributes.Wavelength");
        self.of_map.number("Wavelength").or_else(of_settings)
    }

    fn scale_factor(&self) -> Option<f64> {
        let of_settings = || self.settings.number("Data Attributes.Interf Scale Factor:Value");
        self.of_map.number("Interferometric Scale Factor").or_else(of_settings)
    }

    /// 1 (normal incidence) where the file does not tell.
    fn obliquity(&self) -> f64 {
        let of_settings = || self.settings.number("Data Attributes.Obliquity:Value");
        self.of_map.number("Obliquity Factor").or_else(of_settings).unwrap_or(1.0)
    }

    /// Nanometres for one unit of the stored heights.
    fn nm_per_unit(&self) -> Result<f64, FormatError> {
        let of_converter = || self.of_map.field_text("Z Converter", "BaseUnit");
        let unit = self.of_map.text("Unit").or_else(of_converter).unwrap_or_default();
        if let Some(metres) = unit::metres(&unit) {
            return Ok(metres * NM_PER_M);
        }
        if !unit::is_fringes(&unit) {
            return Err(FormatError::Unit { unit });
        }
        let named = |which, value: Option<f64>| {
            let value = value.ok_or(FormatError::ScaleFactorMissing { which })?;
            FormatError::check_factor(which, value)
        };
        let wavelength = named("wavelength", self.wavelength_m())?;
        let scale = named("interferometric scale factor", self.scale_factor())?;
        let obliquity = named("obliquity factor", Some(self.obliquity()))?;
        Ok(wavelength * scale * obliquity * NM_PER_M)
    }
}

/// Pixel size from the X and Y converters of the map (m per pixel each), or else the lateral resolution of the
/// measurement. Zero and non-numbers mean "not calibrated".
fn pixel_size(of_map: &Attributes<'_>, settings: &Settings<'_>) -> Option<PixelSize> {
    let positive = |mm: &f64| mm.is_finite() && *mm > 0.0;
    let converter = |name| {
        let pixels = of_map.field_text(name, "BaseUnit")?.eq_ignore_ascii_case("pixels");
        let metres = *of_map.field_numbers(name, "Parameters")?.get(1)?;
        pixels.then_some(metres * MM_PER_M).filter(positive)
    };
    if let (Some(x_mm), Some(y_mm)) = (converter("X Converter"), converter("Y Converter")) {
        return Some(PixelSize { x_mm, y_mm });
    }
    let mm = settings.length_m("Lateral Resolution").map(|metres| metres * MM_PER_M).filter(positive)?;
    Some(PixelSize { x_mm: mm, y_mm: mm })
}

/// Where the map lies in the camera frame, by the names of the fields (their order differs between versions).
fn window(of_map: &Attributes<'_>) -> DetectorWindow {
    let start = |field| of_map.field_number("Coordinates", field).map_or(0, |n| n as i64);
    DetectorWindow { column: start("ColumnStart"), row: start("RowStart") }
}

/// Position from the stage coordinates, with the sign turned as for MetroPro; mm where no unit is given.
fn stage_position(settings: &Settings<'_>) -> Option<(f64, f64)> {
    let coordinate = |axis: &str| {
        let name = format!("Data Attributes.Stage {axis}");
        let value = settings.number(&format!("{name}:Value"))?;
        let mm = match settings.text(&format!("{name}:Unit")).filter(|u| !u.is_empty()) {
            Some(unit) => unit::metres(&unit)? * MM_PER_M,
            None => 1.0,
        };
        Some(value * mm)
    };
    let (x, y) = (coordinate("X"), coordinate("Y"));
    if x.is_none() && y.is_none() {
        return None;
    }
    position::from_stage_mm(x.unwrap_or(0.0), y.unwrap_or(0.0))
}

/// What the HDF5 reader said, as a sentence for the person; an unsupported filter has its own cure.
pub(crate) fn refusal(doing: &'static str, error: Hdf5Error) -> FormatError {
    let mut innermost = &error;
    while let Hdf5Error::Context { source, .. } = innermost {
        innermost = source;
    }
    match innermost {
        Hdf5Error::UnsupportedFilter(filter) => FormatError::Compression { filter: filter.clone() },
        _ => FormatError::Hdf5 { doing, source: Box::new(error) },
    }
}
