//! `stitchbox recipe check`: says whether a recipe is right, and how it is understood.

use std::path::PathBuf;

use stitchbox_recipe::{Recipe, reference_page, schema};

use crate::exit::Failure;

/// Commands on recipes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check a stitch.toml and print it with every default written out
    Check {
        /// The recipe
        file: PathBuf,
    },
    /// Print the default recipe
    Default,
    /// Print the JSON Schema that editors check a stitch.toml against
    Schema,
    /// Print the reference page: every key and step with its unit and default
    Reference,
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let recipe = match command {
        Command::Default => Recipe::default(),
        Command::Schema => {
            println!("{:#}", schema());
            return Ok(());
        }
        Command::Reference => {
            print!("{}", reference_page());
            return Ok(());
        }
        Command::Check { file } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::failed(format!("{} could not be read: {error}", file.display())))?;
            Recipe::parse(&text).map_err(|error| Failure::unusable(format!("{}: {error}", file.display())))?
        }
    };
    print!("{}", recipe.resolved_toml());
    Ok(())
}
