//! Whatever people do on three computers and on the server, in whatever order, with power failures in between: everything comes to rest,
//! all sides are equal, and no content is lost that nobody had seen and replaced.

mod model;

use std::collections::{BTreeSet, HashSet};

use model::Server;
use model::replica::{Crash, Replica};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c.txt", "d"];

/// What somebody does; numbers choose among what is there.
#[derive(Clone, Debug)]
enum Deed {
    File {
        who: usize,
        folder: usize,
        name: usize,
    },
    Folder {
        who: usize,
        folder: usize,
        name: usize,
    },
    Edit {
        who: usize,
        which: usize,
    },
    Delete {
        who: usize,
        which: usize,
    },
    Move {
        who: usize,
        which: usize,
        folder: usize,
        name: usize,
    },
    /// Save as programs do: another file under the old name.
    Save {
        who: usize,
        which: usize,
    },
    Sync {
        who: usize,
    },
    Crash {
        who: usize,
        actions: usize,
        writes: usize,
    },
    /// The journal is lost.
    Forget {
        who: usize,
    },
}

fn deed(people: usize) -> impl Strategy<Value = Deed> {
    let (who, any, name) = (0..people, 0..64_usize, 0..NAMES.len());
    prop_oneof![
        4 => (who.clone(), any.clone(), name.clone()).prop_map(|(who, folder, name)| Deed::File { who, folder, name }),
        3 => (who.clone(), any.clone(), name.clone()).prop_map(|(who, folder, name)| Deed::Folder { who, folder, name }),
        4 => (who.clone(), any.clone()).prop_map(|(who, which)| Deed::Edit { who, which }),
        3 => (who.clone(), any.clone()).prop_map(|(who, which)| Deed::Delete { who, which }),
        5 => (who.clone(), any.clone(), any.clone(), name).prop_map(|(who, which, folder, name)| Deed::Move { who, which, folder, name }),
        1 => (who.clone(), any.clone()).prop_map(|(who, which)| Deed::Save { who, which }),
        5 => who.clone().prop_map(|who| Deed::Sync { who }),
        3 => (who.clone(), 0..6_usize, 0..8_usize).prop_map(|(who, actions, writes)| Deed::Crash { who, actions, writes }),
        1 => who.prop_map(|who| Deed::Forget { who }),
    ]
}

struct World {
    server: Server,
    people: Vec<Replica>,
    /// Contents somebody saw and replaced or deleted.
    given_up: HashSet<Vec<u8>>,
    made: BTreeSet<Vec<u8>>,
}

impl World {
    fn new(people: usize) -> Self {
        let people = (0..people).map(|number| Replica::new(&format!("host{number}"))).collect();
        Self { server: Server::default(), people, given_up: HashSet::new(), made: BTreeSet::new() }
    }

    fn fresh(&mut self) -> Vec<u8> {
        let content = format!("content {}", self.made.len()).into_bytes();
        self.made.insert(content.clone());
        content
    }

    fn inode(&self, who: usize, which: usize, wanted: impl Fn(&Replica, u64) -> bool) -> Option<u64> {
        let replica = &self.people[who];
        let all: Vec<u64> = replica.nodes.keys().copied().filter(|inode| wanted(replica, *inode)).collect();
        (!all.is_empty()).then(|| all[which % all.len()])
    }

    fn folder(&self, who: usize, which: usize) -> u64 {
        let replica = &self.people[who];
        let mut all = vec![1];
        all.extend(replica.nodes.keys().copied().filter(|inode| replica.is_folder(*inode)));
        all[which % all.len()]
    }

    fn give_up(&mut self, who: usize, inode: u64) {
        let replica = &self.people[who];
        let below = replica.nodes.iter().filter(|(other, _)| replica.is_below(**other, inode));
        let contents: Vec<Vec<u8>> = below.filter_map(|(_, node)| node.content.clone()).collect();
        self.given_up.extend(contents);
    }

