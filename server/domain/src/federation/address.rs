//! Addresses of people at other sites: `name@host[:port]`.

/// Cuts at the last `@`; forgives a scheme and a trailing slash behind it, as Nextcloud writes. The host is in lower case,
/// without the port of its scheme.
pub(crate) fn split(text: &str) -> Option<(String, String)> {
    // With a scheme behind the @, its slashes hold no other @.
    let (user, host) = text.trim().rsplit_once('@')?;
    let host = host.to_ascii_lowercase();
    let host = match (host.strip_prefix("https://"), host.strip_prefix("http://")) {
        (Some(rest), _) => strip_port(rest, ":443"),
        (_, Some(rest)) => strip_port(rest, ":80"),
        _ => strip_port(&host, ":443"),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    (!user.is_empty() && !host.is_empty() && host.chars().all(plain)).then(|| (user.to_owned(), host.to_owned()))
}

fn strip_port<'h>(host: &'h str, port: &str) -> &'h str {
    let host = host.trim_end_matches('/');
    host.strip_suffix(port).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_at_the_last_at_sign_and_schemes_forgiven() {
        for (text, expected) in [
            ("bob@nc.example", Some(("bob", "nc.example"))),
            ("bob@NC.example:8443", Some(("bob", "nc.example:8443"))),
            ("bob@https://localhost:8442", Some(("bob", "localhost:8442"))),
            ("alice@http://h:80/", Some(("alice", "h"))),
            ("al@ice@h.example", Some(("al@ice", "h.example"))),
            ("bob@", None),
            ("@h.example", None),
            ("bob", None),
            ("bob@h/../x", None),
            ("bob@h example", None),
        ] {
            let split = split(text);
            assert_eq!(split.as_ref().map(|(user, host)| (user.as_str(), host.as_str())), expected, "{text}");
        }
    }
}
