//! Why a map or profile could not be written in a format.

/// What a format cannot hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The format needs the pixel size.
    #[error("{format} cannot hold a map whose pixel size is not known; give the pixel size in the recipe")]
    NoPixelSize {
        /// Name of the format.
        format: &'static str,
    },
    /// The format ends at a size.
    #[error("{format} cannot hold {columns} x {rows} heights (4 GiB at most); bin the map or write HDF5")]
    TooLarge {
        /// Name of the format.
        format: &'static str,
        /// Columns of the map.
        columns: usize,
        /// Rows of the map.
        rows: usize,
    },
    /// The HDF5 writer refused, which is a fault of this program.
    #[error("the HDF5 file could not be built: {0}")]
    Hdf5(#[from] hdf5_writer::Error),
    /// The HDF5 writer made a layout that is not known here, which is a fault of this program.
    #[error("the HDF5 file has a layout in which its texts cannot be made scalars")]
    Hdf5Layout,
}
