//! A site: a real server with TLS and a public address, ready to share with others.

use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use super::authority::{Authority, Identity};
use super::gate::Gate;
use super::person::Person;
use crate::daemon::{Daemon, Settings};
use crate::processes::signal;

/// How sites of a test differ.
#[derive(Debug, Clone)]
pub struct SiteSettings {
    settings: Settings,
    gated: bool,
}

impl Default for SiteSettings {
    fn default() -> Self {
        let settings = Settings::quick()
            .with("FEDERATION__ENABLED", "true")
            .with("FEDERATION__ALLOW_PRIVATE_ADDRESSES", "true")
            .with("FEDERATION__REFRESH", "500 ms")
            .with("FEDERATION__AUTO_ACCEPT", "none");
        SiteSettings { settings, gated: false }
    }
}

impl SiteSettings {
    /// Adds or replaces `STITCHBOX_<name>`.
    pub fn with(self, name: &str, value: &str) -> SiteSettings {
        SiteSettings { settings: self.settings.with(name, value), ..self }
    }

    /// Puts a [`Gate`] in front.
    pub fn gated(self) -> SiteSettings {
        SiteSettings { gated: true, ..self }
    }
}

/// A server that peers know as `https://localhost:PORT`. It is also the [`Daemon`].
#[derive(Debug)]
pub struct Site {
    daemon: Daemon,
    host: String,
    folder: TempDir,
    gate: Option<Gate>,
}

impl Site {
    /// With the usual settings.
    pub fn start() -> Site {
        Site::start_with(SiteSettings::default())
    }

    /// With these.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(settings: SiteSettings) -> Site {
        let authority = Authority::of_the_tests();
        let folder = TempDir::with_prefix("stitchbox-site-").expect("a temporary folder");
        let port = free_port();
        let gate = settings.gated.then(Gate::new);
        let public = gate.as_ref().map_or(port, Gate::port);
        if let Some(gate) = &gate {
            gate.lead_to(port);
        }
        let host = format!("localhost:{public}");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let settings = settings
            .settings
            .with("SERVER__ORIGIN", &format!("https://{host}"))
            .with("SERVER__TLS_CERTIFICATE", &file("tls.crt"))
            .with("SERVER__TLS_KEY", &file("tls.key"))
            .with("FEDERATION__EXTRA_CA_FILE", &authority.file().display().to_string());
        let mut daemon = Daemon::prepared(settings);
        daemon.listen(&format!("127.0.0.1:{port}"));
        // The people of a site do not come through the gate.
        daemon.call_it(&format!("https://localhost:{port}"));
        let mut site = Site { daemon, host, folder, gate };
        site.write_certificate(&authority.issue());
        site.daemon.restart();
        site
    }

    /// What peers call it: `localhost:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `https://localhost:PORT`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The gate in front.
    ///
    /// # Panics
    /// When there is none.
    pub fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("a site with a gate")
    }

    /// `name@localhost:PORT`.
    pub fn id(&self, name: &str) -> String {
        format!("{name}@{}", self.host)
    }

    /// Makes a user and gives the person.
    pub fn new_person(&self, name: &str) -> Person {
        self.daemon.user(name);
        self.person(name)
    }

    /// A user that exists.
    pub fn person(&self, name: &str) -> Person {
        Person::new(self.daemon.client(name), name, &self.id(name))
    }

    /// Replaces the certificate and its key in their files.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write_certificate(&mut self, identity: &Identity) {
        for (name, text) in [("tls.crt", &identity.certificate), ("tls.key", &identity.key)] {
            let path = self.file(name);
            std::fs::write(&path, text).expect("a file can be written");
        }
    }

    /// A file of the site's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        signal(self.daemon.pid(), Signal::HUP);
    }
}

impl Deref for Site {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}
