//! Fourier transforms of planes: rows, then columns.

use stitchbox_steps::fourier::{Complex, Fourier, Scratch};

/// Transforms of one shape.
pub(crate) struct PlaneFourier {
    pub rows: usize,
    pub columns: usize,
    along: Fourier,
    down: Fourier,
}

/// Room that transforms use again.
#[derive(Default)]
pub(crate) struct Room {
    scratch: Scratch,
    block: Vec<Complex>,
}

/// Columns that are gathered at once: a cache line holds four numbers.
const BLOCK: usize = 8;

impl PlaneFourier {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, along: Fourier::new(columns), down: Fourier::new(rows) }
    }

    /// In place, row-major; no factor forward, `1 / n` inverse.
    pub fn transform(&self, values: &mut [Complex], inverse: bool, room: &mut Room) {
        let one = |fourier: &Fourier, line: &mut [Complex], scratch: &mut Scratch| {
            if inverse { fourier.inverse(line, scratch) } else { fourier.forward(line, scratch) }
        };
        for line in values.chunks_exact_mut(self.columns) {
            one(&self.along, line, &mut room.scratch);
        }
        if self.rows == 1 {
            return;
        }
        room.block.clear();
        room.block.resize(BLOCK * self.rows, Complex::default());
        for from in (0..self.columns).step_by(BLOCK) {
            let width = BLOCK.min(self.columns - from);
            for (r, line) in values.chunks_exact(self.columns).enumerate() {
                for (c, value) in line[from..from + width].iter().enumerate() {
                    room.block[c * self.rows + r] = *value;
                }
            }
            for line in room.block.chunks_exact_mut(self.rows).take(width) {
                one(&self.down, line, &mut room.scratch);
            }
            for (r, line) in values.chunks_exact_mut(self.columns).enumerate() {
                for (c, value) in line[from..from + width].iter_mut().enumerate() {
                    *value = room.block[c * self.rows + r];
                }
            }
        }
    }
}
