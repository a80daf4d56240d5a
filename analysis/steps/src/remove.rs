//! Fit and remove: the best-fitting shape is found and taken from a map.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;

use crate::circle;
use crate::conic_fit::{Conic, ConicKind, Data};
use crate::extent::Extent;
use crate::polynomial::{Basis, LinearTerm, Polynomial as PolynomialFit};
use crate::quadric::Family;
use crate::quadric_fit::{Found, Problem};
use crate::{Fit, Mask, StepError, SurfaceTerm, Zernike};

/// Fits a shape to a map and takes it away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The shape.
    pub shape: Shape,
    /// Where the shape is fitted; it is removed everywhere. Default: on all valid pixels.
    #[serde(default)]
    pub fit_on: Option<Mask>,
}

/// Shapes that can be fitted to a map. x runs with the columns, y down the rows, from the centre of the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// The mean.
    Piston,
    /// Piston and both tilts.
    Plane,
    /// A sphere of free radius with piston and tilts: exact, not a parabola.
    Sphere,
    /// A circular cylinder curved along x, with piston and tilts: exact.
    CylinderX,
    /// A circular cylinder curved along y, with piston and tilts: exact.
    CylinderY,
    /// Plane, (x² - y²)/2 and twist x y.
    Astigmatism,
    /// Named terms of low order, any of them.
    Terms(Vec<SurfaceTerm>),
    /// All monomials x^i y^j whose degree i + j lies between two bounds.
    Polynomial(Polynomial),
    /// Products of Legendre polynomials over the map.
    Legendre(Legendre),
    /// Zernike polynomials over a pupil.
    Zernike(Zernike),
    /// An elliptic cylinder, exact.
    Ellipse(Conic),
    /// A hyperbolic cylinder, exact.
    Hyperbola(Conic),
    /// An ellipsoid of revolution, exact.
    Ellipsoid(Conic),
    /// A hyperboloid of revolution, exact.
    Hyperboloid(Conic),
}

/// Monomials from one degree to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    /// The lowest degree. Default: 0.
    #[serde(default)]
    pub from: u32,
    /// The highest degree, at most 12.
    pub to: u32,
}

/// Degrees of products of Legendre polynomials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Legendre {
    /// The highest degree along x, at most 20.
    pub x: u32,
    /// The highest degree along y, at most 20.
    pub y: u32,
    /// The highest sum of both degrees. Default: no bound, all products are fitted.
    #[serde(default)]
    pub total: Option<u32>,
}

/// Degree of Legendre polynomials along a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Legendre1d {
    /// The highest degree, at most 50.
    pub degree: u32,
}

/// A map without its shape, and the shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// What is left.
    pub map: HeightMap,
    /// What was fitted.
    pub fit: Fit,
}

const STEP: &str = "remove";

impl Remove {
    /// Of this shape, fitted on all valid pixels.
    #[must_use]
    pub fn shape(shape: Shape) -> Self {
        Self { shape, fit_on: None }
    }

    /// Fits and removes.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for parameters without sense, [`StepError::NoPixelSize`] for shapes with lengths on a map
    /// without, [`StepError::TooFewPoints`] and [`StepError::NotDetermined`] where the valid pixels do not determine the
    /// terms, [`StepError::NotConverged`] and [`StepError::BeyondShape`] for curved shapes that do not fit.
    pub fn apply(&self, map: &HeightMap) -> Result<Removed, StepError> {
        let used = match &self.fit_on {
            Some(mask) => mask.kept(map)?,
            None => map.valid().clone(),
        };
        let extent = Extent::of(map, STEP)?;
        let millimetres = || Extent::in_mm(map, STEP);
        use SurfaceTerm::{Astigmatism, Piston, TiltX, TiltY, Twist};
        let terms = |terms: &[SurfaceTerm]| {
            let (basis, terms) = SurfaceTerm::all(extent, terms);
            linear(map, basis, &terms, &used, None)
        };
        match &self.shape {
            Shape::Piston => terms(&[Piston]),
            Shape::Plane => terms(&[Piston, TiltX, TiltY]),
            Shape::Astigmatism => terms(&[Piston, TiltX, TiltY, Astigmatism, Twist]),
            Shape::Terms(list) => terms(&SurfaceTerm::once(list)),
            Shape::Polynomial(degrees) => {
                let (basis, terms) = degrees.terms(extent)?;
                linear(map, basis, &terms, &used, None)
            }
            Shape::Legendre(degrees) => {
                let (basis, terms) = degrees.terms(extent)?;
                linear(map, basis, &terms, &used, None)
            }
            Shape::Zernike(zernike) => {
                let (basis, terms, pupil) = zernike.terms(extent)?;
                linear(map, basis, &terms, &used, Some(&pupil))
            }
            Shape::Sphere => {
                curved(map, millimetres()?, &[circle::problem("a sphere", Family::Revolution, false, true)], &used)
            }
            Shape::CylinderX => {
                curved(map, millimetres()?, &[circle::problem("a cylinder", Family::AlongX, false, true)], &used)
            }
            Shape::CylinderY => {
                curved(map, millimetres()?, &[circle::problem("a cylinder", Family::AlongY, false, true)], &used)
            }
            Shape::Ellipse(conic) => {
                curved(map, millimetres()?, &conic.problems(STEP, ConicKind::Ellipse, Data::Map)?, &used)
            }
            Shape::Hyperbola(conic) => {
                curved(map, millimetres()?, &conic.problems(STEP, ConicKind::Hyperbola, Data::Map)?, &used)
            }
            Shape::Ellipsoid(conic) => {
                curved(map, millimetres()?, &conic.problems(STEP, ConicKind::Ellipsoid, Data::Map)?, &used)
            }
            Shape::Hyperboloid(conic) => {
                curved(map, millimetres()?, &conic.problems(STEP, ConicKind::Hyperboloid, Data::Map)?, &used)
            }
        }
    }
}

