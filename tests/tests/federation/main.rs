//! Sites that share with each other: two and three real ones, and fakes of the programs that other sites run.

mod answers;
mod dialects;
mod faults;
mod invites;
mod outage;
mod proof;
mod sharing;
mod ssrf;
mod tables;
mod tls;
mod transcript;
mod trust;
mod world;
