//! Programs people already have, against a server of our own: rclone, `nextcloudcmd`, `owncloudcmd`, headless.
//!
//! Each client has its own home folder and a limit of time (`owncloudcmd` 2.11 can hang); a client that is not installed
//! is skipped, visibly. Scenarios follow `facts/sync.md`: what these clients were measured to need, and where their
//! users lost files elsewhere.

mod derived;
mod folders;
mod full_space;
mod program_run;
mod rclone;
mod sync_client;
mod two_way;
