//! What a result claims about itself: crate, signature, repetition, attestation; with the real programs on one site.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use stitchbox_tests::{Admin, Api, Client, Daemon, Dav, Series, skip, wait_until};
use tempfile::TempDir;

struct House {
    daemon: Daemon,
    dav: Dav,
    api: Api,
    client: Client,
    folder: TempDir,
}

impl House {
    fn new() -> House {
        let daemon = Daemon::start();
        let (dav, api) = (daemon.user("mira"), daemon.api("mira"));
        let client = Client::new(&daemon, "mira");
        House { daemon, dav, api, client, folder: TempDir::new().expect("a folder") }
    }

    /// A stitched series on the server.
    fn stitched(&self, name: &str) -> Series {
        let series = Series::new(4);
        series.upload_expected(&self.dav, &format!("/{name}"));
        self.api.wait_run(name, "done");
        series
    }

    /// A folder of the server, pulled.
    fn pulled(&self, name: &str) -> PathBuf {
        let here = self.folder.path().join(name);
        let to = here.display().to_string();
        self.client.run(&["pull", &format!("mira:/{name}"), &to]).succeeded();
        here
    }

    fn verify(&self, folder: &Path, more: &[&str]) -> (Option<i32>, Value) {
        let folder = folder.display().to_string();
        let mut arguments = vec!["verify", folder.as_str(), "--json"];
        arguments.extend(more);
        let done = self.client.run(&arguments);
        let told = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
        (done.status.code(), told)
    }

    fn rerun(&self, name: &str, more: &[&str]) -> (Option<i32>, Value, Admin) {
        let place = format!("mira:/{name}");
        let mut arguments = vec!["rerun", place.as_str(), "--wait", "--json"];
        arguments.extend(more);
        let done = self.client.run(&arguments);
        let told = serde_json::from_str(&done.stdout).unwrap_or(Value::Null);
        (done.status.code(), told, done)
    }
}

