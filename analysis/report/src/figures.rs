//! The figures of one result: height, overlap and residual as files, uncertainty and reference for the report only.

use stitchbox_stitch::Stitched;

use crate::figure::{MapFigure, Palette, Range, label};
use crate::summary::Summary;
use crate::{ReportError, pixel_size};

/// PNG bytes of each figure.
#[derive(Debug, Clone)]
pub struct Figures {
    /// `height.png`.
    pub height: Vec<u8>,
    /// `overlap.png`.
    pub overlap: Vec<u8>,
    /// `residual.png`.
    pub residual: Vec<u8>,
    /// Uncertainty map, in the report.
    pub uncertainty: Option<Vec<u8>>,
    /// Reference, in the report.
    pub reference: Option<Vec<u8>>,
}

/// Draws all of them.
pub(crate) fn draw(stitched: &Stitched, summary: &Summary) -> Result<Figures, ReportError> {
    let valid = stitched.height.valid();
    let overlap = stitched.overlap.mapv(f64::from);
    let seen = stitched.overlap.mapv(|n| n > 0);
    let compared = stitched.overlap.mapv(|n| n > 1);
    let height = MapFigure {
        title: format!("Stitched height — {}", short(&summary.title)),
        remark: format!(
            "{} sub-apertures · rms {} nm · PV {} nm",
            summary.sub_apertures,
            label(summary.rms_nm),
            label(summary.pv_nm)
        ),
        quantity: "height (nm)".to_owned(),
        values: stitched.height.heights_nm(),
        valid,
        pixel: pixel_size(stitched),
        origin_mm: (stitched.x0_mm, stitched.y0_mm),
        palette: Palette::Height,
        range: Range::Quantiles,
    };
    let overlap_figure = MapFigure {
        title: format!("Overlap — {}", short(&summary.title)),
        remark: format!(
            "up to {}, on average {} sub-apertures a pixel",
            summary.overlap_max,
            label(summary.overlap_mean)
        ),
        quantity: "sub-apertures".to_owned(),
        values: &overlap,
        valid: &seen,
        range: Range::Counts,
        ..height.clone()
    };
    let residual = MapFigure {
        title: format!("Residual — {}", short(&summary.title)),
        remark: format!(
            "rms of corrected sub-apertures minus map where two or more overlap: {} nm",
            label(summary.residual_rms_nm)
        ),
        quantity: "residual (nm)".to_owned(),
        values: &stitched.residual_nm,
        valid: &compared,
        palette: Palette::Ember,
        range: Range::FromZero,
        ..height.clone()
    };
    let uncertainty = stitched.uncertainty_nm.as_ref().map(|values| MapFigure {
        title: format!("Uncertainty — {}", short(&summary.title)),
        remark: format!(
            "standard uncertainty of a pixel, median {} nm",
            label(summary.uncertainty_median_nm.unwrap_or(0.0))
        ),
        quantity: "uncertainty (nm)".to_owned(),
        values,
        palette: Palette::Ember,
        range: Range::Quantiles,
        ..height.clone()
    });
    let reference = stitched.reference.as_ref().map(|map| MapFigure {
        title: format!("Reference — {}", short(&summary.title)),
        remark: format!(
            "additive error fixed to the camera · rms {} nm · PV {} nm",
            label(summary.reference_rms_nm.unwrap_or(0.0)),
            label(summary.reference_pv_nm.unwrap_or(0.0))
        ),
        quantity: "reference (nm)".to_owned(),
        values: map.heights_nm(),
        valid: map.valid(),
        origin_mm: (0.0, 0.0),
        palette: Palette::Signed,
        range: Range::Symmetric,
        ..height.clone()
    });
    Ok(Figures {
        height: height.png()?,
        overlap: overlap_figure.png()?,
        residual: residual.png()?,
        uncertainty: uncertainty.map(|f| f.png()).transpose()?,
        reference: reference.map(|f| f.png()).transpose()?,
    })
}

/// A title that fits the sheet.
fn short(title: &str) -> String {
    const MOST: usize = 44;
    if title.chars().count() <= MOST {
        return title.to_owned();
    }
    let kept: String = title.chars().take(MOST - 1).collect();
    format!("{kept}…")
}
