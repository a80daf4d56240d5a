//! `stitchbox info`: what is in a file, and which formats there are.

use std::path::PathBuf;

use serde_json::{Value, json};
use stitchbox_formats::{Measurement, readers};
use stitchbox_surface::{ProfileKind, statistics};

use crate::convert;
use crate::exit::Failure;

/// Arguments of `info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files to look at
    #[arg(required_unless_present = "formats")]
    files: Vec<PathBuf>,
    /// List the formats that can be read
    #[arg(long)]
    formats: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.formats {
        for info in readers() {
            if args.json {
                println!("{}", json!(info));
            } else {
                let written = if info.writes { ", written too" } else { "" };
                println!("{:12} {} (.{}){written}: {}", info.id, info.name, info.extensions.join(", ."), info.versions);
            }
        }
    }
    let mut failed = None;
    for path in &args.files {
        match convert::read(path) {
            Ok(measurement) => {
                let found = describe(&measurement);
                if args.json {
                    println!("{}", json!({ "file": path, "holds": found }));
                } else {
                    println!("{}", path.display());
                    for (key, value) in found.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                        println!("  {key:16} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    }
                }
            }
            // The last one is printed when the program ends.
            Err(failure) => {
                if let Some(before) = failed.replace(failure) {
                    eprintln!("stitchbox: {before}");
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn describe(measurement: &Measurement) -> Value {
    match measurement {
        Measurement::Map(own) => {
            let (rows, columns) = own.map.shape();
            let s = statistics(&own.map);
            json!({
                "kind": "height map",
                "format": own.instrument.format,
                "columns": columns,
                "rows": rows,
                "valid_pixels": own.map.valid_count(),
                "pixel_x_mm": own.map.pixel().map(|p| p.x_mm),
                "pixel_y_mm": own.map.pixel().map(|p| p.y_mm),
                "rms_nm": s.map(|s| s.rms_nm),
                "pv_nm": s.map(|s| s.pv_nm),
                "mean_nm": s.map(|s| s.mean_nm),
                "window": [own.window.column, own.window.row],
                "position_mm": own.position_mm.map(|(x, y)| [x, y]),
                "intensity": own.intensity.is_some(),
                "wavelength_nm": own.instrument.wavelength_nm,
                "acquired_unix": own.instrument.acquired_unix,
                "comment": own.instrument.comment,
            })
        }
        Measurement::Slopes(own) => {
            let (rows, columns) = own.x_urad.dim();
            json!({
                "kind": "slope maps",
                "format": own.instrument.format,
                "columns": columns,
                "rows": rows,
                "valid_pixels": own.valid.iter().filter(|v| **v).count(),
                "axes": if own.y_urad.is_some() { "x, y" } else { "x" },
                "pixel_x_mm": own.pixel.map(|p| p.x_mm),
                "pixel_y_mm": own.pixel.map(|p| p.y_mm),
                "position_mm": own.position_mm.map(|(x, y)| [x, y]),
            })
        }
        Measurement::Profile(own) => {
            let n = own.len() as f64;
            let mean = own.values.iter().sum::<f64>() / n;
            let rms = (own.values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
            json!({
                "kind": match own.kind {
                    ProfileKind::HeightNm => "height profile (nm)",
                    ProfileKind::SlopeUrad => "slope profile (urad)",
                },
                "format": own.instrument.format,
                "points": own.len(),
                "first_mm": own.x_mm.first(),
                "last_mm": own.x_mm.last(),
                "mean": mean,
                "rms": rms,
            })
        }
    }
}
