//! Opens a `height.h5` as a stranger would: by the paths and attributes the issue promises, with an HDF5 reader.

use hdf5_reader::Hdf5File;

/// The content of `/entry/stitched`.
#[derive(Debug, Clone)]
pub struct ResultFile {
    /// Rows and columns of the map.
    pub shape: (usize, usize),
    /// Heights, row-major, NaN where invalid.
    pub height: Vec<f64>,
    /// `units` of `height`.
    pub height_unit: String,
    /// Number of sub-apertures per pixel, row-major.
    pub overlap: Vec<f64>,
    /// Column positions.
    pub x: Vec<f64>,
    /// Row positions.
    pub y: Vec<f64>,
    /// `units` of `x` and `y`.
    pub axis_units: (String, String),
}

impl ResultFile {
    /// Reads the bytes of a `height.h5`.
    ///
    /// # Errors
    /// A sentence that names what is missing or has another shape.
    pub fn parse(bytes: &[u8]) -> Result<ResultFile, String> {
        let file = Hdf5File::from_vec(bytes.to_vec()).map_err(|error| format!("not HDF5: {error}"))?;
        let group = file.group("/entry/stitched").map_err(|error| format!("/entry/stitched: {error}"))?;
        let class = group.attribute("NX_class").and_then(|value| value.read_string()).map_err(|e| e.to_string())?;
        if class != "NXdata" {
            return Err(format!("/entry/stitched has NX_class {class}"));
        }
        let (shape, height, height_unit) = read(&file, "height")?;
        let (overlap_shape, overlap, _) = read(&file, "overlap")?;
        let (x_shape, x, x_unit) = read(&file, "x")?;
        let (y_shape, y, y_unit) = read(&file, "y")?;
        let &[rows, columns] = shape.as_slice() else { return Err(format!("height has shape {shape:?}")) };
        if overlap_shape != shape || x_shape != [columns] || y_shape != [rows] {
            return Err(format!(
                "shapes differ: height {shape:?}, overlap {overlap_shape:?}, x {x_shape:?}, y {y_shape:?}"
            ));
        }
        let axis_units = (x_unit, y_unit);
        Ok(ResultFile { shape: (rows, columns), height, height_unit, overlap, x, y, axis_units })
    }

    /// Root mean square of the valid heights about their mean, in the file's unit.
    pub fn rms(&self) -> f64 {
        let valid: Vec<f64> = self.height.iter().copied().filter(|value| value.is_finite()).collect();
        let mean = valid.iter().sum::<f64>() / valid.len() as f64;
        (valid.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / valid.len() as f64).sqrt()
    }

    /// Number of valid heights.
    pub fn valid(&self) -> usize {
        self.height.iter().filter(|value| value.is_finite()).count()
    }
}

type Read = (Vec<usize>, Vec<f64>, String);

fn read(file: &Hdf5File, name: &str) -> Result<Read, String> {
    let path = format!("/entry/stitched/{name}");
    let explain = |error: hdf5_reader::error::Error| format!("{path}: {error}");
    let dataset = file.dataset(&path).map_err(explain)?;
    let shape = dataset.shape().iter().map(|&length| length as usize).collect();
    let unit = dataset.attribute("units").and_then(|value| value.read_string()).map_err(explain)?;
    let values = dataset
        .read_array::<f64>()
        .map(|array| array.iter().copied().collect())
        .or_else(|_| dataset.read_array::<f32>().map(|array| array.iter().map(|&value| f64::from(value)).collect()))
        .or_else(|_| dataset.read_array::<u16>().map(|array| array.iter().map(|&value| f64::from(value)).collect()))
        .or_else(|_| dataset.read_array::<u32>().map(|array| array.iter().map(|&value| f64::from(value)).collect()))
        .or_else(|_| dataset.read_array::<i32>().map(|array| array.iter().map(|&value| f64::from(value)).collect()))
        .map_err(explain)?;
    Ok((shape, values, unit))
}
