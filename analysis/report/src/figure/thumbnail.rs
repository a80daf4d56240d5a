//! Small pictures: a map without axes in the colours of the figures, and a PNG scaled down. For listings, not for
//! measuring: the colours span the 1 % to 99 % quantiles.

use super::colour::Palette;
use super::shrink::shrink;
use ndarray::Array2;
use stitchbox_surface::PixelSize;

/// A long strip is shown stretched rather than as a line of two pixels.
const LONGEST_ASPECT: f64 = 6.0;
/// Largest PNG that is decoded, pixels: 64 MiB in memory.
const MOST_PIXELS: u64 = 16 << 20;
/// Colour channels and opacity.
const CHANNELS: usize = 4;

/// The largest size of a thumbnail, pixels; both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Bounds {
    /// The largest size within the bounds with this ratio of width to height.
    fn fit(self, aspect: f64) -> (usize, usize) {
        let aspect = if aspect.is_finite() { aspect.clamp(1.0 / LONGEST_ASPECT, LONGEST_ASPECT) } else { 1.0 };
        let (width, height) = (f64::from(self.width.max(1)), f64::from(self.height.max(1)));
        let shown = if width / height > aspect { (height * aspect, height) } else { (width, width / aspect) };
        (shown.0.round().max(1.0) as usize, shown.1.round().max(1.0) as usize)
    }
}

/// A map to be shown small.
#[derive(Debug, Clone, Copy)]
pub struct Thumbnail<'a> {
    /// The values, `[row, column]`, any unit.
    pub values: &'a Array2<f64>,
    /// Where the values mean something; elsewhere the picture is transparent.
    pub valid: &'a Array2<bool>,
    /// Distance between pixels, if known: decides the shape of the picture.
    pub pixel: Option<PixelSize>,
    /// The colours.
    pub palette: Palette,
}

impl Thumbnail<'_> {
    /// Draws it as PNG bytes with transparency; `None` for a map without pixels or with `valid` of another shape.
    #[must_use]
    pub fn png(&self, bounds: Bounds) -> Option<Vec<u8>> {
        let (rows, columns) = self.values.dim();
        if rows == 0 || columns == 0 || self.valid.dim() != (rows, columns) {
            return None;
        }
        let ratio = self.pixel.map_or(1.0, |pixel| pixel.x_mm / pixel.y_mm);
        let (width, height) = bounds.fit(columns as f64 / rows as f64 * ratio);
        let picture = shrink(self.values, self.valid, height, width);
        let (low, high) = span(&picture);
        let span = if high > low { high - low } else { 1.0 };
        let table = self.palette.table();
        let mut bytes = Vec::with_capacity(picture.len() * CHANNELS);
        for value in picture {
            let shown = value.filter(|value| value.is_finite());
            let index = shown.map(|value| ((value - low) / span * 255.0).round().clamp(0.0, 255.0) as usize);
            match index.and_then(|index| table.get(index)) {
                Some([red, green, blue]) => bytes.extend([*red, *green, *blue, u8::MAX]),
                None => bytes.extend([0; CHANNELS]),
            }
        }
        encode(width, height, &bytes)
    }
}

/// The 1 % and 99 % quantiles; zero twice if nothing is shown.
fn span(picture: &[Option<f64>]) -> (f64, f64) {
    let mut values: Vec<f64> = picture.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    (at(last / 100), at(last - last / 100))
}

/// Scales a PNG down to the bounds, means over blocks, never up; `None` for what is no PNG, is broken, or has more than
/// 16 megapixels.
#[must_use]
pub fn shrink_png(bytes: &[u8], bounds: Bounds) -> Option<Vec<u8>> {
    let limits = png::Limits { bytes: (MOST_PIXELS as usize) * CHANNELS };
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = reader.info().size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let source = Source { pixels: &pixels, width: info.width as usize, channels: info.color_type.samples() };
    let (wide, high) = bounds.fit(f64::from(width) / f64::from(height.max(1)));
    let (wide, high) = (wide.min(width as usize), high.min(height as usize));
    let mut out = Vec::with_capacity(wide * high * CHANNELS);
    for y in 0..high {
        for x in 0..wide {
            let rows = block(y, high, height as usize);
            out.extend(source.mean(rows, block(x, wide, width as usize)));
        }
    }
    encode(wide, high, &out)
}

/// The indices that the picture's index covers.
fn block(index: usize, size: usize, length: usize) -> std::ops::Range<usize> {
    index * length / size..((index + 1) * length / size).min(length)
}

