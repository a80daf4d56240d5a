//! Small series of MetroPro `.dat` files with an own writer, so that the suites do not trust the code under test;
//! and the same series damaged in every way an instrument PC manages. Layout: 834-byte header of format 1.

use std::path::Path;

use crate::dav::Dav;
use crate::random::Random;

const HEADER: usize = 834;
const INVALID: i32 = 2_147_483_640;
const WAVELENGTH_M: f32 = 632.8e-9;
const SCALE: f32 = 0.5;
/// Counts per fringe for `phase_res = 1`.
const COUNTS: f64 = 32768.0;

/// How a series can be bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The second file ends in the middle of its heights.
    Truncated,
    /// The second file has another magic number (still binary).
    WrongMagic,
    /// The second file's header announces 32767 x 32767 heights and a header of 2 GiB.
    AbsurdSizes,
    /// The second file was taken with another pixel size.
    OtherPixelSize,
    /// No file says how large a pixel is.
    NoLateralCalibration,
    /// No file says where it was taken.
    NoPositions,
    /// The sub-apertures lie far apart.
    NoOverlap,
    /// A PDF lies among them; it must be ignored.
    PdfAmong,
    /// The second file has no valid pixel.
    ZeroValid,
}

impl Damage {
    /// Every kind.
    pub const ALL: [Damage; 9] = [
        Damage::Truncated,
        Damage::WrongMagic,
        Damage::AbsurdSizes,
        Damage::OtherPixelSize,
        Damage::NoLateralCalibration,
        Damage::NoPositions,
        Damage::NoOverlap,
        Damage::PdfAmong,
        Damage::ZeroValid,
    ];
}

/// A series of sub-apertures along x, all of one size.
#[derive(Debug, Clone)]
pub struct Series {
    /// Rows of each file.
    pub rows: usize,
    /// Columns of each file.
    pub columns: usize,
    /// Pixel size, mm.
    pub pixel_mm: f64,
    /// Column where each one starts, px.
    pub starts: Vec<usize>,
    /// Makes another mirror.
    pub seed: u64,
}

impl Series {
    /// `count` files of 30 x 60 px, steps around 15 px that are not equal.
    pub fn new(count: usize) -> Series {
        let steps = [0, 14, 17, 13, 16, 15];
        let mut starts = Vec::with_capacity(count);
        let mut at = 0;
        for index in 0..count {
            at += if index == 0 { 0 } else { steps[1 + (index - 1) % 5] };
            starts.push(at);
        }
        Series { rows: 30, columns: 60, pixel_mm: 0.1, starts, seed: 7 }
    }

    /// Larger files, for runs that take a moment: `rows` x `columns` px, steps scaled.
    pub fn sized(count: usize, rows: usize, columns: usize) -> Series {
        let mut series = Series::new(count);
        for start in &mut series.starts {
            *start = *start * columns / 60;
        }
        Series { rows, columns, ..series }
    }

    /// The same places on another mirror.
    pub fn of_mirror(self, seed: u64) -> Series {
        Series { seed, ..self }
    }

    /// Name of file `index`.
    pub fn name(index: usize) -> String {
        format!("sub_{:02}.dat", index + 1)
    }

    /// The bytes of file `index`.
    pub fn file(&self, index: usize) -> Vec<u8> {
        self.bytes(index, self.pixel_mm, self.comment(index, 1), false)
    }

