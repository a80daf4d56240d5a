//! Series, runs and jobs: exactly one run for a complete series, and it ends once.

use crate::world::{ATTEMPTS, LEASE, QUIET, REPLACE, STAY, World, sub_aperture};
use bytes::Bytes;
use std::time::Duration;
use stitchbox_domain::runs::{Leased, Results, RunFilter};
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Conditions, EntityTags, Error, ItemPath, Location, Refusal};
use stitchbox_schema::Role;
use stitchbox_schema::documents::{RunDocument, RunState};

const EXPECT_TWO: &[u8] = b"[series]\nexpected = 2\n";

async fn series(w: &World, folder: &str, files: u8) {
    w.mkcol(folder).await;
    w.put(&format!("{folder}/stitch.toml"), EXPECT_TWO).await;
    for number in 0..files {
        w.put(&format!("{folder}/sub_{number}.dat"), &sub_aperture(number)).await;
    }
}

async fn runs(w: &World) -> Vec<RunDocument> {
    w.domain.runs(&w.anna, RunFilter::default(), 100).await.unwrap()
}

async fn states(w: &World) -> Vec<RunState> {
    runs(w).await.into_iter().map(|run| run.state).collect()
}

async fn lease(w: &World, worker: &str) -> Leased {
    w.domain.lease_run(worker).await.unwrap().expect("a run to lease")
}

pub(crate) async fn finish(w: &World, leased: &Leased, text: &str) -> bool {
    let mut drafts = Vec::new();
    for (name, size) in [("summary.json", 1), ("height.h5", 100_000)] {
        let bytes = Bytes::from(text.repeat(size));
        drafts.push(w.domain.draft(&leased.run, name, bytes).await.unwrap());
    }
    let results = Results { drafts, digest: Some("digest".into()), message: None };
    w.domain.finish_run(leased, results).await.unwrap()
}

pub async fn the_expected_count_makes_exactly_one_run(w: World) {
    series(&w, "/s", 1).await;
    w.put("/s/paper.pdf", b"%PDF-1.7 not a map").await;
    w.put("/s/notes.dat", b"a text that ends in .dat").await;
    assert_eq!(w.trigger().await, 0);
    w.put("/s/sub_1.dat", &sub_aperture(1)).await;
    // Two triggers at once, as two servers on one database would have.
    w.domain.note_changes().await.unwrap();
    let (one, two) = tokio::join!(w.domain.evaluate_due(), w.domain.evaluate_due());
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
    w.put("/s/sub_1.dat", &sub_aperture(1)).await;
    assert_eq!(w.trigger().await, 0, "the same content again is the same run");
    let run = &runs(&w).await[0];
    assert_eq!((run.state, run.inputs, run.folder.as_str()), (RunState::Queued, 2, "/s"));
    let leased = lease(&w, "w").await;
    assert_eq!(leased.inputs.len(), 2);
    let recipe = leased.recipe.expect("the folder's recipe is pinned with its version");
    assert_eq!(
        (recipe.name.as_str(), leased.run.recipe.as_deref().map(str::as_bytes)),
        ("stitch.toml", Some(EXPECT_TWO))
    );
    assert_eq!(w.domain.run(&w.anna, run.id).await.unwrap().inputs, 2);
}

pub async fn a_quiet_folder_makes_a_run_and_an_open_upload_holds_it_back(w: World) {
    w.mkcol("/s").await;
    w.put("/s/1.dat", &sub_aperture(1)).await;
    assert_eq!(w.trigger().await, 0);
    w.advance(QUIET - Duration::from_secs(1));
    w.put("/s/2.dat", &sub_aperture(2)).await;
    w.advance(Duration::from_secs(2));
    assert_eq!(w.trigger().await, 0, "the second file began the quiet time anew");
    let mut upload = w.domain.begin_upload(&w.anna, &w.at("/s/3.dat"), Intent::default()).await.unwrap();
    upload.write(Bytes::from(vec![0; 100_000])).await.unwrap();
    w.advance(QUIET);
    assert_eq!(w.trigger().await, 0, "an upload is under way");
    upload.commit().await.unwrap();
    assert_eq!(w.trigger().await, 0);
    w.advance(QUIET);
    assert_eq!(w.trigger().await, 1);
    assert_eq!(runs(&w).await[0].inputs, 3);
    // A large upload that is refused at its end holds nothing back.
    let conditions = Conditions { if_match: Some(EntityTags::Any), ..Conditions::default() };
    w.put("/s/4.dat", &sub_aperture(4)).await;
    let mut refused =
        w.domain.begin_upload(&w.anna, &w.at("/s/4.dat"), Intent { conditions, ..Intent::default() }).await.unwrap();
    refused.write(Bytes::from(vec![0; 100_000])).await.unwrap();
    w.remove("/s/4.dat").await;
    assert!(matches!(refused.commit().await, Err(Error::PreconditionFailed)));
    w.put("/s/5.dat", &sub_aperture(5)).await;
    w.trigger().await;
    w.advance(QUIET);
    for _ in 0..100 {
        if w.trigger().await == 1 {
            return;
        }
        // The row of the refused upload is removed by a task of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
        w.advance(Duration::from_secs(1));
    }
    panic!("the refused upload still holds the series back");
}

