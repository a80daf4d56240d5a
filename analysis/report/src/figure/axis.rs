//! Ticks: round numbers within a range, and their labels.

/// A range of values with the round numbers inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Lower end.
    pub low: f64,
    /// Upper end, never equal to the lower one.
    pub high: f64,
    /// Round values between the ends, ascending.
    pub ticks: Vec<f64>,
    /// Distance between the ticks.
    pub step: f64,
}

impl Axis {
    /// Ticks for `low..high`, about `wanted` of them (at least 2 asked).
    #[must_use]
    pub fn new(low: f64, high: f64, wanted: usize) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let high = if high - low > 0.0 { high } else { low + low.abs().max(1.0) * 1e-6 };
        let raw = (high - low) / wanted.max(2) as f64;
        let magnitude = libm::pow(10.0, libm::floor(libm::log10(raw)));
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * magnitude).find(|s| *s >= raw * 0.8);
        let step = step.unwrap_or(10.0 * magnitude);
        let first = libm::ceil(low / step - 1e-9);
        let count = (libm::floor(high / step + 1e-9) - first).clamp(-1.0, 100.0) as i64;
        let ticks = (0..=count).map(|i| (first + i as f64) * step).collect();
        Self { low, high, ticks, step }
    }

    /// Ticks at whole numbers only, for counts.
    #[must_use]
    pub fn whole(low: f64, high: f64, wanted: usize) -> Self {
        let axis = Self::new(low, high, wanted);
        if axis.step >= 1.0 && axis.step.fract() == 0.0 {
            return axis;
        }
        let first = libm::ceil(axis.low) as i64;
        let ticks = (first..=first + 1000).map(|i| i as f64).take_while(|t| *t <= axis.high).collect();
        Self { step: 1.0, ticks, ..axis }
    }

    /// Where a value lies between the ends, 0..1.
    #[must_use]
    pub fn fraction(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The label of a tick, with just the decimals that the step needs.
    #[must_use]
    pub fn label(&self, tick: f64) -> String {
        let tick = if tick.abs() < self.step * 1e-6 { 0.0 } else { tick };
        if self.step >= 1e6 || self.step < 1e-5 {
            return label(tick);
        }
        let mut decimals = (-libm::floor(libm::log10(self.step) + 1e-9)).max(0.0) as usize;
        let mantissa = self.step * libm::pow(10.0, decimals as f64);
        if (mantissa - libm::round(mantissa)).abs() > 1e-6 {
            decimals += 1;
        }
        minus(&format!("{tick:.decimals$}"))
    }
}

/// A number for people: four significant digits, a true minus sign, no exponent between 0.001 and a million.
#[must_use]
pub fn label(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "—".to_owned() };
    }
    let magnitude = libm::floor(libm::log10(value.abs())) as i32;
    if !(-3..6).contains(&magnitude) {
        return minus(&format!("{value:.2e}"));
    }
    minus(&format!("{value:.*}", (3 - magnitude).max(0) as usize))
}

fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::new(-0.03, 40.2, 8);
        assert_eq!(axis.ticks, vec![0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]);
        assert_eq!(axis.label(5.0), "5");
        let fine = Axis::new(-0.31, 0.42, 4);
        assert_eq!(fine.ticks.iter().map(|t| fine.label(*t)).collect::<Vec<_>>(), ["\u{2212}0.2", "0.0", "0.2", "0.4"]);
        let quarters = Axis::new(0.0, 1.3, 5);
        assert_eq!(quarters.label(quarters.ticks[1]), "0.25");
    }

    #[test]
    fn an_empty_range_and_counts_still_have_ticks() {
        assert!(Axis::new(3.0, 3.0, 5).high > 3.0);
        assert_eq!(Axis::whole(0.5, 3.5, 8).ticks, vec![1.0, 2.0, 3.0]);
        assert_eq!(Axis::whole(0.5, 40.5, 5).ticks, vec![10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(label(123.456), "123.5");
        assert_eq!(label(-0.012_346), "\u{2212}0.01235");
        assert_eq!(label(0.0), "0");
        assert_eq!(label(f64::NAN), "—");
        assert_eq!(label(1.5e9), "1.50e9");
    }
}
