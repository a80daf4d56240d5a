//! One figure of one map: the picture, its frame and ticks in mm, the colour bar in the map's unit, title and remarks.

use ndarray::Array2;
use stitchbox_surface::PixelSize;

use super::axis::{Axis, label};
use super::canvas::{Align, Canvas, Pen};
use super::colour::{Palette, Rgb};
use super::shrink::shrink;
use super::text::Weight;

const INK: Rgb = [28, 30, 36];
const SOFT: Rgb = [92, 96, 106];
const FRAME: Rgb = [60, 63, 72];
const INVALID: Rgb = [222, 224, 228];

const TITLE: Pen = Pen { size: 34.0, weight: Weight::Bold, colour: INK };
const REMARK: Pen = Pen { size: 24.0, weight: Weight::Regular, colour: SOFT };
const LABEL: Pen = Pen { size: 26.0, weight: Weight::Regular, colour: INK };
const TICK: Pen = Pen { size: 23.0, weight: Weight::Regular, colour: INK };

const PLOT_WIDTH: f64 = 1320.0;
const PLOT_MAX_HEIGHT: f64 = 920.0;
const PLOT_MIN_SIDE: f64 = 260.0;
const LEFT: i64 = 130;
const TOP: i64 = 128;
const BOTTOM: i64 = 116;
const BAR_GAP: i64 = 44;
const BAR_WIDTH: i64 = 30;
const RIGHT: i64 = 196;

/// Which values the colours span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// From the 0.1 % to the 99.9 % quantile; the colour bar says so with arrowheads where values lie outside.
    Quantiles,
    /// From zero to the 99.9 % quantile.
    FromZero,
    /// Symmetrical about zero.
    Symmetric,
    /// Whole numbers from 1 to the largest, one step of colour each.
    Counts,
}

/// What to draw.
#[derive(Debug, Clone)]
pub struct MapFigure<'a> {
    /// First line.
    pub title: String,
    /// Second line, smaller.
    pub remark: String,
    /// Beside the colour bar, with the unit: `height (nm)`.
    pub quantity: String,
    /// The values, `[row, column]`.
    pub values: &'a Array2<f64>,
    /// Where the values mean something.
    pub valid: &'a Array2<bool>,
    /// Distance between pixels.
    pub pixel: PixelSize,
    /// Position of the centre of row 0, column 0 (x, y), mm.
    pub origin_mm: (f64, f64),
    /// The colours.
    pub palette: Palette,
    /// The span of the colours.
    pub range: Range,
}

struct Plot {
    width: usize,
    height: usize,
    /// How many times y is enlarged against x; 1 if true to scale.
    stretch: f64,
}

struct Scale {
    axis: Axis,
    below: bool,
    above: bool,
}

