//! `stitchbox share`: access for a user, a group, a partner's server, or whoever has a link; and its end.

mod change;
mod give;
mod list;

use stitchbox_remote::Connection;

use crate::account::AccountArgs;
use crate::exit::Failure;

/// Arguments of `share`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    give: give::Give,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what you share, what is shared with you, or who has access to something
    List(list::Args),
    /// Change a share: role, last day, password, words
    Change(change::Args),
    /// End a share for everybody, with all that was passed on of it
    Revoke(Which),
    /// Take something that is shared with you out of your folder Shares
    Leave(Which),
}

/// One share.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its id, as `share list` shows it
    id: String,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        None => give::run(args.give).await,
        Some(Action::List(args)) => list::run(args).await,
        Some(Action::Change(args)) => change::run(args).await,
        Some(Action::Revoke(which)) => {
            let connection = connect(&which.account)?;
            let ended = connection.revoke_share(&which.id).await;
            ended.map_err(|error| Failure::request(format!("share {}", which.id), &error))?;
            println!("share {} has ended", which.id);
            Ok(())
        }
        Some(Action::Leave(which)) => {
            let connection = connect(&which.account)?;
            let left = connection.leave_share(&which.id).await;
            left.map_err(|error| Failure::request(format!("share {}", which.id), &error))?;
            println!("share {} is no longer shown in Shares", which.id);
            Ok(())
        }
    }
}

fn connect(account: &AccountArgs) -> Result<Connection, Failure> {
    account.connect(&account.server()?)
}

/// The first line of a file, for passwords.
fn first_line(file: &std::path::Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{} could not be read: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// A password of 100 random bits that can be read aloud.
fn random_password() -> Result<String, Failure> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes).map_err(|_| Failure::failed("the system gives no random numbers; try again"))?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_lines_people_write_are_understood() {
        Line::command().debug_assert();
        for line in [
            "x ring:/kb --with anna --role editor --until 2026-12-31",
            "x ring:/kb --with bob@nc.example --role viewer",
            "x ring:/kb --group optics --may-reshare",
            "x ring:/kb --link --password --upload-only --label in",
            "x list",
            "x list --with-me --json",
            "x list ring:/kb",
            "x change 7 --role viewer --until never --no-password",
            "x revoke 7",
            "x leave 7 --user anna",
        ] {
            Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in
            ["x", "x ring:/kb --with a --group b", "x ring:/kb --with a --password", "x revoke", "x revoke 7 --link"]
        {
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn passwords_are_random_and_readable() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert!(one != other && one.len() == 23 && !one.contains(['0', 'l', 'o', '1']), "{one}");
    }
}
