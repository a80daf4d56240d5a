//! Every dialect and every flow: what a site and a fake of each program do together. Writes the table
//! `target/federation-matrix.md`.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use stitchbox_tests::federation::{Dialect, FakePeer, OurShare, Person, Signed, Site, Tree};

use crate::world::name;

/// A cell of the table: it went well, with a word on how; or it did not, and why.
type Cell = Result<String, String>;

/// What is tried, in this order: a later flow may need an earlier one.
const FLOWS: [&str; 12] = [
    "discovery",
    "invite (ours)",
    "invite (theirs)",
    "share to them",
    "our signature",
    "accept",
    "read",
    "write",
    "unshare",
    "share from them",
    "read + write there",
    "their unshare",
];

/// One dialect's way through the flows.
struct Meeting<'a> {
    site: &'a Site,
    ada: Person,
    peer: FakePeer,
    share: Option<(Value, OurShare)>,
    theirs: Option<(String, String)>,
}

fn ok(word: &str) -> Cell {
    Ok(word.to_owned())
}

fn need(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Meeting<'_> {
    fn flow(&mut self, flow: &str) -> Cell {
        let dialect = self.peer.dialect();
        match flow {
            "discovery" => {
                let document = self.peer.discovers(&self.site.origin())?;
                ok(document["apiVersion"].as_str().unwrap_or_default())
            }
            "invite (ours)" | "invite (theirs)" if !dialect.has_invites() => ok("- (knows none)"),
            "invite (ours)" => self.our_invite(),
            "invite (theirs)" => self.their_invite(),
            "share to them" => self.share_to_them(),
            "our signature" => self.signature(),
            "accept" => {
                let (share, ours) = self.share.as_ref().ok_or("no share")?;
                let answer = self.peer.notifies(&self.site.origin(), "SHARE_ACCEPTED", &ours.provider_id, &ours.secret);
                need(answer.status == 201, || format!("{answer:?}"))?;
                self.ada.wait_delivery(share, "accepted");
                ok("201")
            }
            "read" => self.read(),
            "write" => self.write(),
            "unshare" => self.unshare(),
            "share from them" => self.share_from_them(),
            "read + write there" => self.use_theirs(),
            "their unshare" => self.their_unshare(),
            _ => Err("no such flow".to_owned()),
        }
    }

    fn our_invite(&mut self) -> Cell {
        let invite = self.ada.invite();
        let token = invite["token"].as_str().ok_or(format!("no token in {invite}"))?;
        let answer = self.peer.accepts_invite(&self.site.origin(), token);
        need(answer.status == 200, || format!("{answer:?}"))?;
        let document = answer.document();
        need(document["userID"] == self.ada.name(), || format!("{document}"))?;
        let again = self.peer.accepts_invite(&self.site.origin(), token);
        need(matches!(again.status, 200 | 409), || format!("again: {again:?}"))?;
        let wrong = self.peer.accepts_invite(&self.site.origin(), "no-such-token");
        need(wrong.status == 400, || format!("a wrong token: {wrong:?}"))?;
        let contacts = self.ada.contacts();
        need(contacts.iter().any(|known| known.to_string().contains(self.peer.host())), || format!("{contacts:?}"))?;
        ok("200, again 409, wrong 400")
    }

    fn their_invite(&mut self) -> Cell {
        let (_, string) = self.peer.invite();
        let reply = self.ada.try_accept_invite(&string);
        need((200..300).contains(&reply.status), || format!("{reply:?}"))?;
        let look = || self.peer.received().into_iter().find(|sent| sent.target.ends_with("/invite-accepted"));
        let sent = stitchbox_tests::wait_for("the accepted invitation", look);
        need(sent.status == 200, || format!("{sent:?}"))?;
        need(sent.body["recipientProvider"] == self.site.host(), || format!("{sent:?}"))?;
        ok("accepted")
    }

    /// Whom we share with: after an invitation the name the peer gave its user.
    fn recipient(&self) -> String {
        let known = self.peer.received();
        match self.peer.dialect() {
            Dialect::OpenCloud if known.iter().any(|sent| sent.target.ends_with("/invite-accepted")) => {
                let contacts = self.ada.contacts();
                let mut ids = contacts.iter().filter_map(|contact| contact["id"].as_str());
                ids.rfind(|id| !id.starts_with("bob@")).map_or(self.peer.id("bob"), str::to_owned)
            }
            _ => self.peer.id("bob"),
        }
    }

    fn share_to_them(&mut self) -> Cell {
        let (folder, recipient) = (format!("/{}", name("mirror")), self.recipient());
        self.ada.dav().mkcol(&folder).send().expect(201);
        self.ada.dav().write(&format!("{folder}/raw 1 ü.dat"), "raw");
        self.ada.dav().mkcol(&format!("{folder}/Stitched")).send().expect(201);
        self.ada.dav().write(&format!("{folder}/Stitched/height.h5"), "heights");
        let share = self.ada.share(&folder, &recipient, "editor");
        let sent = self.peer.wait_share(folder.trim_start_matches('/'));
        self.ada.wait_delivery(&share, "sent");
        let ours = self.peer.takes(&self.site.origin(), &sent)?;
        need(ours.provider_id.parse::<u64>().is_ok(), || format!("provider id {}", ours.provider_id))?;
        let refused: Vec<u16> = self.peer.received().iter().map(|sent| sent.status).filter(|s| *s >= 400).collect();
        let form = sent.body["protocol"]["name"].as_str().unwrap_or_default().to_owned();
        self.share = Some((share, ours));
        Ok(if refused.is_empty() { format!("{form}, first try") } else { format!("{form}, after {refused:?}") })
    }

    fn signature(&mut self) -> Cell {
        let sent = self.peer.received().into_iter().find(|sent| sent.target.ends_with("/shares") && sent.status < 300);
        let sent = sent.ok_or("no share")?;
        match (&sent.signed, self.peer.dialect().signs_messages()) {
            (Signed::Message(_), true) => ok("RFC 9421"),
            (Signed::Cavage(_), false) => ok("cavage"),
            (Signed::Not, false) if !self.peer.dialect().signs_cavage() => ok("none needed"),
            (other, _) => Err(format!("{other:?}")),
        }
    }

    fn read(&mut self) -> Cell {
        let (share, ours) = self.share.as_ref().ok_or("no share")?;
        let root = ours.look("", "1");
        need(root.answer.status == 207, || format!("PROPFIND: {:?}", root.answer))?;
        need(root.entries.len() == 3, || format!("{} entries: {:?}", root.entries.len(), root.answer))?;
        let hrefs: Vec<&str> = root.entries.iter().map(|entry| entry.href.as_str()).collect();
        need(hrefs.iter().all(|href| href.starts_with(&ours.root) && !href.contains("/./")), || format!("{hrefs:?}"))?;
        if !matches!(self.peer.dialect(), Dialect::OpenCloud | Dialect::Reva | Dialect::Strict) {
            let letters = root.entries[0].oc("permissions").unwrap_or_default().to_owned();
            need(["G", "D", "N", "V", "C", "K"].iter().all(|letter| letters.contains(letter)), || letters)?;
        }
        need(ours.read("raw%201%20%C3%BC.dat")? == b"raw", || "other content".to_owned())?;
        need(ours.read("Stitched/height.h5")? == b"heights", || "other content".to_owned())?;
        let folder = share["path"].as_str().unwrap_or_default();
        let before = root.entries[0].etag();
        self.ada.dav().write(&format!("{folder}/Stitched/height.h5"), "better heights");
        let after = ours.look("", "0").entries[0].etag();
        need(before != after, || "the ETag of the root did not move".to_owned())?;
        let wrong = ours.by("Bearer nonsense").look("", "0").answer;
        need(wrong.status == 401 && !wrong.header("WWW-Authenticate").is_empty(), || {
            format!("wrong secret: {wrong:?}")
        })?;
        ok("207, 200")
    }

    fn write(&mut self) -> Cell {
        let (share, ours) = self.share.as_ref().ok_or("no share")?;
        if self.peer.dialect() == Dialect::Strict {
            return ok("- (only reads)");
        }
        let folder = share["path"].as_str().unwrap_or_default();
        let new = ours.write("sub1.txt", b"from there")?;
        let old = ours.write("sub1.txt", b"again")?;
        need(self.ada.dav().read(&format!("{folder}/sub1.txt")) == b"again", || "other content".to_owned())?;
        let target = format!("{}{}", self.site.origin(), ours.target("Stitched/moved.txt"));
        let moved = ours.call("MOVE", "sub1.txt", &[("Destination", &target)], b"");
        need(moved.status == 201, || format!("MOVE: {moved:?}"))?;
        let made = ours.call("MKCOL", "folder", &[], b"").status;
        need(made == 201, || format!("MKCOL: {made}"))?;
        let gone = ours.call("DELETE", "folder", &[], b"").status;
        need(gone == 204, || format!("DELETE: {gone}"))?;
        need(self.ada.dav().exists(&format!("{folder}/Stitched/moved.txt")), || "not moved".to_owned())?;
        Ok(format!("PUT {new} {old}, MOVE 201"))
    }

    fn unshare(&mut self) -> Cell {
        let (share, ours) = self.share.take().ok_or("no share")?;
        self.ada.revoke(&share);
        let after = ours.look("", "0").answer;
        need(matches!(after.status, 401 | 404), || format!("still open: {after:?}"))?;
        let told = self.peer.wait_notification("SHARE_UNSHARED", &ours.provider_id);
        need(told.status < 300, || format!("{told:?}"))?;
        Ok(format!("told {}, DAV {}", told.status, after.status))
    }

    fn share_from_them(&mut self) -> Cell {
        let (folder, mut tree) =
            (name("theirs"), Tree::folder().with("raw.dat", b"their raw").with("sub/deep", b"deep"));
        if self.peer.dialect() == Dialect::Strict {
            (tree.is_read_only, tree.letters) = (true, Some("G".to_owned()));
        }
        let (id, _, answer) = self.peer.shares(&self.site.origin(), self.ada.id(), &folder, tree);
        need(answer.status == 201, || format!("{answer:?}"))?;
        need(!answer.document()["recipientDisplayName"].is_null(), || format!("{answer:?}"))?;
        self.ada.accept(&folder);
        if !matches!(self.peer.dialect(), Dialect::OpenCloud | Dialect::Reva) {
            let told = self.peer.wait_notification("SHARE_ACCEPTED", &id);
            need(told.status < 300, || format!("{told:?}"))?;
        }
        self.theirs = Some((folder, id));
        ok("201, accepted")
    }

    fn use_theirs(&mut self) -> Cell {
        let (folder, id) = self.theirs.as_ref().ok_or("no share")?;
        let at = format!("/Shares/{folder}");
        self.ada.wait_path(&format!("{at}/raw.dat"));
        need(self.ada.dav().read(&format!("{at}/raw.dat")) == b"their raw", || "other content".to_owned())?;
        need(self.ada.dav().read(&format!("{at}/sub/deep")) == b"deep", || "other content".to_owned())?;
        self.peer.tree(id, |tree| tree.write("sub/new", b"new there"));
        self.ada.wait_content(&format!("{at}/sub/new"), b"new there");
        let reply = self.ada.dav().put(&format!("{at}/sub/mine"), "ours").send();
        if self.peer.dialect() == Dialect::Strict {
            need(reply.status == 403, || format!("PUT: {reply:?}"))?;
            return ok("read; write 403");
        }
        need(reply.status == 201, || format!("PUT: {reply:?}"))?;
        let there = self.peer.tree(id, |tree| tree.read("sub/mine").map(<[u8]>::to_vec));
        need(there.as_deref() == Some(b"ours"), || format!("{there:?}"))?;
        ok("200, 201")
    }

    fn their_unshare(&mut self) -> Cell {
        let (folder, id) = self.theirs.take().ok_or("no share")?;
        let secret = self.peer.secret_of(&id);
        self.peer.forget(&id);
        if self.peer.dialect() == Dialect::OpenCloud {
            // It tells nobody: the entry stays, and says that something is wrong.
            self.ada.wait_trouble(&folder);
            need(self.ada.dav().exists(&format!("/Shares/{folder}/raw.dat")), || "the listing is gone".to_owned())?;
            return ok("told nothing; entry stays");
        }
        let answer = self.peer.notifies(&self.site.origin(), "SHARE_UNSHARED", &id, &secret);
        need(answer.status == 201, || format!("{answer:?}"))?;
        self.ada.wait_gone(&format!("/Shares/{folder}"));
        ok("201, gone")
    }
}

