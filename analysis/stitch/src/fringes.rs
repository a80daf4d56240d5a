//! Fringe-order errors: parts of a sub-aperture that are off by a multiple of the height of one fringe.

use stitchbox_surface::Instrument;

/// Rejected values of a sub-aperture that look like it, below which nothing is said.
const LEAST: usize = 20;
/// Part of the rejected values of a sub-aperture, farther off than half a fringe, that must look like it.
const SHARE: f64 = 0.5;
/// How near to a multiple a value must be, in parts of a fringe.
const NEAR: f64 = 0.05;

/// Height of one fringe, nm: wavelength times scale factor.
pub(crate) fn fringe_nm(instrument: &Instrument) -> Option<f64> {
    let fringe = instrument.wavelength_nm? * instrument.scale_factor?;
    (fringe.is_finite() && fringe > 0.0).then_some(fringe)
}

/// Rejected values of one sub-aperture, sorted by how far they were off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Jumps {
    /// Near a multiple of a fringe.
    pub near: usize,
    /// Farther off than half a fringe, those near a multiple included.
    pub far: usize,
    /// The multiple that occurred last.
    pub multiple: i64,
}

impl Jumps {
    /// One rejected value that was `off` (nm) from what was believed.
    pub fn add(&mut self, off: f64, fringe: f64) {
        let multiple = (off / fringe).round();
        if off.abs() > 0.5 * fringe {
            self.far += 1;
        }
        if multiple != 0.0 && (off / fringe - multiple).abs() <= NEAR && multiple.abs() < 1e6 {
            self.near += 1;
            self.multiple = multiple as i64;
        }
    }

    /// These are fringe-order errors.
    pub fn are_fringes(&self) -> bool {
        self.near >= LEAST && self.near as f64 >= SHARE * self.far as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_told_from_other_outliers() {
        let (mut jumps, mut spikes) = (Jumps::default(), Jumps::default());
        for i in 0..40 {
            jumps.add(-316.4 + 0.2 * f64::from(i % 5), 316.4);
            jumps.add(60.0, 316.4);
            spikes.add(60.0 * f64::from(i), 316.4);
        }
        assert!(jumps.are_fringes() && jumps.multiple == -1);
        assert!(!spikes.are_fringes());
    }
}
