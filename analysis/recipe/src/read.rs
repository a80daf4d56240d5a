//! Reading the files of a series: each once, in parallel, with its hash verified and its complaint kept.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use stitchbox_formats::{
    Limits, Measurement, SNIFF_BYTES, read_measurement, read_measurements, read_sub_aperture, read_uncertainty,
};
use stitchbox_report::sha256_hex;
use stitchbox_surface::{HeightMap, Profile, SlopeSubAperture, SubAperture};

use crate::classify::{Role, positions_among, recipe_among};
use crate::context::{InputFile, RecipeOrigin, RunContext};
use crate::failure::{FailureKind, RunFailure, list};
use crate::memory::{held_bytes, too_large};
use crate::recipe::{FileName, Recipe};

/// Largest list of positions read, bytes.
const MOST_TEXT_BYTES: u64 = 1 << 20;

/// The files of a folder by the part they play; each list sorted by name.
pub(crate) struct Sorted<'a> {
    pub sub_apertures: Vec<&'a InputFile>,
    pub claimed: Vec<&'a InputFile>,
    pub positions: Option<&'a InputFile>,
    /// Files that the recipe names.
    pub named: Vec<&'a InputFile>,
    pub recipe: Option<&'a InputFile>,
    pub ignored: Vec<String>,
}

impl<'a> Sorted<'a> {
    /// The files that are read as the series, sorted by name.
    pub fn series(&self) -> Vec<&'a InputFile> {
        let mut files: Vec<&InputFile> = self.sub_apertures.iter().chain(&self.claimed).copied().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files
    }
}

/// Looks at the head of every file.
pub(crate) fn sort<'a>(
    inputs: &'a [InputFile],
    recipe: &Recipe,
    origin: &RecipeOrigin,
) -> Result<Sorted<'a>, RunFailure> {
    let mut inputs: Vec<&InputFile> = inputs.iter().collect();
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let names = || inputs.iter().map(|input| input.name.as_str());
    let own_recipe = recipe_among(names()).filter(|_| *origin == RecipeOrigin::Folder);
    let list = recipe.positions.file.as_ref().map(FileName::as_str).or_else(|| positions_among(names()));
    let mut sorted = Sorted {
        sub_apertures: Vec::new(),
        claimed: Vec::new(),
        positions: None,
        named: Vec::new(),
        recipe: None,
        ignored: Vec::new(),
    };
    for input in inputs {
        match recipe.classify(&input.name, &head(input)?) {
            Role::SubAperture => sorted.sub_apertures.push(input),
            Role::Claimed => sorted.claimed.push(input),
            Role::Positions if list == Some(input.name.as_str()) => sorted.positions = Some(input),
            Role::Named => sorted.named.push(input),
            Role::Recipe if own_recipe == Some(input.name.as_str()) => sorted.recipe = Some(input),
            Role::Positions | Role::Recipe | Role::Foreign => sorted.ignored.push(input.name.clone()),
        }
    }
    Ok(sorted)
}

/// What a measurement is, in a sentence.
fn words(measurement: &Measurement) -> &'static str {
    match measurement {
        Measurement::Map(_) => SubAperture::WHAT,
        Measurement::Slopes(_) => SlopeSubAperture::WHAT,
        Measurement::Profile(_) => Profile::WHAT,
    }
}

/// What the files of a series hold, in the order of their names: height maps, slopes or profiles.
pub(crate) trait Member: Sized + Send {
    /// What it is called in a sentence.
    const WHAT: &'static str;
    /// This kind of measurement, or the words for what else it is.
    fn of(measurement: Measurement) -> Result<Self, &'static str>;
    /// Memory that it takes, bytes.
    fn held_bytes(&self) -> u64;
    /// Whether there is anything in it to use.
    fn is_empty(&self) -> bool;
}

impl Member for SubAperture {
    const WHAT: &'static str = "a height map";
    fn of(measurement: Measurement) -> Result<Self, &'static str> {
        match measurement {
            Measurement::Map(map) => Ok(map),
            other => Err(words(&other)),
        }
    }
    fn held_bytes(&self) -> u64 {
        held_bytes(&self.map)
    }
    fn is_empty(&self) -> bool {
        self.map.valid_count() == 0
    }
}

impl Member for SlopeSubAperture {
    const WHAT: &'static str = "slopes";
    fn of(measurement: Measurement) -> Result<Self, &'static str> {
        match measurement {
            Measurement::Slopes(slopes) => Ok(slopes),
            other => Err(words(&other)),
        }
    }
    fn held_bytes(&self) -> u64 {
        17 * self.valid.len() as u64
    }
    fn is_empty(&self) -> bool {
        !self.valid.iter().any(|valid| *valid)
    }
}

