//! `stitchbox rm`: into the trash of the server.

use stitchbox_remote::Expected;

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is deleted: SPACE:/path or an address
    #[arg(required = true)]
    places: Vec<Written>,
    /// Folders, with everything in them
    #[arg(short, long)]
    recursive: bool,
    /// What is not there is no failure
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let mut left = 0;
    for written in &args.places {
        let (place, connection) = written.reach(&args.account)?;
        let entry = connection.look_at(&place.address).await.map_err(|error| Failure::request(&place, &error))?;
        let why = match entry {
            None if args.force => continue,
            None => "it is not there".to_owned(),
            Some(_) if place.path.is_empty() => "a whole space is not deleted this way".to_owned(),
            Some(entry) if entry.is_folder && !args.recursive => "it is a folder; add -r".to_owned(),
            // a folder's ETag covers everything below: what changes between the look and the deletion stays
            Some(entry) => {
                let expected =
                    entry.etag.filter(|tag| !tag.starts_with("W/")).map_or(Expected::Anything, Expected::Etag);
                match connection.delete(&place.address, &expected).await {
                    Ok(()) => continue,
                    Err(error) => error.to_string(),
                }
            }
        };
        eprintln!("  not deleted: {place}: {why}");
        left += 1;
    }
    if left == 0 {
        Ok(())
    } else {
        Err(Failure::incomplete(format!("{left} of {} were not deleted", args.places.len())))
    }
}
