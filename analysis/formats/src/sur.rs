//! Digital Surf `.sur` (MountainsMap): a header of 512 bytes, a comment, private data, then whole numbers row by row.
//! Layout: facts/stitching.md 6.7; little-endian throughout.
//!
//! A height is the stored number times the step along z. In a file that says so (`special points` = 1) the value
//! `zmin - 2` marks what was not measured; readers that overlook it find heights far below the surface. `DSCOMPRESSED`
//! files hold the same numbers as a list of zlib streams.

use std::io::Read;

use stitchbox_surface::{DetectorWindow, Instrument, Profile, ProfileKind, SubAperture};

use crate::{FormatError, Gives, Limits, Measurement, ReaderInfo, datx::unit, raster};

const FORMAT: &str = "Digital Surf .sur";
const HEADER: usize = 512;
const PLAIN: &[u8] = b"DIGITAL SURF";
const COMPRESSED: &[u8] = b"DSCOMPRESSED";
/// Types of studiable that hold one surface or one profile.
const PROFILE: i16 = 1;
const SURFACE: i16 = 2;
/// Deflate cannot pack tighter than this.
const MOST_UNFOLDING: u64 = 1032;
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "sur",
    name: FORMAT,
    extensions: &["sur", "pro"],
    mime: "application/x-digitalsurf",
    versions: "surfaces and profiles of 16 or 32 bits, plain and compressed",
    gives: Gives::Map,
    writes: false,
};

/// The beginning of a plain file.
pub(crate) const SIGNATURE: &[u8] = PLAIN;

/// Whether the bytes begin like such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(PLAIN) || bytes.starts_with(COMPRESSED)
}

/// Reads the surface or the profile of a file.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let Some(head) = bytes.first_chunk::<HEADER>() else {
        return Err(FormatError::HeaderTruncated { needed: HEADER as u64, found: bytes.len() as u64 });
    };
    let header = Header::read(head)?;
    let behind = HEADER.saturating_add(header.skipped);
    let stored = bytes.get(behind..).unwrap_or_default();
    let size = header.bytes_each as u64;
    let (rows, columns) = (header.rows, header.columns);
    let unfolded;
    let data = if bytes.starts_with(COMPRESSED) {
        let most = (stored.len() as u64).saturating_mul(MOST_UNFOLDING);
        let pixels = raster::admit(rows, columns, size, most, limits)?;
        unfolded = inflate(stored, pixels as u64 * size)?;
        unfolded.as_slice()
    } else {
        stored
    };
    raster::admit(rows, columns, size, data.len() as u64, limits)?;

    let heights = header.heights_nm(data);
    let instrument = Instrument { format: FORMAT.to_owned(), part: text(head, 20..50), ..Instrument::default() };
    if header.kind == PROFILE {
        let step = header.step_x_mm.ok_or_else(|| FormatError::unsupported(FORMAT, "no step along x", CALIBRATE))?;
        let (x, values): (Vec<f64>, Vec<f64>) = heights
            .take((rows * columns) as usize)
            .enumerate()
            .filter_map(|(i, height)| height.map(|height| (i as f64 * step, height)))
            .unzip();
        let profile = Profile::new(&x, &values, ProfileKind::HeightNm).map_err(crate::TableError::from)?;
        return Ok(Measurement::Profile(Profile { name: name.to_owned(), instrument, ..profile }));
    }
    let pixel = header.step_x_mm.zip(header.step_y_mm).and_then(|(x, y)| raster::pixel_mm(x, y));
    let map = raster::fill(rows as usize, columns as usize, heights, pixel)?;
    Ok(Measurement::Map(SubAperture {
        name: name.to_owned(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument,
    }))
}

const CALIBRATE: &str = "calibrate its axes in MountainsMap and save it again";

/// What of the header decides about the numbers.
struct Header {
    kind: i16,
    rows: u64,
    columns: u64,
    bytes_each: usize,
    /// Bytes between the header and the numbers.
    skipped: usize,
    /// Stored value of what was not measured.
    not_measured: Option<i64>,
    nm_per_step: f64,
    step_x_mm: Option<f64>,
    step_y_mm: Option<f64>,
}

