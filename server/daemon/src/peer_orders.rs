//! Orders about other sites: whom to trust, what went wrong, our keys, and what a peer sees of us.

use crate::administration::{Order, Report};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use stitchbox_domain::federation::{PeerOverview, PublishedSiteKey, Step, Trust};
use stitchbox_domain::{Domain, Error};
use stitchbox_schema::Timestamp;

/// An order about other sites, or about this site as one of them.
#[derive(Debug, Clone, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum PeerOrder {
    /// List the sites we have heard of: trust, last contact, failures, what waits, the last error
    List,
    /// Show everything about one
    Show {
        /// host[:port]
        host: String,
    },
    /// Share with it, whatever the rule
    Allow {
        /// host[:port]
        host: String,
    },
    /// Do not share with it
    Deny {
        /// host[:port]
        host: String,
    },
    /// Let the rule apply, forget that it did not answer, and try at once what waits for it
    Reset {
        /// host[:port]
        host: String,
    },
    /// Forget that it signed, with its keys: it may come unsigned again
    Forget {
        /// host[:port]
        host: String,
    },
    /// Fetch what it says about itself; changes nothing
    Test {
        /// host[:port]
        host: String,
    },
}

/// An order about this site as one of the federation.
#[derive(Debug, Clone, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum FederationOrder {
    /// List the keys this site signs, or signed, with
    Keys,
    /// Make new keys; those until now are still published
    RotateKeys,
    /// See this site as peers do: documents, certificate, signatures, headers; exit code 1 if something is wrong
    SelfTest,
}

impl PeerOrder {
    /// As an order to the server.
    #[must_use]
    pub fn order(self) -> Order {
        Order::Peer(self)
    }
}

/// Does what was ordered about a peer.
pub async fn carry_out_peer(domain: &Domain, order: PeerOrder) -> Result<Report, Error> {
    let trusted = |host: &str, trust, words: &str| {
        let (domain, host, words) = (domain.clone(), host.to_owned(), words.to_owned());
        async move {
            domain.trust_peer(None, &host, trust).await?;
            Ok(Report { remarks: vec![format!("{host} is {words}")], ..Report::default() })
        }
    };
    match order {
        PeerOrder::List => {
            let lines = domain.peers(None).await?.iter().map(line).collect();
            Ok(Report { lines, ..Report::default() })
        }
        PeerOrder::Show { host } => show(domain, &host).await,
        PeerOrder::Allow { host } => trusted(&host, Trust::Allowed, "allowed").await,
        PeerOrder::Deny { host } => trusted(&host, Trust::Denied, "denied: nothing new comes or goes").await,
        PeerOrder::Reset { host } => {
            domain.reset_peer(None, &host).await?;
            trusted(&host, Trust::Default, "as any other; what waits for it is tried now").await
        }
        PeerOrder::Forget { host } => {
            domain.forget_signature(None, &host).await?;
            let remark = format!("that {host} signed is forgotten; if it signs again, it has to from then on");
            Ok(Report { remarks: vec![remark], ..Report::default() })
        }
        PeerOrder::Test { host } => Ok(steps(&domain.test_peer(None, &host).await?)),
    }
}

/// Does what was ordered about this site.
pub async fn carry_out_federation(domain: &Domain, order: FederationOrder) -> Result<Report, Error> {
    match order {
        FederationOrder::Keys => keys(domain).await,
        FederationOrder::RotateKeys => {
            domain.rotate_site_keys().await?;
            let remark = "new keys sign from now on; the earlier ones stay published".to_owned();
            Ok(Report { remarks: vec![remark], ..keys(domain).await? })
        }
        FederationOrder::SelfTest => Ok(steps(&domain.federation_self_test(None).await?)),
    }
}

async fn keys(domain: &Domain) -> Result<Report, Error> {
    let line = |key: &PublishedSiteKey| {
        let state = key.retired_at.map_or_else(|| "signs".to_owned(), |at| format!("retired {}", at.rfc3339()));
        format!("{}\t{}\t{}\t{state}", key.kid, key.kind, key.created_at.rfc3339())
    };
    Ok(Report { lines: domain.published_keys().await?.iter().map(line).collect(), ..Report::default() })
}

fn steps(steps: &[Step]) -> Report {
    let line = |step: &Step| format!("{}\t{}\t{}", if step.is_good { "ok" } else { "WRONG" }, step.what, step.found);
    Report {
        lines: steps.iter().map(line).collect(),
        problems: steps.iter().any(|step| !step.is_good),
        ..Report::default()
    }
}

fn at(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "never".to_owned(), Timestamp::rfc3339)
}

fn line(peer: &PeerOverview) -> String {
    let row = &peer.peer;
    let trust = if peer.is_trusted { "trusted" } else { "not trusted" };
    let signs = if row.has_signed { "signs" } else { "never signed" };
    format!(
        "{}\t{} ({trust})\t{signs}\tlast contact {}\t{} failures\t{} waiting\t{}",
        row.host,
        row.trust.as_str(),
        at(row.last_contact_at),
        row.failures,
        peer.waiting,
        row.last_error.as_deref().unwrap_or("")
    )
}

async fn show(domain: &Domain, host: &str) -> Result<Report, Error> {
    let (peer, waiting) = domain.peer_details(None, host).await?;
    let row = &peer.peer;
    let mut lines = vec![line(&peer)];
    lines.push(format!("last error\t{}\t{}", at(row.last_error_at), row.last_error.as_deref().unwrap_or("none")));
    if row.failures > 0 {
        lines.push(format!("not called before\t{}", row.retry_at.rfc3339()));
    }
    if let Some(document) = &peer.discovery {
        lines.push(format!("read\t{}", at(row.discovered_at)));
        lines.push(format!("end point\t{}\t{} {}", document.end_point, document.provider, document.api_version));
        lines.push(format!("can\t{}", document.capabilities.join(", ")));
        lines.push(format!("demands\t{}", document.criteria.join(", ")));
        if let Some(key) = &document.public_key {
            lines.push(format!("key\t{}", key.key_id));
        }
    }
    for call in waiting {
        let error = call.last_error.unwrap_or_default();
        lines.push(format!("waits\t{}\t{} attempts\t{error}", call.kind.as_str(), call.attempts));
    }
    Ok(Report { lines, ..Report::default() })
}