pub async fn a_marker_makes_a_run(w: World) {
    w.mkcol("/s").await;
    w.put("/s/stitch.toml", b"[series]\nmarker = \"_DONE\"\n").await;
    w.put("/s/1.dat", &sub_aperture(1)).await;
    w.advance(QUIET * 10);
    assert_eq!(w.trigger().await, 0);
    w.put("/s/_DONE", b"").await;
    assert_eq!(w.trigger().await, 1);
}

pub async fn a_later_file_supersedes(w: World) {
    series(&w, "/s", 2).await;
    assert_eq!(w.trigger().await, 1);
    let leased = lease(&w, "w1").await;
    w.put("/s/sub_9.dat", &sub_aperture(9)).await;
    assert_eq!(w.trigger().await, 1);
    assert_eq!(states(&w).await, [RunState::Queued, RunState::Superseded]);
    assert!(!w.domain.keep_lease(&leased, 0.5, "stitching").await.unwrap(), "the worker is told");
    assert!(!finish(&w, &leased, "old").await);
    assert!(!w.exists("/s/Stitched").await);
    let next = lease(&w, "w1").await;
    assert_eq!(next.inputs.len(), 3);
    assert!(finish(&w, &next, "new").await);
    // The change back to what was run before the latest is a run again.
    w.remove("/s/sub_9.dat").await;
    assert_eq!(w.trigger().await, 1);
    let back = lease(&w, "w1").await;
    assert!(finish(&w, &back, "back").await);
    assert_eq!(w.read("/s/Stitched/summary.json").await, b"back");
    assert_eq!(w.domain.versions(&w.anna, &w.at("/s/Stitched/summary.json")).await.unwrap().len(), 2);
}

pub async fn moving_a_folder_starts_nothing_and_copying_it_does(w: World) {
    series(&w, "/s", 2).await;
    assert_eq!(w.trigger().await, 1);
    assert!(finish(&w, &lease(&w, "w").await, "one").await);
    w.relocate("/s", "/moved").await;
    assert_eq!(w.trigger().await, 0);
    w.copy("/moved", "/copy").await;
    assert_eq!(w.trigger().await, 1);
    assert!(finish(&w, &lease(&w, "w").await, "two").await);
    assert_eq!(w.read("/copy/Stitched/summary.json").await, b"two", "the copied results were the run's to replace");
    assert_eq!(w.read("/moved/Stitched/summary.json").await, b"one");
    // Files that arrive by MOVE and by restore count like any other.
    w.mkcol("/t").await;
    w.put("/t/stitch.toml", EXPECT_TWO).await;
    w.relocate("/copy/sub_0.dat", "/t/a.dat").await;
    assert_eq!(w.trigger().await, 0);
    w.relocate("/copy/sub_1.dat", "/t/b.dat").await;
    assert_eq!(w.trigger().await, 1);
    w.remove("/moved").await;
    w.trigger().await;
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    w.domain.restore(&w.anna, trash[0].0.item).await.unwrap();
    assert_eq!(w.trigger().await, 0, "restoring a finished series starts nothing");
}