impl MapFigure<'_> {
    /// Draws the figure as PNG bytes, 200 pixels an inch.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let plot = self.plot();
        let picture = shrink(self.values, self.valid, plot.height, plot.width);
        let scale = self.scale();
        let (width, height) = (plot.width as i64, plot.height as i64);
        let sheet_width = LEFT + width + BAR_GAP + BAR_WIDTH + RIGHT;
        let mut canvas = Canvas::white(sheet_width as usize, (TOP + height + BOTTOM) as usize);
        self.draw_picture(&mut canvas, &picture, plot.width, &scale);
        canvas.frame(LEFT, TOP, width, height, 2, FRAME);
        self.draw_axes(&mut canvas, &plot);
        self.draw_bar(&mut canvas, LEFT + width + BAR_GAP, height, &scale);
        canvas.text(&self.title, TITLE, Align::Left, (LEFT - 2, 38));
        let mut remark = self.remark.clone();
        if (plot.stretch - 1.0).abs() > 0.02 {
            let separator = if remark.is_empty() { "" } else { "  ·  " };
            remark = format!("{remark}{separator}y stretched {}× against x", label(plot.stretch));
        }
        canvas.text(&remark, REMARK, Align::Left, (LEFT - 2, 82));
        canvas.png()
    }

    /// The size of the picture: true to scale if it fits, otherwise y is stretched or x shortened.
    fn plot(&self) -> Plot {
        let (rows, columns) = self.values.dim();
        let (x_mm, y_mm) = (columns as f64 * self.pixel.x_mm, rows as f64 * self.pixel.y_mm);
        let aspect = if x_mm > 0.0 && y_mm > 0.0 { y_mm / x_mm } else { 1.0 };
        let (mut width, mut height) = (PLOT_WIDTH, PLOT_WIDTH * aspect);
        if height > PLOT_MAX_HEIGHT {
            (width, height) = (PLOT_MAX_HEIGHT / aspect, PLOT_MAX_HEIGHT);
        }
        (width, height) = (width.max(PLOT_MIN_SIDE), height.max(PLOT_MIN_SIDE));
        Plot { width: width as usize, height: height as usize, stretch: (height / width) / aspect }
    }

    fn scale(&self) -> Scale {
        let mut values: Vec<f64> =
            self.values.iter().zip(self.valid).filter(|(v, ok)| **ok && v.is_finite()).map(|(v, _)| *v).collect();
        let (Some(min), Some(max)) =
            (values.iter().copied().min_by(f64::total_cmp), values.iter().copied().max_by(f64::total_cmp))
        else {
            return Scale { axis: Axis::new(0.0, 1.0, 6), below: false, above: false };
        };
        let last = values.len() - 1;
        let mut quantile = |q: f64| *values.select_nth_unstable_by((last as f64 * q) as usize, f64::total_cmp).1;
        let (low, high) = match self.range {
            Range::Quantiles => (quantile(0.001), quantile(0.999)),
            Range::FromZero => (0.0, quantile(0.999)),
            Range::Symmetric => {
                let limit = quantile(0.999).abs().max(quantile(0.001).abs());
                (-limit, limit)
            }
            Range::Counts => {
                return Scale { axis: Axis::whole(0.5, max.max(1.0) + 0.5, 9), below: false, above: false };
            }
        };
        // an outlier of a hair's breadth deserves no arrowhead
        let margin = 0.02 * (high - low);
        let axis = Axis::new(if min >= low - margin { min.min(low) } else { low }, high.max(low), 7);
        let axis = if max <= high + margin { Axis::new(axis.low, max.max(high), 7) } else { axis };
        Scale { below: min < axis.low, above: max > axis.high, axis }
    }

    fn draw_picture(&self, canvas: &mut Canvas, picture: &[Option<f64>], width: usize, scale: &Scale) {
        let table = self.palette.table();
        for (index, value) in picture.iter().enumerate() {
            let colour = value.map_or(INVALID, |v| {
                let v = if self.range == Range::Counts { libm::round(v) } else { v };
                self.shade(&table, v, scale)
            });
            canvas.set(LEFT + (index % width) as i64, TOP + (index / width) as i64, colour);
        }
    }

    fn shade(&self, table: &[Rgb], value: f64, scale: &Scale) -> Rgb {
        let fraction = match self.range {
            Range::Counts => value / (scale.axis.high + 0.5),
            _ => scale.axis.fraction(value),
        };
        table[(fraction.clamp(0.0, 1.0) * 255.0 + 0.5) as usize % 256]
    }

    fn draw_axes(&self, canvas: &mut Canvas, plot: &Plot) {
        let (rows, columns) = self.values.dim();
        let (width, height) = (plot.width as i64, plot.height as i64);
        let edges = |origin: f64, pixel: f64, n: usize| (origin - 0.5 * pixel, origin + (n as f64 - 0.5) * pixel);
        let (x_low, x_high) = edges(self.origin_mm.0, self.pixel.x_mm, columns);
        let (y_low, y_high) = edges(self.origin_mm.1, self.pixel.y_mm, rows);
        let x_axis = Axis::new(x_low, x_high, (plot.width / 130).max(2));
        let y_axis = Axis::new(y_low, y_high, (plot.height / 60).max(2));
        for tick in &x_axis.ticks {
            let x = LEFT + (x_axis.fraction(*tick) * width as f64) as i64;
            canvas.fill(x - 1, TOP + height + 2, 2, 10, FRAME);
            canvas.text(&x_axis.label(*tick), TICK, Align::Centre, (x, TOP + height + 32));
        }
        for tick in &y_axis.ticks {
            let y = TOP + (y_axis.fraction(*tick) * height as f64) as i64;
            canvas.fill(LEFT - 12, y - 1, 10, 2, FRAME);
            canvas.text(&y_axis.label(*tick), TICK, Align::Right, (LEFT - 18, y));
        }
        canvas.text("x (mm)", LABEL, Align::Centre, (LEFT + width / 2, TOP + height + 80));
        canvas.text_upwards("y (mm)", LABEL, (28, TOP + height / 2));
    }

    fn draw_bar(&self, canvas: &mut Canvas, left: i64, height: i64, scale: &Scale) {
        let table = self.palette.table();
        for row in 0..height {
            let fraction = 1.0 - (row as f64 + 0.5) / height as f64;
            let value = scale.axis.low + fraction * (scale.axis.high - scale.axis.low);
            let value = if self.range == Range::Counts { libm::round(value).max(1.0) } else { value };
            canvas.fill(left, TOP + row, BAR_WIDTH, 1, self.shade(&table, value, scale));
        }
        canvas.frame(left, TOP, BAR_WIDTH, height, 2, FRAME);
        if scale.above {
            self.draw_arrowhead(canvas, left, TOP - 4, -1, self.shade(&table, scale.axis.high, scale));
        }
        if scale.below {
            self.draw_arrowhead(canvas, left, TOP + height + 3, 1, self.shade(&table, scale.axis.low, scale));
        }
        let mut widest = 0;
        for tick in &scale.axis.ticks {
            let y = TOP + height - (scale.axis.fraction(*tick) * height as f64) as i64;
            canvas.fill(left + BAR_WIDTH + 2, y - 1, 8, 2, FRAME);
            let (x, text) = (left + BAR_WIDTH + 18, scale.axis.label(*tick));
            widest = widest.max(canvas.text(&text, TICK, Align::Left, (x, y)));
        }
        let x = (left + BAR_WIDTH + 18 + widest + 30).min(left + BAR_WIDTH + RIGHT - 20);
        canvas.text_upwards(&self.quantity, LABEL, (x, TOP + height / 2));
    }

    /// A small triangle beyond the end of the colour bar: values lie beyond it.
    fn draw_arrowhead(&self, canvas: &mut Canvas, left: i64, start: i64, direction: i64, colour: Rgb) {
        let size = BAR_WIDTH / 2 + 1;
        for step in 0..size {
            let y = start + direction * step;
            canvas.fill(left + step, y, BAR_WIDTH - 2 * step, 1, colour);
            canvas.fill(left + step - 2, y, 2, 1, FRAME);
            canvas.fill(left + BAR_WIDTH - step, y, 2, 1, FRAME);
        }
    }
}
