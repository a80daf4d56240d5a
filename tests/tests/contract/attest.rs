//! Repetitions and attestations: leased once, ended once; what a peer says is believed only if it may say it.

use crate::runs::finish;
use crate::world::{ATTEMPTS, LEASE, QUIET, World, sub_aperture};
use bytes::Bytes;
use serde_json::Map;
use std::time::Duration;
use stitchbox_domain::attest::{AttestationRefused, LeasedRerun, Outcome, RerunEnding, RerunError};
use stitchbox_domain::federation::{AutoAccept, FederationSettings, TrustPolicy};
use stitchbox_domain::runs::{Leased, Results, RunFilter, RunIntoError};
use stitchbox_domain::shares::{Grantee, NewShare};
use stitchbox_domain::{Domain, Error, Location};
use stitchbox_federation::jws;
use stitchbox_federation::keys::{KeyKind, SigningKey, SiteKeys};
use stitchbox_provenance::{
    ATTESTATION_TYPE, Agreement, Attestation, CRATE_NAME, Engines, Hashing, Pair, Picture, Repeated, Verdict,
};
use stitchbox_recipe::recipe_hash;
use stitchbox_schema::documents::{RerunState, RunState};
use stitchbox_schema::{Role, Timestamp};
use stitchbox_store::peers;

const RECIPE: &str = "[series]\nexpected = 2\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";
const PEER: &str = "partner.example:8443";

async fn stitched(w: &World, folder: &str, crate_text: &str) -> Leased {
    w.mkcol(folder).await;
    w.put(&format!("{folder}/stitch.toml"), RECIPE.as_bytes()).await;
    for number in 0..2 {
        w.put(&format!("{folder}/sub_{number}.dat"), &sub_aperture(number)).await;
    }
    assert_eq!(w.trigger().await, 1);
    let leased = w.domain.lease_run("w").await.unwrap().expect("a run to lease");
    let mut drafts = Vec::new();
    for (name, text) in [("height.h5", "heights"), (CRATE_NAME, crate_text)] {
        drafts.push(w.domain.draft(&leased.run, name, Bytes::from(text.to_owned())).await.unwrap());
    }
    let results = Results { drafts, digest: Some("digest".into()), message: None };
    assert!(w.domain.finish_run(&leased, results).await.unwrap());
    leased
}

fn sha256(text: &str) -> String {
    let mut hashing = Hashing::default();
    hashing.update(text.as_bytes());
    hashing.finish().sha256
}

fn outcome(run: &str, crate_text: &str, verdict: Verdict) -> Outcome {
    let diverged = verdict == Verdict::Diverged;
    Outcome {
        of: Repeated {
            run: Some(run.to_owned()),
            title: "s".to_owned(),
            crate_sha256: sha256(crate_text),
            inputs_digest: "i".to_owned(),
            inputs: 2,
            recipe_sha256: recipe_hash(Some(RECIPE)),
        },
        engine: Engines { theirs: "e".to_owned(), ours: "e".to_owned(), differs: false },
        result_digest: Pair { theirs: "digest".to_owned(), ours: if diverged { "other" } else { "digest" }.to_owned() },
        verdict,
        numbers: diverged.then(|| Agreement {
            pixels: 9,
            common: 1.0,
            within: Some(0.5),
            rms_nm: 2.0,
            pv_nm: 5.0,
            removed: Vec::new(),
            remark: "too different".to_owned(),
        }),
        picture: diverged.then(|| Picture { png: PNG.to_vec() }),
    }
}

async fn lease(w: &World, worker: &str) -> LeasedRerun {
    w.domain.lease_rerun(worker).await.unwrap().expect("a repetition to lease")
}

async fn ask(w: &World, folder: &str) -> stitchbox_schema::documents::RerunDocument {
    w.domain.request_rerun(&w.anna, &w.at(folder), false).await.unwrap()
}

