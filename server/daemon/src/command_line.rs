//! The command line: words to orders.

use crate::administration::Order;
use crate::config::Size;
use crate::peer_orders::{FederationOrder, PeerOrder};
use clap::{Args, Parser, Subcommand};
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::PathBuf;
use stitchbox_schema::{AppPasswordId, ItemId, Role, ShareId, Timestamp};

/// Stitchbox: a sync-and-share store that knows what a mirror measurement is.
#[derive(Debug, Parser)]
#[command(name = "stitchboxd", version, about, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// Where everything is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Data folder; made if missing
    #[arg(long, value_name = "DIR", env = "STITCHBOX_DATA", default_value = "./stitchbox-data", global = true)]
    pub data: PathBuf,
    /// Configuration; everything has a default
    #[arg(long, value_name = "FILE", env = "STITCHBOX_CONFIG", global = true)]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Serve the data folder until told to end (SIGTERM, Ctrl-C)
    Serve {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// Address to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
    },
    /// Compute runs beside `serve`, on this machine or another
    Worker {
        /// Where everything is
        #[command(flatten)]
        place: Place,
    },
    /// Users
    User {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: UserAction,
    },
    /// Project spaces and their members
    Space {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: SpaceAction,
    },
    /// Passwords for programs, which can be limited and revoked
    AppPassword {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: AppPasswordAction,
    },
    /// Groups of users, with which things are shared
    Group {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: GroupAction,
    },
    /// Tell who gave, used and took back access: time, event, who, share, what, client
    Audit {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// Of this item alone, by id
        #[arg(long, value_name = "ID")]
        item: Option<ItemId>,
        /// Of this share alone
        #[arg(long, value_name = "ID")]
        share: Option<ShareId>,
        /// Not before this day (2026-12-31, UTC) or instant
        #[arg(long, value_name = "DAY", value_parser = since)]
        since: Option<Timestamp>,
        /// The latest so many
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: i64,
    },
    /// Other sites of the federation: trust, trouble, tests
    Peer {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: PeerOrder,
    },
    /// This site as one of the federation: its keys, and what peers see of it
    Federation {
        /// Where everything is
        #[command(flatten)]
        place: Place,
        /// What to do
        #[command(subcommand)]
        action: FederationOrder,
    },
    /// Check a configuration and print it with all defaults, without secrets
    CheckConfig {
        /// Configuration; everything has a default
        #[arg(long, value_name = "FILE", env = "STITCHBOX_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Hash every blob again and check the tree; exit code 1 if anything is wrong
    Verify {
        /// Where everything is
        #[command(flatten)]
        place: Place,
    },
    /// To be run once after the database was restored from a backup, before clients come back: they then compare
    /// everything instead of deleting what the backup does not know
    Restored {
        /// Where everything is
        #[command(flatten)]
        place: Place,
    },
}

/// `user …`
#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// Make a user with a personal space
    Add {
        /// Login name
        name: String,
        /// Read the account password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// Mark the account as one that will administer over the web; today this program alone administers
        #[arg(long)]
        admin: bool,
        /// Name for people
        #[arg(long, value_name = "NAME", default_value = "")]
        display_name: String,
    },
    /// List the users
    List,
    /// Change the account password
    SetPassword {
        /// Login name
        name: String,
        /// Read it from the first line of standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Lock a user out, with all app passwords
    Disable {
        /// Login name
        name: String,
    },
    /// Let a user in again
    Enable {
        /// Login name
        name: String,
    },
}

/// `space …`
#[derive(Debug, Subcommand)]
pub enum SpaceAction {
    /// Make a project space
    Add {
        /// Its name
        name: String,
        /// Login name of its first manager
        #[arg(long, value_name = "USER")]
        manager: Option<String>,
        /// Most it may hold, e.g. "10 GiB"
        #[arg(long, value_name = "SIZE")]
        quota: Option<Size>,
    },
    /// List all spaces
    List,
    /// Make a user a member, change the role, or end the membership
    Member {
        /// Name of the space
        space: String,
        /// Login name
        user: String,
        /// viewer, contributor (reads, and makes new items), editor, manager, or none
        #[arg(value_parser = role)]
        role: RoleOrNone,
    },
    /// Change the most a space may hold
    SetQuota {
        /// Name of a project space, or of a user for the personal one
        space: String,
        /// e.g. "10 GiB", or none
        #[arg(value_parser = quota)]
        quota: QuotaOrNone,
    },
}

