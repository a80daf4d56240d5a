//! Marks heights outside of a range as invalid.

use ndarray::Zip;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Height;

use crate::StepError;
use crate::frame::parameter_error;

/// Marks heights below `min` or above `max` as invalid.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Threshold {
    /// Smallest height that stays valid. Default: none.
    pub min: Option<Height>,
    /// Largest height that stays valid. Default: none.
    pub max: Option<Height>,
}

impl Threshold {
    /// The map with a smaller mask.
    ///
    /// # Errors
    /// [`StepError::Parameter`] where `min` is above `max`.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let min = self.min.map_or(f64::NEG_INFINITY, Height::nm);
        let max = self.max.map_or(f64::INFINITY, Height::nm);
        if min.is_nan() || max.is_nan() || min > max {
            let (parameter, allowed) = ("min", "it must not be above max (nm)");
            return Err(parameter_error("threshold", parameter, min, allowed));
        }
        let mut valid = map.valid().clone();
        Zip::from(&mut valid).and(map.heights_nm()).for_each(|ok, h| *ok &= (min..=max).contains(h));
        Ok(HeightMap::new(map.heights_nm().clone(), valid, map.pixel())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn what_is_outside_becomes_invalid() {
        let map = HeightMap::from_heights_nm(array![[-5.0, -1.0, 0.0, 2.0, 2.1, f64::NAN]], None);
        let limits = Threshold { min: Some(Height::new(-1.0)), max: Some(Height::new(2.0)) };
        let valid = limits.apply(&map).unwrap().valid().clone();
        assert_eq!(valid, array![[false, true, true, true, false, false]]);
        assert_eq!(Threshold::default().apply(&map).unwrap(), map);
        assert!(Threshold { min: limits.max, max: limits.min }.apply(&map).is_err());
    }
}
