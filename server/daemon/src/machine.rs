//! What the machine gives this process: memory and file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::read_to_string;

/// Memory of a process whose machine does not say how much it has, bytes.
const FALLBACK: u64 = 2 << 30;

/// Lets this process open as many files as the system allows it: the usual soft limit is for programs that use `select`.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files could not be raised");
    }
}

/// Bytes of memory this process may reach: the machine's, or less if its control group has less.
pub fn memory() -> u64 {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| total(&text)).unwrap_or(FALLBACK);
    let group = read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.min(group.unwrap_or(u64::MAX))
}

/// `MemTotal:       16384 kB`
fn total(text: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?;
    number.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_384 * 1024));
        assert_eq!(total("MemFree: 1 kB"), None);
        assert!(memory() > 0);
        raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
