//! Where each sub-aperture lies: from the recipe, else from `positions.csv`, else from the file itself.

use stitchbox_formats::position_in_comment;
use stitchbox_surface::{Instrument, SlopeSubAperture, SubAperture};

use super::PositionsFile;
use crate::context::InputFile;
use crate::failure::{FailureKind, RunFailure, list};
use crate::list::Entries;
use crate::read;
use crate::recipe::{FileName, Place, PositionRule};

/// Where a position came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `[positions.at]`.
    Recipe,
    /// The list in the folder.
    List,
    /// The comment of the file.
    Comment,
    /// The stage coordinates of the file.
    Stage,
    /// Another place in the file, as its format defines it.
    File,
    /// Found from the overlaps.
    Registration,
}

impl Source {
    /// The word in provenance; `list` is the name of the list in the folder.
    pub(crate) fn as_str(self, list: Option<&str>) -> String {
        match self {
            Self::Recipe => "recipe".to_owned(),
            Self::List => list.unwrap_or(crate::POSITIONS_NAME).to_owned(),
            Self::Comment => "comment".to_owned(),
            Self::Stage => "stage".to_owned(),
            Self::File => "file".to_owned(),
            Self::Registration => "registration".to_owned(),
        }
    }
}

/// What a file tells of where it was measured.
pub(crate) struct Told<'a> {
    pub name: &'a str,
    pub instrument: &'a Instrument,
    /// As the reader understood it.
    pub position_mm: Option<(f64, f64)>,
}

impl<'a> From<&'a SubAperture> for Told<'a> {
    fn from(measured: &'a SubAperture) -> Self {
        Self { name: &measured.name, instrument: &measured.instrument, position_mm: measured.position_mm }
    }
}

impl<'a> From<&'a SlopeSubAperture> for Told<'a> {
    fn from(measured: &'a SlopeSubAperture) -> Self {
        Self { name: &measured.name, instrument: &measured.instrument, position_mm: measured.position_mm }
    }
}

/// The place (x, y) of every file, mm in the mirror frame. One source serves the whole series: positions of different
/// origin would not share a frame.
///
/// # Errors
/// [`FailureKind::NoPositions`] naming the files that have none, [`FailureKind::BadRecipe`] for a list that cannot be read.
pub(crate) fn places(
    series: &[Told<'_>],
    rule: &PositionRule,
    list_file: Option<&InputFile>,
) -> Result<(Vec<(f64, f64)>, Source), RunFailure> {
    let origin = Origin::choose(rule, list_file, series)?;
    let source = origin.source();
    let mut places = Vec::with_capacity(series.len());
    let mut missing = Vec::new();
    for told in series {
        match origin.position(told) {
            Some(place) => places.push(place),
            None => missing.push(told.name.to_owned()),
        }
    }
    if missing.is_empty() { Ok((places, source)) } else { Err(no_positions(&missing, series.len(), source, list_file)) }
}

/// The one source of positions of a series.
enum Origin {
    Recipe(Entries<Place>),
    List(PositionsFile),
    Comments,
    Stage,
    Files,
}

impl Origin {
    fn choose(rule: &PositionRule, list_file: Option<&InputFile>, maps: &[Told<'_>]) -> Result<Self, RunFailure> {
        if !rule.at.is_empty() {
            return Ok(Self::Recipe(rule.at.clone().into()));
        }
        if let Some(file) = list_file {
            let positions = PositionsFile::parse(&read::text(file)?).map_err(|error| {
                let message = format!("{}, {error}. Correct the list and save it again.", file.name);
                RunFailure::new(FailureKind::BadRecipe, message)
            })?;
            return Ok(Self::List(positions));
        }
        if let Some(name) = rule.file.as_ref().map(FileName::as_str) {
            let message = format!(
                "The recipe takes the positions from \"{name}\", but there is no such file in the folder. Add it."
            );
            return Err(RunFailure::new(FailureKind::NoPositions, message));
        }
        Self::of_files(maps)
    }

    /// What the files themselves tell: all by their comment, or else all by their stage coordinates. A stage that stands
    /// at one place in every file was not the one that moved, or was never read out.
    fn of_files(maps: &[Told<'_>]) -> Result<Self, RunFailure> {
        let told = maps.iter().filter(|map| by_comment(map).is_some()).count();
        if told == maps.len() {
            return Ok(Self::Comments);
        }
        let stages: Vec<Option<(f64, f64)>> = maps.iter().map(|map| map.instrument.stage_mm).collect();
        let stands_still = stages.len() > 1 && stages.windows(2).all(|pair| pair[0] == pair[1]);
        if stages.iter().all(Option::is_some) && !stands_still {
            return Ok(Self::Stage);
        }
        let no_stage = stages.iter().all(Option::is_none);
        if told == 0 && no_stage && maps.iter().all(|map| map.position_mm.is_some()) {
            return Ok(Self::Files);
        }
        let by_stage_only = |map: &&Told<'_>| by_comment(map).is_none() && map.instrument.stage_mm.is_some();
        let mixed = told > 0 && !stands_still && maps.iter().any(|map| by_stage_only(&map));
        let missing: Vec<String> = match told {
            0 => maps.iter().map(|map| map.name.to_owned()).collect(),
            _ => maps.iter().filter(|map| by_comment(map).is_none()).map(|map| map.name.to_owned()).collect(),
        };
        let why = if mixed {
            "Some files tell their position in the comment and others only by the stage, and the two need not share a \
             zero. No position in the comment:"
        } else if told > 0 {
            "It is not known where these sub-apertures lie: they tell no position, the others of the series do:"
        } else if stands_still && stages.iter().any(Option::is_some) {
            "It is not known where the sub-apertures lie: there are no positions. The comments tell none, the stage \
             coordinates are the same in every file, and there is no positions.csv and no [positions.at] in \
             stitch.toml. The files:"
        } else {
            "It is not known where the sub-apertures lie: no file tells its position, there is no positions.csv and no \
             [positions.at] in stitch.toml. The files:"
        };
        let next = "Put a file positions.csv beside them with the columns file,x_mm,y_mm (one line a file, in \
                    millimetres along the mirror).";
        Err(RunFailure::new(FailureKind::NoPositions, list(why, &missing, next)))
    }

    fn source(&self) -> Source {
        match self {
            Self::Recipe(_) => Source::Recipe,
            Self::List(_) => Source::List,
            Self::Comments => Source::Comment,
            Self::Stage => Source::Stage,
            Self::Files => Source::File,
        }
    }

    fn position(&self, map: &Told<'_>) -> Option<(f64, f64)> {
        match self {
            Self::Recipe(at) => at.get(map.name).map(|place| (place.0, place.1)),
            Self::List(positions) => positions.get(map.name),
            Self::Comments => by_comment(map),
            Self::Stage => map.instrument.stage_mm,
            Self::Files => map.position_mm,
        }
    }
}

fn by_comment(map: &Told<'_>) -> Option<(f64, f64)> {
    map.instrument.comment.as_deref().and_then(position_in_comment)
}

/// A list that leaves files out.
fn no_positions(missing: &[String], all: usize, source: Source, list_file: Option<&InputFile>) -> RunFailure {
    let giver = match source {
        Source::Recipe => "[positions.at] in stitch.toml",
        _ => list_file.map_or(crate::POSITIONS_NAME, |f| f.name.as_str()),
    };
    let headline = format!("{giver} gives positions, but not for {} of the {all} files of the series:", missing.len());
    let next = "Add the missing lines, or take the files out of the folder.";
    RunFailure::new(FailureKind::NoPositions, list(&headline, missing, next))
}