pub async fn a_dead_worker_loses_the_lease_and_another_finishes(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    let dead = lease(&w, "dead").await;
    assert!(w.domain.lease_run("other").await.unwrap().is_none(), "the lease holds");
    w.advance(LEASE / 2);
    assert!(w.domain.keep_lease(&dead, 0.1, "reading").await.unwrap());
    w.advance(LEASE - Duration::from_secs(1));
    assert!(w.domain.lease_run("other").await.unwrap().is_none(), "the lease was prolonged");
    w.advance(Duration::from_secs(2));
    let other = lease(&w, "other").await;
    assert_eq!((other.run.id, other.run.attempts), (dead.run.id, 2));
    assert!(!finish(&w, &dead, "late").await, "whoever lost the lease shows nothing");
    assert!(!w.exists("/s/Stitched").await);
    assert!(finish(&w, &other, "good").await);
    assert!(!finish(&w, &other, "twice").await);
    assert_eq!(w.read("/s/Stitched/summary.json").await, b"good");
    w.assert_clean().await;
}

pub async fn after_too_many_attempts_the_reason_lies_beside_the_series(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    for _ in 0..ATTEMPTS {
        lease(&w, "dies").await;
        w.advance(LEASE * 2);
    }
    assert!(w.domain.lease_run("next").await.unwrap().is_none());
    let run = &runs(&w).await[0];
    assert_eq!((run.state, run.attempts), (RunState::Failed, i64::from(ATTEMPTS)));
    let text = String::from_utf8(w.read("/s/Stitched.error.txt").await).unwrap();
    assert!(text.contains("3 times"), "{text}");
    assert_eq!(run.message.as_deref(), Some(text.trim_end()));
    w.put("/s/sub_2.dat", &sub_aperture(2)).await;
    assert_eq!(w.trigger().await, 1);
    assert!(finish(&w, &lease(&w, "w").await, "x").await);
    assert!(!w.exists("/s/Stitched.error.txt").await, "the complaint goes with the next success");
}

pub async fn results_appear_in_one_commit_and_trigger_nothing(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    let etag = w.etag("/s").await;
    let leased = lease(&w, "w").await;
    assert_eq!(w.etag("/s").await, etag, "a run under way changes nothing");
    assert!(finish(&w, &leased, "x").await);
    assert_ne!(w.etag("/s").await, etag);
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
    let run = &runs(&w).await[0];
    assert_eq!((run.state, run.progress, run.digest.as_deref()), (RunState::Done, 1.0, Some("digest")));
    assert_eq!(run.outputs, ["Stitched/summary.json", "Stitched/height.h5"]);
    assert_eq!(w.read("/s/Stitched/height.h5").await.len(), 100_000);
    w.assert_clean().await;
}

pub async fn removed_results_are_not_made_again(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    assert!(finish(&w, &lease(&w, "w").await, "x").await);
    w.trigger().await;
    w.remove("/s/Stitched").await;
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
    assert_eq!(states(&w).await, [RunState::OutputsRemoved]);
    w.put("/s/stitch.toml", b"[series]\nexpected = 2\n[stitch]\nrobust = false\n").await;
    assert_eq!(w.trigger().await, 1, "another recipe is another run");
}

pub async fn a_run_follows_its_folder(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    let leased = lease(&w, "w").await;
    w.remove("/s").await;
    assert!(finish(&w, &leased, "x").await);
    assert_eq!(states(&w).await, [RunState::Superseded], "the folder was in the trash");
    w.trigger().await;
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    w.domain.restore(&w.anna, trash[0].0.item).await.unwrap();
    assert_eq!(w.trigger().await, 1, "the folder is back and has no result");
    assert!(finish(&w, &lease(&w, "w").await, "x").await);
    // Members of the space it left see the run no more.
    w.join("bert", Role::Viewer).await;
    assert_eq!(w.domain.runs(&w.bert, RunFilter::default(), 10).await.unwrap().len(), 2);
    let personal = w.domain.find_space(&w.anna, "anna").await.unwrap().space.id;
    let there = Location::in_space(personal, ItemPath::parse("/s").unwrap());
    w.domain.relocate(&w.anna, &w.at("/s"), &there, STAY, &Conditions::default()).await.unwrap();
    assert!(w.domain.runs(&w.bert, RunFilter::default(), 10).await.unwrap().is_empty());
    assert!(runs(&w).await.iter().all(|run| run.space == "anna" && run.folder == "/s"));
    assert_eq!(w.trigger().await, 0);
}

