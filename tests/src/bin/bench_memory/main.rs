//! Peak memory of `stitchboxd` while a 2 GiB file is PUT and then GET. The bar: less than 100 MiB above idle.
//!
//! `cargo run --release -p stitchbox-tests --bin bench_memory` (or `make bench`); `GIB=4` takes another size.
//! The bytes are generated on the way out and checked on the way in: nothing here holds them.

mod memory;
mod stream;

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reqwest::blocking::Body;
use stitchbox_tests::{Daemon, Settings};

use memory::Memory;
use stream::Pattern;

const LIMIT_MIB: f64 = 100.0;
const GIB: u64 = 1 << 30;

fn main() -> ExitCode {
    let size = std::env::var("GIB").ok().and_then(|text| text.parse().ok()).unwrap_or(2) * GIB;
    let daemon = Daemon::start_with(Settings::default());
    let dav = daemon.user("bench");
    dav.write("/warm-up", vec![1u8; 1 << 20]);
    dav.read("/warm-up");
    std::thread::sleep(Duration::from_secs(2));
    let memory = Memory::of(daemon.pid());
    let idle = memory.resident_mib();

    memory.forget_peak();
    let start = Instant::now();
    dav.put("/large.bin", Body::sized(Pattern::new(size), size)).send().expect(201);
    let (put_peak, put_seconds) = (memory.peak_mib(), start.elapsed().as_secs_f64());

    memory.forget_peak();
    let start = Instant::now();
    let mut answer = dav.get("/large.bin").stream();
    let mut expected = Pattern::new(size);
    let (mut got, mut wanted) = (vec![0u8; 1 << 16], vec![0u8; 1 << 16]);
    let mut total = 0;
    loop {
        let count = answer.read(&mut got).expect("the body goes on");
        if count == 0 {
            break;
        }
        expected.read_exact(&mut wanted[..count]).expect("no more than was sent");
        assert!(got[..count] == wanted[..count], "another content after {total} bytes");
        total += count as u64;
    }
    assert_eq!(total, size, "the whole file comes back");
    let (get_peak, get_seconds) = (memory.peak_mib(), start.elapsed().as_secs_f64());

    let difference = put_peak.max(get_peak) - idle;
    let rate = |seconds: f64| size as f64 / seconds / 1e6;
    println!(
        "bench_memory: {} GiB idle={idle:.1} put_peak={put_peak:.1} get_peak={get_peak:.1} difference={difference:.1} \
         limit={LIMIT_MIB} MiB; PUT {:.0} MB/s GET {:.0} MB/s",
        size / GIB,
        rate(put_seconds),
        rate(get_seconds)
    );
    if difference < LIMIT_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
