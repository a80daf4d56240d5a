//! `stitchbox simulate`: a series of genuine MetroPro files whose truth is known.

use std::path::PathBuf;

use stitchbox_simulate::{Case, Parameters, simulate, write_series};

use crate::exit::Failure;

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Geometry: S small (12 files), A uniform steps, B random steps, C two rows, D between pixels, L large, O outliers
    #[arg(long, default_value = "S")]
    case: Case,
    /// Seed of the random numbers; the same seed gives the same files
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Noise of a pixel (1 sigma), nm
    #[arg(long, default_value_t = 0.5, value_name = "NM", allow_negative_numbers = true, value_parser = noise)]
    sigma: f64,
    /// Folder to write into; made if it is not there
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
}

fn noise(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(sigma) if sigma.is_finite() && sigma >= 0.0 => Ok(sigma),
        _ => Err("a noise is a number of nanometres, zero or more".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("{} could not be written: {error}", args.output.display()));
    std::fs::create_dir_all(&args.output).map_err(failed)?;
    let simulated = simulate(&Parameters { case: args.case, seed: args.seed, sigma_nm: args.sigma });
    write_series(&simulated, &args.output).map_err(failed)?;
    let (count, rows, columns) = args.case.shape();
    println!(
        "case {} (seed {}): {count} sub-apertures of {columns} x {rows} px with {} nm of noise, written to {}",
        args.case,
        args.seed,
        args.sigma,
        args.output.display()
    );
    println!("the truth lies beside them: truth_nm.npy, reference_nm.npy, positions.json");
    Ok(())
}
