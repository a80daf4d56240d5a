//! Where each sub-aperture lies: from the recipe, else from `positions.csv`, else from the file itself.

use std::collections::BTreeMap;

use stitchbox_stitch::Placed;
use stitchbox_surface::SubAperture;

use super::PositionsFile;
use crate::context::InputFile;
use crate::failure::{FailureKind, RunFailure, list};
use crate::read;
use crate::recipe::PositionRule;

/// Where a position came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `[positions.at]`.
    Recipe,
    /// The list in the folder.
    List,
    /// Header or comment of the file.
    File,
}

impl Source {
    /// The word in provenance; `list` is the name of the list in the folder.
    pub(crate) fn as_str(self, list: Option<&str>) -> String {
        match self {
            Self::Recipe => "recipe".to_owned(),
            Self::List => list.unwrap_or(crate::POSITIONS_NAME).to_owned(),
            Self::File => "file".to_owned(),
        }
    }
}

/// Gives every sub-aperture its place and, if the recipe says so, its pixel size. One source serves the whole series:
/// positions of different origin would not share a frame.
///
/// # Errors
/// [`FailureKind::NoPositions`] naming the files that have none, [`FailureKind::BadRecipe`] for a list that cannot be read.
pub(crate) fn place(
    maps: Vec<SubAperture>,
    rule: &PositionRule,
    list_file: Option<&InputFile>,
) -> Result<Vec<(Placed, Source)>, RunFailure> {
    let (origin, source) = Origin::choose(rule, list_file)?;
    let mut placed = Vec::with_capacity(maps.len());
    let mut missing = Vec::new();
    let all = maps.len();
    for mut map in maps {
        let Some((x_mm, y_mm)) = origin.position(&map) else {
            missing.push(map.name);
            continue;
        };
        if let Some(pixel) = rule.pixel {
            map.map = map.map.with_pixel(Some(pixel));
        }
        placed.push((Placed { sub_aperture: map, x_mm, y_mm }, source));
    }
    if missing.is_empty() { Ok(placed) } else { Err(no_positions(&missing, all, source, list_file)) }
}

/// The one source of positions of a series.
enum Origin<'a> {
    Recipe(&'a BTreeMap<String, (f64, f64)>),
    List(PositionsFile),
    Files,
}

impl<'a> Origin<'a> {
    fn choose(rule: &'a PositionRule, list_file: Option<&InputFile>) -> Result<(Self, Source), RunFailure> {
        if !rule.at.is_empty() {
            return Ok((Self::Recipe(&rule.at), Source::Recipe));
        }
        if let Some(file) = list_file {
            let positions = PositionsFile::parse(&read::text(file)?).map_err(|error| {
                let message = format!("{}, {error}. Correct the list and save it again.", file.name);
                RunFailure::new(FailureKind::BadRecipe, message)
            })?;
            return Ok((Self::List(positions), Source::List));
        }
        if let Some(name) = &rule.file {
            let message = format!(
                "The recipe takes the positions from \"{name}\", but there is no such file in the folder. Add it."
            );
            return Err(RunFailure::new(FailureKind::NoPositions, message));
        }
        Ok((Self::Files, Source::File))
    }

    fn position(&self, map: &SubAperture) -> Option<(f64, f64)> {
        match self {
            Self::Recipe(at) => at.get(&map.name).copied(),
            Self::List(positions) => positions.get(&map.name),
            Self::Files => map.position_mm,
        }
    }
}

fn no_positions(missing: &[String], all: usize, source: Source, list_file: Option<&InputFile>) -> RunFailure {
    let where_missing = match source {
        Source::Recipe => "[positions.at] in stitch.toml gives positions, but not for".to_owned(),
        Source::List => {
            format!("{} gives positions, but not for", list_file.map_or(crate::POSITIONS_NAME, |f| f.name.as_str()))
        }
        Source::File if missing.len() == all => {
            "It is not known where the sub-apertures lie: no file tells its position,".to_owned()
        }
        Source::File => "It is not known where these sub-apertures lie, their files do not tell:".to_owned(),
    };
    let headline = match (source, missing.len() == all) {
        (Source::File, true) => {
            format!("{where_missing} there is no positions.csv and no [positions.at] in stitch.toml. The files:")
        }
        (Source::File, false) => where_missing,
        _ => format!("{where_missing} {} of the {all} files of the series:", missing.len()),
    };
    let next = match source {
        Source::File => {
            "Put a file positions.csv beside them with the columns file,x_mm,y_mm (one line a file, in millimetres along the mirror)."
        }
        _ => "Add the missing lines, or take the files out of the folder.",
    };
    RunFailure::new(FailureKind::NoPositions, list(&headline, missing, next))
}
