//! What the words above a matrix tell: size, shape and unit, as Gwyddion (in several languages), SPIP, Sensofar-like
//! programs (`h=305 w=75`, `pixel size=...`) and ourselves write them.

use stitchbox_surface::PixelSize;

use crate::tables::{length_mm, length_nm, split_quantity};
use crate::{FormatError, TableError, raster};

/// SPIP gives lengths without a unit in nm.
const SPIP_LENGTH: &str = "nm";

/// The words understood; what is not is passed over.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labels {
    /// Rows announced.
    pub(super) rows: Option<u64>,
    /// Columns announced.
    pub(super) columns: Option<u64>,
    width: Option<(f64, String)>,
    height: Option<(f64, String)>,
    pixel_x: Option<(f64, String)>,
    pixel_y: Option<(f64, String)>,
    x_unit: Option<String>,
    y_unit: Option<String>,
    z_unit: Option<String>,
    /// Factor to a length, and the unit of that length.
    conversion: Option<(f64, String)>,
    spip: bool,
}

const WIDTH: [&str; 9] =
    ["width", "breite", "largeur", "larghezza", "anchura", "largura", "\u{161}\u{ed}\u{159}ka", "x-length", "x length"];
const HEIGHT: [&str; 9] =
    ["height", "h\u{f6}he", "hauteur", "altezza", "altura", "v\u{fd}\u{161}ka", "y-length", "y length", "hoehe"];
const VALUE_UNIT: [&str; 10] = [
    "value units",
    "value unit",
    "einheiten",
    "werteinheiten",
    "unit\u{e9}s",
    "unit\u{e0} valore",
    "unidades de valor",
    "jednotky hodnot",
    "z-unit",
    "data unit",
];

impl Labels {
    /// Understands what it can of the header lines.
    pub(super) fn of(header: &[&str]) -> Self {
        let mut labels = Self::default();
        for line in header {
            for (key, value) in pairs(line) {
                labels.take(&key.to_lowercase(), value);
            }
        }
        labels
    }

    /// Whether the words speak of a matrix.
    pub(super) fn name_a_matrix(&self) -> bool {
        let Self { rows, columns, width, height, pixel_x, z_unit, conversion, .. } = self;
        rows.is_some()
            || columns.is_some()
            || width.is_some()
            || height.is_some()
            || pixel_x.is_some()
            || z_unit.is_some()
            || conversion.is_some()
    }

    /// Nanometres for one unit of the stored numbers; `None` where nothing is told.
    pub(super) fn nm_per_unit(&self) -> Result<Option<f64>, FormatError> {
        let unit = |unit: &str| {
            let what = "heights";
            length_nm(unit).ok_or_else(|| TableError::Unit { what, unit: unit.to_owned() })
        };
        match (&self.conversion, &self.z_unit) {
            (Some((factor, of)), _) => {
                Ok(Some(FormatError::check_factor("height conversion factor", *factor)? * unit(of)?))
            }
            (None, Some(of)) => Ok(Some(unit(of)?)),
            (None, None) => Ok(None),
        }
    }

    /// Pixel size, from itself or from the size of the whole map.
    pub(super) fn pixel(&self, rows: usize, columns: usize) -> Option<PixelSize> {
        let mm = |length: &Option<(f64, String)>, axis_unit: &Option<String>| {
            let (value, unit) = length.as_ref()?;
            let fallback = if self.spip { SPIP_LENGTH } else { "" };
            let unit = if unit.is_empty() { axis_unit.as_deref().unwrap_or(fallback) } else { unit };
            Some(value * length_mm(unit)?)
        };
        let x = mm(&self.pixel_x, &self.x_unit).or_else(|| Some(mm(&self.width, &self.x_unit)? / columns as f64))?;
        let y = mm(&self.pixel_y, &self.y_unit).or_else(|| Some(mm(&self.height, &self.y_unit)? / rows as f64))?;
        raster::pixel_mm(x, y)
    }

