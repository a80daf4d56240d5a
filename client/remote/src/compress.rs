//! Whether bytes are worth compressing on the wire.

use reqwest::Url;

/// What is looked at to decide.
pub const PROBE_BYTES: usize = 64 * 1024;
/// Level 1 is faster than any network that is worth compressing for.
pub(crate) const LEVEL: i32 = 1;
/// Bodies below this fit into one packet anyway.
const SMALLEST: usize = 1024;

/// When bodies are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Where it pays: not on the way to this very machine.
    #[default]
    Auto,
    /// Whatever compresses.
    Always,
    /// Nothing.
    Never,
}

impl Compression {
    /// The decision for one server.
    pub(crate) fn applies_to(self, server: &Url) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !is_this_machine(server),
        }
    }
}

/// Whether a server is reached without a network.
pub fn is_this_machine(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let named = host == "localhost" || host.ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a file that begins so gets smaller by a tenth or more.
pub(crate) fn pays(beginning: &[u8]) -> bool {
    let probe = beginning.get(..PROBE_BYTES).unwrap_or(beginning);
    if probe.len() < SMALLEST {
        return false;
    }
    zstd::bulk::compress(probe, LEVEL).is_ok_and(|small| small.len() * 10 <= probe.len() * 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compressed_and_noise_is_not() {
        let text = "1.0234 5.1134 0.0002\n".repeat(4000);
        assert!(pays(text.as_bytes()));
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(100_000)
        .collect();
        assert!(!pays(&noise));
        assert!(!pays(b"aaaaaaaaaaaaaaaaaaaa"));
    }

    #[test]
    fn the_way_to_this_machine_is_free() {
        let auto = |text: &str| Compression::Auto.applies_to(&Url::parse(text).unwrap());
        assert!(!auto("http://127.0.0.1:8080/") && !auto("http://[::1]/") && !auto("http://localhost/"));
        assert!(auto("https://store.example.org/"));
    }
}