pub async fn a_repetition_is_leased_and_ended_once(w: World) {
    stitched(&w, "/s", "crate").await;
    w.mkcol("/empty").await;
    assert!(matches!(w.domain.request_rerun(&w.anna, &w.at("/empty"), false).await, Err(RerunError::NoResult)));
    let stranger = w.domain.request_rerun(&w.bert, &w.at("/s"), false).await;
    assert!(matches!(stranger, Err(RerunError::Domain(Error::NotFound))));
    let asked = ask(&w, "/s").await;
    assert_eq!((asked.state, asked.folder.as_str()), (RerunState::Queued, "/s"));
    assert_eq!(ask(&w, "/s").await.id, asked.id, "one under way is enough");
    w.join("bert", Role::Viewer).await;
    let of_bert = w.domain.request_rerun(&w.bert, &w.at("/s"), false).await.unwrap();
    assert_ne!(of_bert.id, asked.id);
    assert!(matches!(w.domain.rerun(&w.bert, asked.id).await, Err(Error::NotFound)));
    assert!(w.domain.lease_run("w").await.unwrap().is_none(), "a repetition is no run");
    let first = lease(&w, "w1").await;
    assert_eq!(first.rerun.id, asked.id);
    assert_eq!(
        first.series.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["stitch.toml", "sub_0.dat", "sub_1.dat"]
    );
    assert!(w.domain.keep_rerun(&first, RerunState::Running).await.unwrap());
    assert_eq!(w.domain.rerun(&w.anna, asked.id).await.unwrap().state, RerunState::Running);
    assert_eq!(lease(&w, "w2").await.rerun.id, of_bert.id);
    assert!(w.domain.lease_rerun("w3").await.unwrap().is_none());
    // A silent worker loses it.
    w.advance(LEASE * 2);
    let second = lease(&w, "w3").await;
    let ending = || RerunEnding::Failed { message: "no luck".into(), permanent: false };
    assert!(!w.domain.finish_rerun(&first, ending()).await.unwrap());
    assert!(w.domain.finish_rerun(&second, ending()).await.unwrap());
    let waiting = w.domain.rerun(&w.anna, second.rerun.id).await.unwrap();
    assert_eq!((waiting.state, waiting.message.as_deref()), (RerunState::Queued, Some("no luck")));
    w.advance(Duration::from_secs(3600));
    for _ in 0..2 * ATTEMPTS {
        if let Some(again) = w.domain.lease_rerun("w").await.unwrap() {
            w.domain.finish_rerun(&again, ending()).await.unwrap();
        }
        w.advance(Duration::from_secs(3600));
    }
    let states: Vec<_> = [&w.anna, &w.bert].map(|who| who.clone()).into();
    for who in states {
        assert_eq!(w.domain.reruns(&who).await.unwrap()[0].state, RerunState::Failed);
    }
    // Refused is refused, at once.
    let asked = ask(&w, "/s").await;
    let leased = lease(&w, "w").await;
    assert!(w.domain.finish_rerun(&leased, RerunEnding::Refused("sub_1.dat is another".into())).await.unwrap());
    let refused = w.domain.rerun(&w.anna, asked.id).await.unwrap();
    assert_eq!((refused.state, refused.attestation), (RerunState::Refused, None));
    assert!(!w.exists("/s/Stitched/Reproduced at this site.json").await);
    // Stopped in the middle, it goes on elsewhere and the attempt does not count.
    let asked = ask(&w, "/s").await;
    let leased = lease(&w, "w").await;
    assert!(w.domain.release_rerun(&leased).await.unwrap());
    assert_eq!(w.domain.rerun(&w.anna, asked.id).await.unwrap().attempts, 0);
    // A folder that goes away ends it.
    w.remove("/s").await;
    assert!(w.domain.lease_rerun("w").await.unwrap().is_none());
    assert_eq!(w.domain.rerun(&w.anna, asked.id).await.unwrap().state, RerunState::Failed);
    w.assert_clean().await;
}

