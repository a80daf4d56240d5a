//! From an array of any size to the pixels of a figure: block means when shrinking, repetition when growing.

use ndarray::Array2;

/// Resamples `values` (invalid where `valid` is false) to `height` x `width` pixels. A pixel is `None` where no valid
/// value falls into its block, otherwise the mean over the block.
pub fn shrink(values: &Array2<f64>, valid: &Array2<bool>, height: usize, width: usize) -> Vec<Option<f64>> {
    let (rows, columns) = values.dim();
    let mut picture = Vec::with_capacity(height * width);
    let column_spans: Vec<_> = (0..width).map(|x| span(x, width, columns)).collect();
    for y in 0..height {
        let (first_row, end_row) = span(y, height, rows);
        for (first, end) in &column_spans {
            let mut sum = 0.0;
            let mut count = 0usize;
            for row in first_row..end_row {
                for column in *first..*end {
                    if valid[[row, column]] {
                        sum += values[[row, column]];
                        count += 1;
                    }
                }
            }
            picture.push((count > 0).then(|| sum / count as f64));
        }
    }
    picture
}

/// The array indices that the picture index covers, at least one.
fn span(index: usize, size: usize, length: usize) -> (usize, usize) {
    let first = (index * length / size.max(1)).min(length.saturating_sub(1));
    let end = ((index + 1) * length / size.max(1)).max(first + 1).min(length);
    (first, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn shrinking_takes_means_of_the_valid_and_growing_repeats() {
        let values = array![[1.0, 3.0, 5.0, 100.0], [1.0, 3.0, 5.0, 100.0]];
        let valid = array![[true, true, true, false], [true, true, true, false]];
        assert_eq!(shrink(&values, &valid, 1, 2), vec![Some(2.0), Some(5.0)]);
        let grown = shrink(&values, &valid, 2, 8);
        assert_eq!(&grown[..4], &[Some(1.0), Some(1.0), Some(3.0), Some(3.0)]);
        assert_eq!(grown[7], None);
    }
}
