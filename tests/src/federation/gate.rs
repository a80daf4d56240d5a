//! A gate in front of a site: it passes bytes on, or slows, cuts, swallows or refuses them, as a bad network does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the gate does with connections, and with those under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Open,
    /// Ends connections at once.
    Closed,
    /// Takes connections and passes nothing on.
    Silent,
    /// Passes one byte a second from the site.
    ByteASecond,
    /// Ends a connection after so many bytes from the site.
    CutAfter(u64),
    /// Ends a connection after so many bytes to the site.
    CutUploadAfter(u64),
}

/// A TCP proxy on a free loopback port.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    mode: Arc<Mutex<Mode>>,
    behind: Arc<Mutex<Option<u16>>>,
    passed: Arc<Mutex<u64>>,
}

impl Gate {
    /// An open gate with nothing behind it yet.
    ///
    /// # Panics
    /// When no port is free.
    pub fn new() -> Gate {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        let gate =
            Gate { port, mode: Arc::new(Mutex::new(Mode::Open)), behind: Arc::default(), passed: Arc::default() };
        let (mode, behind, passed) = (gate.mode.clone(), gate.behind.clone(), gate.passed.clone());
        std::thread::spawn(move || {
            for outside in socket.incoming().map_while(Result::ok) {
                let (mode, passed) = (mode.clone(), passed.clone());
                let behind = *behind.lock().expect("not poisoned");
                std::thread::spawn(move || pass(outside, behind, &mode, &passed));
            }
        });
        gate
    }

    /// The port that others connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets where connections lead.
    ///
    /// # Panics
    /// Never, unless another thread broke.
    pub fn lead_to(&self, port: u16) {
        *self.behind.lock().expect("not poisoned") = Some(port);
    }

    /// From now on.
    ///
    /// # Panics
    /// Never, unless another thread broke.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().expect("not poisoned") = mode;
    }

    /// Bytes that came from the site through the gate.
    ///
    /// # Panics
    /// Never, unless another thread broke.
    pub fn passed(&self) -> u64 {
        *self.passed.lock().expect("not poisoned")
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

fn pass(outside: TcpStream, behind: Option<u16>, mode: &Arc<Mutex<Mode>>, passed: &Arc<Mutex<u64>>) {
    if *mode.lock().expect("not poisoned") == Mode::Closed {
        return;
    }
    let Some(inside) = behind.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok()) else { return };
    let (Ok(from), Ok(to)) = (outside.try_clone(), inside.try_clone()) else { return };
    let modes = Arc::clone(mode);
    let up = std::thread::spawn(move || carry(from, to, &modes, &Arc::default(), true));
    carry(inside, outside, mode, passed, false);
    let _ = up.join();
}

/// Carries bytes one way until either end is gone or the mode says so; then both ends are shut.
fn carry(mut from: TcpStream, mut to: TcpStream, mode: &Mutex<Mode>, passed: &Mutex<u64>, is_upload: bool) {
    let (mut buffer, mut count) = (vec![0; 16 * 1024], 0u64);
    while let Ok(read) = from.read(&mut buffer)
        && read > 0
    {
        let mode_now = || *mode.lock().expect("not poisoned");
        while mode_now() == Mode::Silent {
            std::thread::sleep(Duration::from_millis(20));
        }
        let limit = match mode_now() {
            Mode::Closed => Some(0),
            Mode::CutAfter(limit) if !is_upload => Some(limit),
            Mode::CutUploadAfter(limit) if is_upload => Some(limit),
            _ => None,
        };
        let allowed =
            limit.map_or(read, |limit| read.min(usize::try_from(limit.saturating_sub(count)).unwrap_or(read)));
        let mut written = true;
        if !is_upload && mode_now() == Mode::ByteASecond {
            for byte in &buffer[..allowed] {
                written &= to.write_all(&[*byte]).is_ok();
                if !written || mode_now() != Mode::ByteASecond {
                    break;
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        } else {
            written = to.write_all(&buffer[..allowed]).is_ok();
        }
        count += allowed as u64;
        *passed.lock().expect("not poisoned") += allowed as u64;
        if !written || allowed < read {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
