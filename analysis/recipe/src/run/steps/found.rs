//! What a step found, as `steps.json` tells it.

use serde_json::{Value, json};
use stitchbox_steps::{Fit, MapStatistics, ProfileStatistics};

/// Terms with their uncertainty, covariance, residual.
pub(super) fn fit(fit: &Fit) -> Value {
    let covariance: Vec<Vec<f64>> = fit.covariance.rows().into_iter().map(|row| row.to_vec()).collect();
    json!({
        "terms": fit.terms,
        "derived": fit.derived,
        "covariance": covariance,
        "residual_rms": fit.residual_rms,
        "residual_unit": fit.residual_unit,
        "points": fit.points,
        "iterations": fit.iterations,
    })
}

/// Numbers of a map.
pub(super) fn map_statistics(statistics: &MapStatistics) -> Value {
    json!(statistics)
}

/// Numbers of a profile.
pub(super) fn profile_statistics(statistics: &ProfileStatistics) -> Value {
    json!(statistics)
}
