//! `stitchbox convert`: a map or profile in another format, chosen by the ending of the new name.

use std::fs;
use std::path::{Path, PathBuf};

use stitchbox_formats::{
    Limits, Measurement, MetroProHeader, NexusRecord, SlpHeader, X3pRecord, read_dabam, read_measurement,
    write_csv_map, write_csv_profile, write_dabam, write_metropro, write_nexus_map, write_nexus_profile, write_slp,
    write_x3p, write_xyz,
};
use stitchbox_surface::{Profile, SubAperture};

use crate::exit::Failure;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to read, in any format that `stitchbox info --formats` lists
    input: PathBuf,
    /// The file to write: maps .h5 .dat .x3p .csv .xyz, profiles .h5 .csv .slp .dat (DABAM, with its .txt beside it)
    output: PathBuf,
    /// Pixel size in mm that replaces what the file says
    #[arg(long, value_name = "MM")]
    pixel: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let measurement = read(&args.input)?;
    let ending = args.output.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let files = match measurement {
        Measurement::Map(map) => vec![(args.output.clone(), map_bytes(map, &ending, args)?)],
        Measurement::Profile(profile) => profile_files(&profile, &ending, args)?,
        Measurement::Slopes(_) => {
            let message = "slope maps are stitched and integrated by a recipe (kind = \"slopes\"), not converted";
            return Err(Failure::unusable(message.to_owned()));
        }
    };
    // DABAM is read from two files.
    let description = args.input.extension().filter(|e| *e == "dat").map(|_| args.input.with_extension("txt"));
    let inputs: Vec<PathBuf> = [args.input.clone()].into_iter().chain(description).collect();
    let outputs: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    spare(&inputs, &outputs)?;
    for (path, bytes) in files {
        write(&path, &bytes)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Whatever a file holds.
pub(crate) fn read(path: &Path) -> Result<Measurement, Failure> {
    let bytes = fs::read(path).map_err(|e| Failure::failed(format!("{} could not be read: {e}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // DABAM keeps the description of its columns beside them.
    let description =
        fs::read(path.with_extension("txt")).ok().filter(|_| path.extension().is_some_and(|e| e == "dat"));
    if let Some(description) = description
        && let Ok(mut profiles) = read_dabam(&name, &bytes, &description, &Limits::default())
        && !profiles.is_empty()
    {
        return Ok(Measurement::Profile(profiles.swap_remove(0)));
    }
    read_measurement(&name, &bytes, &Limits::default())
        .map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}

/// Refuses to write over what was read, under whatever name.
pub(crate) fn spare(inputs: &[PathBuf], outputs: &[PathBuf]) -> Result<(), Failure> {
    let canonical: Vec<PathBuf> = inputs.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let over = outputs.iter().find(|path| fs::canonicalize(path).is_ok_and(|path| canonical.contains(&path)));
    match over {
        Some(path) => Err(Failure::unusable(format!(
            "{} is an input and would be overwritten; nothing was written: choose another place",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// The file appears whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("{} could not be written: {e}", path.display()));
    let mut staged = path.as_os_str().to_owned();
    staged.push(".part");
    fs::write(&staged, bytes).and_then(|()| fs::rename(&staged, path)).map_err(failed)
}

fn map_bytes(own: SubAperture, ending: &str, args: &Args) -> Result<Vec<u8>, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::unusable(format!("{}: {error}", args.output.display()));
    let mut map = own.map;
    if let Some(pixel) = args.pixel {
        map = map.with_pixel(Some(stitchbox_surface::PixelSize { x_mm: pixel, y_mm: pixel }));
    }
    match ending {
        "h5" | "hdf5" | "nxs" => {
            write_nexus_map(&map, None, own.position_mm, &record(&own.name)).map_err(|e| refused(&e))
        }
        "dat" => write_metropro(&map, &MetroProHeader::default()).map_err(|e| refused(&e)),
        "x3p" => write_x3p(&map, &X3pRecord { comment: own.name, ..X3pRecord::default() }).map_err(|e| refused(&e)),
        "csv" => Ok(write_csv_map(&map)),
        "xyz" => write_xyz(&map).map_err(|e| refused(&e)),
        other => Err(Failure::unusable(format!(
            "a map cannot be written as \".{other}\"; there are .h5, .dat, .x3p, .csv and .xyz"
        ))),
    }
}

fn profile_files(profile: &Profile, ending: &str, args: &Args) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::unusable(format!("{}: {error}", args.output.display()));
    let one = |bytes: Vec<u8>| vec![(args.output.clone(), bytes)];
    match ending {
        "h5" | "hdf5" => write_nexus_profile(profile, None, &record(&profile.name)).map(one).map_err(|e| refused(&e)),
        "csv" => Ok(one(write_csv_profile(profile, None))),
        "slp" => write_slp(profile, &SlpHeader::default()).map(|t| one(t.into_bytes())).map_err(|e| refused(&e)),
        "dat" => {
            let dabam = write_dabam(profile);
            Ok(vec![(args.output.clone(), dabam.data), (args.output.with_extension("txt"), dabam.description)])
        }
        other => Err(Failure::unusable(format!(
            "a profile cannot be written as \".{other}\"; there are .h5, .csv, .slp and .dat"
        ))),
    }
}

fn record(title: &str) -> NexusRecord {
    NexusRecord {
        title: title.to_owned(),
        start_time: String::new(),
        creator: concat!("stitchbox ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_not_overwritten_under_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.csv");
        let text = "x_mm,height_nm\n0,1\n1,2\n2,4\n";
        fs::write(&path, text).unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        for output in [path.clone(), inside.join("../profile.csv")] {
            let failure = run(&Args { input: path.clone(), output, pixel: None }).unwrap_err();
            assert!(failure.to_string().contains("is an input"), "{failure}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        run(&Args { input: path.clone(), output: folder.path().join("profile.h5"), pixel: None }).unwrap();
    }
}
