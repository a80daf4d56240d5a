//! What the first bytes of a file tell of the map in it, for series too large to be held in memory.

use ndarray::Array2;
use stitchbox_surface::{HeightMap, PixelSize, SubAperture};

use crate::metropro::MetroProHeader;
use crate::sniff::METROPRO_SIGNATURES;
use crate::{FormatError, Limits, metropro};

/// So many bytes of a file tell all that its head has to tell.
pub const HEAD_BYTES: usize = 16 << 10;

/// A sub-aperture whose heights are left in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// All of it but its heights and intensity: the map has the pixel size and no pixel.
    pub sub_aperture: SubAperture,
    /// Rows and columns of the map in the file.
    pub shape: (usize, usize),
}

impl Head {
    /// The same of a sub-aperture that was read, whose heights are let go.
    #[must_use]
    pub fn of(sub_aperture: SubAperture) -> Self {
        let shape = sub_aperture.map.shape();
        let map = no_pixel(sub_aperture.map.pixel());
        Self { sub_aperture: SubAperture { map, intensity: None, ..sub_aperture }, shape }
    }
}

/// A map of no pixel.
pub(crate) fn no_pixel(pixel: Option<PixelSize>) -> HeightMap {
    HeightMap::from_heights_nm(Array2::zeros((0, 0)), pixel)
}

/// What the first [`HEAD_BYTES`] of a file (or all, if there are fewer) tell of the map in it. `None` for formats that have to
/// be read as a whole. The heights are not looked at: they may turn out to be missing or damaged.
///
/// # Errors
/// [`FormatError`] where reading the file would refuse its header.
#[must_use]
pub fn read_head(name: &str, head: &[u8], limits: &Limits) -> Option<Result<Head, FormatError>> {
    if !METROPRO_SIGNATURES.iter().any(|signature| head.starts_with(signature)) {
        return None;
    }
    match MetroProHeader::parse(head) {
        // A longer header than any known one: the whole file is needed.
        Err(FormatError::HeaderTruncated { .. }) if head.len() >= HEAD_BYTES => None,
        Err(error) => Some(Err(error)),
        Ok(header) => Some(metropro::head(name, header, limits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metropro::{PhaseWindow, Stage};
    use crate::{read_sub_aperture, write_metropro};

    fn file(rows: usize, columns: usize) -> Vec<u8> {
        let heights = Array2::from_shape_fn((rows, columns), |(row, column)| (row * 7 + column) as f64);
        let map = HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.125, y_mm: 0.125 }));
        let header = MetroProHeader {
            phase: PhaseWindow { column: 11, row: 4, ..PhaseWindow::default() },
            comment: "Position= 2  X-coord= -4.5  Y-coord= 1.25".to_owned(),
            stage: Stage { state: 1, x_inches: 2.0, y_inches: 3.0, ..Stage::default() },
            time_stamp: 1_700_000_000,
            ..MetroProHeader::default()
        };
        write_metropro(&map, &header).unwrap()
    }

    #[test]
    fn the_head_tells_what_the_whole_file_tells() {
        let (bytes, limits) = (file(60, 90), Limits::default());
        let whole = read_sub_aperture("a.dat", &bytes, &limits).unwrap();
        let head = read_head("a.dat", &bytes[..HEAD_BYTES.min(bytes.len())], &limits).unwrap().unwrap();
        assert_eq!(head, Head::of(whole));
        assert_eq!(head.shape, (60, 90));
        assert_eq!((head.sub_aperture.window.column, head.sub_aperture.window.row), (11, 4));
        assert_eq!(head.sub_aperture.position_mm, Some((4.5, -1.25)));
        assert_eq!(head.sub_aperture.map.shape(), (0, 0));
    }

    #[test]
    fn a_head_that_cannot_be_is_refused_like_the_file() {
        let bytes = file(20, 30);
        let few = Limits { max_pixels: 599, ..Limits::default() };
        let expected = read_sub_aperture("a.dat", &bytes, &few).unwrap_err().to_string();
        assert_eq!(read_head("a.dat", &bytes, &few).unwrap().unwrap_err().to_string(), expected);
        assert!(read_head("a.dat", &bytes[..800], &Limits::default()).unwrap().is_err());
        assert!(read_head("a.h5", b"\x89HDF\r\n\x1a\n and more", &Limits::default()).is_none());
    }
}