/// `app-password …`
#[derive(Debug, Subcommand)]
pub enum AppPasswordAction {
    /// Make one and print it, alone, on standard output
    Add {
        /// Login name
        user: String,
        /// The only space it opens
        #[arg(long, value_name = "SPACE")]
        space: Option<String>,
        /// It may make new files and nothing else
        #[arg(long)]
        create_only: bool,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
    },
    /// List those of a user
    List {
        /// Login name
        user: String,
    },
    /// Revoke one
    Revoke {
        /// Login name
        user: String,
        /// Id, as listed
        id: AppPasswordId,
    },
    /// Revoke one and ask its holder, a lost device, to remove everything it has
    Wipe {
        /// Login name
        user: String,
        /// Id, as listed
        id: AppPasswordId,
    },
}

/// `group …`
#[derive(Debug, Subcommand)]
pub enum GroupAction {
    /// Make a group
    Add {
        /// Its name
        name: String,
        /// Name for people
        #[arg(long, value_name = "NAME", default_value = "")]
        display_name: String,
    },
    /// List the groups with their members
    List,
    /// Remove a group; what is shared with it ends
    Remove {
        /// Its name
        name: String,
    },
    /// Make a user a member: what is shared with the group appears at once
    Member {
        /// Name of the group
        group: String,
        /// Login name
        user: String,
    },
    /// End a membership
    Leave {
        /// Name of the group
        group: String,
        /// Login name
        user: String,
    },
}

impl GroupAction {
    /// The order.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Add { name, display_name } => Order::AddGroup { name, display_name },
            Self::List => Order::ListGroups,
            Self::Remove { name } => Order::RemoveGroup { name },
            Self::Member { group, user } => Order::SetGroupMember { group, user, member: true },
            Self::Leave { group, user } => Order::SetGroupMember { group, user, member: false },
        }
    }
}

/// Reads a day, which begins at midnight UTC, or an instant.
fn since(text: &str) -> Result<Timestamp, String> {
    let instant = if text.len() == 10 { format!("{text}T00:00:00+00:00") } else { text.to_owned() };
    stitchbox_schema::expiry(&instant).ok_or_else(|| "a day such as 2026-12-31, or 2026-12-31T12:00:00Z".to_owned())
}

/// A role, or the end of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleOrNone(pub Option<Role>);

fn role(text: &str) -> Result<RoleOrNone, String> {
    match text {
        "none" => Ok(RoleOrNone(None)),
        _ => text.parse().map(|role| RoleOrNone(Some(role))).map_err(|error| format!("{error}, none")),
    }
}

/// A size, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaOrNone(pub Option<Size>);

fn quota(text: &str) -> Result<QuotaOrNone, String> {
    match text {
        "none" => Ok(QuotaOrNone(None)),
        _ => text
            .parse()
            .map(|size| QuotaOrNone(Some(size)))
            .map_err(|error: crate::config::UnitError| error.to_string()),
    }
}

fn bytes(size: Size) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

impl UserAction {
    /// The order; reads a password from `input` where one is due.
    pub fn order(self, input: &mut dyn BufRead) -> Result<Order, String> {
        Ok(match self {
            Self::Add { name, password_stdin, admin, display_name } => {
                let password = if password_stdin { Some(first_line(input)?) } else { None };
                Order::AddUser { name, display_name, password, admin }
            }
            Self::List => Order::ListUsers,
            Self::SetPassword { name, .. } => Order::SetPassword { user: name, password: first_line(input)? },
            Self::Disable { name } => Order::SetDisabled { user: name, disabled: true },
            Self::Enable { name } => Order::SetDisabled { user: name, disabled: false },
        })
    }
}

