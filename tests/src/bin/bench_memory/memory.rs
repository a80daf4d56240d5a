//! Memory of another process as the kernel counts it (proc(5)): VmRSS now, VmHWM at its highest.

use std::fs;

/// One process.
pub struct Memory {
    folder: String,
}

impl Memory {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Memory {
        Memory { folder: format!("/proc/{pid}") }
    }

    /// Resident now, MiB.
    pub fn resident_mib(&self) -> f64 {
        self.field("VmRSS:")
    }

    /// The highest since the start or since [`Memory::forget_peak`], MiB.
    pub fn peak_mib(&self) -> f64 {
        self.field("VmHWM:")
    }

    /// Starts counting the peak anew.
    pub fn forget_peak(&self) {
        fs::write(format!("{}/clear_refs", self.folder), "5").expect("our own child's peak can be reset");
    }

    fn field(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("{}/status", self.folder)).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells memory");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number of kB");
        kib / 1024.0
    }
}
