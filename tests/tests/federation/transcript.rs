//! The story of one share as a person at a shell sees it: `curl` and `stitchbox` against two sites. Writes
//! `target/federation-transcript.md`.

use std::process::Command;

use stitchbox_tests::federation::{Authority, Site};
use stitchbox_tests::{Client, Series, password_of, skip, wait_until};

use crate::tables;

struct Transcript {
    text: String,
    names: Vec<(String, &'static str)>,
}

impl Transcript {
    fn say(&mut self, sentence: &str) {
        self.text.push_str(&format!("\n{sentence}\n\n"));
    }

    /// Runs a command, notes it with what it printed, and gives that.
    fn run(&mut self, command: &mut Command) -> String {
        let output = command.output().expect("a program that can be started");
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted = |word: &std::ffi::OsStr| {
            let word = word.to_string_lossy();
            let word = word.rsplit_once("/debug/").map_or(word.as_ref(), |(_, name)| name).to_owned();
            if word.contains([' ', '{', '<', '"']) { format!("'{word}'") } else { word }
        };
        let line: Vec<String> = words.map(quoted).collect();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        let shown: String = format!("{printed}{told}").chars().take(1800).collect();
        let mut entry = format!("```console\n$ {}\n{}\n```\n", line.join(" "), shown.trim_end());
        for (secret, name) in &self.names {
            entry = entry.replace(secret, name);
        }
        self.text.push_str(&entry);
        assert!(output.status.success(), "{}", self.text);
        printed
    }
}

fn curl(user: &str, arguments: &[&str], url: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail-with-body", "--cacert"]).arg(Authority::of_the_tests().file());
    if !user.is_empty() {
        command.args(["-u", &format!("{user}:{}", password_of(user))]);
    }
    command.args(arguments).arg(url);
    command
}

#[test]
fn a_share_is_given_read_written_repeated_and_taken_back() {
    if Command::new("curl").arg("--version").output().is_err() {
        skip!("federation.transcript", "there is no curl");
    }
    let other = std::thread::spawn(Site::start);
    let here = Site::start();
    let there = other.join().expect("a site");
    let (ada, eve) = (here.new_person("ada"), there.new_person("eve"));
    let (at_here, at_there) = (Client::new(&here, "ada"), Client::new(&there, "eve"));
    let names = vec![
        (here.host().to_owned(), "here.example"),
        (there.host().to_owned(), "there.example"),
        (password_of("ada"), "PASSWORD"),
        (password_of("eve"), "PASSWORD"),
        (Authority::of_the_tests().file().display().to_string(), "ca.pem"),
    ];
    let mut story = Transcript { text: String::from("# One share between two sites\n"), names };
    story.say("What a peer sees of the site of ada:");
    story.run(&mut curl("", &[], &format!("{}/.well-known/ocm", here.origin())));
    let series = Series::new(4);
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/stitch.toml", "[series]\nmarker = \"_DONE\"\n");
    series.upload(ada.dav(), "/mirror");
    ada.dav().write("/mirror/_DONE", "");
    ada.wait_path("/mirror/Stitched/ro-crate-metadata.json.jws");
    story.say(
        "ada measured a mirror; the result lies beside the files. She shares the folder with eve at the other site:",
    );
    story.run(&mut at_here.command(&["ls", "ada:/mirror"]));
    let id = there.id("eve");
    let share =
        serde_json::json!({"space": "ada", "path": "/mirror", "kind": "federated", "with": id, "role": "editor"});
    let made = story.run(&mut curl(
        "ada",
        &["-H", "Content-Type: application/json", "-d", &share.to_string()],
        &format!("{}/api/v1/shares", here.origin()),
    ));
    let made: serde_json::Value = serde_json::from_str(&made).expect("a document");
    eve.wait_received("mirror", "pending");
    story.say("eve is offered it, and says yes:");
    story.run(&mut at_there.command(&["received", "list"]));
    let offer = eve.wait_received("mirror", "pending")["id"].as_str().expect("an id").to_owned();
    story.run(&mut at_there.command(&["received", "accept", &offer]));
    eve.wait_path("/Shares/mirror/Stitched/ro-crate-metadata.json.jws");
    let files = format!("{}/remote.php/dav/files/eve/Shares/mirror", there.origin());
    story.say("She reads what is there, results included:");
    story.run(&mut at_there.command(&["ls", &files]));
    story.run(&mut curl("eve", &[], &format!("{files}/Stitched/summary.json")));
    story.say("She writes, and ada has it:");
    let put = ["-X", "PUT", "--data-binary", "seen at the other site", "-w", "%{http_code}\n"];
    story.run(&mut curl("eve", &put, &format!("{files}/note.txt")));
    let note = format!("{}/remote.php/dav/files/ada/mirror/note.txt", here.origin());
    assert_eq!(story.run(&mut curl("ada", &[], &note)), "seen at the other site");
    story.say("She repeats the run at her site; the outcome is attested, and ada's folder shows it:");
    story.run(&mut at_there.command(&["rerun", &files, "--wait"]));
    let reproduced = || ada.dav().names("/mirror/Stitched").into_iter().find(|name| name.starts_with("Reproduced at"));
    let name = stitchbox_tests::wait_for("the attestation", reproduced);
    story.run(&mut at_here.command(&["ls", "ada:/mirror/Stitched"]));
    let attested = stitchbox_tests::encode_path(&format!("/mirror/Stitched/{name}"));
    story.run(&mut curl("ada", &[], &format!("{}/remote.php/dav/files/ada{attested}", here.origin())));
    story.say("ada takes the share back, and it is gone at the other site:");
    let one = format!("{}/api/v1/shares/{}", here.origin(), made["id"].as_str().expect("an id"));
    story.run(&mut curl("ada", &["-X", "DELETE", "-w", "%{http_code}\n"], &one));
    wait_until("it to be gone", || !eve.dav().exists("/Shares/mirror"));
    story.run(&mut at_there.command(&["received", "list"]));
    let audit = format!("{}/api/v1/audit?share={}", here.origin(), made["id"].as_str().expect("an id"));
    story.say("What the audit of ada's site says of it:");
    story.run(&mut curl("ada", &[], &audit));
    assert!(!story.text.contains("sharedSecret"));
    tables::write("federation-transcript.md", &story.text);
}
