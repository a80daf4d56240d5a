//! `stitchbox share PLACE`: giving access.

use std::path::PathBuf;

use stitchbox_remote::NewShare;

use super::{first_line, random_password};
use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;

/// Arguments of `share PLACE`.
#[derive(Debug, clap::Args)]
pub(super) struct Give {
    /// What is shared: SPACE:/path or an address
    #[arg(required = true)]
    place: Option<Written>,
    /// A user of this server, or name@server of a partner
    #[arg(long, value_name = "USER", group = "grantee")]
    with: Option<String>,
    /// A group of this server, or group@server of a partner
    #[arg(long, value_name = "GROUP", group = "grantee")]
    group: Option<String>,
    /// Whoever has the link; this is meant too where nobody is named
    #[arg(long, group = "grantee")]
    link: bool,
    /// viewer, contributor (reads, and makes new items), editor or manager
    #[arg(long, default_value = "viewer", value_parser = ["viewer", "contributor", "editor", "manager"])]
    role: String,
    /// The grantee may pass it on
    #[arg(long, conflicts_with = "link")]
    may_reshare: bool,
    /// The link is for bringing files; what lies there is not shown
    #[arg(long, conflicts_with_all = ["with", "group"])]
    upload_only: bool,
    /// The link asks for a password, which is made up and printed
    #[arg(long, conflicts_with_all = ["with", "group", "link_password_file"])]
    password: bool,
    /// File whose first line is the password of the link
    #[arg(long, value_name = "FILE", conflicts_with_all = ["with", "group"])]
    link_password_file: Option<PathBuf>,
    /// Last day, YYYY-MM-DD, or an instant
    #[arg(long, value_name = "DAY", alias = "expires")]
    until: Option<String>,
    /// What you call it
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// What it says to the grantee
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

pub(super) async fn run(args: Give) -> Result<(), Failure> {
    let written = args.place.as_ref().ok_or_else(|| Failure::usage("say what is to be shared: SPACE:/path"))?;
    let (place, connection) = written.reach(&args.account)?;
    let password = match (&args.link_password_file, args.password) {
        (Some(file), _) => Some(first_line(file)?),
        (None, true) => Some(random_password()?),
        (None, false) => None,
    };
    let (kind, with) = match (&args.with, &args.group) {
        (Some(name), _) if name.contains('@') => ("federated", Some(name.clone())),
        (Some(name), _) => ("user", Some(name.clone())),
        (None, Some(name)) if name.contains('@') => ("federated_group", Some(name.clone())),
        (None, Some(name)) => ("group", Some(name.clone())),
        (None, None) => ("link", None),
    };
    let told = |error: &stitchbox_remote::WireError| match error.status() {
        Some(405 | 501) => not_offered(),
        _ => Failure::request(&place, error),
    };
    let (space, path) = match connection.place_of(&place).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Failure::failed(format!("{place}: no space of this server that you see"))),
        Err(error) if error.status() == Some(404) => return Err(not_offered()),
        Err(error) => return Err(told(&error)),
    };
    let new = NewShare {
        space,
        path,
        kind: kind.to_owned(),
        with: with.clone(),
        role: (!args.upload_only).then(|| args.role.clone()),
        upload_only: args.upload_only,
        may_reshare: args.may_reshare,
        password: password.clone(),
        expires_at: args.until.clone(),
        label: args.label.clone(),
        note: args.note.clone(),
    };
    let Some(share) = connection.share(&new).await.map_err(|error| told(&error))? else {
        println!("{place} belongs to another site: its owner was asked to share it");
        return Ok(());
    };
    if args.json {
        println!("{}", serde_json::to_string(&share).unwrap_or_default());
    } else if let Some(url) = share.url(connection.server()) {
        println!("{url}");
    } else {
        let whom = with.as_deref().unwrap_or("a link");
        let state = share.delivery().map(|state| format!(" ({state})")).unwrap_or_default();
        println!("shared {place} with {whom} as {}: share {}{state}", share.role, share.id);
    }
    if args.password
        && let Some(password) = password
    {
        // beside the address, for the person at the terminal
        eprintln!("password: {password}");
    }
    Ok(())
}

fn not_offered() -> Failure {
    Failure::failed("this server is no Stitchbox, or an older one: share on its web pages")
}
