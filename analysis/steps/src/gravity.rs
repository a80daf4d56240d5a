//! The sag of a mirror on two supports under its own weight: the beam of Euler and Bernoulli.
//!
//! For a mirror of length L and thickness t on supports a distance d apart, symmetrical about its middle, the bending
//! moment between the supports is that of a beam with overhanging ends. Its slope for a mirror that faces up is, with
//! `S = 2 rho g L³ / (E t²)` and `X = x / L`, `D = d / L` from the middle:
//! `-S (X³ + 1.5 (0.5 - D) X)` between the supports and `-S (X³ - 1.5 X² + 0.75 X - 0.375 D²)` (mirrored) outside.
//! (facts/stitching.md section 1.2, whose s is the slope to be *added* to a mirror facing up to undo its sag.)

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::{Density, Length, Modulus};
use stitchbox_surface::{HeightMap, Profile, ProfileKind};

use crate::detrend::middle;
use crate::extent::Extent;
use crate::{Axis, StepError};

/// Adds or subtracts the sag under gravity of a mirror on two supports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gravity {
    /// Length of the mirror.
    pub length: Length,
    /// Thickness of the mirror.
    pub thickness: Length,
    /// Distance between the two supports, which lie symmetrically about the middle of the mirror.
    pub supports: Length,
    /// Density of the substrate. Default: 2330 kg/m3 (silicon).
    #[serde(default = "silicon_density")]
    pub density: Density,
    /// Modulus of elasticity of the substrate. Default: 130 GPa (silicon).
    #[serde(default = "silicon_modulus")]
    pub modulus: Modulus,
    /// Acceleration of free fall, m/s². Default: 9.81.
    #[serde(default = "free_fall")]
    pub acceleration: f64,
    /// Which way the reflecting side looked while it was measured. Default: `up`.
    #[serde(default)]
    pub facing: Facing,
    /// The direction of the length in the map. Default: `x`. A profile lies along the length.
    #[serde(default)]
    pub along: Axis,
    /// Where the middle of the mirror lies, from the centre of the map or profile. Default: 0 mm.
    #[serde(default = "no_length")]
    pub middle: Length,
    /// Whether the sag is taken from the data (to see the mirror without gravity) or added. Default: `subtract`.
    #[serde(default)]
    pub action: GravityAction,
}

/// Which way a mirror looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Facing {
    /// The reflecting side is on top.
    #[default]
    Up,
    /// The reflecting side is below.
    Down,
}

/// What is done with the sag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GravityAction {
    /// It is taken from the data.
    #[default]
    Subtract,
    /// It is added to the data.
    Add,
}

fn silicon_density() -> Density {
    Density::new(2330.0)
}

fn silicon_modulus() -> Modulus {
    Modulus::new(1.3e11)
}

fn free_fall() -> f64 {
    9.81
}

fn no_length() -> Length {
    Length::new(0.0)
}

const STEP: &str = "gravity";

impl Gravity {
    /// For a silicon mirror facing up along x, centred.
    #[must_use]
    pub fn silicon(length: Length, thickness: Length, supports: Length) -> Self {
        Self {
            length,
            thickness,
            supports,
            density: silicon_density(),
            modulus: silicon_modulus(),
            acceleration: free_fall(),
            facing: Facing::default(),
            along: Axis::default(),
            middle: no_length(),
            action: GravityAction::default(),
        }
    }

