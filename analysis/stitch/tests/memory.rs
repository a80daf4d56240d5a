//! The memory that a stitch takes, measured in a process of its own, against what was told before.

mod support;

use std::process::Command;

use stitchbox_stitch::{Options, Terms, estimate_bytes, stitch};
use support::Plan;

/// Memory at its peak so far, bytes; nothing where the system does not tell.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn cases() -> Vec<(&'static str, Plan, Options)> {
    let mut x = vec![0];
    for k in 0..15 {
        x.push(x[k] + 200 + (k * 37) % 101);
    }
    let line = Plan { dropouts: 0.01, ..Plan::x_scan((90, 1000), &x) };
    let y = (0..16).map(|k| f64::from((k * 29) % 60)).collect();
    let plane = Plan { y_px: y, ..line.clone() };
    vec![
        ("line", line.clone(), Options { robust: false, ..Options::default() }),
        ("line-robust", line, Options::default()),
        ("plane-curved", plane, Options { terms: Terms { curvature: true, ..Terms::default() }, ..Options::default() }),
    ]
}

/// In the child: stitches and prints estimate and peak. In the parent there is nothing to do.
#[test]
fn child() {
    let Ok(wanted) = std::env::var("STITCHBOX_MEMORY_CASE") else { return };
    for (_, plan, options) in cases().into_iter().filter(|(name, ..)| *name == wanted) {
        let series = plan.series();
        let before = peak_bytes().unwrap_or(0);
        let estimate = estimate_bytes(&series, &options);
        let result = stitch(&series, &options, &()).unwrap();
        let peak = peak_bytes().unwrap_or(0);
        println!("MEASURED {before} {estimate} {peak} {}", result.digest());
    }
}

#[test]
fn the_estimate_is_not_exceeded_and_not_absurd() {
    if peak_bytes().is_none() {
        println!("SKIPPED: this system does not tell the peak of the memory");
        return;
    }
    for (name, ..) in cases() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env("STITCHBOX_MEMORY_CASE", name)
            .env("RAYON_NUM_THREADS", "2")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        let line = said.lines().find_map(|line| line.split_once("MEASURED ")).unwrap_or_else(|| panic!("{said}")).1;
        let numbers: Vec<u64> = line.split_whitespace().take(3).map(|n| n.parse().unwrap()).collect();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "{name}: {:.0} MiB before, {:.0} estimated, {:.0} at the peak",
            mib(numbers[0]),
            mib(numbers[1]),
            mib(numbers[2])
        );
        // The program itself and the simulation's leftovers are not the stitch's.
        assert!(numbers[2] <= numbers[1] + (8 << 20), "{name}: {line}");
        assert!(numbers[1] < 2 * numbers[2], "{name}: {line}");
    }
}
