//! Groups of connected pixels: slopes tell nothing about the height of one group over another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edges::Edges;

/// What is done with groups of pixels that no slope connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Islands {
    /// The largest one is kept, the others become invalid.
    #[default]
    KeepLargest,
    /// All are kept, each with a mean height of zero.
    LevelEach,
}

/// Which pixel belongs to which island, row by row; 0 means none.
pub(super) struct Labels {
    pub(super) labels: Vec<u32>,
    /// Number of pixels of island 1, 2, ...
    pub(super) sizes: Vec<usize>,
}

impl Labels {
    pub(super) fn of(edges: &Edges) -> Self {
        let (rows, columns) = edges.shape();
        let mut labels = vec![0u32; rows * columns];
        let mut sizes = Vec::new();
        let mut stack = Vec::new();
        for start in 0..labels.len() {
            if labels[start] != 0 || !edges.connected(start / columns, start % columns) {
                continue;
            }
            let label = sizes.len() as u32 + 1;
            let mut size = 0;
            labels[start] = label;
            stack.push(start);
            while let Some(pixel) = stack.pop() {
                size += 1;
                let (row, column) = (pixel / columns, pixel % columns);
                let mut visit = |connected: bool, neighbour: usize| {
                    if connected && labels[neighbour] == 0 {
                        labels[neighbour] = label;
                        stack.push(neighbour);
                    }
                };
                if column > 0 {
                    visit(edges.x_weight(row, column - 1) > 0.0, pixel - 1);
                }
                if column + 1 < columns {
                    visit(edges.x_weight(row, column) > 0.0, pixel + 1);
                }
                if row > 0 {
                    visit(edges.y_weight(row - 1, column) > 0.0, pixel - columns);
                }
                if row + 1 < rows {
                    visit(edges.y_weight(row, column) > 0.0, pixel + columns);
                }
            }
            sizes.push(size);
        }
        Self { labels, sizes }
    }

    /// The largest island, the first of them where several are.
    pub(super) fn largest(&self) -> Option<u32> {
        let most = self.sizes.iter().copied().max()?;
        self.sizes.iter().position(|size| *size == most).map(|index| index as u32 + 1)
    }
}
