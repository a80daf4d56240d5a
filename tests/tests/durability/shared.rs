//! One file that all clients overwrite at the same time.

use std::sync::Mutex;

use stitchbox_tests::{Dav, Random, sha256};

use crate::tree::Content;

const SHARED: &str = "/shared.bin";

/// One file that all clients overwrite: the survivor must be a write that no later acknowledged write replaced.
#[derive(Debug, Default)]
pub struct SharedFile {
    clock: u64,
    writes: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    content: Content,
    began: u64,
    acknowledged: Option<u64>,
}

pub fn write_shared(dav: &Dav, random: &mut Random, shared: &Mutex<SharedFile>) -> bool {
    let length = 1 + random.below(300_000);
    let body = random.bytes(length);
    let index = {
        let mut shared = shared.lock().expect("not poisoned");
        shared.clock += 1;
        let began = shared.clock;
        shared.writes.push(Write { content: (body.len(), sha256(&body)), began, acknowledged: None });
        shared.writes.len() - 1
    };
    let Ok(reply) = dav.put(SHARED, body).attempt() else { return false };
    assert!(matches!(reply.status, 201 | 204), "{reply:?}");
    let mut shared = shared.lock().expect("not poisoned");
    shared.clock += 1;
    let now = shared.clock;
    shared.writes[index].acknowledged = Some(now);
    true
}

pub fn check_shared(dav: &Dav, shared: &mut SharedFile, told: &str) {
    let last_began = shared.writes.iter().filter(|write| write.acknowledged.is_some()).map(|write| write.began).max();
    let reply = dav.get(SHARED).send();
    if reply.status == 404 {
        assert_eq!(last_began, None, "{told}: the shared file is lost");
        return;
    }
    let body = reply.expect(200).body;
    let content = (body.len(), sha256(&body));
    let found = shared.writes.iter().find(|write| write.content == content);
    let found = found.unwrap_or_else(|| panic!("{told}: the shared file holds {} bytes nobody wrote", body.len()));
    let replaced = shared.writes.iter().any(|write| {
        write.acknowledged.is_some() && found.acknowledged.is_some_and(|acknowledged| write.began > acknowledged)
    });
    assert!(!replaced, "{told}: an older content of the shared file came back");
    // What the server shows now is settled: it counts as acknowledged for the next kill, and the others are gone.
    shared.clock += 1;
    let settled = Write { content, began: shared.clock, acknowledged: Some(shared.clock) };
    shared.writes = vec![settled];
}