/// Fits a linear combination and removes it; pixels outside `pupil` become invalid first.
pub(crate) fn linear(
    map: &HeightMap,
    basis: Basis,
    terms: &[LinearTerm],
    used: &Array2<bool>,
    pupil: Option<&Array2<bool>>,
) -> Result<Removed, StepError> {
    if terms.is_empty() {
        let why = "there must be something to fit";
        return Err(StepError::Parameter { step: STEP, parameter: "terms", value: "[]".to_owned(), why });
    }
    let (mut heights, mut valid, pixel) = map.clone().into_parts();
    let mut used = used.clone();
    if let Some(pupil) = pupil {
        for ((used, valid), inside) in used.iter_mut().zip(valid.iter_mut()).zip(pupil) {
            *used &= *inside;
            *valid &= *inside;
        }
    }
    let fitted = PolynomialFit::fit(STEP, basis, terms, &heights, &used)?;
    let fit = fitted.subtract_and_describe(terms, &mut heights, &valid, &used);
    Ok(Removed { map: HeightMap::new(heights, valid, pixel)?, fit })
}

/// Fits circles or conics, takes the one that leaves least, and removes it.
fn curved(map: &HeightMap, extent: Extent, problems: &[Problem], used: &Array2<bool>) -> Result<Removed, StepError> {
    let found = least(problems.iter().map(|problem| problem.fit_map(extent, map.heights_nm(), used)))?;
    let (mut heights, mut valid, pixel) = map.clone().into_parts();
    found.subtract(extent, &mut heights, &mut valid);
    Ok(Removed { map: HeightMap::new(heights, valid, pixel)?, fit: found.fit })
}

/// The fit with the smallest residual; an error only if all of them failed.
pub(crate) fn least(fits: impl Iterator<Item = Result<Found, StepError>>) -> Result<Found, StepError> {
    let mut best: Result<Found, StepError> = Err(StepError::NothingLeft { step: STEP });
    for fit in fits {
        best = match (best, fit) {
            (Ok(best), Ok(found)) if found.fit.residual_rms >= best.fit.residual_rms => Ok(best),
            (Ok(best), Err(_)) => Ok(best),
            (_, fit) => fit,
        };
    }
    best
}

impl Legendre1d {
    pub(crate) fn check(&self) -> Result<(), StepError> {
        check_degree("degree", self.degree, 50, "the highest degree is 50")
    }
}

impl Polynomial {
    pub(crate) fn check(&self) -> Result<(), StepError> {
        check_degree("to", self.to, 12, "a polynomial has a degree of at most 12: take Legendre for more")?;
        check_degree("from", self.from, self.to, "the lowest degree is not above the highest")
    }

    fn terms(&self, extent: Extent) -> Result<(Basis, Vec<LinearTerm>), StepError> {
        self.check()?;
        let basis = Basis::total(extent, extent.half(), self.to as usize);
        let (hx, hy) = extent.half();
        let mut terms = Vec::new();
        for n in self.from..=self.to {
            for j in 0..=n {
                let (i, j) = (n - j, j);
                let factors = basis.factors(|x, y| power(x, i) * power(y, j));
                let name = monomial(i, j);
                let unit = if n == 0 { "nm".to_owned() } else { per(extent.unit, n) };
                terms.push(LinearTerm { name, unit, scale: 1.0 / (power(hx, i) * power(hy, j)), factors });
            }
        }
        Ok((basis, terms))
    }
}

/// `nm/mm3`.
fn per(unit: &str, degree: u32) -> String {
    if degree == 1 { format!("nm/{unit}") } else { format!("nm/{unit}{degree}") }
}

/// An integer power by repeated multiplication: the same bits everywhere.
pub(crate) fn power(base: f64, exponent: u32) -> f64 {
    (0..exponent).fold(1.0, |value, _| value * base)
}

/// `x^2 y`; `1` for the constant.
fn monomial(i: u32, j: u32) -> String {
    let part = |letter: &str, exponent: u32| match exponent {
        0 => String::new(),
        1 => letter.to_owned(),
        _ => format!("{letter}^{exponent}"),
    };
    match (i, j) {
        (0, 0) => "1".to_owned(),
        (_, 0) => part("x", i),
        (0, _) => part("y", j),
        _ => format!("{} {}", part("x", i), part("y", j)),
    }
}

fn check_degree(parameter: &'static str, value: u32, most: u32, why: &'static str) -> Result<(), StepError> {
    if value > most {
        return Err(StepError::Parameter { step: STEP, parameter, value: value.to_string(), why });
    }
    Ok(())
}

impl Legendre {
    fn terms(&self, extent: Extent) -> Result<(Basis, Vec<LinearTerm>), StepError> {
        check_degree("x", self.x, 20, "the highest degree is 20")?;
        check_degree("y", self.y, 20, "the highest degree is 20")?;
        let total = self.total.unwrap_or(self.x + self.y);
        let pairs: Vec<(usize, usize)> = (0..=self.x)
            .flat_map(|i| (0..=self.y).map(move |j| (i, j)))
            .filter(|(i, j)| i + j <= total)
            .map(|(i, j)| (i as usize, j as usize))
            .collect();
        let terms = pairs
            .iter()
            .enumerate()
            .map(|(k, (i, j))| {
                let factors = (0..pairs.len()).map(|p| if p == k { 1.0 } else { 0.0 }).collect();
                LinearTerm { name: format!("L{i},{j}"), unit: "nm".to_owned(), scale: 1.0, factors }
            })
            .collect();
        Ok((Basis { extent, half: extent.half(), pairs }, terms))
    }
}