impl Member for Profile {
    const WHAT: &'static str = "a profile";
    fn of(measurement: Measurement) -> Result<Self, &'static str> {
        match measurement {
            Measurement::Profile(profile) => Ok(profile),
            other => Err(words(&other)),
        }
    }
    fn held_bytes(&self) -> u64 {
        16 * self.len() as u64
    }
    fn is_empty(&self) -> bool {
        false
    }
}

/// All files of a series, each as one or more members of one kind.
///
/// # Errors
/// One failure that names every damaged file; [`FailureKind::Storage`] if any could not be read at all,
/// [`FailureKind::TooLarge`] as soon as they take more memory than allowed.
pub(crate) fn series<T: Member>(sorted: &Sorted<'_>, context: &RunContext) -> Result<Vec<T>, RunFailure> {
    let files = sorted.series();
    // What was read is counted on the way: compressed files may unfold to more than their sizes told.
    let (held, limit) = (AtomicU64::new(0), context.memory_limit.unwrap_or(u64::MAX));
    let read_one = |file: &&InputFile| {
        if held.load(Ordering::Relaxed) > limit {
            return None;
        }
        let read = members::<T>(file, &context.limits);
        if let Ok(read) = &read {
            held.fetch_add(read.iter().map(T::held_bytes).sum(), Ordering::Relaxed);
        }
        Some(read)
    };
    let read: Option<Vec<Result<Vec<T>, Complaint>>> = files.par_iter().map(read_one).collect();
    let Some(read) = read else { return Err(too_large(files.len(), held.into_inner(), limit)) };
    let mut maps = Vec::with_capacity(read.len());
    let mut complaints = Vec::new();
    let mut storage = false;
    for (file, result) in files.iter().zip(read) {
        match result {
            Ok(members) if members.iter().any(T::is_empty) => complaints.push(format!("{}: {NO_PIXEL}", file.name)),
            Ok(members) => maps.extend(members),
            Err(Complaint::Damaged(why)) => complaints.push(format!("{}: {why}", file.name)),
            Err(Complaint::Storage(why)) => {
                storage = true;
                complaints.push(format!("{}: {why}", file.name));
            }
        }
    }
    if complaints.is_empty() { Ok(maps) } else { Err(refused(files.len(), &complaints, storage)) }
}

/// What is said of a file in which nothing is valid.
pub(crate) const NO_PIXEL: &str = "there is no valid pixel in the file; measure it again or remove it";

/// The failure that names the files of a series of `files` that cannot be used; `storage`: another attempt may read them.
pub(crate) fn refused(files: usize, complaints: &[String], storage: bool) -> RunFailure {
    let headline = match (complaints.len(), files) {
        (1, 1) => "The only file of the series cannot be used:".to_owned(),
        (1, all) => format!("One of the {all} files of the series cannot be used:"),
        (bad, all) => format!("{bad} of the {all} files of the series cannot be used:"),
    };
    let next = "Nothing was changed or removed. Replace these files, or take them out of the folder, and the series can be stitched.";
    let kind = if storage { FailureKind::Storage } else { FailureKind::BadFiles };
    RunFailure::new(kind, list(&headline, complaints, next))
}

/// One map that is no sub-aperture: the reference.
pub(crate) fn reference(file: &InputFile, limits: &Limits) -> Result<SubAperture, RunFailure> {
    sub_aperture(file, limits).map_err(|complaint| match complaint {
        Complaint::Damaged(why) => {
            RunFailure::new(FailureKind::BadRecipe, format!("The reference {} cannot be used: {why}.", file.name))
        }
        Complaint::Storage(why) => {
            RunFailure::new(FailureKind::Storage, format!("The reference {} cannot be used: {why}.", file.name))
        }
    })
}

/// A map in its detector window and, where the file has one, its uncertainty.
pub(crate) fn map_and_uncertainty(
    file: &InputFile,
    limits: &Limits,
) -> Result<(SubAperture, Option<HeightMap>), RunFailure> {
    match measurement(file, limits)? {
        (Measurement::Map(map), uncertainty) => Ok((map, uncertainty)),
        (Measurement::Slopes(_) | Measurement::Profile(_), _) => {
            Err(unusable(file, Complaint::Damaged("it holds no height map, and one is needed".to_owned())))
        }
    }
}

