//! Why the places of a series cannot be found, in sentences for the person who measured it.

/// A series whose places do not follow from its overlaps.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegistrationError {
    /// Fewer than two sub-apertures.
    #[error(
        "finding places from overlaps needs at least two sub-apertures and the series has {count}; add the missing files"
    )]
    TooFew {
        /// Number of sub-apertures given.
        count: usize,
    },
    /// A file with too few valid pixels to recognise anything.
    #[error(
        "{file} has {valid} valid pixels, too few to recognise a place of the mirror; remove the file or measure it again"
    )]
    TooFewPixels {
        /// File name.
        file: String,
        /// Its valid pixels.
        valid: usize,
    },
    /// Detector windows so far apart that they cannot be of one camera.
    #[error(
        "the detector windows reach over {rows} x {columns} pixels, far more than the maps have: {file} cannot be of the \
         same camera as the first file; remove it or register it apart"
    )]
    WindowsApart {
        /// The file whose window lies outside.
        file: String,
        /// Rows all windows cover together.
        rows: u64,
        /// Columns all windows cover together.
        columns: u64,
    },
    /// The least overlap is not a part between 0.05 and 0.95.
    #[error("min_overlap is {given}; give the part of a map that neighbours share at least, between 0.05 and 0.95")]
    MinOverlap {
        /// What was given.
        given: f64,
    },
    /// No two sub-apertures could be recognised as neighbours.
    #[error(
        "no two of the {count} sub-apertures ({first} to {last}) show the same roughness at one clear shift: the mirror has \
         too few features above the noise, the overlaps are smaller than min_overlap, or its features repeat; give the \
         positions in positions.csv or stitch.toml"
    )]
    Featureless {
        /// Number of sub-apertures.
        count: usize,
        /// First file.
        first: String,
        /// Last file.
        last: String,
    },
    /// The series falls into groups without a certain overlap between them.
    #[error(
        "the overlaps do not tie the series together: it falls into {}; measure the sub-aperture between them, lower min_overlap, or \
         give the positions in positions.csv or stitch.toml", in_groups(.groups)
    )]
    NotTied {
        /// File names of each group.
        groups: Vec<Vec<String>>,
    },
    /// Shifts that look clear contradict each other round a loop, and nothing tells which is wrong.
    #[error(
        "the shift between {first} and {second} misses by {miss_px:.1} pixels what the other overlaps say, and nothing tells \
         which is wrong: the mirror may repeat itself; give the positions in positions.csv or stitch.toml"
    )]
    Contradiction {
        /// First file of the worst pair.
        first: String,
        /// Second file of the worst pair.
        second: String,
        /// By how much, pixels.
        miss_px: f64,
    },
    /// More than half of the neighbours seem to look at one place: a reference that changes during the scan looks so too.
    #[error(
        "{pairs} of the neighbouring sub-apertures, the first of them {first} and {second}, match best without any shift: either the          mirror did not move, or it is too smooth and what matches is a reference that changed during the scan; give the          positions in positions.csv or stitch.toml"
    )]
    NothingMoves {
        /// Number of neighbours that match without shift.
        pairs: usize,
        /// First file of the first such pair.
        first: String,
        /// Second file of it.
        second: String,
    },
    /// The caller ended it.
    #[error("finding the places was cancelled")]
    Cancelled,
}

/// Names every group, the long ones by their ends.
fn in_groups(groups: &[Vec<String>]) -> String {
    let one = |files: &Vec<String>| match files.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [first, .., last] => format!("{first} to {last} ({} files)", files.len()),
    };
    let mut text: Vec<String> = groups.iter().take(6).map(|files| format!("[{}]", one(files))).collect();
    if groups.len() > 6 {
        text.push(format!("{} more", groups.len() - 6));
    }
    format!("{} groups: {}", groups.len(), text.join(", "))
}
