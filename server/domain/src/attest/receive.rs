//! What a site says about a run of ours: believed if it signed it, may read the folder, and speaks of what is there.

use super::publish;
use crate::{Domain, Error, Ids, Run};
use stitchbox_provenance::{ATTESTATION_TYPE, Attestation, CRATE_NAME, Verdict};
use stitchbox_recipe::recipe_hash;
use stitchbox_schema::documents::RunState;
use stitchbox_schema::{RunId, Timestamp};
use stitchbox_store::attest::{self, AttestationRow};
use stitchbox_store::{Connection, Tx, items, runs, versions};

/// How far a peer's clock may be ahead, seconds: nothing later could replace a statement dated far into the future.
const MOST_AHEAD: i64 = 24 * 60 * 60;

/// Why a statement is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum AttestationRefused {
    /// The signature is none, or not by a key of the peer.
    #[error("the attestation is not signed by a key that {peer} publishes: {why}")]
    Signature {
        /// In whose name it came.
        peer: String,
        /// What is wrong.
        why: String,
    },
    /// It is no attestation.
    #[error("the statement is no attestation: {0}")]
    NotAnAttestation(String),
    /// It speaks in another site's name.
    #[error("the attestation is signed by {peer} but speaks in the name of {iss}")]
    OtherSite {
        /// Who signed.
        peer: String,
        /// In whose name.
        iss: String,
    },
    /// It speaks of nothing we have.
    #[error("the attestation speaks of no result that is here now: {0}")]
    UnknownRun(&'static str),
    /// The peer cannot know the folder.
    #[error("the folder of that run is not shared with {peer}")]
    NotShared {
        /// Who.
        peer: String,
    },
    /// The rules say so.
    #[error("{0}")]
    Domain(#[from] Error),
}

impl AttestationRefused {
    /// For the peer: without what is ours.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Signature { .. } => "the attestation is not signed by a key that your site publishes",
            Self::NotAnAttestation(_) => "the statement is no attestation",
            Self::OtherSite { .. } => "the attestation speaks in the name of another site",
            Self::UnknownRun(_) => "the attestation speaks of no result that is here now",
            Self::NotShared { .. } => "the folder of that run is not shared with your site",
            Self::Domain(_) => "the attestation cannot be taken now",
        }
    }
}

impl From<stitchbox_store::StoreError> for AttestationRefused {
    fn from(error: stitchbox_store::StoreError) -> Self {
        Self::Domain(error.into())
    }
}

impl Domain {
    /// Takes in what a peer (`host[:port]`) says about a run of ours: verifies the signature by the peer's published keys, that
    /// the folder is shared with it, and that the digests are those of a result that is shown now. It is stored, and shown
    /// as a derived file beside the results; a later statement of the peer replaces an earlier one.
    pub async fn receive_attestation(&self, peer: &str, jws: &str) -> Result<RunId, AttestationRefused> {
        let payload = self.verified(peer, jws).await?;
        let attestation: Attestation = serde_json::from_slice(&payload)
            .map_err(|error| AttestationRefused::NotAnAttestation(error.to_string()))?;
        if attestation.kind != ATTESTATION_TYPE {
            return Err(AttestationRefused::NotAnAttestation(format!("its type is {:?}", attestation.kind)));
        }
        let equal = attestation.result_digest.ours == attestation.result_digest.theirs;
        if equal != (attestation.verdict == Verdict::Identical) {
            let why = "its verdict is not that of its digests".to_owned();
            return Err(AttestationRefused::NotAnAttestation(why));
        }
        let (now, said_at) = (self.now(), Timestamp(attestation.iat.saturating_mul(1_000_000_000)));
        if attestation.iat > now.0.div_euclid(1_000_000_000).saturating_add(MOST_AHEAD) {
            return Err(AttestationRefused::NotAnAttestation("its date lies in the future".to_owned()));
        }
        if host_of(&attestation.iss) != Some(peer) {
            return Err(AttestationRefused::OtherSite { peer: peer.to_owned(), iss: attestation.iss });
        }
        let (ids, peer, jws) = (self.ids.clone(), peer.to_owned(), jws.trim().to_owned());
        // Refusals must not undo what others do in the same group of transactions, so they travel as values.
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let Some(run) = run_meant(tx, &attestation).await? else {
                    return Ok(Err(AttestationRefused::UnknownRun("no run has these digests")));
                };
                if !super::seams::is_shared_with(tx, run.folder, &peer, now).await? {
                    return Ok(Err(AttestationRefused::NotShared { peer }));
                }
                let id = run.id;
                // Whoever reads the folder has the statements in it: an older one that comes again takes nothing back.
                let known = attest::attestations(tx, id).await?.into_iter().find(|row| row.peer == peer);
                if known.is_some_and(|known| known.attested_at > said_at) {
                    return Ok(Ok(id));
                }
                accept(tx, &ids, run, &peer, &attestation, &jws, now).await?;
                Ok(Ok(id))
            })
        });
        let run = work.await??;
        self.announce();
        self.run_changed().notify_waiters();
        Ok(run)
    }
}

/// `host[:port]` of an origin.
fn host_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).map(|host| host.trim_end_matches('/'))
}

/// The run of ours that a statement is about: its results are shown, and they, the recipe and the crate are those of the
/// statement. The crate names every input and output by hash, so nothing else needs to be compared.
pub(super) async fn run_meant(db: &mut Connection, said: &Attestation) -> Result<Option<Run>, Error> {
    let Some(id) = said.of.run.as_deref().and_then(|run| run.parse().ok()) else { return Ok(None) };
    let Some(run) = runs::by_id(db, id).await? else { return Ok(None) };
    let same = run.state == RunState::Done
        && run.digest.as_ref() == Some(&said.result_digest.theirs)
        && recipe_hash(run.recipe.as_deref()) == said.of.recipe_sha256;
    if !same {
        return Ok(None);
    }
    let Some(folder) = publish::output_folder(db, &run).await? else { return Ok(None) };
    let Some(item) = items::child(db, folder.id, CRATE_NAME).await? else { return Ok(None) };
    let Some(version) = item.version else { return Ok(None) };
    let shown = versions::by_id(db, version).await?;
    let is_ours = shown.is_some_and(|shown| shown.run == Some(run.id) && shown.sha256 == said.of.crate_sha256);
    Ok(is_ours.then_some(run))
}

/// Stores a statement that was found good and shows it.
pub(super) async fn accept(
    tx: &mut Tx,
    ids: &Ids,
    run: Run,
    peer: &str,
    said: &Attestation,
    jws: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let earlier = attest::attestations(tx, run.id).await?.into_iter().find(|row| row.peer == peer);
    let shown = publish::show(tx, ids, &run, peer, said, jws, earlier, now).await?;
    let row = AttestationRow {
        run: run.id,
        peer: peer.to_owned(),
        verdict: said.verdict.as_str().to_owned(),
        jws: jws.to_owned(),
        attested_at: Timestamp(said.iat.saturating_mul(1_000_000_000)),
        received_at: now,
        item: shown.statement,
        picture: shown.picture,
    };
    attest::put_attestation(tx, &row).await?;
    // The run is listed with it, so whoever watches runs must see that it changed.
    runs::update(tx, &run).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_an_origin_keeps_its_port() {
        assert_eq!(host_of("https://box.example.org:8443"), Some("box.example.org:8443"));
        assert_eq!(host_of("https://box.example.org/"), Some("box.example.org"));
        assert_eq!(host_of(""), None);
        assert_eq!(host_of("ftp://x"), None);
    }
}