/// A profile that the recipe names.
pub(crate) fn profile(file: &InputFile, limits: &Limits) -> Result<Profile, RunFailure> {
    match measurement(file, limits)? {
        (Measurement::Profile(profile), _) => Ok(profile),
        (Measurement::Map(_) | Measurement::Slopes(_), _) => {
            Err(unusable(file, Complaint::Damaged("it holds a map, and a profile is needed".to_owned())))
        }
    }
}

/// Whatever one file holds; beside a map its uncertainty, where the file has one.
pub(crate) fn measurement(file: &InputFile, limits: &Limits) -> Result<(Measurement, Option<HeightMap>), RunFailure> {
    let read = || {
        let bytes = content(file, limits.max_file_bytes)?;
        let damaged = |error: stitchbox_formats::FormatError| Complaint::Damaged(error.to_string());
        let measurement = read_measurement(&file.name, &bytes, limits).map_err(damaged)?;
        Ok((measurement, read_uncertainty(&bytes, limits).map_err(damaged)?))
    };
    read().map_err(|complaint| unusable(file, complaint))
}

fn unusable(file: &InputFile, complaint: Complaint) -> RunFailure {
    let (kind, why) = match complaint {
        Complaint::Damaged(why) => (FailureKind::BadRecipe, why),
        Complaint::Storage(why) => (FailureKind::Storage, why),
    };
    RunFailure::new(kind, format!("{} cannot be used: {why}.", file.name))
}

/// A text file; bytes that are not UTF-8 are taken as Latin-1, as older spreadsheets write.
pub(crate) fn text(file: &InputFile) -> Result<String, RunFailure> {
    let bytes = content(file, MOST_TEXT_BYTES).map_err(|complaint| unusable(file, complaint))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

/// Size of a file, bytes; 0 if it cannot be told, for reading then says why.
pub(crate) fn size(file: &InputFile) -> u64 {
    std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len())
}

/// What is wrong with a file.
pub(crate) enum Complaint {
    /// With its content: again tomorrow the same.
    Damaged(String),
    /// With reading it: tomorrow perhaps better.
    Storage(String),
}

/// What one file of a series holds.
pub(crate) fn members<T: Member>(file: &InputFile, limits: &Limits) -> Result<Vec<T>, Complaint> {
    let bytes = content(file, limits.max_file_bytes)?;
    let read = read_measurements(&file.name, &bytes, limits).map_err(|error| Complaint::Damaged(error.to_string()))?;
    let of = |measurement| {
        T::of(measurement).map_err(|found| {
            Complaint::Damaged(format!("it holds {found}, and the series is made of files that hold {}", T::WHAT))
        })
    };
    read.into_iter().map(of).collect()
}

fn sub_aperture(file: &InputFile, limits: &Limits) -> Result<SubAperture, Complaint> {
    let bytes = content(file, limits.max_file_bytes)?;
    read_sub_aperture(&file.name, &bytes, limits).map_err(|error| Complaint::Damaged(error.to_string()))
}

fn content(file: &InputFile, most: u64) -> Result<Vec<u8>, Complaint> {
    let storage = |error: std::io::Error| Complaint::Storage(cannot_read(&error));
    let handle = File::open(&file.path).map_err(storage)?;
    let size = handle.metadata().map_err(storage)?.len();
    if size > most {
        return Err(Complaint::Damaged(format!("the file has {size} bytes, more than the {most} that are read")));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    handle.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(storage)?;
    if sha256_hex(&bytes) != file.sha256 {
        let why = "its content is not the one that was recorded (the SHA-256 differs); it changed while it was read, or the storage is damaged";
        return Err(Complaint::Storage(why.to_owned()));
    }
    Ok(bytes)
}

fn head(file: &InputFile) -> Result<Vec<u8>, RunFailure> {
    first_bytes(file, SNIFF_BYTES)
        .map_err(|why| RunFailure::new(FailureKind::Storage, format!("{}: {why}.", file.name)))
}

/// So many bytes of a file, fewer if it is shorter; not verified.
pub(crate) fn first_bytes(file: &InputFile, count: usize) -> Result<Vec<u8>, String> {
    let mut head = Vec::with_capacity(count);
    let read = File::open(&file.path).and_then(|handle| handle.take(count as u64).read_to_end(&mut head));
    read.map(|_| head).map_err(|error| cannot_read(&error))
}

fn cannot_read(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "the file is no longer there".to_owned(),
        ErrorKind::PermissionDenied => "there is no permission to read the file".to_owned(),
        _ => format!("the file could not be read ({error})"),
    }
}
