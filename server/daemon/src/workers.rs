//! Workers, inside `serve` or as a process of their own.

use crate::data_folder::DataFolder;
use crate::lifecycle::Lifecycle;
use stitchbox_domain::Domain;
use stitchbox_runner::{WorkerOptions, run_worker};

/// What provenance calls the program.
const SOFTWARE: &str = concat!("stitchboxd ", env!("CARGO_PKG_VERSION"));

/// Starts this many.
pub fn start(life: &mut Lifecycle, domain: &Domain, data: &DataFolder, count: u16) {
    for number in 1..=count {
        let options =
            WorkerOptions { name: unique_name(number), scratch: data.scratch(), software: SOFTWARE.to_owned() };
        life.start("worker", run_worker(domain.clone(), options, life.stop()));
    }
}

/// Host and process for the person who looks for it; the random part because process numbers come back.
fn unique_name(number: u16) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut random = [0u8; 4];
    // Without randomness two lives of one process number could meet; a lease then ends a little later.
    let _ = getrandom::fill(&mut random);
    format!("{}/{}/{number}/{:08x}", host.trim(), std::process::id(), u32::from_le_bytes(random))
}
