//! DABAM mirror profiles: columns of numbers in `dabam-NNN.dat`, and `dabam-NNN.txt`, a JSON object that says what they
//! are. Neither can be read without the other. Keywords: `FILE_FORMAT` 1 slopes or 2 heights in columns X1 Y1 Y2 ...,
//! 3 slopes or 4 heights in columns X1 Y1 X2 Y2 ...; `FILE_HEADER_LINES`; `X1_FACTOR`, `Y1_FACTOR` ... turn the columns
//! into metres and radian; `COLUMN_INDEX_ABSCISSAS` and `COLUMN_INDEX_ORDINATES` (from 0) choose one pair of columns.
//! Further columns may be of another kind (a file of heights with slopes in its third column); they are read where
//! `PLOT_TITLE_Yk` says "height" or "slope", and passed over where nothing does.
//! Described in M. Sanchez del Rio et al., J. Synchrotron Rad. 23 (2016) 665.

use serde_json::{Map, Value, json};
use stitchbox_surface::{Instrument, Profile, ProfileKind};

use crate::tables::{Table, decode};
use crate::{Format, FormatError, Gives, Limits, ReaderInfo, TableError};

const FORMAT: &str = "DABAM";
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;
const URAD_PER_RAD: f64 = 1e6;
/// Most profiles of one file; the largest real one has twelve.
const MOST_PROFILES: usize = 64;
/// Largest description that is looked at, bytes; real ones have about a thousand.
const MOST_DESCRIPTION: usize = 1 << 20;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "dabam",
    name: "DABAM",
    extensions: &["dat", "txt"],
    mime: "text/plain",
    versions: "FILE_FORMAT 1 to 4; read as a pair of columns and JSON description",
    gives: Gives::Profile,
    writes: true,
};

/// Reads the profiles of a pair of files, in the order of their columns, at least one: `data` is the `.dat`,
/// `description` the JSON `.txt`. Positions in mm, heights in nm or slopes in microradian. Rows in which a value is
/// missing are gaps of that profile; where two rows share a position the first counts.
///
/// # Errors
/// [`FormatError`] if the description is no JSON object with the keywords needed, or the columns are no such profile.
pub fn read_dabam(name: &str, data: &[u8], description: &[u8], limits: &Limits) -> Result<Vec<Profile>, FormatError> {
    let found = (data.len() as u64).saturating_add(description.len() as u64);
    if found > limits.max_file_bytes {
        return Err(FormatError::FileTooLarge { bytes: found, limit: limits.max_file_bytes });
    }
    let description = Description::read(description)?;
    let text = decode(data);
    let table = Table::read_below(&text, description.header_lines(), limits)?;
    let kind = match description.integer("FILE_FORMAT") {
        Some(1 | 3) => ProfileKind::SlopeUrad,
        Some(2 | 4) => ProfileKind::HeightNm,
        other => {
            let problem = other.map_or_else(|| "is missing".to_owned(), |n| format!("is {n} instead of 1 to 4"));
            return Err(FormatError::malformed(FORMAT, "FILE_FORMAT in the description", problem));
        }
    };
    let pairs = description.pairs(kind, table.columns)?;
    let several = pairs.len() > 1;
    let profile = |(number, pair): (usize, Pair)| {
        let unit = match pair.kind {
            ProfileKind::SlopeUrad => URAD_PER_RAD,
            ProfileKind::HeightNm => NM_PER_M,
        };
        let (x, y) = (pair.x_factor * MM_PER_M, pair.y_factor * unit);
        let mut points: Vec<(f64, f64)> =
            table.column(pair.x).map(|v| v * x).zip(table.column(pair.y).map(|v| v * y)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|later, first| later.0 == first.0);
        let (x, values): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        let profile = Profile::new(&x, &values, pair.kind).map_err(TableError::from)?;
        let name = if several { format!("{name} (profile {})", number + 1) } else { name.to_owned() };
        Ok(Profile { name, instrument: description.instrument(), ..profile })
    };
    pairs.into_iter().enumerate().map(profile).collect()
}

/// A profile takes these two columns times these factors.
struct Pair {
    x: usize,
    y: usize,
    x_factor: f64,
    y_factor: f64,
    kind: ProfileKind,
}

struct Description(Map<String, Value>);

