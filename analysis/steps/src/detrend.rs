//! Fit and remove on profiles of heights or slopes.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{Profile, ProfileKind};

use crate::circle;
use crate::conic_fit::{Conic, ConicKind, Data};
use crate::least_squares::Triangle;
use crate::polynomial::legendre;
use crate::quadric::Family;
use crate::quadric_fit::{Found, Problem};
use crate::remove::{Legendre1d, Polynomial, least, power};
use crate::{Fit, StepError, Term};

/// Fits a shape to a profile and takes it away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFromProfile {
    /// The shape.
    pub shape: ProfileShape,
    /// Where the shape is fitted, from and to along the profile, in the coordinate of the file; it is removed everywhere.
    /// Default: the whole profile.
    #[serde(default)]
    pub fit_on: Option<[Length; 2]>,
}

/// Shapes that can be fitted to a profile. Circles and conics are shapes of the surface, whether the profile holds its
/// heights or its slopes; the others are fitted to the values as they are. x counts from the middle of the profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProfileShape {
    /// The mean.
    Piston,
    /// A straight line. In slopes its gradient is the curvature.
    Line,
    /// A circle of free radius, with tilt (and piston in heights): exact, not a parabola.
    Circle,
    /// All powers of x from one degree to another.
    Polynomial(Polynomial),
    /// Legendre polynomials over the profile.
    Legendre(Legendre1d),
    /// An ellipse, exact.
    Ellipse(Conic),
    /// A hyperbola, exact.
    Hyperbola(Conic),
}

/// A profile without its shape, and the shape.
#[derive(Debug, Clone, PartialEq)]
pub struct RemovedFromProfile {
    /// What is left.
    pub profile: Profile,
    /// What was fitted.
    pub fit: Fit,
}

const STEP: &str = "detrend";

impl RemoveFromProfile {
    /// Of this shape, fitted on the whole profile.
    #[must_use]
    pub fn shape(shape: ProfileShape) -> Self {
        Self { shape, fit_on: None }
    }

    /// Fits and removes.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for parameters without sense, [`StepError::TooFewPoints`] and
    /// [`StepError::NotDetermined`] where the points do not determine the terms, [`StepError::NotConverged`] and
    /// [`StepError::BeyondShape`] for curved shapes that do not fit.
    pub fn apply(&self, profile: &Profile) -> Result<RemovedFromProfile, StepError> {
        let middle = middle(profile);
        let used: Vec<bool> = match self.fit_on {
            Some([from, to]) => profile.x_mm.iter().map(|x| *x >= from.mm() && *x <= to.mm()).collect(),
            None => vec![true; profile.len()],
        };
        let mut points = Points { x: Vec::new(), values: Vec::new(), kind: profile.kind };
        for ((x, value), used) in profile.x_mm.iter().zip(&profile.values).zip(&used) {
            if *used {
                points.x.push(x - middle);
                points.values.push(*value);
            }
        }
        if points.x.is_empty() {
            return Err(StepError::NothingLeft { step: STEP });
        }
        let (data, heights) = match profile.kind {
            ProfileKind::HeightNm => (Data::HeightProfile, true),
            ProfileKind::SlopeUrad => (Data::SlopeProfile, false),
        };
        let (fit, model) = match &self.shape {
            ProfileShape::Piston => points.powers(0, 0)?,
            ProfileShape::Line => points.powers(0, 1)?,
            ProfileShape::Polynomial(degrees) => {
                degrees.check()?;
                points.powers(degrees.from, degrees.to)?
            }
            ProfileShape::Legendre(degree) => {
                degree.check()?;
                points.legendre(degree.degree as usize, (profile.x_mm[profile.len() - 1] - profile.x_mm[0]) / 2.0)?
            }
            ProfileShape::Circle => points.curved(&[circle::problem("a circle", Family::AlongX, true, heights)])?,
            ProfileShape::Ellipse(conic) => points.curved(&conic.problems(STEP, ConicKind::Ellipse, data)?)?,
            ProfileShape::Hyperbola(conic) => points.curved(&conic.problems(STEP, ConicKind::Hyperbola, data)?)?,
        };
        // Where a curve has ended there is nothing to subtract from: those points leave the profile.
        let (mut x_mm, mut values) = (Vec::new(), Vec::new());
        for (x, value) in profile.x_mm.iter().zip(&profile.values) {
            if let Some(shape) = model(x - middle) {
                x_mm.push(*x);
                values.push(value - shape);
            }
        }
        let rest = Profile::new(&x_mm, &values, profile.kind)?;
        let rest = Profile { x_mm: rest.x_mm, values: rest.values, ..profile.clone() };
        Ok(RemovedFromProfile { profile: rest, fit })
    }
}

/// Halfway between the first and the last point, mm.
pub(crate) fn middle(profile: &Profile) -> f64 {
    match (profile.x_mm.first(), profile.x_mm.last()) {
        (Some(first), Some(last)) => (first + last) / 2.0,
        _ => 0.0,
    }
}

