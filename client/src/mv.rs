//! `stitchbox mv`: rename or move on the server, without a byte on the wire.

use stitchbox_remote::{Expected, last_name};

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;

/// Arguments of `mv`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is moved: SPACE:/path or an address
    from: Written,
    /// Where to; an existing folder takes it in under its own name. Nothing is ever overwritten
    to: Written,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (from, connection) = args.from.reach(&args.account)?;
    let to = args.to.place(&args.account)?;
    if from.server != to.server {
        return Err(Failure::usage("both places must be on the same server; copy with pull and push instead"));
    }
    let there = connection.look_at(&to.address).await.map_err(|error| Failure::request(&to, &error))?;
    let target = match there {
        Some(entry) if entry.is_folder => stitchbox_remote::child(&to.address, [last_name(&from.address).as_str()]),
        Some(_) => return Err(Failure::failed(format!("{to} is there already; nothing was moved"))),
        None => to.address.clone(),
    };
    match connection.relocate(&from.address, &target, &Expected::Anything).await {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(412) => {
            Err(Failure::failed(format!("{target} is there already; nothing was moved")))
        }
        Err(error) => Err(Failure::request(format!("{from} was not moved to {to}"), &error)),
    }
}
