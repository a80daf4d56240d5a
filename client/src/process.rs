//! `stitchbox process`: the steps of a recipe on one map or profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stitchbox_recipe::{InputFile, Recipe, RunContext, UnixTime, process};

use crate::convert;
use crate::exit::Failure;

/// Arguments of `process`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The map or profile, in any format that `stitchbox info --formats` lists
    file: PathBuf,
    /// The recipe whose [[after]] steps are done; files that it names lie beside the map
    #[arg(short, long, value_name = "FILE")]
    recipe: PathBuf,
    /// Folder for the results; made if it is not there
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let unreadable =
        |path: &Path, e: std::io::Error| Failure::failed(format!("{} could not be read: {e}", path.display()));
    let text = fs::read_to_string(&args.recipe).map_err(|e| unreadable(&args.recipe, e))?;
    let recipe = Recipe::parse(&text)
        .map_err(|e| Failure::unusable(format!("{}, line {}: {}", args.recipe.display(), e.line, e.message)))?;
    let input = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        InputFile::from_path(&name, path).map_err(|e| unreadable(path, e))
    };
    let beside = args.file.parent().unwrap_or(Path::new(""));
    let named = recipe.named_files().map(|name| beside.join(name)).filter(|path| path.is_file());
    let named: Vec<InputFile> = named.map(|path| input(&path)).collect::<Result<_, _>>()?;
    let now = UnixTime::from_system(SystemTime::now());
    let title = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let context = RunContext::new(&title, "a local user", concat!("stitchbox ", env!("CARGO_PKG_VERSION")), now);
    let files = process(&input(&args.file)?, &named, &recipe, Some(&text), &context, &())
        .map_err(|failure| Failure::unusable(failure.message))?;
    if files.is_empty() {
        return Err(Failure::unusable(format!("{} names no [[after]] step and no [output]", args.recipe.display())));
    }
    let beside = recipe.named_files().map(|name| beside.join(name));
    let inputs: Vec<PathBuf> = [args.file.clone(), args.recipe.clone()].into_iter().chain(beside).collect();
    let outputs: Vec<PathBuf> = files.iter().map(|file| args.output.join(&file.name)).collect();
    convert::spare(&inputs, &outputs)?;
    fs::create_dir_all(&args.output)
        .map_err(|e| Failure::failed(format!("{} could not be made: {e}", args.output.display())))?;
    for file in files {
        let path = args.output.join(&file.name);
        convert::write(&path, &file.bytes)?;
        println!("{}", path.display());
    }
    Ok(())
}
