//! Two-dimensional arrays as NumPy's `.npy` files (format 1.0, little-endian floats, row by row).

use std::io::{self, Write};

use ndarray::Array2;

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// Writes an array as `<f4`.
///
/// # Errors
/// What the writer answers.
pub fn write_f32(out: &mut impl Write, values: &Array2<f64>) -> io::Result<()> {
    let (rows, columns) = values.dim();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    while !(MAGIC.len() + 2 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut line = Vec::with_capacity(4 * columns);
    for row in values.rows() {
        line.clear();
        line.extend(row.iter().flat_map(|v| (*v as f32).to_le_bytes()));
        out.write_all(&line)?;
    }
    Ok(())
}

/// Reads a two-dimensional `<f4` or `<f8` array in row order.
///
/// # Errors
/// `InvalidData` with a sentence where the bytes are something else or do not hold what they announce.
pub fn read(bytes: &[u8]) -> io::Result<Array2<f64>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no readable .npy array: {what}"));
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| invalid("not of format 1.0"))?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(|| invalid("truncated"))?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| invalid("truncated in the header"))?;
    let header = std::str::from_utf8(header).map_err(|_| invalid("its header is no text"))?;
    if !header.contains("'fortran_order': False") {
        return Err(invalid("not in row order"));
    }
    let shape = shape(header).ok_or_else(|| invalid("not two-dimensional"))?;
    let values: Vec<f64> = if header.contains("'<f4'") {
        data.as_chunks().0.iter().map(|v| f64::from(f32::from_le_bytes(*v))).collect()
    } else if header.contains("'<f8'") {
        data.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v)).collect()
    } else {
        return Err(invalid("neither <f4 nor <f8"));
    };
    Array2::from_shape_vec(shape, values).map_err(|_| invalid("its data is not as long as its shape"))
}

fn shape(header: &str) -> Option<(usize, usize)> {
    let (_, rest) = header.split_once("'shape': (")?;
    let (inner, _) = rest.split_once(')')?;
    let mut sizes = inner.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse::<usize>());
    match (sizes.next(), sizes.next(), sizes.next()) {
        (Some(Ok(rows)), Some(Ok(columns)), None) => Some((rows, columns)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let values = Array2::from_shape_fn((3, 5), |(r, c)| r as f64 * 0.5 - c as f64);
        let mut bytes = Vec::new();
        write_f32(&mut bytes, &values).unwrap();
        assert_eq!((bytes.len() - 3 * 5 * 4) % 64, 0);
        assert_eq!(read(&bytes).unwrap(), values);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let mut bytes = Vec::new();
        write_f32(&mut bytes, &Array2::zeros((2, 2))).unwrap();
        for length in [0, 7, 9, 40, bytes.len() - 1] {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }
}
