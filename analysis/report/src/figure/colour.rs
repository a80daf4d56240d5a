//! Colour scales, computed in the perceptual space OKLab (B. Ottosson, 2020) instead of copied from tables.

use libm::{cos, exp, pow, sin};

/// An sRGB colour, 8 bits a channel.
pub type Rgb = [u8; 3];

/// Which colours a figure uses for its values, from the lowest (0) to the highest (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Dark violet over blue and green to light yellow: lightness rises evenly, readable in grey and by the colour-blind.
    Height,
    /// Near black over red to pale yellow, for quantities that start at zero.
    Ember,
    /// Blue over white to red, for quantities whose zero means something.
    Signed,
}

impl Palette {
    /// The colour of `t`, a value scaled to 0..1 (clamped).
    #[must_use]
    pub fn colour(self, t: f64) -> Rgb {
        let t = if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.0 };
        // the chromas stay just inside of what a screen can show, so that no scale has a crease
        match self {
            // hue runs from violet (310 degrees) through blue and green to yellow (105 degrees)
            Self::Height => {
                let dip = (t - 0.48) / 0.2;
                oklch(0.28 + 0.64 * t, 0.134 - 0.045 * exp(-dip * dip) + 0.02 * t, 310.0 - 205.0 * t)
            }
            Self::Ember => {
                let chroma = 0.058 + 0.062 * (1.0 - exp(-t / 0.12)) + 0.05 * t * (1.0 - t);
                oklch(0.16 + 0.80 * t, chroma, 15.0 + 90.0 * t)
            }
            Self::Signed => {
                let side = 2.0 * t - 1.0;
                let strength = side.abs();
                let hue = if side < 0.0 { 257.0 } else { 27.0 };
                oklch(0.97 - 0.55 * strength, 0.147 * sin(0.5 * core::f64::consts::PI * strength), hue)
            }
        }
    }

    /// 256 colours, evenly spaced.
    #[must_use]
    pub fn table(self) -> Vec<Rgb> {
        (0..256).map(|i| self.colour(f64::from(i) / 255.0)).collect()
    }
}

/// From lightness, chroma and hue (degrees) to sRGB; chroma is lowered just until the colour exists on a screen.
fn oklch(lightness: f64, chroma: f64, hue: f64) -> Rgb {
    let angle = hue.to_radians();
    let at = |chroma: f64| oklab_to_linear(lightness, chroma * cos(angle), chroma * sin(angle));
    let exists = |rgb: &[f64; 3]| rgb.iter().all(|c| (-1e-4..=1.0001).contains(c));
    let (mut low, mut high) = (0.0, chroma);
    if exists(&at(high)) {
        low = high;
    }
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if exists(&at(middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(low).map(to_srgb)
}

fn oklab_to_linear(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let cube = |v: f64| v * v * v;
    let l = cube(lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let m = cube(lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let s = cube(lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

fn to_srgb(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let encoded = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * pow(linear, 1.0 / 2.4) - 0.055 };
    (encoded * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightness([r, g, b]: Rgb) -> f64 {
        0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
    }

    #[test]
    fn the_sequential_scales_get_lighter_all_the_way() {
        for palette in [Palette::Height, Palette::Ember] {
            let table = palette.table();
            let rises = table.windows(2).all(|pair| lightness(pair[1]) >= lightness(pair[0]) - 1.5);
            assert!(rises, "{palette:?}");
            assert!(lightness(table[255]) - lightness(table[0]) > 150.0, "{palette:?}");
        }
    }

    #[test]
    fn zero_of_the_signed_scale_is_nearly_white_and_its_ends_differ() {
        let middle = Palette::Signed.colour(0.5);
        assert!(middle.iter().all(|c| *c > 240), "{middle:?}");
        let (low, high) = (Palette::Signed.colour(0.0), Palette::Signed.colour(1.0));
        assert!(low[2] > low[0] && high[0] > high[2], "{low:?} {high:?}");
    }

    #[test]
    fn what_is_not_a_number_has_a_colour_too() {
        assert_eq!(Palette::Height.colour(f64::NAN), Palette::Height.colour(0.0));
    }
}
