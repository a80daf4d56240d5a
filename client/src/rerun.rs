//! `stitchbox rerun` and `stitchbox run`: runs that a server does because somebody asks.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use stitchbox_remote::{Connection, Place, WireError};

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::ls::printable;
use crate::place::Written;

/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Arguments of `rerun`.
#[derive(Debug, clap::Args)]
pub(crate) struct RerunArgs {
    /// The folder of the series, own or received: SPACE:/path or an address
    place: Written,
    /// Go on although the engine here is another and may give another result
    #[arg(long)]
    any_engine: bool,
    /// Wait for the verdict
    #[arg(long)]
    wait: bool,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The folder with the inputs, own or received: SPACE:/path or an address
    inputs: Written,
    /// The folder the results are to land in
    #[arg(long, value_name = "PLACE")]
    into: Written,
    /// Recipe to use instead of the stitch.toml beside the inputs
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Wait for the results
    #[arg(long)]
    wait: bool,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

fn not_ours(place: &Place, error: &WireError) -> Failure {
    match error {
        WireError::NotThere => Failure::usage(format!(
            "{place} is no address of a Stitchbox; write SPACE:/path, or one below /dav/spaces/"
        )),
        error => Failure::request(place, error),
    }
}

fn word<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_default()
}

pub(crate) async fn rerun(args: RerunArgs) -> Result<(), Failure> {
    let (place, connection) = args.place.reach(&args.account)?;
    let asked = connection.ask_rerun(&place, args.any_engine).await;
    let mut document = asked.map_err(|error| not_ours(&place, &error))?;
    let id = word(&document, "id").to_owned();
    if args.wait {
        document = waited(&connection, &place, &id, Asked::Rerun, args.json, document).await?;
    }
    if args.json {
        println!("{document}");
    } else if !args.wait {
        println!("asked for, {id}; stitchbox rerun --wait tells how it comes out");
    }
    match (word(&document, "state"), word(&document, "verdict")) {
        ("refused", _) => Err(Failure::unusable(printable(word(&document, "message")))),
        ("failed", _) => Err(Failure::failed(printable(word(&document, "message")))),
        (_, "diverged") => {
            tell(&args, &document);
            Err(Failure::untrue("the repetition gave another result"))
        }
        _ => {
            tell(&args, &document);
            Ok(())
        }
    }
}

fn tell(args: &RerunArgs, document: &Value) {
    if args.json || word(document, "state") != "done" {
        return;
    }
    let said = match word(document, "verdict") {
        "identical" => "identical: the same result, bit for bit".to_owned(),
        "agrees" => "agrees within the uncertainties (k = 2)".to_owned(),
        other => other.to_owned(),
    };
    println!("{}", printable(&said));
    println!("  theirs  {}", printable(word(document, "their_digest")));
    println!("  ours    {}", printable(word(document, "our_digest")));
    if let Some(rms) = document["numbers"]["rms_nm"].as_f64() {
        let within = document["numbers"]["within"].as_f64().map(|part| format!(", {:.2} % within U", 100.0 * part));
        println!("  differ  rms {rms:.4} nm{}", within.unwrap_or_default());
    }
    if let Some(remark) = document["message"].as_str() {
        println!("  note    {}", printable(remark));
    }
}

pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    let (inputs, connection) = args.inputs.reach(&args.account)?;
    let into = args.into.place(&args.account)?;
    if into.server != inputs.server {
        return Err(Failure::usage("both folders must be of one server; a received folder is one of yours"));
    }
    let recipe = args.recipe.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format!("{} could not be read: {error}", path.display())))
    });
    let recipe = recipe.transpose()?;
    let asked = connection.run_into(&inputs, &into, recipe.as_deref()).await;
    let mut document = asked.map_err(|error| not_ours(&inputs, &error))?;
    let id = word(&document, "id").to_owned();
    if args.wait {
        document = waited(&connection, &inputs, &id, Asked::Run, args.json, document).await?;
    }
    if args.json {
        println!("{document}");
    } else {
        println!("run {id}: {}", printable(word(&document, "state")));
    }
    match word(&document, "state") {
        "failed" => Err(Failure::unusable(printable(word(&document, "message")))),
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Run,
    Rerun,
}

/// Looks until nothing more happens.
async fn waited(
    connection: &Connection,
    place: &Place,
    id: &str,
    what: Asked,
    quiet: bool,
    mut document: Value,
) -> Result<Value, Failure> {
    let mut shown = String::new();
    loop {
        let state = word(&document, "state");
        if !matches!(state, "queued" | "fetching" | "running" | "comparing") {
            return Ok(document);
        }
        if state != shown && !quiet {
            eprintln!("{}…", printable(state));
            shown = state.to_owned();
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        let looked = match what {
            Asked::Run => connection.run(id).await,
            Asked::Rerun => connection.rerun(id).await,
        };
        document = looked.map_err(|error| Failure::request(place, &error))?;
    }
}
