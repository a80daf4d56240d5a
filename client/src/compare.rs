//! `stitchbox compare`: two maps, pixel by pixel.

use std::fs;
use std::path::{Path, PathBuf};

use stitchbox_formats::{Limits, Measurement, NexusRecord, read_uncertainty, write_nexus_map};
use stitchbox_steps::{Compare, Compared, Register};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use crate::convert;
use crate::exit::Failure;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The one map
    first: PathBuf,
    /// The other
    second: PathBuf,
    /// Move the second onto the first: none, whole or sub-pixel
    #[arg(long, value_name = "HOW", default_value = "none")]
    register: How,
    /// How far it may be moved, with its unit, such as "2 mm" [default: 5 pixels]
    #[arg(long, value_name = "LENGTH")]
    max_shift: Option<Length>,
    /// Write the difference to this file (.h5)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum How {
    None,
    Whole,
    SubPixel,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (first, u_first) = map(&args.first)?;
    let (second, u_second) = map(&args.second)?;
    let register = match args.register {
        How::None => Register::None,
        How::Whole => Register::Whole,
        How::SubPixel => Register::SubPixel,
    };
    let compare = Compare { register, max_shift: args.max_shift, ..Compare::default() };
    let heights = |map: &Option<HeightMap>| map.as_ref().map(|m| m.heights_nm().clone());
    let (u_first, u_second) = (heights(&u_first), heights(&u_second));
    let compared = compare
        .apply(&first, u_first.as_ref(), &second, u_second.as_ref())
        .map_err(|error| Failure::unusable(error.to_string()))?;
    if let Some(path) = &args.output {
        let record = NexusRecord { title: "difference".to_owned(), ..NexusRecord::default() };
        let bytes = write_nexus_map(&compared.difference, None, None, &record)
            .map_err(|error| Failure::failed(format!("{} could not be written: {error}", path.display())))?;
        convert::write(path, &bytes)?;
    }
    print(args, &compared);
    Ok(())
}

fn map(path: &Path) -> Result<(HeightMap, Option<HeightMap>), Failure> {
    let path = if path.is_dir() { path.join("height.h5") } else { path.to_owned() };
    let Measurement::Map(map) = convert::read(&path)? else {
        return Err(Failure::unusable(format!("{} holds no height map", path.display())));
    };
    let bytes = fs::read(&path).map_err(|e| Failure::failed(format!("{} could not be read: {e}", path.display())))?;
    let uncertainty = read_uncertainty(&bytes, &Limits::default())
        .map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))?;
    Ok((map.map, uncertainty))
}

fn print(args: &Args, compared: &Compared) {
    if args.json {
        let object = serde_json::json!({
            "rms_nm": compared.rms_nm,
            "pv_nm": compared.pv_nm,
            "pixels": compared.count,
            "e_n_within_1": compared.within,
            "shift": compared.shift,
            "removed": compared.removed,
        });
        println!("{object}");
        return;
    }
    println!("difference  rms {:.4} nm, PV {:.4} nm over {} pixels", compared.rms_nm, compared.pv_nm, compared.count);
    if let Some(shift) = &compared.shift {
        println!("shift       {:.3}, {:.3} px", shift.x_px, shift.y_px);
    }
    for term in &compared.removed {
        println!("removed     {} {:.4} {}", term.name, term.value, term.unit);
    }
    match compared.within {
        Some(part) => println!("E_n         at most 1 at {:.1} % of the pixels (95 % or so is expected)", 100.0 * part),
        None => println!("E_n         unknown: one of the files has no uncertainty"),
    }
}