    /// Names and bytes of all files.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        (0..self.starts.len()).map(|index| (Series::name(index), self.file(index))).collect()
    }

    /// The files with one kind of damage.
    pub fn damaged(&self, damage: Damage) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files();
        match damage {
            Damage::Truncated => files[1].1.truncate(HEADER + 1000),
            Damage::WrongMagic => files[1].1[..4].copy_from_slice(&[0xDE, 0xAD, 0x00, 0x01]),
            Damage::AbsurdSizes => {
                files[1].1[6..10].copy_from_slice(&i32::MAX.to_be_bytes());
                files[1].1[68..70].copy_from_slice(&i16::MAX.to_be_bytes());
                files[1].1[70..72].copy_from_slice(&i16::MAX.to_be_bytes());
                files[1].1[72..76].copy_from_slice(&i32::MAX.to_be_bytes());
            }
            Damage::OtherPixelSize => files[1].1 = self.bytes(1, self.pixel_mm * 1.5, self.comment(1, 1), false),
            Damage::NoLateralCalibration => {
                for (index, (_, bytes)) in files.iter_mut().enumerate() {
                    *bytes = self.bytes(index, 0.0, self.comment(index, 1), false);
                }
            }
            Damage::NoPositions => {
                for (index, (_, bytes)) in files.iter_mut().enumerate() {
                    *bytes = self.bytes(index, self.pixel_mm, String::new(), false);
                }
            }
            Damage::NoOverlap => {
                for (index, (_, bytes)) in files.iter_mut().enumerate() {
                    *bytes = self.bytes(index, self.pixel_mm, self.comment(index, 100), false);
                }
            }
            Damage::PdfAmong => {
                files.push((
                    "protocol.pdf".to_owned(),
                    b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n1 0 obj\n<<>>\nendobj\n%%EOF\n".to_vec(),
                ));
            }
            Damage::ZeroValid => files[1].1 = self.bytes(1, self.pixel_mm, self.comment(1, 1), true),
        }
        files
    }

    /// Writes all files into `folder`, making it.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        for (name, bytes) in self.files() {
            std::fs::write(folder.join(name), bytes).expect("the file can be written");
        }
    }

    /// Uploads all files by PUT into a folder that exists.
    pub fn upload(&self, dav: &Dav, folder: &str) {
        for (name, bytes) in self.files() {
            dav.write(&format!("{folder}/{name}"), bytes);
        }
    }

    /// Uploads into a new folder whose recipe expects exactly these files.
    pub fn upload_expected(&self, dav: &Dav, folder: &str) {
        dav.mkcol(folder).send().expect(201);
        dav.write(&format!("{folder}/stitch.toml"), expected_recipe(self.starts.len()));
        self.upload(dav, folder);
    }

    /// Columns of the stitched map.
    pub fn map_columns(&self) -> usize {
        self.starts.last().copied().unwrap_or(0) + self.columns
    }

    /// ESRF's convention: the motor is minus the value in the comment, mm.
    fn comment(&self, index: usize, stretch: usize) -> String {
        let x_mm = (self.starts[index] * stretch) as f64 * self.pixel_mm;
        format!("Position= {}  X-coord= {:.5}  X-shift= 0.000  Y-coord= {:.5}", index + 1, -x_mm, 0.0)
    }

    fn bytes(&self, index: usize, pixel_mm: f64, comment: String, all_invalid: bool) -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let count = i32::try_from(4 * self.rows * self.columns).expect("small maps");
        put(0, &0x881B_036Fu32.to_be_bytes());
        put(4, &1i16.to_be_bytes());
        put(6, &(HEADER as i32).to_be_bytes());
        put(10, &1i16.to_be_bytes());
        put(12, b"Mon Jan 01 00:00:00 2024");
        put(42, &9i16.to_be_bytes());
        put(68, &(self.columns as i16).to_be_bytes());
        put(70, &(self.rows as i16).to_be_bytes());
        put(72, &count.to_be_bytes());
        put(76, &1_700_000_000i32.to_be_bytes());
        put(80, comment.as_bytes());
        put(162, &1i16.to_be_bytes());
        put(164, &SCALE.to_be_bytes());
        put(168, &WAVELENGTH_M.to_be_bytes());
        put(176, &1f32.to_be_bytes());
        put(184, &((pixel_mm * 1e-3) as f32).to_be_bytes());
        put(218, &1i16.to_be_bytes());
        put(234, &(self.columns as i16).to_be_bytes());
        put(236, &(self.rows as i16).to_be_bytes());
        let mut random = Random::new(self.seed.wrapping_mul(1000) + index as u64);
        let (piston, pitch, roll) = (random.normal() * 20.0, random.normal() * 5.0, random.normal() * 5.0);
        let nm_per_count = f64::from(WAVELENGTH_M) * f64::from(SCALE) * 1e9 / COUNTS;
        for row in 0..self.rows {
            for column in 0..self.columns {
                let (u, v) = (column as f64 / self.columns as f64 - 0.5, row as f64 / self.rows as f64 - 0.5);
                let height_nm = self.truth_nm(row, column + self.starts[index])
                    + (6.0 * u * u * u - 4.0 * v * v + 3.0 * u * v)
                    + (piston + pitch * u + roll * v)
                    + random.normal() * 0.3;
                let dropped = all_invalid || (row, column) == (index, 2 * index);
                let value = if dropped { INVALID } else { (height_nm / nm_per_count).round() as i32 };
                bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
        bytes
    }

    /// The mirror: a weak cylinder with figure errors, nm.
    fn truth_nm(&self, row: usize, column: usize) -> f64 {
        let (x, y) = (column as f64 * self.pixel_mm, row as f64 * self.pixel_mm);
        let phase = (self.seed % 13) as f64;
        10.0 * (0.35 * x + phase).sin() + 4.0 * (1.3 * x + 0.7 * y).cos() + 1.5 * y * y / 3.0 + 0.2 * x * x
    }
}

/// A recipe that waits for `count` files.
pub fn expected_recipe(count: usize) -> String {
    format!("[series]\nexpected = {count}\n")
}
