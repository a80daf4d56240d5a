//! `stitchbox score`: how far a stitched map is from the truth of a simulated series, and how near it could be.
//!
//! The limit is the error of the best possible estimate: the same solver on the same geometry with the simulated noise
//! and nothing else. It can be computed for series of `stitchbox simulate`, whose case and seed stand in
//! `positions.json`.

use std::path::{Path, PathBuf};

use hdf5_reader::Hdf5File;
use ndarray::{Array2, Ix2};
use serde::Deserialize;
use stitchbox_recipe::{Recipe, ReferenceChoice};
use stitchbox_simulate::score::{NullSpace, profile_nm, residual_nm, rms_nm};
use stitchbox_simulate::{Case, Parameters, limit_nm, npy, simulate};
use stitchbox_stitch::{Options, Reference};
use stitchbox_surface::HeightMap;

use crate::exit::Failure;

/// Arguments of `score`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stitched map: a height.h5, or the folder that holds it
    stitched: PathBuf,
    /// The simulated folder with truth_nm.npy and positions.json
    #[arg(long, value_name = "FOLDER")]
    truth: PathBuf,
    /// Print one JSON object: error_nm, limit_nm, profile_nm, null_space
    #[arg(long)]
    json: bool,
}

/// What is read of `positions.json`.
#[derive(Debug, Deserialize)]
struct Series {
    case: Option<String>,
    seed: Option<u64>,
    noise_sigma_nm: f64,
    x_px: Vec<i64>,
    y_px: Vec<i64>,
}

/// Stretches along x in which the long-wave error is averaged.
const PROFILE_BINS: usize = 40;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (map, recipe) = read_map(&args.stitched)?;
    let truth = read_truth(&args.truth.join("truth_nm.npy"))?;
    let series = read_series(&args.truth.join("positions.json"))?;
    let null = null_space(&series, &recipe);
    let unusable = |error: stitchbox_simulate::score::TruthTooSmall| Failure::unusable(error.to_string());
    let residual = residual_nm(&map, &truth, null).map_err(unusable)?;
    let error_nm = rms_nm(&residual);
    let bins = profile_nm(&residual, PROFILE_BINS);
    let profile = (bins.iter().map(|b| b * b).sum::<f64>() / bins.len().max(1) as f64).sqrt();
    let limit_nm = limit(&series, &recipe, null)?;
    if args.json {
        let object = serde_json::json!({
            "error_nm": error_nm,
            "limit_nm": limit_nm,
            "profile_nm": profile,
            "null_space": words(null),
        });
        println!("{object}");
        return Ok(());
    }
    println!("error against the truth  {error_nm:.4} nm rms, without {}", words(null));
    match limit_nm {
        Some(limit) => println!("limit from the noise     {limit:.4} nm rms"),
        None => {
            println!("limit from the noise     unknown: positions.json names no case and seed of `stitchbox simulate`")
        }
    }
    println!("long-wave part           {profile:.4} nm rms in {PROFILE_BINS} stretches");
    Ok(())
}

