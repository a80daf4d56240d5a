//! Figures of maps: a picture of an array with a colour bar, axes in mm, ticks and a title, as PNG bytes.
//!
//! Everything here is drawn by plain arithmetic in a fixed order, so equal maps give equal bytes on every machine.

mod axis;
mod canvas;
mod colour;
mod map_figure;
mod shrink;
mod text;
mod thumbnail;

pub use axis::{Axis, label};
pub use colour::Palette;
pub use map_figure::{MapFigure, Range};
pub use thumbnail::{Bounds, Thumbnail, shrink_png};
