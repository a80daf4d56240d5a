//! What a step found, as `steps.json` tells it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use stitchbox_steps::psd::{ArealSpectrum, DensityUnit, Spectrum};
use stitchbox_steps::{Compared, Fit, MapStatistics, ProfileStatistics, StepError};
use stitchbox_surface::quantity::Frequency;

use super::apply::Made;
use crate::recipe::BandRms;

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

/// A density: its rms and power law; the density itself goes into a file.
pub(super) fn spectrum(spectrum: &Spectrum, files: &mut Vec<Made>) -> Result<Value, StepError> {
    let unit = density_unit(spectrum.unit);
    let mut text = format!("frequency_per_mm,density_{unit},rms_up_to_here\n");
    let rows = spectrum.frequency_per_mm.iter().zip(&spectrum.density).zip(spectrum.cumulative_rms());
    for ((frequency, density), rms) in rows {
        let _ = writeln!(text, "{frequency},{density},{rms}");
    }
    files.push(Made::Text { name: "psd.csv", text });
    let nyquist = Frequency::new(spectrum.nyquist_per_mm);
    let law = spectrum.power_law(Frequency::new(spectrum.distance_per_mm), nyquist).ok();
    Ok(json!({
        "unit": unit,
        "lines": spectrum.lines,
        "rms": spectrum.band_rms(Frequency::new(0.0), nyquist),
        "nyquist_per_mm": spectrum.nyquist_per_mm,
        "power_law": law.map(|law| json!({
            "exponent": law.exponent,
            "exponent_uncertainty": law.exponent_sigma,
            "density_at_1_per_mm": law.density_at_1_per_mm,
        })),
    }))
}

/// A density in two dimensions: its rms; the radial mean goes into a file.
pub(super) fn areal_spectrum(spectrum: &ArealSpectrum, files: &mut Vec<Made>) -> Result<Value, StepError> {
    let radial = spectrum.radial();
    let mut text = "frequency_per_mm,density_nm2_mm2\n".to_owned();
    for (frequency, density) in radial.frequency_per_mm.iter().zip(&radial.density) {
        let _ = writeln!(text, "{frequency},{density}");
    }
    files.push(Made::Text { name: "psd.csv", text });
    Ok(json!({ "unit": "nm2_mm2", "rms": spectrum.rms() }))
}

/// The rms of a band.
pub(super) fn band_rms(spectrum: &Spectrum, band: &BandRms) -> Value {
    let unit = match spectrum.unit {
        DensityUnit::Nm2Mm => "nm",
        DensityUnit::Urad2Mm => "urad",
    };
    json!({ "rms": spectrum.band_rms(band.from, band.to), "unit": unit })
}

fn density_unit(unit: DensityUnit) -> &'static str {
    match unit {
        DensityUnit::Nm2Mm => "nm2_mm",
        DensityUnit::Urad2Mm => "urad2_mm",
    }
}

/// What two maps differ by.
pub(super) fn comparison(compared: &Compared) -> Value {
    json!({
        "rms_nm": compared.rms_nm,
        "pv_nm": compared.pv_nm,
        "e_n_within_1": compared.within,
        "shift": compared.shift,
        "removed": compared.removed,
        "pixels": compared.count,
    })
}
