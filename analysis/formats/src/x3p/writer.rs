//! Writes a height map as X3P.

use stitchbox_surface::HeightMap;

use super::{FORMAT, MAIN, archive, hex};
use crate::ExportError;

const DATA: &str = "bindata/data.bin";
const SUM: &str = "md5checksum.hex";

/// What an X3P file says of its origin. Nothing of it enters the heights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X3pRecord {
    /// When it was measured or computed, as RFC 3339 (`2026-11-20T13:00:00Z`).
    pub date: String,
    /// Name and version of the program or instrument.
    pub model: String,
    /// Serial number of the instrument.
    pub serial: String,
    /// A remark.
    pub comment: String,
}

impl Default for X3pRecord {
    fn default() -> Self {
        Self {
            date: "1970-01-01T00:00:00Z".to_owned(),
            model: "stitchbox".to_owned(),
            serial: "not available".to_owned(),
            comment: String::new(),
        }
    }
}

/// A map as X3P: heights in metres as f64 (type D), NaN where not measured, with both MD5 sums. The same map and record
/// give the same bytes everywhere. Heights come back within one unit in the last place (they are stored in metres).
///
/// # Errors
/// [`ExportError`] without a pixel size, or above 4 GiB.
pub fn write_x3p(map: &HeightMap, record: &X3pRecord) -> Result<Vec<u8>, ExportError> {
    let pixel = map.pixel().ok_or(ExportError::NoPixelSize { format: FORMAT })?;
    let (rows, columns) = map.shape();
    let mut data = Vec::with_capacity(rows.saturating_mul(columns).saturating_mul(8));
    for (height_nm, valid) in map.heights_nm().iter().zip(map.valid()) {
        let metres = if *valid { metres(*height_nm) } else { f64::NAN };
        data.extend_from_slice(&metres.to_le_bytes());
    }
    let axis = |name: &str, mm: f64| {
        format!(
            "      <{name}>\n        <AxisType>I</AxisType>\n        <DataType>D</DataType>\n        \
             <Increment>{:e}</Increment>\n        <Offset>0</Offset>\n      </{name}>\n",
            mm / 1e3
        )
    };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>\n\
         <p:ISO5436_2 xmlns:p=\"http://www.opengps.eu/2008/ISO5436_2\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.opengps.eu/2008/ISO5436_2 http://www.opengps.eu/2008/ISO5436_2/ISO5436_2.xsd\">\n  \
         <Record1>\n    <Revision>ISO5436 - 2000</Revision>\n    <FeatureType>SUR</FeatureType>\n    <Axes>\n{cx}{cy}      \
         <CZ>\n        <AxisType>A</AxisType>\n        <DataType>D</DataType>\n      </CZ>\n    </Axes>\n  </Record1>\n  \
         <Record2>\n    <Date>{date}</Date>\n    <Instrument>\n      <Manufacturer>stitchbox</Manufacturer>\n      \
         <Model>{model}</Model>\n      <Serial>{serial}</Serial>\n      <Version>{version}</Version>\n    </Instrument>\n    \
         <CalibrationDate>{date}</CalibrationDate>\n    <ProbingSystem>\n      <Type>Software</Type>\n      \
         <Identification>not available</Identification>\n    </ProbingSystem>\n    <Comment>{comment}</Comment>\n  \
         </Record2>\n  <Record3>\n    <MatrixDimension>\n      <SizeX>{columns}</SizeX>\n      <SizeY>{rows}</SizeY>\n      \
         <SizeZ>1</SizeZ>\n    </MatrixDimension>\n    <DataLink>\n      <PointDataLink>{DATA}</PointDataLink>\n      \
         <MD5ChecksumPointData>{sum}</MD5ChecksumPointData>\n    </DataLink>\n  </Record3>\n  \
         <Record4>\n    <ChecksumFile>{SUM}</ChecksumFile>\n  </Record4>\n</p:ISO5436_2>\n",
        cx = axis("CX", pixel.x_mm),
        cy = axis("CY", pixel.y_mm),
        date = escape(&record.date),
        model = escape(&record.model),
        serial = escape(&record.serial),
        version = env!("CARGO_PKG_VERSION"),
        comment = escape(&record.comment),
        sum = hex(&data).to_uppercase(),
    );
    let sum = format!("{} *{MAIN}\n", hex(xml.as_bytes()));
    let files = [(MAIN, xml.as_bytes()), (DATA, data.as_slice()), (SUM, sum.as_bytes())];
    archive::pack(&files).ok_or(ExportError::TooLarge { format: FORMAT, columns, rows })
}

/// The height in metres that reads back as these nanometres, or is next to it where there is none (in about a tenth of
/// all numbers metres are coarser than nanometres).
fn metres(height_nm: f64) -> f64 {
    let nearest = height_nm / 1e9;
    let candidates = [nearest, nearest.next_up(), nearest.next_down()];
    candidates.into_iter().find(|metres| metres * 1e9 == height_nm).unwrap_or(nearest)
}

/// Text for XML: its special signs escaped, what XML cannot hold left out.
fn escape(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(allowed).fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}
