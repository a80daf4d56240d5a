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
    /// Row by row: a pixel takes the label of its left neighbour or a new one, and joins it with that above.
    pub(super) fn of(edges: &Edges) -> Self {
        let (rows, columns) = edges.shape();
        let mut labels = vec![0u32; rows * columns];
        // To which label each one was joined; a root is joined to itself. Never to a larger one.
        let mut joined = vec![0u32];
        for row in 0..rows {
            for column in 0..columns {
                let pixel = row * columns + column;
                let label = if column > 0 && edges.x_weight(row, column - 1) > 0.0 {
                    labels[pixel - 1]
                } else if edges.connected(row, column) {
                    let new = joined.len() as u32;
                    joined.push(new);
                    new
                } else {
                    continue;
                };
                labels[pixel] = label;
                if row > 0 && edges.y_weight(row - 1, column) > 0.0 {
                    let (one, other) = (root(&mut joined, label), root(&mut joined, labels[pixel - columns]));
                    joined[one.max(other) as usize] = one.min(other);
                }
            }
        }
        // Islands in the order of their first pixels.
        let mut islands = vec![0u32; joined.len()];
        let mut sizes = Vec::new();
        for label in &mut labels {
            if *label == 0 {
                continue;
            }
            let root = root(&mut joined, *label) as usize;
            if islands[root] == 0 {
                sizes.push(0);
                islands[root] = sizes.len() as u32;
            }
            *label = islands[root];
            sizes[*label as usize - 1] += 1;
        }
        Self { labels, sizes }
    }

    /// The largest island, the first of them where several are.
    pub(super) fn largest(&self) -> Option<u32> {
        let most = self.sizes.iter().copied().max()?;
        self.sizes.iter().position(|size| *size == most).map(|index| index as u32 + 1)
    }
}

/// The label that all joined with this one share; the way there is shortened.
fn root(joined: &mut [u32], mut label: u32) -> u32 {
    while joined[label as usize] != label {
        joined[label as usize] = joined[joined[label as usize] as usize];
        label = joined[label as usize];
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlopeMaps;
    use ndarray::Array2;
    use stitchbox_surface::PixelSize;

    #[test]
    fn arms_that_meet_below_are_one_island() {
        let picture = ["##.#.##", "#..#.#.", "####.#.", "....##.", "##.#..#"];
        let valid = Array2::from_shape_fn((5, 7), |(r, c)| picture[r].as_bytes()[c] == b'#');
        let zeros = Array2::zeros((5, 7));
        let pixel = PixelSize { x_mm: 1.0, y_mm: 1.0 };
        let slopes = SlopeMaps::new((zeros.clone(), valid.clone()), (zeros, valid), pixel).unwrap();
        let found = Labels::of(&Edges::new(&slopes, None));
        // Pixels that touch none are on no island.
        let rows: Vec<String> = found.labels.chunks(7).map(|row| row.iter().map(u32::to_string).collect()).collect();
        assert_eq!(rows, ["1101022", "1001020", "1111020", "0000220", "3300000"]);
        assert_eq!((found.sizes.as_slice(), found.largest()), ([9, 6, 2].as_slice(), Some(1)));
    }
}