impl Header {
    fn read(head: &[u8; HEADER]) -> Result<Self, FormatError> {
        let kind = word(head, 18);
        if !matches!(kind, PROFILE | SURFACE) {
            let what = format!("a studiable of type {kind} instead of a surface or profile");
            return Err(FormatError::unsupported(FORMAT, what, "save the surface alone as .sur"));
        }
        let objects = word(head, 14);
        if objects > 1 {
            let what = format!("{objects} objects");
            return Err(FormatError::unsupported(FORMAT, what, "save one surface at a time"));
        }
        let bytes_each = match word(head, 98) {
            16 => 2,
            32 => 4,
            bits => return Err(FormatError::malformed(FORMAT, "byte 98", format!("announces numbers of {bits} bits"))),
        };
        if word(head, 290) != 0 {
            // What the flag does to the sign of the heights differs between programs: no height is better than a wrong one.
            let what = "the flag of an inverted surface";
            return Err(FormatError::unsupported(FORMAT, what, "save the surface again without inversion"));
        }
        let (columns, rows) = (long(head, 108), long(head, 112));
        let too_few = FormatError::NoHeights { columns: columns.into(), rows: rows.into() };
        let (Ok(columns), Ok(rows)) = (u64::try_from(columns), u64::try_from(rows)) else { return Err(too_few) };
        let (comment, private) = (word(head, 334), word(head, 336));
        let (Ok(comment), Ok(private)) = (usize::try_from(comment), usize::try_from(private)) else {
            return Err(FormatError::malformed(FORMAT, "its header", "announces a comment of negative length"));
        };
        let length = |at: std::ops::Range<usize>| text(head, at).unwrap_or_default();
        let z_unit = length(212..228);
        let metres = unit::metres(&z_unit).ok_or(FormatError::Unit { unit: z_unit })?;
        let nm_per_step = FormatError::check_factor("step along z", f64::from(float(head, 128)))? * metres * NM_PER_M;
        let step = |at: usize, unit: std::ops::Range<usize>| {
            let mm = f64::from(float(head, at)) * unit::metres(&length(unit))? * MM_PER_M;
            (mm.is_finite() && mm > 0.0).then_some(mm)
        };
        let not_measured = (word(head, 86) == 1).then(|| i64::from(long(head, 100)) - 2);
        Ok(Self {
            kind,
            rows,
            columns,
            bytes_each,
            skipped: comment + private,
            not_measured,
            nm_per_step,
            step_x_mm: step(120, 180..196),
            step_y_mm: step(124, 196..212),
        })
    }

    /// Heights in nm in the order of the file; `None` was not measured.
    fn heights_nm<'a>(&'a self, data: &'a [u8]) -> impl Iterator<Item = Option<f64>> + 'a {
        data.chunks_exact(self.bytes_each).map(|bytes| {
            let stored = match *bytes {
                [a, b] => i64::from(i16::from_le_bytes([a, b])),
                [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
                _ => return None,
            };
            (Some(stored) != self.not_measured).then_some(stored as f64 * self.nm_per_step)
        })
    }
}

/// Joins the streams: their number, then raw and packed length of each, then the streams; all lengths u32.
fn inflate(stored: &[u8], expected: u64) -> Result<Vec<u8>, FormatError> {
    let word = |at: usize| stored.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes);
    let damaged = |problem: &str| FormatError::malformed(FORMAT, "its compressed part", problem);
    let count = word(0).ok_or_else(|| damaged("is cut off"))? as usize;
    let mut at = count.checked_mul(8).and_then(|n| n.checked_add(4)).ok_or_else(|| damaged("has no beginning"))?;
    if at > stored.len() {
        return Err(damaged("announces more streams than there are bytes"));
    }
    let mut out = Vec::new();
    for stream in 0..count {
        let packed = word(8 + 8 * stream).ok_or_else(|| damaged("is cut off"))? as usize;
        let end = at.checked_add(packed).ok_or_else(|| damaged("has a stream without end"))?;
        let bytes = stored.get(at..end).ok_or_else(|| damaged("is cut off"))?;
        at = end;
        let room = (expected + 1).saturating_sub(out.len() as u64);
        let read = flate2::read::ZlibDecoder::new(bytes).take(room).read_to_end(&mut out);
        read.map_err(|_| damaged("is no zlib stream"))?;
        if out.len() as u64 >= expected {
            break;
        }
    }
    Ok(out)
}

fn word(head: &[u8; HEADER], at: usize) -> i16 {
    head.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| i16::from_le_bytes(*b))
}

fn long(head: &[u8; HEADER], at: usize) -> i32 {
    head.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b))
}

fn float(head: &[u8; HEADER], at: usize) -> f32 {
    f32::from_bits(long(head, at) as u32)
}

/// A text of the header, Latin-1; `None` if empty.
fn text(head: &[u8; HEADER], at: std::ops::Range<usize>) -> Option<String> {
    let bytes = head.get(at)?;
    let text: String = bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