pub async fn an_outcome_stands_beside_the_results_until_they_go(w: World) {
    let run = stitched(&w, "/s", "crate").await.run.id;
    let repeat = async |verdict| {
        ask(&w, "/s").await;
        let leased = lease(&w, "w").await;
        let ending = RerunEnding::Done(Box::new(outcome(&run.to_string(), "crate", verdict)));
        assert!(w.domain.finish_rerun(&leased, ending).await.unwrap());
        w.domain.rerun(&w.anna, leased.rerun.id).await.unwrap()
    };
    let done = repeat(Verdict::Identical).await;
    assert_eq!((done.state, done.verdict.as_deref()), (RerunState::Done, Some("identical")));
    let text = w.read("/s/Stitched/Reproduced at this site.json").await;
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(file["jws"].as_str(), done.attestation.as_deref());
    let keys = w.domain.site_keys().await.unwrap().jwks();
    let key = |header: &jws::Header| keys.find(&header.kid).map(|jwk| jwk.key.clone());
    let (_, payload) = jws::verify(file["jws"].as_str().unwrap(), key).unwrap();
    let said: Attestation = serde_json::from_slice(&payload).unwrap();
    assert_eq!((said.verdict, said.of.crate_sha256), (Verdict::Identical, sha256("crate")));
    let listed = || async { w.domain.runs(&w.anna, RunFilter::default(), 10).await.unwrap() };
    let shown = listed().await;
    assert_eq!((shown[0].state, shown[0].attestations[0].verdict.as_str()), (RunState::Done, "identical"));
    // Another outcome of the same site takes its place, with the difference map.
    repeat(Verdict::Diverged).await;
    assert!(!w.exists("/s/Stitched/Reproduced at this site.json").await);
    assert_eq!(w.read("/s/Stitched/Diverged at this site.png").await, PNG);
    repeat(Verdict::Agrees).await;
    assert!(!w.exists("/s/Stitched/Diverged at this site.png").await);
    assert_eq!(listed().await[0].attestations.len(), 1);
    // Nothing of this starts a run, and deleting the statement leaves the results what they are.
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
    w.remove("/s/Stitched/Agrees at this site.json").await;
    assert_eq!(w.trigger().await, 0);
    assert_eq!(listed().await[0].state, RunState::Done);
    repeat(Verdict::Identical).await;
    // A crate that is not the one shown speaks of another result: the statement stays with the repetition alone.
    ask(&w, "/s").await;
    let ending = RerunEnding::Done(Box::new(outcome(&run.to_string(), "another crate", Verdict::Diverged)));
    assert!(w.domain.finish_rerun(&lease(&w, "w").await, ending).await.unwrap());
    assert!(!w.exists("/s/Stitched/Diverged at this site.json").await);
    // The next results take the statements along.
    w.put("/s/sub_2.dat", &sub_aperture(2)).await;
    assert_eq!(w.trigger().await, 1);
    assert!(finish(&w, &w.domain.lease_run("w").await.unwrap().unwrap(), "new").await);
    assert!(!w.exists("/s/Stitched/Reproduced at this site.json").await);
    // A folder that is given up takes runs and what was said about them along.
    let top = w.item("/s").await.id;
    w.remove("/s").await;
    w.domain.purge(&w.anna, top).await.unwrap();
    w.domain.purge_trash(1000).await.unwrap();
    assert!(listed().await.is_empty());
    w.assert_clean().await;
}

/// A peer that signs, known here by its keys.
struct Partner {
    keys: SiteKeys,
}

impl Partner {
    fn new() -> Self {
        let key = |kid: &str| SigningKey::generate(KeyKind::Ed25519, kid).unwrap();
        Self { keys: SiteKeys { ed25519: key("partner.example:8443#key1"), rsa: key("unused"), others: Vec::new() } }
    }

    async fn introduce(&self, w: &World, now: Timestamp) {
        let jwks = self.keys.jwks().encode().to_string();
        w.store
            .write(move |tx| Box::pin(async move { Ok::<_, Error>(peers::set_keys(tx, PEER, &jwks, now).await?) }))
            .await
            .unwrap();
    }

