//! `stitchbox share change`: what a share allows, until when, its password and its words.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{connect, first_line, random_password};
use crate::account::AccountArgs;
use crate::exit::Failure;

/// Arguments of `share change`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `share list` shows it
    id: String,
    /// viewer, contributor, editor or manager
    #[arg(long, value_parser = ["viewer", "contributor", "editor", "manager"])]
    role: Option<String>,
    /// Last day, YYYY-MM-DD, an instant, or never
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// The grantee may pass it on: true or false
    #[arg(long, value_name = "BOOL")]
    may_reshare: Option<bool>,
    /// The link is for bringing files: true or false
    #[arg(long, value_name = "BOOL")]
    upload_only: Option<bool>,
    /// The link asks for a new password, which is made up and printed
    #[arg(long, conflicts_with_all = ["link_password_file", "no_password"])]
    password: bool,
    /// File whose first line is the new password of the link
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    link_password_file: Option<PathBuf>,
    /// The link asks for no password any more
    #[arg(long)]
    no_password: bool,
    /// What you call it
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// What it says to the grantee
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let password = match (&args.link_password_file, args.password) {
        (Some(file), _) => Some(first_line(file)?),
        (None, true) => Some(random_password()?),
        (None, false) => None,
    };
    let mut change: Map<String, Value> = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            change.insert(name.to_owned(), value);
        }
    };
    set("role", args.role.map(Value::from));
    set("expires_at", args.until.map(|day| if day == "never" { Value::Null } else { Value::from(day) }));
    set("may_reshare", args.may_reshare.map(Value::from));
    set("upload_only", args.upload_only.map(Value::from));
    set("password", password.as_ref().map(|password| json!(password)));
    set("password", args.no_password.then_some(Value::Null));
    set("label", args.label.map(Value::from));
    set("note", args.note.map(Value::from));
    if change.is_empty() {
        return Err(Failure::usage("say what is to change, such as --role viewer"));
    }
    let connection = connect(&args.account)?;
    let changed = connection.change_share(&args.id, &change).await;
    let share = changed.map_err(|error| Failure::request(format!("share {}", args.id), &error))?;
    if args.json {
        println!("{}", serde_json::to_string(&share).unwrap_or_default());
    } else {
        let until = share.expires_at.as_deref().unwrap_or("ended by hand");
        println!("share {} is for {} now, until {until}", share.id, share.role);
    }
    if args.password
        && let Some(password) = password
    {
        eprintln!("password: {password}");
    }
    Ok(())
}
