//! Do the slopes along x and along y belong to one surface? The curl of a gradient vanishes.

use ndarray::Array2;
use stitchbox_surface::PixelSize;

use crate::slope_maps::SlopeAxis;

/// So much more curl than the noise makes is worth a warning.
const MUCH: f64 = 2.0;

/// The curl `d(dz/dx)/dy - d(dz/dy)/dx` of stitched slopes, microradian for each mm, without what the two axes cannot
/// determine: its mean (twist), and in a scan along one line its mean along that line.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Curl {
    /// Rms over cells of one pixel (four neighbouring slopes).
    pub rms_urad_per_mm: f64,
    /// What the uncertainty of the slopes alone makes of that; `None` where it is not known.
    pub expected_urad_per_mm: Option<f64>,
    /// Pixels along the sides of a block.
    pub block: usize,
    /// Rms of the mean curl of whole blocks, in which the noise is averaged away and contradictions of long waves show;
    /// `None` where no block is complete.
    pub block_rms_urad_per_mm: Option<f64>,
    /// What the uncertainty of the slopes alone makes of that.
    pub block_expected_urad_per_mm: Option<f64>,
    /// Cells that went into it.
    pub cells: usize,
    /// Blocks that went into it.
    pub blocks: usize,
}

impl Curl {
    /// A sentence, where there is more curl than the noise explains.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let pair = |found: Option<f64>, expected: Option<f64>| found.zip(expected).filter(|(f, e)| *f > MUCH * e);
        let cell = pair(Some(self.rms_urad_per_mm), self.expected_urad_per_mm);
        let block = pair(self.block_rms_urad_per_mm, self.block_expected_urad_per_mm);
        let (width, (found, expected)) = block.map(|b| (self.block, b)).or(cell.map(|c| (1, c)))?;
        Some(format!(
            "the slopes along x and y contradict each other: over {width} px their curl is {found:.3e} urad/mm rms where the noise \
             makes {expected:.3e}; heights integrated from them depend on the path. A wrong sign or unit of one axis, a \
             rotated detector or a wrong position looks like this"
        ))
    }
}

/// The curl of two axes on one grid, with its expectation from their uncertainties (taken as independent from pixel to
/// pixel). `None` where the two have different shapes or no four neighbouring pixels.
#[must_use]
pub fn curl(x: &SlopeAxis, y: &SlopeAxis, pixel: PixelSize, block: usize) -> Option<Curl> {
    let (rows, columns) = x.valid.dim();
    if y.valid.dim() != (rows, columns) || rows < 2 || columns < 2 {
        return None;
    }
    let valid = |r: usize, c: usize| x.valid[[r, c]] && y.valid[[r, c]];
    let mut cells = Array2::<f64>::zeros((rows - 1, columns - 1));
    let mut whole = Array2::from_elem((rows - 1, columns - 1), false);
    for ((r, c), cell) in cells.indexed_iter_mut() {
        if valid(r, c) && valid(r, c + 1) && valid(r + 1, c) && valid(r + 1, c + 1) {
            whole[[r, c]] = true;
            let across = |s: &Array2<f64>| (s[[r + 1, c]] + s[[r + 1, c + 1]] - s[[r, c]] - s[[r, c + 1]]) / 2.0;
            let along = |s: &Array2<f64>| (s[[r, c + 1]] + s[[r + 1, c + 1]] - s[[r, c]] - s[[r + 1, c]]) / 2.0;
            *cell = across(&x.slope_urad) / pixel.y_mm - along(&y.slope_urad) / pixel.x_mm;
        }
    }
    let count = whole.iter().filter(|w| **w).count();
    if count == 0 {
        return None;
    }
    // A function of y alone in dz/dx makes curl that is a function of y alone; the same for x.
    let open = |term: &str| x.non_observable.iter().chain(&y.non_observable).any(|n| n.term == term);
    remove_means(&mut cells, &whole, open("g(y)"), open("g(x)"));
    let squares = |cells: &Array2<f64>| cells.iter().zip(&whole).filter(|(_, w)| **w).map(|(v, _)| v * v).sum::<f64>();
    let rms = (squares(&cells) / count as f64).sqrt();
    let variance = |axis: &SlopeAxis| {
        let u = axis.uncertainty_urad.as_ref()?;
        let used = || u.iter().zip(&axis.valid).filter(|(_, v)| **v);
        let n = used().count();
        (n > 0).then(|| used().map(|(u, _)| u * u).sum::<f64>() / n as f64)
    };
    // Trapezoids: of b + 1 slopes on a side of b cells the two at the ends count half.
    let expected = |b: f64| {
        let part = |v: f64, step: f64| 2.0 * (b - 0.5) * v / (b * b * b * b * step * step);
        Some((part(variance(x)?, pixel.y_mm) + part(variance(y)?, pixel.x_mm)).sqrt())
    };
    let means = block_means(&cells, &whole, block.max(1));
    let block_rms = (!means.is_empty()).then(|| (means.iter().map(|m| m * m).sum::<f64>() / means.len() as f64).sqrt());
    Some(Curl {
        rms_urad_per_mm: rms,
        expected_urad_per_mm: expected(1.0),
        block: block.max(1),
        block_rms_urad_per_mm: block_rms,
        block_expected_urad_per_mm: block_rms.and(expected(block.max(1) as f64)),
        cells: count,
        blocks: means.len(),
    })
}

/// Means of the blocks in which every cell is whole.
fn block_means(cells: &Array2<f64>, whole: &Array2<bool>, block: usize) -> Vec<f64> {
    let (rows, columns) = cells.dim();
    let mut means = Vec::new();
    for top in (0..(rows / block) * block).step_by(block) {
        for left in (0..(columns / block) * block).step_by(block) {
            let inside = || (top..top + block).flat_map(|r| (left..left + block).map(move |c| [r, c]));
            if inside().all(|at| whole[at]) {
                means.push(inside().map(|at| cells[at]).sum::<f64>() / (block * block) as f64);
            }
        }
    }
    means
}

/// Takes off the mean, or the mean of every row, or of every column.
fn remove_means(cells: &mut Array2<f64>, whole: &Array2<bool>, of_rows: bool, of_columns: bool) {
    let remove = |cells: &mut dyn Iterator<Item = (&mut f64, &bool)>| {
        let mut used: Vec<&mut f64> = cells.filter(|(_, w)| **w).map(|(v, _)| v).collect();
        let mean = used.iter().map(|v| **v).sum::<f64>() / used.len().max(1) as f64;
        used.iter_mut().for_each(|v| **v -= mean);
    };
    remove(&mut cells.iter_mut().zip(whole));
    if of_rows {
        for (mut row, whole) in cells.rows_mut().into_iter().zip(whole.rows()) {
            remove(&mut row.iter_mut().zip(whole));
        }
    }
    if of_columns {
        for (mut column, whole) in cells.columns_mut().into_iter().zip(whole.columns()) {
            remove(&mut column.iter_mut().zip(whole));
        }
    }
}