    fn say(&self, attestation: &Attestation) -> String {
        jws::sign(&serde_json::to_vec(attestation).unwrap(), &self.keys, Map::new(), true).unwrap()
    }
}

async fn federated(w: &World) -> Domain {
    let settings = FederationSettings {
        origin: "https://ours.example".to_owned(),
        allow_http_peers: false,
        allow_private_addresses: false,
        extra_ca_pem: None,
        trust: TrustPolicy::Open,
        require_signatures: false,
        auto_accept: AutoAccept::Contacts,
        cache_bytes: 1 << 30,
        refresh: Duration::from_secs(30),
    };
    w.domain.clone().with_federation(settings).await.unwrap()
}

pub async fn a_peers_word_is_believed_if_it_may_say_it(w: World) {
    let domain = federated(&w).await;
    let run = stitched(&w, "/s", "crate").await.run.id;
    let partner = Partner::new();
    partner.introduce(&w, domain.now()).await;
    let outcome = outcome(&run.to_string(), "crate", Verdict::Identical);
    let said = Attestation {
        kind: ATTESTATION_TYPE.to_owned(),
        iss: format!("https://{PEER}"),
        site: PEER.to_owned(),
        iat: 1_700_000_000,
        of: outcome.of,
        engine: outcome.engine,
        result_digest: outcome.result_digest,
        verdict: outcome.verdict,
        numbers: None,
        difference_png: None,
    };
    let refused = async |text: &str| domain.receive_attestation(PEER, text).await.unwrap_err();
    // The folder is not shared with it yet.
    assert!(matches!(refused(&partner.say(&said)).await, AttestationRefused::NotShared { .. }));
    let new =
        NewShare::of(w.at("/s"), Grantee::Federated { recipient: format!("bob@{PEER}"), group: false }, Role::Viewer);
    let share = domain.share(&w.anna, new).await.unwrap();
    // Another's key, another's name, another statement, another result.
    assert!(matches!(refused(&Partner::new().say(&said)).await, AttestationRefused::Signature { .. }));
    assert!(matches!(refused("no jws").await, AttestationRefused::Signature { .. }));
    let other = Attestation { iss: "https://evil.example".to_owned(), ..said.clone() };
    assert!(matches!(refused(&partner.say(&other)).await, AttestationRefused::OtherSite { .. }));
    let other = Attestation { kind: "stitchbox.crate/1".to_owned(), ..said.clone() };
    assert!(matches!(refused(&partner.say(&other)).await, AttestationRefused::NotAnAttestation(_)));
    for other in [
        Repeated { crate_sha256: sha256("other"), ..said.of.clone() },
        Repeated { recipe_sha256: sha256("other"), ..said.of.clone() },
        Repeated { run: Some("1".to_owned()), ..said.of.clone() },
        Repeated { run: None, ..said.of.clone() },
    ] {
        let other = Attestation { of: other, ..said.clone() };
        assert!(matches!(refused(&partner.say(&other)).await, AttestationRefused::UnknownRun(_)));
    }
    assert!(!w.exists("/s/Stitched/Reproduced at partner.example-8443.json").await);
    // Now the truth, twice.
    for _ in 0..2 {
        assert_eq!(domain.receive_attestation(PEER, &partner.say(&said)).await.unwrap(), run);
    }
    assert!(w.exists("/s/Stitched/Reproduced at partner.example-8443.json").await);
    let shown = &w.domain.runs(&w.anna, RunFilter::default(), 10).await.unwrap()[0];
    assert_eq!((shown.attestations.len(), shown.attestations[0].peer.as_str()), (1, PEER));
    // Who lost the share says nothing any more; what was said stays.
    domain.revoke_share(&w.anna, share.id).await.unwrap();
    assert!(matches!(refused(&partner.say(&said)).await, AttestationRefused::NotShared { .. }));
    assert!(w.exists("/s/Stitched/Reproduced at partner.example-8443.json").await);
    w.assert_clean().await;
}

