//! Sites that share with each other: two and three real ones, and fakes of the programs that other sites run.

mod tls;
