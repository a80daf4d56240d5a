//! Which addresses a server may be sent to by a stranger (SSRF): a pure classifier of IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the public internet.
    Public,
    /// Inside: loopback, private, link-local, shared (CGNAT), unique local. Allowed by the switch for tests and closed networks.
    Inside(&'static str),
    /// Nowhere a site can be: unspecified, multicast, broadcast, reserved, documentation. Never allowed.
    Nowhere(&'static str),
}

/// The kind of an address. Addresses that carry an IPv4 address inside (mapped, 6to4, NAT64, Teredo) are what that one is.
#[must_use]
pub fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_of_v4(v4),
        IpAddr::V6(v6) => reach_of_v6(v6),
    }
}

fn reach_of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0, ..] => Reach::Nowhere("“this network”, 0.0.0.0/8"),
        [127, ..] => Reach::Inside("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Inside("a private address"),
        [169, 254, ..] => Reach::Inside("a link-local address"),
        [100, 64..=127, ..] => Reach::Inside("an address shared by a provider's customers (100.64.0.0/10)"),
        [198, 18 | 19, ..] => Reach::Inside("an address of benchmark networks (198.18.0.0/15)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Nowhere("a documentation address"),
        [192, 0, 0, _] => Reach::Nowhere("an address of protocols (192.0.0.0/24)"),
        [192, 88, 99, _] => Reach::Nowhere("a former 6to4 relay address"),
        [224..=239, ..] => Reach::Nowhere("a multicast address"),
        [240..=255, ..] => Reach::Nowhere("a reserved or broadcast address"),
        _ => Reach::Public,
    }
}

fn reach_of_v6(address: Ipv6Addr) -> Reach {
    let s = address.segments();
    if let Some(inner) = carried_v4(s) {
        return reach_of_v4(inner);
    }
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Nowhere("the unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Inside("a loopback address"),
        [0xfe80..=0xfebf, ..] => Reach::Inside("a link-local address"),
        [0xfec0..=0xfeff, ..] => Reach::Inside("a site-local address"),
        [0xfc00..=0xfdff, ..] => Reach::Inside("a private address (unique local)"),
        [0xff00..=0xffff, ..] => Reach::Nowhere("a multicast address"),
        [0x0064, 0xff9b, 0x0001, ..] => Reach::Inside("a local translation address (64:ff9b:1::/48)"),
        [0x0100, 0, 0, 0, ..] => Reach::Nowhere("a discard address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Nowhere("a documentation address"),
        // ORCHID, benchmarks, anycast of protocols, and the rest of 2001::/23
        [0x2001, 0..=0x01ff, ..] => Reach::Nowhere("an address of protocols (2001::/23)"),
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nowhere("an address outside the public range"),
    }
}

/// The IPv4 address that an IPv6 address ends up at.
fn carried_v4(s: [u16; 8]) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        // mapped ::ffff:a.b.c.d, and translated ::ffff:0:a.b.c.d
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(join(high, low)),
        // compatible ::a.b.c.d, but for :: and ::1
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => Some(join(high, low)),
        // NAT64 64:ff9b::a.b.c.d
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        // 6to4 2002:aabb:ccdd::
        [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo 2001:0: the client, inverted
        [0x2001, 0, _, _, _, _, high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SSRF table: address, and whether it is public (p), inside (i) or nowhere (n).
    const TABLE: &[(&str, char)] = &[
        ("8.8.8.8", 'p'),
        ("1.1.1.1", 'p'),
        ("127.0.0.1", 'i'),
        ("127.255.255.254", 'i'),
        ("0.0.0.0", 'n'),
        ("0.1.2.3", 'n'),
        ("10.0.0.1", 'i'),
        ("172.15.255.255", 'p'),
        ("172.16.0.1", 'i'),
        ("172.31.255.255", 'i'),
        ("172.32.0.1", 'p'),
        ("192.168.1.1", 'i'),
        ("169.254.169.254", 'i'),
        ("100.63.255.255", 'p'),
        ("100.64.0.1", 'i'),
        ("100.127.255.255", 'i'),
        ("100.128.0.0", 'p'),
        ("198.18.0.1", 'i'),
        ("192.0.2.1", 'n'),
        ("198.51.100.7", 'n'),
        ("203.0.113.9", 'n'),
        ("192.0.0.8", 'n'),
        ("224.0.0.1", 'n'),
        ("239.255.255.255", 'n'),
        ("240.0.0.1", 'n'),
        ("255.255.255.255", 'n'),
        ("2606:4700:4700::1111", 'p'),
        ("2a00:1450::1", 'p'),
        ("::", 'n'),
        ("::1", 'i'),
        ("::ffff:127.0.0.1", 'i'),
        ("::ffff:10.1.2.3", 'i'),
        ("::ffff:8.8.8.8", 'p'),
        ("::127.0.0.1", 'i'),
        ("::ffff:0:169.254.169.254", 'i'),
        ("64:ff9b::7f00:1", 'i'),
        ("64:ff9b::808:808", 'p'),
        ("64:ff9b:1::1", 'i'),
        ("2002:7f00:1::", 'i'),
        ("2002:c0a8:101::1", 'i'),
        ("2002:808:808::1", 'p'),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", 'i'),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", 'n'),
        ("fe80::1", 'i'),
        ("fec0::1", 'i'),
        ("fc00::1", 'i'),
        ("fd12:3456::1", 'i'),
        ("ff02::1", 'n'),
        ("2001:db8::1", 'n'),
        ("3fff:1::1", 'n'),
        ("2001:10::1", 'n'),
        ("100::1", 'n'),
        ("4000::1", 'n'),
    ];

    #[test]
    fn the_ssrf_table() {
        for (text, expected) in TABLE {
            let found = match reach_of(text.parse().unwrap()) {
                Reach::Public => 'p',
                Reach::Inside(_) => 'i',
                Reach::Nowhere(_) => 'n',
            };
            assert_eq!(found, *expected, "{text}");
        }
    }
}