    /// Corrects a map.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for sizes without sense or a map that reaches beyond the mirror,
    /// [`StepError::NoPixelSize`] where the map has none.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        self.check()?;
        let extent = Extent::in_mm(map, STEP)?;
        let (count, half) = match self.along {
            Axis::X => (extent.columns, extent.half().0),
            Axis::Y => (extent.rows, extent.half().1),
        };
        self.check_reach(half)?;
        let line: Vec<f64> = (0..count)
            .map(|k| if self.along == Axis::X { extent.x(k) } else { extent.y(k) })
            .map(|x| self.sign() * self.height_nm(x - self.middle.mm()))
            .collect();
        let (mut heights, valid, pixel) = map.clone().into_parts();
        for (row, mut values) in heights.outer_iter_mut().enumerate() {
            for (column, height) in values.iter_mut().enumerate() {
                *height += line[if self.along == Axis::X { column } else { row }];
            }
        }
        Ok(HeightMap::new(heights, valid, pixel)?)
    }

    /// Corrects a profile of heights or slopes.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for sizes without sense or a profile that reaches beyond the mirror.
    pub fn apply_to_profile(&self, profile: &Profile) -> Result<Profile, StepError> {
        self.check()?;
        let centre = middle(profile);
        self.check_reach(profile.x_mm.iter().fold(0.0, |m: f64, x| m.max((x - centre).abs())))?;
        let mut corrected = profile.clone();
        for (value, x) in corrected.values.iter_mut().zip(&profile.x_mm) {
            let x = x - centre - self.middle.mm();
            *value += self.sign()
                * match profile.kind {
                    ProfileKind::HeightNm => self.height_nm(x),
                    ProfileKind::SlopeUrad => self.slope_urad(x),
                };
        }
        Ok(corrected)
    }

    /// Slope of the sag at a distance from the middle of the mirror, microradian, seen from the reflecting side.
    #[must_use]
    pub fn slope_urad(&self, x_mm: f64) -> f64 {
        let (x, d) = (x_mm.abs() / self.length.mm(), self.supports.mm() / self.length.mm());
        let slope = if x < d / 2.0 {
            x * x * x + 1.5 * (0.5 - d) * x
        } else {
            // Beyond its end the mirror would go on straight.
            let x = x.min(0.5);
            x * x * x - 1.5 * x * x + 0.75 * x - 0.375 * d * d
        };
        -self.strength() * slope * x_mm.signum() * 1e6
    }

    /// Height of the sag at a distance from the middle of the mirror, nm, zero in the middle, seen from the reflecting side.
    #[must_use]
    pub fn height_nm(&self, x_mm: f64) -> f64 {
        let (x, d) = (x_mm.abs() / self.length.mm(), self.supports.mm() / self.length.mm());
        let inside = |x: f64| x * x * x * x / 4.0 + 0.75 * (0.5 - d) * x * x;
        let outside = |x: f64| x * x * x * x / 4.0 - x * x * x / 2.0 + 0.375 * x * x - 0.375 * d * d * x;
        let half = d / 2.0;
        let end = x.min(0.5);
        let height = if x < half {
            inside(x)
        } else {
            let beyond = (x - end) * (0.125 - 0.375 + 0.375 - 0.375 * d * d);
            inside(half) + outside(end) - outside(half) + beyond
        };
        -self.strength() * height * self.length.mm() * 1e6
    }

    /// `2 rho g L³ / (E t²)`, with the sign for the side that looks up or down.
    fn strength(&self) -> f64 {
        let (length, thickness) = (self.length.mm() * 1e-3, self.thickness.mm() * 1e-3);
        let load = 2.0 * self.density.kg_per_m3() * self.acceleration;
        let strength = load * length * length * length / (self.modulus.pa() * thickness * thickness);
        if self.facing == Facing::Up { strength } else { -strength }
    }

    fn sign(&self) -> f64 {
        if self.action == GravityAction::Add { 1.0 } else { -1.0 }
    }

    fn check(&self) -> Result<(), StepError> {
        let wrong = |parameter, value: String, why| Err(StepError::Parameter { step: STEP, parameter, value, why });
        for (parameter, length) in [("length", self.length), ("thickness", self.thickness)] {
            if length.mm() <= 0.0 {
                return wrong(parameter, length.to_string(), "it is greater than zero");
            }
        }
        if self.supports.mm() < 0.0 || self.supports.mm() > self.length.mm() {
            return wrong("supports", self.supports.to_string(), "the supports lie under the mirror");
        }
        if self.modulus.pa() <= 0.0 {
            return wrong("modulus", self.modulus.to_string(), "it is greater than zero");
        }
        if !self.acceleration.is_finite() {
            return wrong("acceleration", self.acceleration.to_string(), "it is a finite number");
        }
        if !(self.strength() * self.length.mm() * 1e6).is_finite() {
            let why = "its sag would be beyond all numbers; check length, thickness, density and modulus";
            return wrong("length", self.length.to_string(), why);
        }
        Ok(())
    }

    /// A reach of 1 % beyond the mirror's end is rounding of its length, more is a wrong length.
    fn check_reach(&self, half_mm: f64) -> Result<(), StepError> {
        let reach = half_mm + self.middle.mm().abs();
        if reach > self.length.mm() * 0.505 {
            return Err(StepError::Parameter {
                step: STEP,
                parameter: "length",
                value: self.length.to_string(),
                why: "the data reach beyond the ends of a mirror that long",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use stitchbox_surface::PixelSize;

    fn mirror(supports: f64) -> Gravity {
        Gravity::silicon(Length::new(600.0), Length::new(40.0), Length::new(supports))
    }

    /// Beam theory by summing: moment from the load and the reactions, integrated twice. x in mm from the middle, height
    /// in nm with zero height and slope in the middle.
    fn beam(gravity: &Gravity, x_mm: f64) -> (f64, f64) {
        let (l, d, t) = (gravity.length.mm() * 1e-3, gravity.supports.mm() * 1e-3, gravity.thickness.mm() * 1e-3);
        let load = gravity.density.kg_per_m3() * gravity.acceleration * t; // N per metre and metre of width
        let stiffness = gravity.modulus.pa() * t * t * t / 12.0;
        let moment = |x: f64| {
            // What lies beyond x bends it down, the support beyond x bends it up.
            let beyond = load * (l / 2.0 - x) * (l / 2.0 - x) / 2.0;
            let support = if d / 2.0 > x { load * l / 2.0 * (d / 2.0 - x) } else { 0.0 };
            support - beyond
        };
        let (n, end) = (20_000, x_mm * 1e-3);
        let h = end / f64::from(n);
        let (mut slope, mut height) = (0.0, 0.0);
        for k in 0..n {
            // Midpoints for the slope; the height takes the slope at the middle of the step.
            let bend = moment((f64::from(k) + 0.5) * h) / stiffness * h;
            height += (slope + bend / 2.0) * h;
            slope += bend;
        }
        (height * 1e9, slope * 1e6)
    }

    #[test]
    fn sag_is_that_of_beam_theory() {
        for supports in [0.0, 200.0, 333.0, 600.0] {
            let gravity = mirror(supports);
            for x in [40.0, 99.0, 150.0, 250.0, 300.0] {
                let (height, slope) = beam(&gravity, x);
                let scale = 5.0;
                assert!(
                    (gravity.height_nm(x) - height).abs() < 1e-4 * (height.abs() + scale),
                    "{supports} {x} {height}"
                );
                assert!((gravity.slope_urad(x) - slope).abs() < 1e-4 * (slope.abs() + 0.01), "{supports} {x} {slope}");
                assert_eq!(gravity.height_nm(-x), gravity.height_nm(x));
                assert_eq!(gravity.slope_urad(-x), -gravity.slope_urad(x));
            }
        }
        // On one support in its middle the ends hang, on supports at the ends the middle does.
        assert!(mirror(0.0).height_nm(300.0) < -10.0 && mirror(600.0).height_nm(300.0) > 10.0);
    }

    #[test]
    fn what_is_added_along_either_axis_is_subtracted_again() {
        let pixel = Some(PixelSize { x_mm: 5.0, y_mm: 2.0 });
        let map = HeightMap::from_heights_nm(Array2::from_shape_fn((101, 100), |(r, c)| (r * c) as f64), pixel);
        for along in [Axis::X, Axis::Y] {
            let subtract = Gravity { along, middle: Length::new(7.0), ..mirror(300.0) };
            let add = Gravity { action: GravityAction::Add, ..subtract.clone() };
            let bent = add.apply(&map).unwrap();
            let (row, column, at) = if along == Axis::X { (3, 99, 247.5 - 7.0) } else { (100, 3, 100.0 - 7.0) };
            let expected = map.heights_nm()[[row, column]] + subtract.height_nm(at);
            assert!((bent.heights_nm()[[row, column]] - expected).abs() < 1e-9);
            let back = subtract.apply(&bent).unwrap();
            assert!(back.heights_nm().iter().zip(map.heights_nm()).all(|(a, b)| (a - b).abs() < 1e-9));
        }
        let down = Gravity { facing: Facing::Down, ..mirror(300.0) };
        assert_eq!(down.height_nm(100.0), -mirror(300.0).height_nm(100.0));
    }

    #[test]
    fn a_mirror_shorter_than_its_data_is_refused() {
        let profile = Profile::new(&[-400.0, 400.0], &[0.0, 0.0], ProfileKind::SlopeUrad).unwrap();
        let error = mirror(300.0).apply_to_profile(&profile).unwrap_err();
        assert!(error.to_string().contains("beyond the ends"), "{error}");
        assert!(mirror(601.0).apply_to_profile(&profile).unwrap_err().to_string().contains("supports"));
    }
}
