//! The result digest of what is no stitched map, slopes and profiles: made as that of a map is.

use stitchbox_stitch::Digester;

/// One array of a result.
pub(crate) struct Array<'a> {
    pub name: &'a str,
    pub unit: &'a str,
    pub rows: usize,
    pub columns: usize,
    /// Row by row; `None` where a value is not known.
    pub values: &'a mut dyn Iterator<Item = Option<f64>>,
}

/// Lower-case hex SHA-256 over the arrays, in the order given.
pub(crate) fn digest<'a>(arrays: impl IntoIterator<Item = Array<'a>>) -> String {
    let mut digester = Digester::default();
    for array in arrays {
        digester.begin(array.name, array.unit, (array.rows, array.columns));
        digester.values(array.values.map(|value| (value.unwrap_or(0.0), value.is_some())));
    }
    digester.hex()
}