fn meet(site: &Site, dialect: Dialect) -> Vec<Cell> {
    let ada = site.new_person(&name("ada"));
    let peer = FakePeer::start(dialect);
    peer.knows(ada.id());
    let mut meeting = Meeting { site, ada, peer, share: None, theirs: None };
    let one = |flow: &&str| {
        let done = catch_unwind(AssertUnwindSafe(|| meeting.flow(flow)));
        done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(text.unwrap_or("it broke").to_owned())
        })
    };
    FLOWS.iter().map(one).collect()
}

#[test]
fn every_dialect_meets_every_flow() {
    let site = Site::start();
    let rows: Vec<(Dialect, Vec<Cell>)> = std::thread::scope(|scope| {
        let all: Vec<_> = Dialect::ALL
            .into_iter()
            .map(|dialect| {
                let site = &site;
                (dialect, scope.spawn(move || meet(site, dialect)))
            })
            .collect();
        all.into_iter().map(|(dialect, row)| (dialect, row.join().expect("panics are caught"))).collect()
    });
    let mut table = format!("| peer | {} |\n|{}\n", FLOWS.join(" | "), "---|".repeat(FLOWS.len() + 1));
    let mut failed = Vec::new();
    for (dialect, row) in &rows {
        let _ = write!(table, "| {} |", dialect.name());
        for (flow, cell) in FLOWS.iter().zip(row) {
            match cell {
                Ok(word) => {
                    let _ = write!(table, " {word} |");
                }
                Err(why) => {
                    let short: String = why.chars().take(60).collect();
                    let _ = write!(table, " FAIL: {} |", short.replace(['|', '\n'], " "));
                    failed.push(format!("{} / {flow}: {}", dialect.name(), why.chars().take(900).collect::<String>()));
                }
            }
        }
        table.push('\n');
    }
    crate::tables::write("federation-matrix.md", &table);
    assert!(failed.is_empty(), "{table}\n{}\n{}", failed.join("\n\n"), site.log_tail());
}
