//! Workers, inside `serve` or as a process of their own.

use crate::config::{Jobs, Size};
use crate::data_folder::DataFolder;
use crate::lifecycle::Lifecycle;
use crate::machine;
use stitchbox_domain::Domain;
use stitchbox_runner::{WorkerOptions, run_worker};

/// Least memory that runs are given where nothing is set, bytes.
const LEAST_BY_DEFAULT: u64 = 1 << 30;
/// What provenance calls the program.
const SOFTWARE: &str = concat!("stitchboxd ", env!("CARGO_PKG_VERSION"));

/// Starts this many. Each has its part of the memory that runs may take.
pub fn start(life: &mut Lifecycle, domain: &Domain, data: &DataFolder, jobs: &Jobs, count: u16) {
    let memory_limit = memory(jobs.memory, machine::memory()) / u64::from(count.max(1));
    for number in 1..=count {
        let options = WorkerOptions {
            name: unique_name(number),
            scratch: data.scratch(),
            software: SOFTWARE.to_owned(),
            memory_limit,
        };
        life.start("worker", run_worker(domain.clone(), options, life.stop()));
    }
}

/// As set, else half of what this machine gives the process and at least 1 GiB, bytes.
fn memory(set: Option<Size>, machine: u64) -> u64 {
    set.map_or((machine / 2).max(LEAST_BY_DEFAULT), |size| size.0)
}

/// Host and process for the person who looks for it; the random part because process numbers come back.
pub fn unique_name(number: u16) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut random = [0u8; 4];
    // Without randomness two lives of one process number could meet; a lease then ends a little later.
    let _ = getrandom::fill(&mut random);
    format!("{}/{}/{number}/{:08x}", host.trim(), std::process::id(), u32::from_le_bytes(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_may_take_what_is_set_or_half_of_the_machine() {
        assert_eq!(memory(Some(Size(7)), 64 << 30), 7);
        assert_eq!(memory(None, 64 << 30), 32 << 30);
        assert_eq!(memory(None, 1 << 20), 1 << 30);
    }
}