/// Decoded pixels, 8 bits a channel: grey, grey with opacity, colours, or colours with opacity.
struct Source<'a> {
    pixels: &'a [u8],
    width: usize,
    channels: usize,
}

impl Source<'_> {
    fn mean(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> [u8; CHANNELS] {
        let mut sums = [0u64; CHANNELS];
        let mut count = 0u64;
        for row in rows {
            for column in columns.clone() {
                let start = (row * self.width + column) * self.channels;
                let pixel = match self.pixels.get(start..start + self.channels) {
                    Some(&[grey]) => [grey, grey, grey, u8::MAX],
                    Some(&[grey, opacity]) => [grey, grey, grey, opacity],
                    Some(&[red, green, blue]) => [red, green, blue, u8::MAX],
                    Some(&[red, green, blue, opacity]) => [red, green, blue, opacity],
                    _ => continue,
                };
                let weight = u64::from(pixel[3]);
                for (sum, value) in sums.iter_mut().zip(pixel).take(3) {
                    *sum += u64::from(value) * weight;
                }
                sums[3] += weight;
                count += 1;
            }
        }
        let colour = |sum: u64| sum.checked_div(sums[3]).unwrap_or(0) as u8;
        [colour(sums[0]), colour(sums[1]), colour(sums[2]), sums[3].checked_div(count).unwrap_or(0) as u8]
    }
}

fn encode(width: usize, height: usize, pixels: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { width: 64, height: 64 };

    /// Size and pixels, by the decoder's own defaults.
    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_slope_runs_through_the_colours_and_what_is_invalid_is_transparent() {
        let values = Array2::from_shape_fn((100, 200), |(_, column)| column as f64);
        let valid = Array2::from_shape_fn((100, 200), |(row, _)| row >= 50);
        let map = Thumbnail { values: &values, valid: &valid, pixel: None, palette: Palette::Height };
        let (width, height, pixels) = decode(&map.png(SMALL).unwrap());
        assert_eq!((width, height), (64, 32));
        let at = |x: usize, y: usize| &pixels[(y * 64 + x) * 4..][..4];
        assert_eq!(at(10, 3)[3], 0, "the upper half is invalid");
        assert_eq!(at(0, 31)[..3], Palette::Height.colour(0.0));
        assert_eq!(at(63, 31)[..3], Palette::Height.colour(1.0));
        let grey = |x: usize| at(x, 20)[..3].iter().map(|c| u32::from(*c)).sum::<u32>();
        assert!(grey(5) < grey(60));
    }

    #[test]
    fn odd_maps_are_no_trouble() {
        let map = |values: &Array2<f64>, valid: &Array2<bool>| {
            let pixel = Some(PixelSize { x_mm: 0.0, y_mm: 0.0 });
            Thumbnail { values, valid, pixel, palette: Palette::Signed }.png(SMALL)
        };
        let flat = Array2::from_elem((1, 5000), 3.0);
        assert!(map(&flat, &Array2::from_elem((1, 5000), true)).is_some());
        assert!(map(&flat, &Array2::from_elem((1, 5000), false)).is_some());
        assert!(map(&Array2::from_elem((3, 3), f64::NAN), &Array2::from_elem((3, 3), true)).is_some());
        assert!(map(&flat, &Array2::from_elem((1, 4), true)).is_none());
        assert!(map(&Array2::zeros((0, 0)), &Array2::from_elem((0, 0), true)).is_none());
    }

    #[test]
    fn a_png_is_scaled_down_by_means_and_never_up() {
        // Left half black, right half white.
        let pixels: Vec<u8> =
            (0..100 * 40).flat_map(|i| if i % 100 < 50 { [0, 0, 0, 255] } else { [255; 4] }).collect();
        let large = encode(100, 40, &pixels).unwrap();
        let (width, height, small) = decode(&shrink_png(&large, Bounds { width: 10, height: 10 }).unwrap());
        assert_eq!((width, height), (10, 4));
        assert_eq!((&small[..4], &small[36..40]), (&[0, 0, 0, 255][..], &[255; 4][..]));
        let same = decode(&shrink_png(&large, Bounds { width: 1000, height: 1000 }).unwrap());
        assert_eq!((same.0, same.1, same.2), (100, 40, pixels));
        for cut in 0..large.len() {
            // Broken ones are refused or shown as far as they go, never a panic.
            let _ = shrink_png(&large[..cut], SMALL);
        }
        assert!(shrink_png(b"no picture", SMALL).is_none());
    }
}
