//! Two or three columns as a profile: position, height or slope, and perhaps its uncertainty.

use stitchbox_surface::{Instrument, Profile, ProfileKind};

use crate::tables::{Table, columns, length_mm, length_nm, slope_urad};
use crate::{FormatError, TableError};

/// What the columns of a profile are.
#[derive(Debug, PartialEq)]
pub(super) struct Names {
    kind: ProfileKind,
    mm_per_x: f64,
    /// To nm or microradian.
    per_value: f64,
}

/// The columns of a profile, if a line above the numbers names them: the second must have a unit of length or slope,
/// the third must be an uncertainty.
pub(super) fn names(table: &Table<'_>) -> Option<Names> {
    table.header.iter().rev().find_map(|line| {
        let named = columns(line, table.columns)?;
        let (x, value) = (named.first()?, named.get(1)?);
        let uncertain = |name: &str| ["uncertainty", "sigma", "error", "u"].iter().any(|word| name.starts_with(word));
        if named.len() > 3 || named.get(2).is_some_and(|column| !uncertain(&column.name)) {
            return None;
        }
        let mm_per_x = if x.unit.is_empty() { 1.0 } else { length_mm(&x.unit)? };
        let height = length_nm(&value.unit).map(|factor| (ProfileKind::HeightNm, factor));
        let slope = || slope_urad(&value.unit).map(|factor| (ProfileKind::SlopeUrad, factor));
        // A second length called y is a coordinate, not a height.
        let coordinate = value.name == "y" && named.len() == 3;
        let (kind, per_value) = height.filter(|_| !coordinate).or_else(slope)?;
        Some(Names { kind, mm_per_x, per_value })
    })
}

/// The profile. Points of the second column that are missing are left out.
pub(super) fn read(name: &str, table: &Table<'_>) -> Result<Profile, FormatError> {
    let names = names(table).ok_or(TableError::UnknownColumns)?;
    let x: Vec<f64> = table.column(0).map(|x| x * names.mm_per_x).collect();
    let values: Vec<f64> = table.column(1).map(|value| value * names.per_value).collect();
    let profile = Profile::new(&x, &values, names.kind).map_err(TableError::from)?;
    // One number for all points is what a profile can hold; uncertainties that differ are not averaged away.
    let mut uncertainties = table.column(2).filter(|u| u.is_finite() && *u >= 0.0);
    let first = uncertainties.next().map(|u| u * names.per_value);
    let sigma = first.filter(|first| uncertainties.all(|u| u * names.per_value == *first));
    let instrument = Instrument { format: "text columns".to_owned(), ..Instrument::default() };
    Ok(Profile { name: name.to_owned(), sigma, instrument, ..profile })
}
