//! Maps and profiles as texts. Numbers are written with as few digits as read back to the same bits.

use std::fmt::Write;

use stitchbox_surface::{HeightMap, Profile, ProfileKind};

use crate::ExportError;

/// A map as comma-separated text: comment lines with shape, pixel size and unit, then one line for each row, heights
/// in nm, `nan` where not measured. Read back by [`crate::read_measurement`] bit by bit.
#[must_use]
pub fn write_csv_map(map: &HeightMap) -> Vec<u8> {
    let (rows, columns) = map.shape();
    let mut text = String::new();
    text.push_str("# Height map; row 0 first, x with the columns; nan = not measured\n");
    push(&mut text, format_args!("# columns: {columns}\n# rows: {rows}\n"));
    if let Some(pixel) = map.pixel() {
        push(&mut text, format_args!("# pixel x: {} mm\n# pixel y: {} mm\n", pixel.x_mm, pixel.y_mm));
    }
    text.push_str("# value units: nm\n");
    for (heights, valid) in map.heights_nm().rows().into_iter().zip(map.valid().rows()) {
        for (column, (height, valid)) in heights.iter().zip(valid).enumerate() {
            if column > 0 {
                text.push(',');
            }
            if *valid {
                push(&mut text, format_args!("{height}"));
            } else {
                text.push_str("nan");
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// A profile as comma-separated text: a line that names the columns with their units, then one line for each point:
/// `x_mm,height_nm` or `x_mm,slope_urad`, and `uncertainty_nm` or `uncertainty_urad` (standard uncertainty) if known: that of
/// each point where it is given, else the profile's own.
#[must_use]
pub fn write_csv_profile(profile: &Profile, uncertainty: Option<&[f64]>) -> Vec<u8> {
    let (value, unit) = match profile.kind {
        ProfileKind::HeightNm => ("height", "nm"),
        ProfileKind::SlopeUrad => ("slope", "urad"),
    };
    let mut text = format!("x_mm,{value}_{unit}");
    if uncertainty.is_some() || profile.sigma.is_some() {
        push(&mut text, format_args!(",uncertainty_{unit}"));
    }
    text.push('\n');
    for (i, (x, value)) in profile.x_mm.iter().zip(&profile.values).enumerate() {
        push(&mut text, format_args!("{x},{value}"));
        if let Some(sigma) = uncertainty.and_then(|all| all.get(i).copied()).or(profile.sigma) {
            push(&mut text, format_args!(",{sigma}"));
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// A map as points: a line `x_mm y_mm z_nm`, then one line for each measured pixel, x and y from the centre of pixel
/// (0, 0). Rows and columns at the edge in which nothing was measured are not in the text
/// and do not come back; pixel size and coordinates come back to rounding, heights bit by bit.
///
/// # Errors
/// [`ExportError`] without a pixel size.
pub fn write_xyz(map: &HeightMap) -> Result<Vec<u8>, ExportError> {
    let pixel = map.pixel().ok_or(ExportError::NoPixelSize { format: "xyz" })?;
    let mut text = String::from("x_mm y_mm z_nm\n");
    for (((row, column), height), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
        if *valid {
            let (x, y) = (column as f64 * pixel.x_mm, row as f64 * pixel.y_mm);
            push(&mut text, format_args!("{x} {y} {height}\n"));
        }
    }
    Ok(text.into_bytes())
}

/// Writing to a string cannot fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}
