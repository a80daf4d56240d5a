//! The proof travels: a partner repeats a run and says so, signed; a received folder is stitched into one's own space.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stitchbox_tests::federation::{Authority, Person};
use stitchbox_tests::{Series, expected_recipe, program, say, wait_for, wait_until};
use tempfile::TempDir;

use crate::world::{Pair, shared};

/// A stitched series in `/mirror`, complete by a marker, which is taken away: nothing but a new marker starts a run.
fn stitched(ada: &Person) -> Series {
    let series = Series::new(4);
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/stitch.toml", "[series]\nmarker = \"_DONE\"\n");
    series.upload(ada.dav(), "/mirror");
    ada.dav().write("/mirror/_DONE", "");
    ada.wait_path("/mirror/Stitched/ro-crate-metadata.json.jws");
    ada.dav().delete("/mirror/_DONE").send().expect(204);
    series
}

fn until_over(person: &Person, document: &Value, what: &str) -> Value {
    let address = format!("{what}/{}", document["id"].as_str().expect("an id"));
    wait_for("the end", || {
        let document = person.get(&address).expect(200).json();
        let over = matches!(document["state"].as_str(), Some("done" | "refused" | "failed"));
        over.then_some(document)
    })
}

fn repeated(person: &Person, path: &str) -> Value {
    let asked = person.send("POST", "reruns", &json!({"path": path})).expect(202).json();
    until_over(person, &asked, "reruns")
}

/// Everything in a folder of the server and in `Stitched/` below it.
fn brought(person: &Person, folder: &str, to: &Path) {
    std::fs::create_dir_all(to.join("Stitched")).expect("a folder");
    for sub in ["", "/Stitched"] {
        for entry in person.dav().names(&format!("{folder}{sub}")) {
            if entry != "Stitched" {
                let bytes = person.dav().read(&format!("{folder}{sub}/{entry}"));
                std::fs::write(to.join(sub.trim_start_matches('/')).join(&entry), bytes).expect("a file");
            }
        }
    }
}

#[test]
fn a_partner_repeats_a_run_and_the_owners_folder_says_so() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    let series = stitched(&ada);
    shared(&ada, &eve, "viewer");
    eve.wait_path("/Shares/mirror/Stitched/ro-crate-metadata.json.jws");
    let begun = Instant::now();
    let done = repeated(&eve, "/Shares/mirror");
    let ended = Instant::now();
    assert_eq!((&done["state"], &done["verdict"]), (&"done".into(), &"identical".into()), "{done:#}");
    let file = format!("/mirror/Stitched/Reproduced at {}.json", pair.there.host().replace(':', "-"));
    wait_until("the owner sees it", || ada.dav().exists(&file));
    say(&format!(
        "re-run {:.1} s, seen by the owner {:.1} s later",
        ended.duration_since(begun).as_secs_f64(),
        ended.elapsed().as_secs_f64()
    ));
    assert!(ended.elapsed() < Duration::from_secs(10));
    let runs = ada.get("runs").expect(200).json();
    let said = &runs["runs"][0]["attestations"][0];
    assert_eq!((&said["peer"], &said["verdict"]), (&pair.there.host().into(), &"identical".into()), "{runs:#}");
    // Offline: both sites' keys vouch for what each said; a key set of one of them alone does not for the other.
    let folder = TempDir::new().expect("a folder");
    brought(&ada, "/mirror", folder.path());
    let verify = |sites: &[String]| {
        let mut command = Command::new(program("stitchbox"));
        command.args(["verify", "--json"]).arg(folder.path()).arg("--cacert").arg(Authority::of_the_tests().file());
        for site in sites {
            command.args(["--keys", site]);
        }
        let output = command.output().expect("stitchbox starts");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), told["results"][0].clone())
    };
    let (code, told) = verify(&[pair.here.origin(), pair.there.origin()]);
    assert_eq!((code, &told["signature"]["state"]), (Some(0), &"trusted".into()), "{told:#}");
    assert_eq!(told["signature"]["site"], pair.here.origin());
    assert_eq!(told["attestations"][0]["signature"]["state"], "trusted");
    let (code, told) = verify(&[pair.there.origin()]);
    assert_eq!((code, &told["signature"]["state"]), (Some(7), &"bad".into()), "{told:#}");
    // A file that changed at the owner is refused by name, and nothing is said about it.
    let (name, mut bytes) = series.files()[1].clone();
    *bytes.last_mut().expect("a byte") ^= 1;
    ada.dav().write(&format!("/mirror/{name}"), bytes.clone());
    eve.wait_content(&format!("/Shares/mirror/{name}"), &bytes);
    let refused = repeated(&eve, "/Shares/mirror");
    assert_eq!(refused["state"], "refused", "{refused:#}");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains(&name)), "{refused:#}");
    assert_eq!(refused["attestation"], Value::Null);
}

#[test]
fn a_received_folder_is_stitched_into_ones_own_space() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    let series = Series::new(4);
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/stitch.toml", expected_recipe(99));
    series.upload(ada.dav(), "/mirror");
    shared(&ada, &eve, "viewer");
    eve.wait_path(&format!("/Shares/mirror/{}", Series::name(3)));
    eve.dav().mkcol("/own").send().expect(201);
    let wanted = json!({"inputs": {"path": "/Shares/mirror"}, "into": {"path": "/own"}});
    let run = eve.send("POST", "runs", &wanted).expect(202).json();
    let done = until_over(&eve, &run, "runs");
    assert_eq!(done["state"], "done", "{done:#}");
    let source = format!("{}: /mirror", pair.here.host());
    assert_eq!(done["source"], source);
    let metadata = String::from_utf8(eve.dav().read("/own/Stitched/ro-crate-metadata.json")).expect("text");
    assert!(metadata.contains(&source) && metadata.contains(&Series::name(0)), "{metadata}");
    assert!(!ada.dav().exists("/mirror/Stitched"), "nothing is written at the owner");
    let refused = eve.send("POST", "runs", &json!({"inputs": {"path": "/own"}, "into": {"path": "/Shares/mirror"}}));
    assert!(matches!(refused.status, 400 | 403), "{refused:?}");
}