    fn happen(&mut self, deed: &Deed) {
        match *deed {
            Deed::File { who, folder, name } => {
                let folder = self.folder(who, folder);
                let content = self.fresh();
                if self.people[who].create(folder, NAMES[name], Some(content.clone())).is_none() {
                    self.given_up.insert(content);
                }
            }
            Deed::Folder { who, folder, name } => {
                let folder = self.folder(who, folder);
                self.people[who].create(folder, NAMES[name], None);
            }
            Deed::Edit { who, which } => {
                let Some(inode) = self.inode(who, which, |replica, inode| !replica.is_folder(inode)) else { return };
                self.give_up(who, inode);
                let content = self.fresh();
                self.people[who].edit(inode, content);
            }
            Deed::Save { who, which } => {
                let Some(inode) = self.inode(who, which, |replica, inode| !replica.is_folder(inode)) else { return };
                self.give_up(who, inode);
                let content = self.fresh();
                let old = self.people[who].nodes[&inode].clone();
                self.people[who].remove(inode);
                self.people[who].create(old.parent, &old.name, Some(content));
            }
            Deed::Delete { who, which } => {
                let Some(inode) = self.inode(who, which, |_, _| true) else { return };
                self.give_up(who, inode);
                self.people[who].remove(inode);
            }
            Deed::Move { who, which, folder, name } => {
                let Some(inode) = self.inode(who, which, |_, _| true) else { return };
                let folder = self.folder(who, folder);
                self.people[who].relocate(inode, folder, NAMES[name]);
            }
            Deed::Sync { who } => {
                self.people[who].round(&mut self.server, None);
            }
            Deed::Crash { who, actions, writes } => {
                self.people[who].round(&mut self.server, Some(Crash { actions, writes }));
            }
            Deed::Forget { who } => {
                let person = &mut self.people[who];
                (person.mirror, person.bases, person.cursor) = Default::default();
                person.relist.clear();
            }
        }
    }

    /// Everybody synchronises until nobody has anything to do.
    fn come_to_rest(&mut self) -> usize {
        for round in 1..=12 {
            let mut quiet = true;
            for person in &mut self.people {
                quiet &= person.sync(&mut self.server) == 1;
            }
            if quiet {
                return round;
            }
        }
        panic!("no rest: {:#?}", self.server.picture());
    }

    fn check(&mut self) {
        let server = self.server.picture();
        for person in &mut self.people {
            assert_eq!(person.picture(), server, "{} and the server differ", person.host);
            let plan = person.plan(&self.server);
            assert!(plan.is_empty(), "a second pass plans {:?}", plan.steps());
        }
        let present: HashSet<Vec<u8>> = server.values().flatten().cloned().collect();
        for content in &self.made {
            assert!(
                present.contains(content) || self.given_up.contains(content),
                "lost: {}",
                String::from_utf8_lossy(content)
            );
        }
        for path in server.keys() {
            assert!(!path.contains(".~stitchbox"), "left over: {path}");
        }
    }
}

fn run(people: usize, deeds: &[Deed]) {
    let mut world = World::new(people);
    for deed in deeds {
        world.happen(deed);
    }
    world.come_to_rest();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_computers_come_to_rest_and_nothing_is_lost(deeds in prop::collection::vec(deed(2), 1..40)) {
        run(2, &deeds);
    }

    #[test]
    fn three_computers_come_to_rest_and_nothing_is_lost(deeds in prop::collection::vec(deed(3), 1..60)) {
        run(3, &deeds);
    }

    /// One at a time, each seeing what was before: no conflict copy appears.
    #[test]
    fn who_takes_turns_has_no_conflicts(turns in prop::collection::vec((0..2_usize, prop::collection::vec(deed(1), 1..8)), 1..8)) {
        let mut world = World::new(2);
        for (who, deeds) in turns {
            world.people[who].sync(&mut world.server);
            for deed in deeds {
                // The model keeps no record of steps begun, with which the engine tells its own doings after a crash from
                // somebody else's: that no false conflict comes of a crash is shown by `killed.rs`.
                let journal_lost = matches!(deed, Deed::Forget { .. } | Deed::Crash { .. });
                if !journal_lost {
                    world.happen(&by(deed, who));
                }
            }
            world.people[who].sync(&mut world.server);
        }
        world.come_to_rest();
        world.check();
        for path in world.server.picture().keys() {
            prop_assert!(!path.contains("(conflict"), "false conflict: {path}");
        }
        // with no concurrent deeds nothing that was not given up, and nothing that was, is left
        let present: HashSet<Vec<u8>> = world.server.picture().values().flatten().cloned().collect();
        for content in &world.given_up {
            prop_assert!(!present.contains(content), "came back: {}", String::from_utf8_lossy(content));
        }
    }
}

fn by(deed: Deed, person: usize) -> Deed {
    match deed {
        Deed::File { folder, name, .. } => Deed::File { who: person, folder, name },
        Deed::Folder { folder, name, .. } => Deed::Folder { who: person, folder, name },
        Deed::Edit { which, .. } => Deed::Edit { who: person, which },
        Deed::Delete { which, .. } => Deed::Delete { who: person, which },
        Deed::Move { which, folder, name, .. } => Deed::Move { who: person, which, folder, name },
        Deed::Save { which, .. } => Deed::Save { who: person, which },
        Deed::Sync { .. } => Deed::Sync { who: person },
        Deed::Crash { actions, writes, .. } => Deed::Crash { who: person, actions, writes },
        Deed::Forget { .. } => Deed::Forget { who: person },
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}
