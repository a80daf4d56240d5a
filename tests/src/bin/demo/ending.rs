//! Ctrl-C and SIGTERM: the server drains, the folder goes, nothing is left running.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use stitchbox_tests::Daemon;
use tokio::signal::unix::{SignalKind, signal};

/// Set once a signal has come: from then on the thread below ends the demo, and nobody else does anything.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on a signal ends the server of `daemon`, removes its folder and ends the demo.
pub fn on_signal(daemon: &Daemon) {
    let server = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw).expect("a process id");
    let folder = daemon.data().parent().map(PathBuf::from).expect("the data folder lies in the demo's folder");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a small runtime");
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("Ctrl-C can be caught");
            let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        ENDING.store(true, Ordering::SeqCst);
        println!("\ndemo: ending");
        // It may be gone already: Ctrl-C in a terminal reaches the whole group.
        let _ = kill_process(server, Signal::TERM);
        let start = Instant::now();
        while test_kill_process(server).is_ok() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = std::fs::remove_dir_all(folder);
        std::process::exit(0);
    });
}

/// Returns when the server ends by itself; a signal ends the demo instead.
pub fn serve(daemon: &mut Daemon) {
    daemon.wait_forever();
    // In a terminal Ctrl-C reaches the server at the same time; its end may be seen before the signal.
    std::thread::sleep(Duration::from_millis(300));
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
    println!("demo: the server has ended; the end of its log:\n{}", daemon.log_tail());
}
