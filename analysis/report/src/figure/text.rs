//! Letters: DejaVu Sans, rasterised with grey edges into a coverage mask.

use std::sync::OnceLock;

use fontdue::{Font, FontSettings};

/// Weight of the letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Labels and ticks.
    Regular,
    /// Titles.
    Bold,
}

/// A rasterised line of text: coverage 0..=255, row-major, and the row of the baseline.
pub struct Line {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels: ascent plus descent of the font, the same for every text of a size.
    pub height: usize,
    /// Row of the baseline.
    pub baseline: usize,
    /// Coverage, `width * height` bytes.
    pub coverage: Vec<u8>,
}

impl Line {
    /// Draws `text` in a size of `px` pixels an em. If the embedded font cannot be read the line is empty.
    pub fn new(text: &str, px: f32, weight: Weight) -> Self {
        let Some(font) = font(weight) else {
            return Self { width: 0, height: 0, baseline: 0, coverage: Vec::new() };
        };
        let (ascent, descent) = font.horizontal_line_metrics(px).map_or((px, -0.25 * px), |m| (m.ascent, m.descent));
        let baseline = ascent.ceil() as usize;
        let height = baseline + (-descent).ceil() as usize;
        let mut glyphs = Vec::new();
        let mut pen = 0.0f32;
        let mut previous = None;
        for character in text.chars() {
            if let Some(kern) = previous.and_then(|p| font.horizontal_kern(p, character, px)) {
                pen += kern;
            }
            let (metrics, bitmap) = font.rasterize(character, px);
            glyphs.push((pen.round() as i64 + i64::from(metrics.xmin), metrics, bitmap));
            pen += metrics.advance_width;
            previous = Some(character);
        }
        let width = pen.ceil().max(0.0) as usize + 1;
        let mut coverage = vec![0u8; width * height];
        for (left, metrics, bitmap) in &glyphs {
            let top = baseline as i64 - i64::from(metrics.ymin) - metrics.height as i64;
            for (index, value) in bitmap.iter().enumerate() {
                let x = left + (index % metrics.width.max(1)) as i64;
                let y = top + (index / metrics.width.max(1)) as i64;
                if (0..width as i64).contains(&x) && (0..height as i64).contains(&y) {
                    let cell = &mut coverage[y as usize * width + x as usize];
                    *cell = (*cell).max(*value);
                }
            }
        }
        Self { width, height, baseline, coverage }
    }

    /// The same line turned by 90 degrees so that it reads upwards.
    pub fn upwards(&self) -> Self {
        let (width, height) = (self.height, self.width);
        let mut coverage = vec![0u8; width * height];
        for y in 0..self.height {
            for x in 0..self.width {
                coverage[(self.width - 1 - x) * width + y] = self.coverage[y * self.width + x];
            }
        }
        Self { width, height, baseline: self.baseline, coverage }
    }
}

fn font(weight: Weight) -> Option<&'static Font> {
    static REGULAR: OnceLock<Option<Font>> = OnceLock::new();
    static BOLD: OnceLock<Option<Font>> = OnceLock::new();
    let load = |bytes: &'static [u8]| {
        Font::from_bytes(bytes, FontSettings { load_substitutions: false, ..FontSettings::default() }).ok()
    };
    match weight {
        Weight::Regular => REGULAR.get_or_init(|| load(dejavu::sans::regular())).as_ref(),
        Weight::Bold => BOLD.get_or_init(|| load(dejavu::sans::bold())).as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_ink_and_grows_with_its_length() {
        let short = Line::new("x (mm)", 24.0, Weight::Regular);
        let long = Line::new("Stitched height (nm)", 24.0, Weight::Bold);
        assert!(short.coverage.iter().any(|c| *c > 200));
        assert!(long.width > 2 * short.width);
        assert_eq!(short.height, Line::new("g", 24.0, Weight::Regular).height);
    }

    #[test]
    fn turning_keeps_the_ink() {
        let line = Line::new("y", 30.0, Weight::Regular);
        let turned = line.upwards();
        assert_eq!((turned.width, turned.height), (line.height, line.width));
        let ink = |l: &Line| l.coverage.iter().map(|c| u64::from(*c)).sum::<u64>();
        assert_eq!(ink(&line), ink(&turned));
    }
}
