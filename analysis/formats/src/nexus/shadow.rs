//! OASYS and SHADOW: group `surface_file` with `X`, `Y` (coordinates, m) and `Z` (heights, m). `Z` has the shape of
//! (Y, X); a file in which only (X, Y) fits is turned.

use super::{Source, numbers, sub_aperture};
use crate::{FormatError, Measurement, raster};

const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;

/// The map; `None` if the file has no such group.
pub(super) fn read(source: &Source<'_>) -> Result<Option<Measurement>, FormatError> {
    let Ok(group) = source.file.group("/surface_file") else { return Ok(None) };
    let (Ok(x), Ok(y), Ok(z)) = (group.dataset("X"), group.dataset("Y"), group.dataset("Z")) else { return Ok(None) };
    let &[first, second] = z.shape() else { return Err(FormatError::NotAMatrix { dimensions: z.ndim() }) };
    let (x, y) = (numbers::all(source, &x)?, numbers::all(source, &y)?);
    let (columns, rows) = (x.len(), y.len());
    let turned = match (first as usize, second as usize) {
        (r, c) if (r, c) == (rows, columns) => false,
        (c, r) if (r, c) == (rows, columns) => true,
        _ => {
            let problem = format!("has {first} x {second} values for {} y and {} x coordinates", rows, columns);
            return Err(FormatError::malformed("HDF5", "surface_file/Z", problem));
        }
    };
    let (x0, x_step) = numbers::axis(&x, "X")?;
    let (y0, y_step) = numbers::axis(&y, "Y")?;
    let pixel = x_step.zip(y_step).and_then(|(x, y)| raster::pixel_mm(x.abs() * MM_PER_M, y.abs() * MM_PER_M));
    let stored = numbers::all(source, &z)?;
    let at = |row: usize, column: usize| if turned { column * rows + row } else { row * columns + column };
    let heights = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let heights = heights.map(|(row, column)| {
        stored.get(at(row, column)).filter(|height| height.is_finite()).map(|height| height * NM_PER_M)
    });
    let map = raster::fill(rows, columns, heights, pixel)?;
    let position = Some((x0 * MM_PER_M, y0 * MM_PER_M));
    Ok(Some(Measurement::Map(sub_aperture(source.name.to_owned(), map, position, "HDF5 (SHADOW surface_file)"))))
}