impl Description {
    fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MOST_DESCRIPTION {
            return Err(FormatError::malformed(FORMAT, "the description", "is larger than a MiB"));
        }
        match serde_json::from_str(&decode(bytes)) {
            Ok(Value::Object(keywords)) => Ok(Self(keywords)),
            Ok(_) => Err(FormatError::malformed(FORMAT, "the description", "is no JSON object")),
            Err(error) => Err(FormatError::malformed(FORMAT, "the description", format!("is no JSON: {error}"))),
        }
    }

    /// A number, which some files write as text.
    fn number(&self, key: &str) -> Option<f64> {
        let value = match self.0.get(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        value.filter(|value: &f64| value.is_finite())
    }

    fn integer(&self, key: &str) -> Option<i64> {
        self.number(key).filter(|value| value.fract() == 0.0 && value.abs() < 1e9).map(|value| value as i64)
    }

    fn header_lines(&self) -> usize {
        self.integer("FILE_HEADER_LINES").and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().map(str::to_owned).filter(|text| !text.is_empty())
    }

    fn factor(&self, key: &str) -> Result<Option<f64>, FormatError> {
        let Some(factor) = self.number(key) else { return Ok(None) };
        // A negative factor turns the direction, which is somebody's choice; zero is nobody's.
        if factor == 0.0 {
            return Err(FormatError::ScaleFactor { which: "factor of a column", value: factor });
        }
        Ok(Some(factor))
    }

    fn pairs(&self, kind: ProfileKind, columns: usize) -> Result<Vec<Pair>, FormatError> {
        let x1 = self.factor("X1_FACTOR")?.unwrap_or(1.0);
        let y1 = self.factor("Y1_FACTOR")?.unwrap_or(1.0);
        let index = |key| self.integer(key).and_then(|n| usize::try_from(n).ok());
        let mut pairs = Vec::new();
        if let Some(y) = index("COLUMN_INDEX_ORDINATES") {
            let x = index("COLUMN_INDEX_ABSCISSAS").unwrap_or(0);
            pairs.push(Pair { x, y, x_factor: x1, y_factor: y1, kind });
        } else {
            let in_pairs = matches!(self.integer("FILE_FORMAT"), Some(3 | 4));
            for k in 1..=MOST_PROFILES {
                let (x, y) = if in_pairs { (2 * (k - 1), 2 * k - 1) } else { (0, k) };
                if y >= columns {
                    break;
                }
                let own_y = self.factor(&format!("Y{k}_FACTOR"))?;
                let own_x = if in_pairs { self.factor(&format!("X{k}_FACTOR"))? } else { None };
                // The first profile is there in any case; a column without factor or kind is something else.
                let (kind, own_y) = match (k, self.kind_by_title(k), own_y) {
                    (1, _, own_y) => (kind, own_y),
                    (_, Some(kind), Some(own_y)) => (kind, Some(own_y)),
                    _ => continue,
                };
                let (x_factor, y_factor) = (own_x.unwrap_or(x1), own_y.unwrap_or(y1));
                pairs.push(Pair { x, y, x_factor, y_factor, kind });
            }
        }
        let missing = pairs.iter().map(|pair| pair.x.max(pair.y)).max().is_none_or(|last| last >= columns);
        if missing {
            let problem = format!("have {columns} columns, fewer than the description names");
            return Err(FormatError::malformed(FORMAT, "the numbers", problem));
        }
        Ok(pairs)
    }

    fn kind_by_title(&self, k: usize) -> Option<ProfileKind> {
        let title = self.text(&format!("PLOT_TITLE_Y{k}"))?.to_lowercase();
        match (title.contains("slope"), title.contains("height")) {
            (true, false) => Some(ProfileKind::SlopeUrad),
            (false, true) => Some(ProfileKind::HeightNm),
            _ => None,
        }
    }

    fn instrument(&self) -> Instrument {
        let comment =
            [self.text("FACILITY"), self.text("INSTRUMENT")].into_iter().flatten().collect::<Vec<_>>().join(", ");
        Instrument {
            format: Format::Dabam.to_string(),
            comment: (!comment.is_empty()).then_some(comment),
            part: self.text("USER_REFERENCE"),
            ..Instrument::default()
        }
    }
}

/// The two files of a DABAM entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DabamFiles {
    /// Columns of numbers, `dabam-NNN.dat`.
    pub data: Vec<u8>,
    /// The JSON description, `dabam-NNN.txt`.
    pub description: Vec<u8>,
}

/// Writes a profile: columns in mm and nm or microradian with the factors to metres and radian. Read back bit by bit
/// (without the uncertainty, for which DABAM has no place).
#[must_use]
pub fn write_dabam(profile: &Profile) -> DabamFiles {
    let (format, factor, title) = match profile.kind {
        ProfileKind::SlopeUrad => (1, 1e-6, "slope (urad)"),
        ProfileKind::HeightNm => (2, 1e-9, "height (nm)"),
    };
    let mut data = format!("x (mm)\t{title}\n");
    for (x, value) in profile.x_mm.iter().zip(&profile.values) {
        data.push_str(&format!("{x}\t{value}\n"));
    }
    let length_mm = profile.x_mm.last().zip(profile.x_mm.first()).map(|(last, first)| last - first);
    let description = json!({
        "FILE_FORMAT": format,
        "FILE_HEADER_LINES": 1,
        "X1_FACTOR": 1e-3,
        "Y1_FACTOR": factor,
        "YEAR_FABRICATION": null,
        "SURFACE_SHAPE": null,
        "FUNCTION": null,
        "LENGTH": null,
        "WIDTH": null,
        "THICK": null,
        "LENGTH_OPTICAL": length_mm.map(|mm| mm * 1e-3),
        "SUBSTRATE": null,
        "COATING": null,
        "FACILITY": null,
        "INSTRUMENT": profile.instrument.comment,
        "POLISHING": null,
        "ENVIRONMENT": null,
        "SCAN_DATE": null,
        "PLOT_TITLE_X1": "x (mm)",
        "PLOT_TITLE_Y1": title,
        "CALC_HEIGHT_RMS": null,
        "CALC_HEIGHT_RMS_FACTOR": null,
        "CALC_SLOPE_RMS": null,
        "CALC_SLOPE_RMS_FACTOR": null,
        "USER_REFERENCE": profile.instrument.part.as_deref().unwrap_or(&profile.name),
    });
    DabamFiles { data: data.into_bytes(), description: format!("{description:#}\n").into_bytes() }
}
