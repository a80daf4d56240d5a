//! `stitchbox stitch`: the same run as on the server, on a local folder.

use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use stitchbox_formats::SNIFF_BYTES;
use stitchbox_recipe::{
    Clock, InputFile, Recipe, RecipeOrigin, Role, RunContext, RunFailure, RunOutput, parse_size, recipe_among,
};
use stitchbox_report::UnixTime;
use stitchbox_stitch::Progress;

use crate::convert;
use crate::exit::Failure;
use crate::interrupt;

/// Arguments of `stitch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder with the sub-aperture files, and stitch.toml and positions.csv if there are any
    folder: PathBuf,
    /// Folder for the results; made if it is not there
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Recipe to use instead of the folder's stitch.toml
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Number of threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Memory that may be used, such as 800M or 4G; a series that needs more is refused before it is solved, unless there is a scratch
    /// folder
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Folder for what exceeds --memory: height maps are then stitched through files in it. After an interruption the same command
    /// goes on from there
    #[arg(long, value_name = "FOLDER", requires = "memory")]
    scratch: Option<PathBuf>,
    /// Print one JSON object: digest, solve_seconds, rms_nm, pv_nm, non_observable, warnings, and more
    #[arg(long)]
    json: bool,
    /// For whom it is run, in the provenance [default: the login name]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let memory_limit = args
        .memory
        .as_deref()
        .map(parse_size)
        .transpose()
        .map_err(|error| Failure::unusable(format!("--memory {error}")))?;
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|error| Failure::failed(format!("{threads} threads could not be started: {error}")))?;
    }
    convert::spare(std::slice::from_ref(&args.folder), std::slice::from_ref(&args.output))?;
    let files = files(&args.folder)?;
    let own_recipe = || recipe_among(files.iter().map(|(name, _)| name.as_str())).map(|name| args.folder.join(name));
    let recipe_path = args.recipe.clone().or_else(own_recipe);
    let recipe_text = recipe_path.as_deref().map(read_text).transpose()?;
    let recipe = match (&recipe_text, &args.recipe) {
        (Some(text), None) => Recipe::parse(text).map_err(|error| Failure::unusable(error.to_string()))?,
        (Some(text), Some(path)) => Recipe::parse(text).map_err(|error| {
            Failure::unusable(format!("{}, line {}: {}", path.display(), error.line, error.message))
        })?,
        (None, _) => Recipe::default(),
    };
    let inputs = inputs(files, &recipe)?;
    let title =
        fs::canonicalize(&args.folder).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let agent = args.agent.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "a local user".to_owned());
    let software = concat!("stitchbox ", env!("CARGO_PKG_VERSION"));
    let mut context = RunContext::new(title.as_deref().unwrap_or("series"), &agent, software, now());
    context.clock = Some(Clock::new(now));
    if let Some(path) = &args.recipe {
        context.recipe_origin = RecipeOrigin::Elsewhere(path.display().to_string());
    }
    context.memory_limit = memory_limit;
    context.scratch.clone_from(&args.scratch);
    let bar = Bar::new(!args.json && std::io::stderr().is_terminal());
    interrupt::listen();
    let result = stitchbox_recipe::run(&inputs, &recipe, recipe_text.as_deref(), &context, &bar);
    bar.finish();
    let output = result.map_err(|failure| refusal(&failure))?;
    write_files(&args.output, &output)?;
    if args.json {
        print_json(&args.output, &output)
    } else {
        print_report(&args.output, &output)
    }
    Ok(())
}

fn now() -> UnixTime {
    UnixTime::from_system(SystemTime::now())
}

fn refusal(failure: &RunFailure) -> Failure {
    if failure.permanent {
        Failure::unusable(failure.message.clone())
    } else {
        Failure::failed(failure.message.clone())
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::failed(format!("{} could not be read: {error}", path.display())))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} could not be read: {error}", path.display()))
}

/// Name and path of the files of a folder, without its subfolders; hidden files do not count.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && !name.starts_with('.') {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// The files by their hash; what is no part of a series is not hashed.
fn inputs(files: Vec<(String, PathBuf)>, recipe: &Recipe) -> Result<Vec<InputFile>, Failure> {
    files
        .into_par_iter()
        .map(|(name, path)| {
            let mut head = Vec::with_capacity(SNIFF_BYTES);
            fs::File::open(&path)
                .and_then(|file| file.take(SNIFF_BYTES as u64).read_to_end(&mut head))
                .map_err(|error| unreadable(&path, &error))?;
            if recipe.classify(&name, &head) == Role::Foreign {
                return Ok(InputFile { name, path, sha256: String::new(), version: None });
            }
            InputFile::from_path(&name, &path).map_err(|error| unreadable(&path, &error))
        })
        .collect()
}

/// Each file appears whole or not at all.
fn write_files(folder: &Path, output: &RunOutput) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::failed(format!("{} could not be written: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for file in &output.files {
        let path = folder.join(&file.name);
        let staged = folder.join(format!(".{}.part", file.name));
        fs::write(&staged, &file.bytes)
            .and_then(|()| fs::rename(&staged, &path))
            .map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

fn print_json(folder: &Path, output: &RunOutput) {
    let Some(summary) = &output.summary else {
        println!("{}", output.overview);
        return;
    };
    let object = serde_json::json!({
        "digest": output.digest,
        "solve_seconds": output.solve_seconds,
        "rms_nm": summary.rms_nm,
        "pv_nm": summary.pv_nm,
        "non_observable": summary.non_observable,
        "warnings": summary.warnings,
        "engine": summary.engine,
        "sub_apertures": summary.sub_apertures,
        "shape": summary.shape,
        "valid_pixels": summary.valid_pixels,
        "noise_nm": summary.noise_nm,
        "residual_rms_nm": summary.residual_rms_nm,
        "iterations": summary.iterations,
        "output": folder,
    });
    println!("{object}");
}

fn print_report(folder: &Path, output: &RunOutput) {
    let Some(s) = &output.summary else {
        println!("{:#}", output.overview);
        println!("  written   {}", folder.display());
        return;
    };
    println!("{}: {} sub-apertures stitched in {:.2} s", s.title, s.sub_apertures, output.solve_seconds);
    println!(
        "  map       {} x {} px, {:.3} x {:.3} mm, {} valid",
        s.shape[1], s.shape[0], s.length_mm, s.width_mm, s.valid_pixels
    );
    println!("  height    rms {:.4} nm, PV {:.4} nm", s.rms_nm, s.pv_nm);
    if let (Some(noise), Some(uncertainty)) = (s.noise_nm, s.uncertainty_median_nm) {
        println!(
            "  noise     {noise:.4} nm a pixel of a sub-aperture; uncertainty of the map {uncertainty:.4} nm (median)"
        );
    }
    println!("  residual  {:.4} nm rms, {} pixels rejected", s.residual_rms_nm, s.rejected_pixels);
    let terms: Vec<&str> = s.non_observable.iter().map(|n| n.term.as_str()).collect();
    if !terms.is_empty() {
        println!("  not determined by these data: {}", terms.join(", "));
    }
    for warning in &s.warnings {
        println!("  note: {}", warning.message);
    }
    println!("  digest    {}", output.digest);
    println!("  written   {}", folder.display());
}

/// A progress bar on standard error.
struct Bar(ProgressBar);

impl Bar {
    fn new(visible: bool) -> Self {
        let bar = if visible { ProgressBar::new(1000) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn at(&self, fraction: f64, step: &str) {
        self.0.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
        self.0.set_message(step.to_owned());
    }

    fn cancelled(&self) -> bool {
        interrupt::came()
    }
}