pub async fn one_folders_trouble_keeps_no_other_waiting(w: World) {
    w.mkcol("/bad").await;
    w.put("/bad/1.dat", &sub_aperture(1)).await;
    w.put("/bad/stitch.toml", b"[series]\nexpected = 1\n\0").await;
    series(&w, "/good", 2).await;
    w.trigger().await;
    w.advance(QUIET);
    w.trigger().await;
    let all = runs(&w).await;
    assert!(all.iter().any(|run| run.folder == "/good" && run.state == RunState::Queued), "{all:?}");
    assert!(all.iter().any(|run| run.folder == "/bad" && run.state == RunState::Failed), "{all:?}");
    w.put("/bad/stitch.toml", b"").await;
    w.trigger().await;
    w.advance(QUIET);
    assert_eq!(w.trigger().await, 1, "the mended recipe is another run");
}

pub async fn a_folder_of_the_users_own_is_left_alone(w: World) {
    series(&w, "/s", 2).await;
    w.mkcol("/s/Stitched").await;
    w.put("/s/Stitched/mine.txt", b"mine").await;
    w.put("/s/Stitched.error.txt", b"mine too").await;
    w.trigger().await;
    assert!(finish(&w, &lease(&w, "w").await, "x").await);
    assert_eq!(w.read("/s/Stitched/mine.txt").await, b"mine");
    assert_eq!(w.read("/s/Stitched.error.txt").await, b"mine too");
    assert_eq!(w.read("/s/Stitched (run)/summary.json").await, b"x");
    let run = &runs(&w).await[0];
    assert!(run.message.as_deref().is_some_and(|message| message.contains("Stitched (run)")), "{:?}", run.message);
}

pub async fn derived_items_are_read_only_but_may_be_deleted(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    assert!(finish(&w, &lease(&w, "w").await, "x").await);
    let derived = |outcome: Result<(), Error>| matches!(outcome, Err(Error::Forbidden(Refusal::Derived)));
    let none = Conditions::default();
    let summary = w.at("/s/Stitched/summary.json");
    assert!(derived(w.try_put(&w.anna, &summary, b"y", Intent::default()).await.map(drop)));
    assert!(derived(w.try_put(&w.anna, &w.at("/s/Stitched/new"), b"y", Intent::default()).await.map(drop)));
    assert!(derived(w.domain.relocate(&w.anna, &summary, &w.at("/mine"), STAY, &none).await.map(drop)));
    assert!(derived(w.domain.relocate(&w.anna, &w.at("/s/Stitched"), &w.at("/mine"), STAY, &none).await.map(drop)));
    assert!(derived(w.domain.relocate(&w.anna, &w.at("/s/sub_0.dat"), &summary, REPLACE, &none).await.map(drop)));
    w.copy("/s/Stitched", "/mine").await;
    w.put("/mine/summary.json", b"edited").await;
    w.remove("/s/Stitched/summary.json").await;
    w.trigger().await;
    assert_eq!(states(&w).await, [RunState::OutputsRemoved]);
}

pub async fn a_wrong_recipe_is_said_with_its_line(w: World) {
    w.mkcol("/s").await;
    w.put("/s/1.dat", &sub_aperture(1)).await;
    w.put("/s/stitch.toml", b"[series]\nexpected = 2\n[stitch]\nrefrence = \"none\"\n").await;
    w.advance(QUIET);
    assert_eq!(w.trigger().await, 1);
    let text = String::from_utf8(w.read("/s/Stitched.error.txt").await).unwrap();
    assert!(text.contains("line 4") && text.contains("refrence"), "{text}");
    assert_eq!(states(&w).await, [RunState::Failed]);
    assert!(w.domain.lease_run("w").await.unwrap().is_none());
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
}

pub async fn a_passing_trouble_is_tried_again_later(w: World) {
    series(&w, "/s", 2).await;
    w.trigger().await;
    for attempt in 1..=i64::from(ATTEMPTS) {
        let leased = lease(&w, "w").await;
        assert_eq!(leased.run.attempts, attempt);
        assert!(w.domain.fail_run(&leased, "the disk did not answer".into(), false).await.unwrap());
        assert!(w.domain.lease_run("w").await.unwrap().is_none(), "not at once");
        w.advance(Duration::from_secs(60));
    }
    assert_eq!(states(&w).await, [RunState::Failed]);
    assert!(w.exists("/s/Stitched.error.txt").await);
    series(&w, "/t", 2).await;
    w.trigger().await;
    for _ in 0..10 {
        assert!(w.domain.release_run(&lease(&w, "w").await).await.unwrap(), "a worker that stops costs no attempt");
    }
}