#[test]
fn a_result_is_verified_offline_and_every_changed_file_is_named() {
    let house = House::new();
    house.stitched("m1");
    let here = house.pulled("m1");
    let (code, told) = house.verify(&here, &[]);
    assert_eq!((code, &told["good"]), (Some(0), &Value::Bool(true)), "{told:#}");
    let result = &told["results"][0];
    assert_eq!((&result["outputs"]["good"], &result["inputs"]["good"]), (&7.into(), &5.into()), "{result:#}");
    assert_eq!(result["signature"]["state"], "good");
    assert!(result["signature"]["thumbprint"].as_str().is_some_and(|print| print.len() == 43));
    // Every file in turn, one byte of it.
    let stitched = here.join("Stitched");
    let files = fs::read_dir(&here).unwrap().chain(fs::read_dir(&stitched).unwrap());
    let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert_eq!(files.len(), 5 + 9, "{files:?}");
    for path in files {
        let original = fs::read(&path).unwrap();
        let mut changed = original.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let (code, told) = house.verify(&here, &[]);
        let name = path.file_name().unwrap().to_str().unwrap();
        let problems = told["results"][0]["problems"].to_string();
        assert_eq!(code, Some(7), "{name}: {told:#}");
        assert!(problems.contains(name), "{name}: {problems}");
        fs::write(&path, &original).unwrap();
    }
    // A key set without the site's key vouches for nothing.
    let keys = house.folder.path().join("keys.json");
    fs::write(&keys, r#"{"keys":[]}"#).unwrap();
    let (code, told) = house.verify(&here, &["--keys", keys.to_str().unwrap()]);
    assert_eq!((code, &told["results"][0]["signature"]["state"]), (Some(7), &"bad".into()), "{told:#}");
    fs::remove_file(stitched.join("overlap.png")).unwrap();
    let (code, told) = house.verify(&here, &[]);
    assert_eq!((code, &told["results"][0]["problems"][0]), (Some(7), &"overlap.png: it is missing".into()));
    // A folder without results is no success.
    assert_eq!(
        house.client.run(&["verify", house.folder.path().join("..none").to_str().unwrap()]).status.code(),
        Some(1)
    );
}

#[test]
fn an_own_folder_is_reproduced_and_says_so() {
    let house = House::new();
    house.stitched("m1");
    let begun = Instant::now();
    let (code, told, done) = house.rerun("m1", &[]);
    assert_eq!((code, &told["verdict"]), (Some(0), &"identical".into()), "{done:?}");
    assert_eq!(told["their_digest"], told["our_digest"]);
    println!("from the command to the verdict: {:.2} s", begun.elapsed().as_secs_f64());
    let name = "/m1/Stitched/Reproduced at this site.json";
    wait_until("the attestation is shown", || house.dav.exists(name));
    let file: Value = serde_json::from_slice(&house.dav.read(name)).unwrap();
    assert_eq!((&file["verdict"], file["jws"].as_str()), (&"identical".into(), told["attestation"].as_str()));
    let runs: Value =
        house.dav.call_url("GET", &format!("{}/api/v1/runs", house.daemon.base())).send().expect(200).json();
    assert_eq!(runs["runs"][0]["attestations"][0]["verdict"], "identical", "{runs:#}");
    let listed = house.client.run(&["runs"]).succeeded();
    assert!(listed.stdout.contains("reproduced at this site"), "{listed:?}");
    // It is derived: nobody changes it, and it starts no run.
    let refused = house.dav.put(name, "{}").send();
    assert!(matches!(refused.status, 403 | 405), "{refused:?}");
    assert_eq!(house.api.runs_of("m1").len(), 1);
    let here = house.pulled("m1");
    let (code, told) = house.verify(&here, &[]);
    assert_eq!((code, &told["results"][0]["attestations"][0]["verdict"]), (Some(0), &"identical".into()), "{told:#}");
    // Deleting the attestation is no deletion of the results; new results take it along.
    house.dav.delete(name).send().expect(204);
    assert_eq!(house.api.runs_of("m1")[0].state, "done");
    let (code, _, done) = house.rerun("m1", &[]);
    assert_eq!(code, Some(0), "{done:?}");
    assert!(house.dav.exists(name));
    house.dav.write("/m1/stitch.toml", "[series]\nexpected = 4\n# another\n");
    house.api.wait_runs("m1", "done", 1);
    wait_until("the earlier attestation went with its results", || !house.dav.exists(name));
    house.daemon.verify_clean();
}

#[test]
fn a_changed_or_missing_input_is_refused_by_name_and_a_folder_without_results_too() {
    let house = House::new();
    let series = Series::new(4);
    house.dav.mkcol("/m1").send().expect(201);
    house.dav.write("/m1/stitch.toml", "[series]\nmarker = \"_DONE\"\n");
    series.upload(&house.dav, "/m1");
    house.dav.write("/m1/_DONE", "");
    house.api.wait_run("m1", "done");
    // Without the marker the folder is no complete series, so nothing replaces the results.
    house.dav.delete("/m1/_DONE").send().expect(204);
    let (name, original) = series.files()[2].clone();
    let at = format!("/m1/{name}");
    let mut changed = original.clone();
    *changed.last_mut().unwrap() ^= 1;
    house.dav.write(&at, changed.clone());
    let (code, told, done) = house.rerun("m1", &[]);
    assert_eq!((code, &told["state"]), (Some(3), &"refused".into()), "{done:?}");
    assert!(done.stderr.contains(&name) && done.stderr.contains("SHA-256"), "{done:?}");
    changed.push(0);
    house.dav.write(&at, changed);
    let (code, _, done) = house.rerun("m1", &[]);
    assert!(code == Some(3) && done.stderr.contains(&name) && done.stderr.contains("bytes"), "{done:?}");
    house.dav.delete(&at).send().expect(204);
    let (code, _, done) = house.rerun("m1", &[]);
    assert!(code == Some(3) && done.stderr.contains(&name) && done.stderr.contains("not in the folder"), "{done:?}");
    assert!(!house.dav.exists("/m1/Stitched/Reproduced at this site.json"), "what was refused is not attested");
    house.dav.write(&at, original);
    let (code, told, done) = house.rerun("m1", &[]);
    assert_eq!((code, &told["verdict"]), (Some(0), &"identical".into()), "{done:?}");
    house.dav.mkcol("/empty").send().expect(201);
    let (code, _, done) = house.rerun("empty", &[]);
    assert!(code == Some(1) && done.stderr.contains("no result"), "{done:?}");
    let (code, _, _) = house.rerun("nowhere", &[]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_folder_is_stitched_into_another_and_the_provenance_says_where_it_came_from() {
    let house = House::new();
    house.daemon.space("ring", &[("mira", "editor")]);
    let series = Series::new(4);
    house.dav.mkcol("/raw").send().expect(201);
    house.dav.write("/raw/stitch.toml", "[series]\nexpected = 99\n");
    series.upload(&house.dav, "/raw");
    let ring = house.dav.at("/dav/spaces/ring");
    ring.mkcol("/results").send().expect(201);
    let recipe = house.folder.path().join("own.toml");
    fs::write(&recipe, "[stitch]\nterms = [\"piston\", \"pitch\", \"roll\"]\n").unwrap();
    let command =
        ["run", "mira:/raw", "--into", "ring:/results", "--recipe", recipe.to_str().unwrap(), "--wait", "--json"];
    let done = house.client.run(&command).succeeded();
    let run: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&run["state"], &run["source"], &run["space"]), (&"done".into(), &"mira: /raw".into(), &"ring".into()));
    let metadata = String::from_utf8(ring.read("/results/Stitched/ro-crate-metadata.json")).unwrap();
    assert!(metadata.contains("mira: /raw") && metadata.contains(&Series::name(0)));
    assert!(!house.dav.exists("/raw/Stitched"));
    // The same again is the same run; the trigger leaves it alone.
    let again: Value = serde_json::from_str(&house.client.run(&command).succeeded().stdout).unwrap();
    assert_eq!(again["id"], run["id"]);
    ring.write("/results/notes.txt", "mine");
    std::thread::sleep(Duration::from_secs(1));
    assert!(ring.exists("/results/Stitched/height.h5"));
    // Not into itself, nor into a folder with a series of its own.
    let refused = house.client.run(&["run", "mira:/raw", "--into", "mira:/raw"]);
    assert!(refused.status.code() == Some(1) && refused.stderr.contains("choose another folder"), "{refused:?}");
    house.stitched("own");
    let refused = house.client.run(&["run", "mira:/raw", "--into", "mira:/own"]);
    assert!(refused.status.code() == Some(1) && refused.stderr.contains("series of its own"), "{refused:?}");
}

/// The validator of the RO-Crate community, where it is installed: `roc-validator` from PyPI.
#[test]
fn the_crate_is_valid_for_others() {
    let Some(validator) = validator() else {
        skip!("RO-Crate", "rocrate-validator is not installed");
    };
    let house = House::new();
    house.stitched("spiegel µ 1");
    let pulled = house.pulled("spiegel µ 1").join("Stitched");
    // The validator makes a URI of its path and stumbles over blanks in it; those in the crate are what is to be tested.
    let here = house.folder.path().join("here");
    fs::rename(pulled, &here).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rocrate/validate.py");
    let done = Command::new(validator).arg(script).arg(&here).output().expect("python starts");
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
}

/// A Python that has it: `$ROCRATE_PYTHON`, or the one that deploy/setup made.
fn validator() -> Option<PathBuf> {
    let own = std::env::var_os("ROCRATE_PYTHON").map(PathBuf::from);
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.setup/rocrate/bin/python");
    own.into_iter().chain([made]).find(|path| path.is_file())
}