type Model = Box<dyn Fn(f64) -> Option<f64>>;

/// The points fitted, x from the middle of the profile.
struct Points {
    x: Vec<f64>,
    values: Vec<f64>,
    kind: ProfileKind,
}

impl Points {
    fn unit(&self) -> &'static str {
        match self.kind {
            ProfileKind::HeightNm => "nm",
            ProfileKind::SlopeUrad => "urad",
        }
    }

    fn curved(&self, problems: &[Problem]) -> Result<(Fit, Model), StepError> {
        let found: Found = least(problems.iter().map(|problem| problem.fit_profile(&self.x, &self.values, self.kind)))?;
        let (placed, kind) = (found.placed, self.kind);
        let model = move |x: f64| match kind {
            ProfileKind::HeightNm => placed.height(x, 0.0).map(|z| z * 1e6),
            ProfileKind::SlopeUrad => placed.slope(x, 0.0).map(|s| s * 1e6),
        };
        Ok((found.fit, Box::new(model)))
    }

    fn powers(&self, from: u32, to: u32) -> Result<(Fit, Model), StepError> {
        let half = self.x.iter().fold(0.0f64, |m, x| m.max(x.abs())).max(f64::MIN_POSITIVE);
        let columns = (from..=to).map(|n| self.x.iter().map(|x| power(x / half, n)).collect()).collect();
        let names = (from..=to)
            .map(|n| {
                let (name, per) = match n {
                    0 => ("1".to_owned(), String::new()),
                    1 => ("x".to_owned(), "/mm".to_owned()),
                    n => (format!("x^{n}"), format!("/mm{n}")),
                };
                (name, format!("{}{per}", self.unit()), 1.0 / power(half, n))
            })
            .collect();
        let (mut fit, values) = self.linear(columns, names)?;
        if self.kind == ProfileKind::SlopeUrad && from == 0 && to == 1 {
            // 1 urad/mm is a curvature of 1/km.
            let gradient = fit.term("x").map(|term| (term.value, term.uncertainty));
            if let Some((value, uncertainty)) = gradient.filter(|(value, _)| *value != 0.0) {
                let (radius, uncertainty) = (1e3 / value, 1e3 * uncertainty / (value * value));
                fit.derived.push(Term {
                    name: "radius".into(),
                    value: radius,
                    unit: "m".into(),
                    uncertainty,
                    free: true,
                });
            }
        }
        let model = move |x: f64| Some((from..=to).zip(&values).map(|(n, value)| value * power(x / half, n)).sum());
        Ok((fit, Box::new(model)))
    }

    fn legendre(&self, degree: usize, half: f64) -> Result<(Fit, Model), StepError> {
        let rows: Vec<Vec<f64>> = self.x.iter().map(|x| legendre(x / half, degree)).collect();
        let columns = (0..=degree).map(|n| rows.iter().map(|row| row[n]).collect()).collect();
        let names = (0..=degree).map(|n| (format!("L{n}"), self.unit().to_owned(), 1.0)).collect();
        let (fit, values) = self.linear(columns, names)?;
        let model = move |x: f64| Some(legendre(x / half, degree).iter().zip(&values).map(|(p, v)| p * v).sum());
        Ok((fit, Box::new(model)))
    }

    /// Fits columns, each with name, unit and the factor from its coefficient to the value in that unit. Returns the
    /// coefficients too.
    fn linear(
        &self,
        mut columns: Vec<Vec<f64>>,
        names: Vec<(String, String, f64)>,
    ) -> Result<(Fit, Vec<f64>), StepError> {
        let (n, points) = (columns.len(), self.values.len());
        if points < n {
            return Err(StepError::TooFewPoints { step: STEP, points, terms: n });
        }
        columns.push(self.values.clone());
        let mut triangle = Triangle::new(n);
        triangle.absorb(&mut columns);
        let solution =
            triangle.solve().map_err(|d| StepError::NotDetermined { step: STEP, term: names[d.0].0.clone() })?;
        let variance = if points > n { solution.residual_square / (points - n) as f64 } else { 0.0 };
        let covariance =
            Array2::from_shape_fn((n, n), |(i, j)| solution.inverse[i * n + j] * variance * names[i].2 * names[j].2);
        let terms = names
            .into_iter()
            .enumerate()
            .map(|(k, (name, unit, scale))| Term {
                name,
                value: solution.values[k] * scale,
                unit,
                uncertainty: covariance[[k, k]].max(0.0).sqrt(),
                free: true,
            })
            .collect();
        let residual_rms = (solution.residual_square / points as f64).sqrt();
        let fit = Fit {
            terms,
            covariance,
            derived: Vec::new(),
            residual_rms,
            residual_unit: self.unit(),
            points,
            iterations: 0,
        };
        Ok((fit, solution.values))
    }
}
