//! A white sheet of pixels with the few strokes a figure needs, and its PNG bytes.

use super::colour::Rgb;
use super::text::{Line, Weight};

/// Which point of a text lies at the given place, horizontally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Its left end.
    Left,
    /// Its middle.
    Centre,
    /// Its right end.
    Right,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    /// Pixels an em.
    pub size: f32,
    /// Thickness of the letters.
    pub weight: Weight,
    /// Colour of the letters.
    pub colour: Rgb,
}

/// An RGB picture, row 0 on top.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A white sheet of `width` x `height` pixels.
    pub fn white(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![255; width * height * 3] }
    }

    /// Sets one pixel; places outside the sheet are ignored.
    pub fn set(&mut self, x: i64, y: i64, colour: Rgb) {
        if let Some(pixel) = self.pixel(x, y) {
            pixel.copy_from_slice(&colour);
        }
    }

    /// Fills a rectangle given by its upper left corner and its size.
    pub fn fill(&mut self, x: i64, y: i64, width: i64, height: i64, colour: Rgb) {
        for row in y..y + height {
            for column in x..x + width {
                self.set(column, row, colour);
            }
        }
    }

    /// Draws the frame of a rectangle, `thickness` pixels wide, around the outside of it.
    pub fn frame(&mut self, x: i64, y: i64, width: i64, height: i64, thickness: i64, colour: Rgb) {
        let t = thickness;
        self.fill(x - t, y - t, width + 2 * t, t, colour);
        self.fill(x - t, y + height, width + 2 * t, t, colour);
        self.fill(x - t, y, t, height, colour);
        self.fill(x + width, y, t, height, colour);
    }

    /// Writes a text at `(x, y)`, `y` being the vertical middle of its capitals; returns its width.
    pub fn text(&mut self, text: &str, pen: Pen, align: Align, (x, y): (i64, i64)) -> i64 {
        let line = Line::new(text, pen.size, pen.weight);
        let width = line.width as i64;
        let left = match align {
            Align::Left => x,
            Align::Centre => x - width / 2,
            Align::Right => x - width,
        };
        let capital_middle = line.baseline as i64 - (0.365 * pen.size) as i64;
        self.stamp(&line, left, y - capital_middle, pen.colour);
        width
    }

    /// Writes a text that reads upwards, centred on the point.
    pub fn text_upwards(&mut self, text: &str, pen: Pen, (x, y): (i64, i64)) {
        let line = Line::new(text, pen.size, pen.weight).upwards();
        self.stamp(&line, x - line.width as i64 / 2, y - line.height as i64 / 2, pen.colour);
    }

    /// The picture as PNG bytes; equal pictures give equal bytes.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_filter(png::Filter::Adaptive);
        encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 7874, yppu: 7874, unit: png::Unit::Meter }));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    fn stamp(&mut self, line: &Line, left: i64, top: i64, colour: Rgb) {
        for (index, coverage) in line.coverage.iter().enumerate().filter(|(_, c)| **c > 0) {
            let (x, y) = (left + (index % line.width) as i64, top + (index / line.width) as i64);
            if let Some(pixel) = self.pixel(x, y) {
                let ink = u32::from(*coverage);
                for (channel, wanted) in pixel.iter_mut().zip(colour) {
                    *channel = ((u32::from(*channel) * (255 - ink) + u32::from(wanted) * ink + 127) / 255) as u8;
                }
            }
        }
    }

    fn pixel(&mut self, x: i64, y: i64) -> Option<&mut [u8]> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = (y * self.width + x) * 3;
        self.pixels.get_mut(start..start + 3)
    }
}
