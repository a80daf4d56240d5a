//! `stitchbox share list`: what one shares, what one got, or who has access to something.

use stitchbox_remote::{Access, Share};

use super::connect;
use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::ls::printable;
use crate::place::Written;

/// Arguments of `share list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who has access to this; without it what you share
    place: Option<Written>,
    /// What is shared with you
    #[arg(long, conflicts_with = "place")]
    with_me: bool,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    if let Some(written) = &args.place {
        let (place, connection) = written.reach(&args.account)?;
        let told = |error| Failure::request(&place, &error);
        let missing = || Failure::failed(format!("{place}: no space of this server that you see"));
        let (space, path) = connection.place_of(&place).await.map_err(told)?.ok_or_else(missing)?;
        let access = connection.access(&space, &path).await.map_err(told)?;
        if args.json {
            println!("{}", serde_json::to_string(&access).unwrap_or_default());
        } else {
            print_access(&access);
        }
        return Ok(());
    }
    let connection = connect(&args.account)?;
    let shares = if args.with_me { connection.shares_got().await } else { connection.shares_made().await };
    let shares = shares.map_err(|error| Failure::request(connection.server(), &error))?;
    if args.json {
        println!("{}", serde_json::to_string(&shares).unwrap_or_default());
    } else {
        shares.iter().for_each(|share| println!("{}", line(share)));
    }
    Ok(())
}

fn print_access(access: &Access) {
    for member in &access.members {
        println!("{:<20} member     {:<11} {}", "-", member.role, printable(&member.person.name));
    }
    for share in access.shares.iter().chain(&access.below) {
        println!("{}", line(share));
    }
}

/// Id, kind, role, who, what, and until when.
fn line(share: &Share) -> String {
    let who = match (&share.grantee, share.has_password) {
        (Some(grantee), _) => grantee.name.clone(),
        (None, true) => "whoever has the link and its password".to_owned(),
        (None, false) => "whoever has the link".to_owned(),
    };
    let role = if share.upload_only { "upload only" } else { share.role.as_str() };
    let place = share.shown_at.as_deref().or(share.path.as_deref()).unwrap_or(&share.name);
    let mut marks = String::new();
    if let Some(end) = &share.expires_at {
        marks += &format!("  until {}", end.get(..10).unwrap_or(end));
    }
    if let Some(state) = share.delivery() {
        marks += &format!("  {state}");
    }
    if share.hidden {
        marks += "  left";
    }
    let (who, place) = (printable(&who), printable(place));
    format!(
        "{:<20} {:<10} {role:<11} {who}  {place}  by {}{marks}",
        share.id,
        share.kind,
        printable(&share.grantor.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_all_that_matters() {
        let told = serde_json::json!({"id": "7", "kind": "federated", "name": "kb", "path": "/kb", "shown_at": null,
            "grantor": {"name": "ada"}, "grantee": {"name": "bob@nc.example"}, "role": "editor", "upload_only": false,
            "expires_at": "2026-12-31T23:59:59.000Z", "link": null, "has_password": false, "hidden": false,
            "delivery": {"state": "pending"}});
        let share: Share = serde_json::from_value(told).unwrap();
        let words: Vec<String> = line(&share).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "7 federated editor bob@nc.example /kb by ada until 2026-12-31 pending");
    }
}
