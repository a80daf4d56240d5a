//! `stitchbox received`: what partners' servers share with you, and the answers to it.

use clap::Subcommand;
use stitchbox_remote::{ReceivedAnswer, ReceivedShare};

use crate::account::AccountArgs;
use crate::exit::Failure;

/// What to do with received shares.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what partners share with you, and how their servers are reached
    List(Whole),
    /// Accept an offer: it appears in the folder Shares
    Accept(One),
    /// Decline an offer, or leave what was accepted; the partner is told
    Decline(One),
    /// Compare with the partner's server now
    Refresh(One),
}

/// Arguments of `received list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Whole {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

/// One received share.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its id, as `received list` shows it
    id: String,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    let (one, answer) = match command {
        Command::List(whole) => return list(whole).await,
        Command::Accept(one) => (one, ReceivedAnswer::Accept),
        Command::Decline(one) => (one, ReceivedAnswer::Decline),
        Command::Refresh(one) => (one, ReceivedAnswer::Refresh),
    };
    let connection = one.account.connect(&one.account.server()?)?;
    connection.answer_received(&one.id, answer).await.map_err(|error| Failure::failed(error.to_string()))?;
    println!("{} {}", one.id, answer.done());
    Ok(())
}

async fn list(whole: Whole) -> Result<(), Failure> {
    let connection = whole.account.connect(&whole.account.server()?)?;
    let received = connection.received().await.map_err(|error| Failure::failed(error.to_string()))?;
    if whole.json {
        let text = serde_json::to_string_pretty(&received).map_err(|error| Failure::failed(error.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    for share in &received {
        println!("{}", line(share));
    }
    Ok(())
}

fn line(share: &ReceivedShare) -> String {
    let peer = &share.peer;
    let seen = match (&peer.last_seen, peer.reachable) {
        (_, true) => "in reach".to_owned(),
        (Some(at), false) => format!("last seen {at}, unreachable"),
        (None, false) => "not reached yet".to_owned(),
    };
    let error = peer.error.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
    format!("{}\t{}\t{}\tfrom {}\t{}: {seen}{error}", share.id, share.state, share.name, share.owner, peer.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_a_silent_peer_was_last_seen() {
        let text = r#"{"id": "7", "name": "maps", "state": "accepted", "owner": "eve@nc.example", "sender": "eve@nc.example",
            "peer": {"host": "nc.example", "reachable": false, "last_seen": "2026-11-20T10:00:00Z", "error": "refused"}}"#;
        let share: ReceivedShare = serde_json::from_str(text).unwrap();
        assert_eq!(
            line(&share),
            "7\taccepted\tmaps\tfrom eve@nc.example\tnc.example: last seen 2026-11-20T10:00:00Z, unreachable (refused)"
        );
    }
}
