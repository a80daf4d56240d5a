//! Why a series cannot be stitched, in sentences for the person who measured it.

use stitchbox_surface::PixelSize;

/// A series that cannot be stitched as it is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StitchError {
    /// Fewer than two sub-apertures.
    #[error(
        "stitching needs at least two sub-apertures and the series has {count}; add the missing files to the folder"
    )]
    TooFew {
        /// Number of sub-apertures given.
        count: usize,
    },
    /// A file without a single valid pixel.
    #[error("{file} has no valid pixel, so nothing of it can be stitched; remove the file or measure it again")]
    NoValidPixels {
        /// File name.
        file: String,
    },
    /// A file does not tell its pixel size.
    #[error(
        "{file} carries no lateral calibration, so its position in mm cannot be turned into pixels; calibrate the \
         instrument and export again, or give the pixel size in stitch.toml"
    )]
    NoLateralCalibration {
        /// File name.
        file: String,
    },
    /// The pixel sizes of two files differ by more than 1e-4.
    #[error(
        "{first} has pixels of {} and {second} has pixels of {}; files of one series must agree to 0.01 %: \
         remove the file that does not belong to the series, or give one pixel size in stitch.toml",
        in_mm(.first_size), in_mm(.second_size)
    )]
    PixelSizesDiffer {
        /// File whose pixel size is taken as that of the series.
        first: String,
        /// Its pixel size.
        first_size: PixelSize,
        /// File that disagrees.
        second: String,
        /// Its pixel size.
        second_size: PixelSize,
    },
    /// A position is not a number, or lies absurdly far away.
    #[error(
        "the position of {file} is x = {x_mm} mm, y = {y_mm} mm, which cannot be a place on a mirror; correct it in \
         positions.csv or stitch.toml"
    )]
    AbsurdPosition {
        /// File name.
        file: String,
        /// Mirror x, mm.
        x_mm: f64,
        /// Mirror y, mm.
        y_mm: f64,
    },
    /// A detector window begins more than 2^31 pixels from the corner of the camera.
    #[error(
        "the detector window of {file} begins at camera row {row}, column {column}, which no camera has; export the \
         file again"
    )]
    AbsurdWindow {
        /// File name.
        file: String,
        /// Camera row of its row 0.
        row: i64,
        /// Camera column of its column 0.
        column: i64,
    },
    /// A height beyond a metre.
    #[error(
        "{file} has a height of {height_nm:e} nm, which cannot be a mirror; the file is damaged or its heights are in \
         another unit: export it again or remove it"
    )]
    AbsurdHeight {
        /// File name.
        file: String,
        /// The height farthest from zero, nm.
        height_nm: f64,
    },
    /// The sub-apertures fall into groups without common valid pixels enough to tell their piston, pitch and roll apart.
    #[error(
        "the sub-apertures do not all overlap: they fall into {} groups that share fewer than three valid pixels, or only \
         pixels on one line: {}; check the positions and their signs, or measure the gap between the groups",
        .groups.len(), in_groups(.groups)
    )]
    NoOverlap {
        /// File names of each group, in the order of the series.
        groups: Vec<Vec<String>>,
    },
    /// The stitched map or the camera frame would be larger than any mirror needs.
    #[error(
        "the {what} would have {rows} x {columns} pixels, more than can be stitched; a detector window or a position \
         of the series must be wrong"
    )]
    TooLarge {
        /// `camera frame` or `stitched map`.
        what: &'static str,
        /// Rows it would have.
        rows: u64,
        /// Columns it would have.
        columns: u64,
    },
    /// The known reference does not cover the camera frame.
    #[error(
        "the reference map has {} x {} pixels (rows x columns) from camera row {}, column {}, but the detector windows of \
         the series span {} x {} from row {}, column {}; give a reference that covers all of that part of the camera",
        .reference[0], .reference[1], .reference_at[0], .reference_at[1],
        .camera[0], .camera[1], .camera_at[0], .camera_at[1]
    )]
    ReferenceShape {
        /// Rows and columns of the reference.
        reference: [usize; 2],
        /// Camera row and column of its first pixel.
        reference_at: [i64; 2],
        /// Rows and columns that the detector windows span.
        camera: [usize; 2],
        /// Camera row and column of the first pixel of that rectangle.
        camera_at: [i64; 2],
    },
    /// The pixel sizes of the known reference and of the series differ by more than 1e-4.
    #[error(
        "the reference map has pixels of {reference} and the series has pixels of {series}; the two must agree to \
         0.01 %: give a reference measured with the same magnification"
    )]
    ReferencePixels {
        /// Pixel size of the reference.
        reference: String,
        /// Pixel size of the series.
        series: String,
    },
    /// A sub-aperture could not be read while stitching.
    #[error("{file} could not be read: {reason}; mend the file or remove it from the series")]
    Unreadable {
        /// File name.
        file: String,
        /// What reading it said.
        reason: String,
    },
    /// A scratch file or checkpoint could not be written or read.
    #[error(
        "the scratch file {path} could not be written or read: {reason}; make room in its folder or name another one"
    )]
    Scratch {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Something asked for needs all of the series in memory.
    #[error(
        "{what} needs all sub-apertures in memory, and they exceed the memory allowed; allow more memory, or do without"
    )]
    NotInMemory {
        /// What was asked for.
        what: &'static str,
    },
    /// Not as many measured angles as sub-apertures.
    #[error(
        "there are measured angles for {angles} sub-apertures, but the series has {sub_apertures}; give one entry for each, \
         in the order of the series (with empty readings where nothing was measured)"
    )]
    AnglesCount {
        /// Entries given.
        angles: usize,
        /// Sub-apertures in the series.
        sub_apertures: usize,
    },
    /// A measured angle or its uncertainty is not a number, or the uncertainty is not positive.
    #[error(
        "the measured angles of {file} are no finite numbers with a positive uncertainty; correct them, or leave the reading out"
    )]
    AbsurdAngle {
        /// File name of the sub-aperture.
        file: String,
    },
    /// A profile whose numbers make no sense.
    #[error(
        "the profile {profile} has positions that do not ascend, values that are not finite, or an uncertainty that is not \
         positive; correct it or leave it out"
    )]
    AbsurdProfile {
        /// Name of the profile.
        profile: String,
    },
    /// Something that cannot happen did: a fault of this program.
    #[error(
        "internal fault while {step}: the sizes of two arrays disagree; please report it with the files of the series"
    )]
    Internal {
        /// What was being done.
        step: &'static str,
    },
    /// [`crate::Progress::cancelled`] said so.
    #[error("the stitch was cancelled")]
    Cancelled,
}

/// A pixel size for people.
pub(crate) fn in_mm(size: &PixelSize) -> String {
    if size.x_mm == size.y_mm {
        format!("{:.6} mm", size.x_mm)
    } else {
        format!("{:.6} x {:.6} mm", size.x_mm, size.y_mm)
    }
}

fn in_groups(groups: &[Vec<String>]) -> String {
    /// So many names of a group are written out.
    const NAMED: usize = 6;
    let group = |names: &Vec<String>| {
        let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > NAMED { format!("({shown} and {} more)", names.len() - NAMED) } else { format!("({shown})") }
    };
    let shown = groups.iter().take(NAMED).map(group).collect::<Vec<_>>().join("; ");
    if groups.len() > NAMED { format!("{shown}; and {} more groups", groups.len() - NAMED) } else { shown }
}
