//! The SQL migrations, in order. One text serves SQLite and PostgreSQL; two words differ and are filled in by
//! [`Migration::sql`]: `{id}` (a 64-bit primary key) and `{bytes}` (a byte string).
//!
//! A migration that has landed is never edited; a change is a new file.

/// The two databases the SQL runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Position, from 1.
    pub version: i64,
    /// What it does, in a few words.
    pub description: &'static str,
    template: &'static str,
}

impl Migration {
    /// The statements for one database.
    #[must_use]
    pub fn sql(&self, dialect: Dialect) -> String {
        let (id, bytes) = match dialect {
            Dialect::Sqlite => ("INTEGER PRIMARY KEY", "BLOB"),
            Dialect::Postgres => ("BIGINT PRIMARY KEY", "BYTEA"),
        };
        self.template.replace("{id}", id).replace("{bytes}", bytes)
    }
}

/// All migrations, oldest first.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        description: "spaces, tree, changes, series, runs, jobs",
        template: include_str!("../migrations/0001_first.sql"),
    },
    Migration {
        version: 2,
        description: "uploads in pieces, blobs put together from ranges",
        template: include_str!("../migrations/0002_upload_sessions.sql"),
    },
    Migration {
        version: 3,
        description: "how far back the journal reaches, purging",
        template: include_str!("../migrations/0003_feed.sql"),
    },
    Migration {
        version: 4,
        description: "logins through a browser, use and wiping of app passwords",
        template: include_str!("../migrations/0004_logins.sql"),
    },
    Migration {
        version: 5,
        description: "locks of persons, favorites",
        template: include_str!("../migrations/0005_user_locks.sql"),
    },
    Migration {
        version: 6,
        description: "groups, shares, audit",
        template: include_str!("../migrations/0006_sharing.sql"),
    },
    Migration {
        version: 7,
        description: "peers, keys, invites, the outbox",
        template: include_str!("../migrations/0007_federation.sql"),
    },
    Migration {
        version: 8,
        description: "spaces received from peers",
        template: include_str!("../migrations/0008_received.sql"),
    },
    Migration {
        version: 9,
        description: "repeated runs and attestations",
        template: include_str!("../migrations/0009_attestations.sql"),
    },
    Migration {
        version: 10,
        description: "uploads and locks of those who come by a share",
        template: include_str!("../migrations/0010_share_access.sql"),
    },
    Migration {
        version: 14,
        description: "invites accepted here, re-shares asked for",
        template: include_str!("../migrations/0014_federated_requests.sql"),
    },
    Migration {
        version: 17,
        description: "what a peer allows, how it was looked at",
        template: include_str!("../migrations/0017_received_rights.sql"),
    },
    Migration {
        version: 20,
        description: "what a repeated run is told and found",
        template: include_str!("../migrations/0020_reruns.sql"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up_and_no_word_is_left_open() {
        assert!(MIGRATIONS.iter().map(|migration| migration.version).is_sorted_by(|earlier, later| earlier < later));
        for migration in MIGRATIONS {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                assert!(!migration.sql(dialect).contains('{'), "{}", migration.description);
            }
        }
    }
}
