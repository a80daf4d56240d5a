//! The cells that the frequencies of a transform stand for.

/// Non-negative frequencies of a line of n points, per mm, and their distance.
pub(super) fn frequencies(n: usize, spacing_mm: f64) -> (Vec<f64>, f64) {
    let distance = 1.0 / (n as f64 * spacing_mm);
    ((0..=n / 2).map(|k| k as f64 * distance).collect(), distance)
}

/// Which part of the cell around `frequency` lies in a band. Cells reach half way to their neighbours and not beyond 0
/// and the Nyquist frequency, where they keep their whole power.
pub(super) fn part(frequency: f64, distance: f64, nyquist: f64, band: (f64, f64)) -> f64 {
    let low = (frequency - distance / 2.0).max(0.0);
    let high = (frequency + distance / 2.0).min(nyquist);
    if high <= low {
        return 0.0;
    }
    ((band.1.min(high) - band.0.max(low)) / (high - low)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_share_cells_without_loss() {
        let (f, d) = frequencies(8, 0.5);
        assert_eq!((f.as_slice(), d), ([0.0, 0.25, 0.5, 0.75, 1.0].as_slice(), 0.25));
        let share = |band| f.iter().map(|f| part(*f, d, 1.0, band)).sum::<f64>();
        assert_eq!(share((0.0, 1.0)), 5.0);
        assert!((share((0.0, 0.3)) + share((0.3, 1.0)) - 5.0).abs() < 1e-12);
        assert_eq!(part(0.25, d, 1.0, (0.25, 0.3125)), 0.25);
    }
}
