//! Where a series comes from: maps that are all in memory, or read one after the other.

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, HeightMap, PixelSize};

use crate::Placed;

/// What is known of a sub-aperture before its pixels are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// File name, for messages.
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Place in the camera.
    pub window: DetectorWindow,
    /// Pixel size, if known.
    pub pixel: Option<PixelSize>,
    /// Mirror x of camera column 0, mm.
    pub x_mm: f64,
    /// Mirror y of camera row 0, mm.
    pub y_mm: f64,
}

/// A series whose maps need not be in memory all at once.
pub trait Source: Sync {
    /// Number of sub-apertures.
    fn len(&self) -> usize;

    /// There is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything but the pixels of sub-aperture `k`.
    fn describe(&self, k: usize) -> Described;

    /// Reads sub-aperture `k`: its map (of the shape described), and the intensity of the pixels where there is one. May be called from
    /// several threads, for different sub-apertures.
    ///
    /// # Errors
    /// Why it cannot be read, as a sentence.
    fn read(&self, k: usize) -> Result<(HeightMap, Option<Array2<f32>>), String>;
}

/// Everything but the pixels of a sub-aperture in memory.
pub(crate) fn described(placed: &Placed) -> Described {
    let own = &placed.sub_aperture;
    Described {
        name: own.name.clone(),
        shape: own.map.shape(),
        window: own.window,
        pixel: own.map.pixel(),
        x_mm: placed.x_mm,
        y_mm: placed.y_mm,
    }
}

impl Source for Vec<Placed> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn describe(&self, k: usize) -> Described {
        described(&self[k])
    }

    fn read(&self, k: usize) -> Result<(HeightMap, Option<Array2<f32>>), String> {
        Ok((self[k].sub_aperture.map.clone(), self[k].sub_aperture.intensity.clone()))
    }
}
