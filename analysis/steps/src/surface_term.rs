//! The named shapes of low order that maps are freed of: piston, tilts, curvatures, twist.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extent::Extent;
use crate::polynomial::{Basis, LinearTerm};

/// A shape of low order, about the centre of the map; x with the columns, y down the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurfaceTerm {
    /// A constant, nm.
    Piston,
    /// Proportional to x, urad.
    TiltX,
    /// Proportional to y, urad.
    TiltY,
    /// x²/2: a curvature along x, 1/m.
    CurvatureX,
    /// y²/2: a curvature along y, 1/m.
    CurvatureY,
    /// (x² + y²)/2: the same curvature in all directions, 1/m.
    Power,
    /// (x² - y²)/2: opposite curvatures along x and y, 1/m.
    Astigmatism,
    /// x y, 1/m.
    Twist,
}

impl SurfaceTerm {
    /// Name as in a recipe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Piston => "piston",
            Self::TiltX => "tilt-x",
            Self::TiltY => "tilt-y",
            Self::CurvatureX => "curvature-x",
            Self::CurvatureY => "curvature-y",
            Self::Power => "power",
            Self::Astigmatism => "astigmatism",
            Self::Twist => "twist",
        }
    }

    /// The term over a map; `basis` must hold degree 2, or what the term needs.
    fn linear(self, basis: &Basis) -> LinearTerm {
        let (hx, hy) = basis.half;
        let wide = hx.max(hy);
        let (sx, sy) = (hx / wide, hy / wide);
        let name = self.name().to_owned();
        let mm = basis.extent.unit == "mm";
        let (order, factors) = match self {
            Self::Piston => (0, basis.factors(|_, _| 1.0)),
            Self::TiltX => (1, basis.factors(|x, _| sx * x)),
            Self::TiltY => (1, basis.factors(|_, y| sy * y)),
            Self::CurvatureX => (2, basis.factors(|x, _| sx * sx * x * x / 2.0)),
            Self::CurvatureY => (2, basis.factors(|_, y| sy * sy * y * y / 2.0)),
            Self::Power => (2, basis.factors(|x, y| (sx * sx * x * x + sy * sy * y * y) / 2.0)),
            Self::Astigmatism => (2, basis.factors(|x, y| (sx * sx * x * x - sy * sy * y * y) / 2.0)),
            Self::Twist => (2, basis.factors(|x, y| sx * sy * x * y)),
        };
        // nm/mm is urad; nm/mm2 is a thousandth of 1/m.
        let (unit, scale) = match (order, mm) {
            (0, _) => ("nm", 1.0),
            (1, true) => ("urad", 1.0 / wide),
            (1, false) => ("nm/px", 1.0 / wide),
            (_, true) => ("1/m", 1e-3 / (wide * wide)),
            (_, false) => ("nm/px2", 1.0 / (wide * wide)),
        };
        LinearTerm { name, unit: unit.to_owned(), scale, factors }
    }

    /// The terms in their order, each once.
    pub(crate) fn once(terms: &[Self]) -> Vec<Self> {
        let mut list = Vec::new();
        for term in terms {
            if !list.contains(term) {
                list.push(*term);
            }
        }
        list
    }

    /// Basis and terms for a fit over a map.
    pub(crate) fn all(extent: Extent, terms: &[Self]) -> (Basis, Vec<LinearTerm>) {
        let degree = terms.iter().map(|term| term.degree()).max().unwrap_or(0);
        let basis = Basis::total(extent, extent.half(), degree);
        let list = terms.iter().map(|term| term.linear(&basis)).collect();
        (basis, list)
    }

    fn degree(self) -> usize {
        match self {
            Self::Piston => 0,
            Self::TiltX | Self::TiltY => 1,
            _ => 2,
        }
    }
}

impl SurfaceTerm {
    /// The shape at normalised coordinates, up to a factor; both axes normalised by one length.
    pub(crate) fn at(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Piston => 1.0,
            Self::TiltX => x,
            Self::TiltY => y,
            Self::CurvatureX => x * x,
            Self::CurvatureY => y * y,
            Self::Power => x * x + y * y,
            Self::Astigmatism => x * x - y * y,
            Self::Twist => x * y,
        }
    }
}