pub async fn a_folder_is_run_into_another_and_the_trigger_lets_it_be(w: World) {
    w.mkcol("/raw").await;
    w.put("/raw/stitch.toml", b"[series]\nexpected = 99\n").await;
    for number in 0..2 {
        w.put(&format!("/raw/sub_{number}.dat"), &sub_aperture(number)).await;
    }
    w.mkcol("/into").await;
    assert_eq!(w.trigger().await, 0);
    let into = |from: &str, into: &str| (w.at(from), w.at(into));
    let run = async |(from, into): (Location, Location), recipe: Option<&str>| {
        w.domain.run_into(&w.anna, &from, &into, recipe.map(str::to_owned)).await
    };
    assert!(matches!(run(into("/raw", "/raw"), None).await, Err(RunIntoError::SameFolder)));
    assert!(matches!(run(into("/into", "/raw"), None).await, Err(RunIntoError::OwnSeries)));
    w.mkcol("/third").await;
    assert!(matches!(run(into("/into", "/third"), None).await, Err(RunIntoError::NoSeries)));
    let wrong = run(into("/raw", "/into"), Some("[serious]\n")).await;
    assert!(matches!(wrong, Err(RunIntoError::BadRecipe(_))), "{wrong:?}");
    w.join("bert", Role::Viewer).await;
    let viewer = w.domain.run_into(&w.bert, &w.at("/raw"), &w.at("/into"), None).await;
    assert!(matches!(viewer, Err(RunIntoError::Domain(Error::Forbidden(_)))));
    let made = run(into("/raw", "/into"), None).await.unwrap();
    assert_eq!((made.state, made.inputs, made.source.as_deref()), (RunState::Queued, 2, Some("mirrors: /raw")));
    assert_eq!(run(into("/raw", "/into"), None).await.unwrap().id, made.id, "the same again is the same run");
    let leased = w.domain.lease_run("w").await.unwrap().unwrap();
    assert_eq!((leased.inputs.len(), leased.title.as_str()), (2, "into"));
    assert_eq!(leased.source.as_deref(), Some("mirrors: /raw"));
    assert!(leased.recipe.is_some(), "the recipe beside the inputs applies");
    assert!(finish(&w, &leased, "x").await);
    assert!(w.exists("/into/Stitched/height.h5").await && !w.exists("/raw/Stitched").await);
    // Changes in either folder make no run of the trigger.
    w.put("/into/notes.txt", b"mine").await;
    w.put("/raw/sub_2.dat", &sub_aperture(2)).await;
    w.advance(QUIET * 3);
    assert_eq!(w.trigger().await, 0);
    assert_eq!(run(into("/raw", "/into"), None).await.unwrap().inputs, 3, "other inputs are another run");
    let leased = w.domain.lease_run("w").await.unwrap().unwrap();
    assert!(finish(&w, &leased, "y").await);
    // A given recipe goes before the one beside the inputs, which is then no input.
    let given = run(into("/raw", "/into"), Some("[stitch]\nrobust = false\n")).await.unwrap();
    assert_ne!(given.id, leased.run.id);
    let leased = w.domain.lease_run("w").await.unwrap().unwrap();
    assert!(leased.recipe.is_none() && leased.run.recipe.as_deref() == Some("[stitch]\nrobust = false\n"));
    assert!(finish(&w, &leased, "z").await);
    // A series that comes into the folder later is its later state.
    for number in 0..2 {
        w.put(&format!("/into/own_{number}.dat"), &sub_aperture(number + 10)).await;
    }
    w.advance(QUIET * 3);
    w.trigger().await;
    w.advance(QUIET * 3);
    w.trigger().await;
    let own = w.domain.lease_run("w").await.unwrap().expect("the folder's own run");
    assert_eq!(own.source, None);
    assert!(finish(&w, &own, "own").await);
    assert!(matches!(run(into("/raw", "/into"), None).await, Err(RunIntoError::OwnSeries)));
    w.assert_clean().await;
}