impl SpaceAction {
    /// The order.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Add { name, manager, quota } => Order::AddSpace { name, manager, quota: quota.map(bytes) },
            Self::List => Order::ListSpaces,
            Self::Member { space, user, role } => Order::SetMember { space, user, role: role.0 },
            Self::SetQuota { space, quota } => Order::SetQuota { space, quota: quota.0.map(bytes) },
        }
    }
}

impl AppPasswordAction {
    /// The order.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Add { user, space, create_only, label } => Order::AddAppPassword { user, label, space, create_only },
            Self::List { user } => Order::ListAppPasswords { user },
            Self::Revoke { user, id } => Order::RevokeAppPassword { user, id },
            Self::Wipe { user, id } => Order::WipeAppPassword { user, id },
        }
    }
}

/// The first line without its end.
fn first_line(input: &mut dyn BufRead) -> Result<String, String> {
    let mut line = String::new();
    let count = input.read_line(&mut line).map_err(|error| format!("standard input cannot be read: {error}"))?;
    if count == 0 {
        return Err("there is no password on standard input".to_owned());
    }
    let password = line.strip_suffix('\n').unwrap_or(&line);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &[&str]) -> Result<Action, clap::Error> {
        CommandLine::try_parse_from([&["stitchboxd"], words].concat()).map(|line| line.action)
    }

    #[test]
    fn the_grammar_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_lines_scripts_rely_on_are_understood() {
        for line in [
            &["serve", "--data", "d", "--listen", "127.0.0.1:0"][..],
            &["serve", "--listen", "127.0.0.1:0", "--data", "d", "--config", "c"],
            &["worker", "--data", "d", "--config", "c"],
            &["user", "add", "ada", "--data", "d", "--password-stdin"],
            &["user", "add", "ada", "--password-stdin", "--admin", "--data", "d"],
            &["user", "set-password", "ada", "--password-stdin", "--data", "d"],
            &["space", "add", "ring", "--data", "d"],
            &["space", "add", "ring", "--manager", "ada", "--quota", "10 MiB", "--data", "d"],
            &["space", "member", "ring", "ada", "none", "--data", "d"],
            &["space", "set-quota", "ring", "none", "--data", "d"],
            &["app-password", "add", "ada", "--space", "ring", "--create-only", "--label", "rig", "--data", "d"],
            &["app-password", "revoke", "ada", "12", "--data", "d"],
            &["group", "add", "optics", "--display-name", "Optics", "--data", "d"],
            &["group", "member", "optics", "ada", "--data", "d"],
            &["group", "leave", "optics", "ada", "--data", "d"],
            &["group", "remove", "optics", "--data", "d"],
            &["group", "list", "--data", "d"],
            &["audit", "--share", "12", "--since", "2026-01-01", "--data", "d"],
            &["verify", "--data", "d"],
            &["restored", "--data", "d"],
            &["check-config"],
            &["peer", "list", "--data", "d"],
            &["peer", "deny", "nc.example:8443", "--data", "d"],
            &["peer", "test", "nc.example", "--data", "d"],
            &["federation", "rotate-keys", "--data", "d"],
            &["federation", "self-test", "--data", "d"],
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        }
        for line in [
            &["space", "member", "ring", "ada", "emperor"][..],
            &["space", "add", "ring", "--quota", "a lot"],
            &["audit", "--since", "yesterday"],
            &["serve", "--listen", "8080"],
            &[],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn the_data_folder_may_stand_anywhere() {
        for line in [&["user", "--data", "d", "list"][..], &["user", "list", "--data", "d"]] {
            let Ok(Action::User { place, .. }) = parse(line) else { panic!("{line:?}") };
            assert_eq!(place.data, PathBuf::from("d"));
        }
    }

    #[test]
    fn a_password_is_the_first_line_of_the_input() {
        let line = |text: &str| first_line(&mut text.as_bytes());
        assert_eq!(line("stable horse \n"), Ok("stable horse ".to_owned()), "spaces belong to it");
        assert_eq!(line("a\r\nb"), Ok("a".to_owned()));
        assert_eq!(line("no newline"), Ok("no newline".to_owned()));
        assert!(line("").is_err());
    }
}
