//! What a fit found: its terms with their uncertainty, and how well it describes the data.

use ndarray::Array2;

/// One fitted (or fixed) number of a fit.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Term {
    /// Name: `piston`, `tilt-x`, `p`, `x^2 y`, `noll-4`, ...
    pub name: String,
    /// The value, in `unit`.
    pub value: f64,
    /// Unit of the value and of its uncertainty: `nm`, `urad`, `mm`, `nm/mm2`, ...
    pub unit: String,
    /// Standard uncertainty for white noise of the size of the residual; `0.0` if the term was fixed.
    pub uncertainty: f64,
    /// Whether the term was fitted.
    pub free: bool,
}

/// A least-squares fit.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Fit {
    /// Fitted and fixed terms.
    pub terms: Vec<Term>,
    /// Covariance of `terms` in the units of the terms, in their order; zero where a term was fixed.
    #[serde(serialize_with = "as_rows")]
    pub covariance: Array2<f64>,
    /// Numbers that follow from the terms, for instance a radius of curvature in m, with their uncertainty.
    pub derived: Vec<Term>,
    /// Root mean square of data minus fit over the points fitted, nm (maps, height profiles) or urad (slope profiles).
    pub residual_rms: f64,
    /// Unit of the residual: `nm` or `urad`.
    pub residual_unit: &'static str,
    /// Number of points fitted.
    pub points: usize,
    /// Passes over the data until it settled; 0 for a fit that is linear in all terms.
    pub iterations: usize,
}

/// A matrix as a list of its rows.
fn as_rows<S: serde::Serializer>(matrix: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(matrix.outer_iter().map(|row| row.to_vec()))
}

impl Fit {
    /// The term of this name, also among the derived ones.
    #[must_use]
    pub fn term(&self, name: &str) -> Option<&Term> {
        self.terms.iter().chain(&self.derived).find(|term| term.name == name)
    }

    /// Correlation of two terms, in [-1, 1]; `None` if one is unknown or fixed.
    #[must_use]
    pub fn correlation(&self, first: &str, second: &str) -> Option<f64> {
        let index = |name: &str| self.terms.iter().position(|term| term.name == name && term.free);
        let (i, j) = (index(first)?, index(second)?);
        let norm = (self.covariance.get([i, i])? * self.covariance.get([j, j])?).sqrt();
        (norm > 0.0).then(|| self.covariance[[i, j]] / norm)
    }
}