/// What no data of the series determine, judged by the recipe and the offsets: with a given reference only a plane;
/// else by whether it is a scan along x, or along both axes.
fn null_space(series: &Series, recipe: &Recipe) -> NullSpace {
    if matches!(recipe.stitch.reference, ReferenceChoice::None | ReferenceChoice::File) {
        return NullSpace::Plane;
    }
    if series.y_px.iter().any(|y| Some(y) != series.y_px.first()) {
        return NullSpace::Quadratic;
    }
    let first = series.x_px.first().copied().unwrap_or(0);
    let period = series.x_px.iter().fold(0, |period, x| greatest_common_divisor(period, x.abs_diff(first)));
    NullSpace::XScan { period: usize::try_from(period).ok().filter(|period| *period > 1) }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn words(null: NullSpace) -> String {
    match null {
        NullSpace::Plane => "1, x, y".to_owned(),
        NullSpace::Quadratic => "1, x, y, x^2, xy, y^2".to_owned(),
        NullSpace::XScan { period: None } => "1, x, y, x^2, xy, y^2, g(y)".to_owned(),
        NullSpace::XScan { period: Some(period) } => format!("1, x, y, x^2, xy, y^2, g(y), period {period} px"),
    }
}

fn limit(series: &Series, recipe: &Recipe, null: NullSpace) -> Result<Option<f64>, Failure> {
    let (Some(case), Some(seed)) = (&series.case, series.seed) else { return Ok(None) };
    let case: Case =
        case.parse().map_err(|error: stitchbox_simulate::UnknownCase| Failure::unusable(error.to_string()))?;
    let simulated = simulate(&Parameters { case, seed, sigma_nm: series.noise_sigma_nm });
    let reference = match recipe.stitch.reference {
        // a reference that is given leaves nothing to be found, as one that is zero
        ReferenceChoice::None | ReferenceChoice::File => Reference::None,
        ReferenceChoice::Pixelwise => Reference::Pixelwise,
        ReferenceChoice::Smooth => Reference::Smooth,
    };
    let options = Options { terms: recipe.stitch.solver_terms(), reference, robust: false, ..Options::default() };
    limit_nm(&simulated, &options, null).map(Some).map_err(|error| Failure::failed(error.to_string()))
}

/// The heights and the recipe they were stitched with.
fn read_map(path: &Path) -> Result<(HeightMap, Recipe), Failure> {
    let path = if path.is_dir() { path.join("height.h5") } else { path.to_owned() };
    let unreadable =
        |error: hdf5_reader::error::Error| Failure::failed(format!("{} could not be read: {error}", path.display()));
    let file = Hdf5File::open(&path).map_err(unreadable)?;
    let heights =
        file.dataset("/entry/stitched/height").map_err(unreadable)?.read_array::<f64>().map_err(unreadable)?;
    let heights = heights
        .into_dimensionality::<Ix2>()
        .map_err(|_| Failure::unusable(format!("{}: the heights are not a map", path.display())))?;
    let recipe = file.dataset("/entry/process/recipe").map_err(unreadable)?.read_string().map_err(unreadable)?;
    let recipe = Recipe::parse(&recipe)
        .map_err(|error| Failure::unusable(format!("{}: the recipe in it: {error}", path.display())))?;
    Ok((HeightMap::from_heights_nm(heights, None), recipe))
}

fn read_truth(path: &Path) -> Result<Array2<f64>, Failure> {
    std::fs::read(path)
        .and_then(|bytes| npy::read(&bytes))
        .map_err(|error| Failure::failed(format!("{} could not be read: {error}", path.display())))
}

fn read_series(path: &Path) -> Result<Series, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::failed(format!("{} could not be read: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(x_px: &[i64], y_px: &[i64]) -> Series {
        Series { case: None, seed: None, noise_sigma_nm: 0.5, x_px: x_px.to_vec(), y_px: y_px.to_vec() }
    }

    #[test]
    fn the_offsets_tell_what_is_open() {
        let null_space = |series: &Series| super::null_space(series, &Recipe::default());
        assert_eq!(null_space(&series(&[0, 50, 93], &[0, 0, 0])), NullSpace::XScan { period: None });
        assert_eq!(null_space(&series(&[0, 50, 100], &[0, 0, 0])), NullSpace::XScan { period: Some(50) });
        assert_eq!(null_space(&series(&[0, 50, 93], &[0, 3, 0])), NullSpace::Quadratic);
    }

    #[test]
    fn a_given_reference_leaves_only_the_plane_open() {
        let recipe = Recipe::parse("[stitch]\nreference = \"none\"\n").unwrap();
        assert_eq!(null_space(&series(&[0, 50, 100], &[0, 0, 0]), &recipe), NullSpace::Plane);
    }
}