    fn take(&mut self, key: &str, value: &str) {
        let length = || split_quantity(value).map(|(number, unit)| (number, unit.to_owned()));
        let count = || value.parse::<u64>().ok();
        let word = || Some(value.to_owned()).filter(|word| !word.is_empty() && word.len() < 40);
        match key {
            "file format" => self.spip |= value.eq_ignore_ascii_case("ascii"),
            "x-pixels" | "columns" | "w" | "nx" => self.columns = count().or(self.columns),
            "y-pixels" | "rows" | "h" | "ny" => self.rows = count().or(self.rows),
            "pixel size" => {
                self.pixel_x = length();
                self.pixel_y = length();
            }
            "pixel x" | "scale x" => self.pixel_x = length(),
            "pixel y" | "scale y" => self.pixel_y = length(),
            "x-unit" => self.x_unit = word(),
            "y-unit" => self.y_unit = word(),
            "unit x" => (self.x_unit, self.y_unit) = (word(), word()),
            "unit data" => self.z_unit = word(),
            "bit2nm" => self.conversion = length().map(|(factor, _)| (factor, "nm".to_owned())),
            _ if WIDTH.contains(&key) => self.width = length(),
            _ if HEIGHT.contains(&key) => self.height = length(),
            _ if VALUE_UNIT.contains(&key) => self.z_unit = word(),
            _ => self.take_conversion(key, value),
        }
    }

    /// `height conversion factor (-> m)=2.9e-008`
    fn take_conversion(&mut self, key: &str, value: &str) {
        let unit = key.strip_prefix("height conversion factor").and_then(|rest| {
            rest.trim().trim_start_matches('(').trim_end_matches(')').trim().strip_prefix("->").map(str::trim)
        });
        if let (Some(unit), Some((factor, _))) = (unit, split_quantity(value)) {
            self.conversion = Some((factor, unit.to_owned()));
        }
    }
}

/// `key: value`, `key = value`, or several `key=value` without spaces in one line.
fn pairs(line: &str) -> Vec<(&str, &str)> {
    if line.len() > 400 {
        return Vec::new();
    }
    let short: Vec<(&str, &str)> = line
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter(|(k, v)| !k.is_empty() && !v.is_empty())
        .collect();
    if short.len() > 1 && short.len() == line.split_whitespace().count() {
        return short;
    }
    // The first sign that separates; `:` may occur in the value of `=` and the other way round.
    line.split_once(['=', ':']).map(|(key, value)| (key.trim(), value.trim())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} instead of {expected}");
    }

    #[test]
    fn gwyddion_is_understood_in_two_languages() {
        for header in [
            ["Channel: A", "Width: 12.34 µm", "Height: 5678.9 nm", "Value units: m"],
            ["Kanal: A", "Breite: 12,34 µm", "H\u{f6}he: 5678,9 nm", "Value units: m"],
        ] {
            let labels = Labels::of(&header);
            let pixel = labels.pixel(4, 3).unwrap();
            close(pixel.x_mm, 12.34e-3 / 3.0);
            close(pixel.y_mm, 5.6789e-3 / 4.0);
            assert_eq!(labels.nm_per_unit().unwrap(), Some(1e9));
        }
    }

    #[test]
    fn a_conversion_factor_counts_more_than_the_unit_of_the_data() {
        let labels = Labels::of(&[
            "h=305 w=75",
            "pixel size=3.69862e-007 m",
            "data unit=rad",
            "height conversion factor (-> m)=2.91818e-008",
        ]);
        assert_eq!((labels.rows, labels.columns), (Some(305), Some(75)));
        close(labels.nm_per_unit().unwrap().unwrap(), 29.1818);
        close(labels.pixel(305, 75).unwrap().y_mm, 3.69862e-4);
    }

    #[test]
    fn spip_gives_its_lengths_in_nanometres() {
        let labels = Labels::of(&[
            "File Format = ASCII",
            "x-pixels = 5",
            "y-pixels = 2",
            "x-length = 5000",
            "y-length = 4000",
            "Bit2nm = 0.5",
        ]);
        let pixel = labels.pixel(2, 5).unwrap();
        close(pixel.x_mm, 1e-3);
        close(pixel.y_mm, 2e-3);
        assert_eq!(labels.nm_per_unit().unwrap(), Some(0.5));
    }

    #[test]
    fn a_unit_that_is_no_length_is_refused() {
        assert!(Labels::of(&["Value units: V"]).nm_per_unit().is_err());
        assert_eq!(Labels::of(&["nothing"]).nm_per_unit().unwrap(), None);
        assert!(!Labels::of(&["x y z", "Operator: Smith"]).name_a_matrix());
    }
}
