//! Which addresses may be reached for a stranger: those of the public Internet alone.
//!
//! A caller who names an endpoint makes Wharf connect to it, from inside the operator's network. The special ranges are
//! those of the IANA registries for special-purpose addresses (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of IPv4 addresses: its first, and how many leading bits its addresses share.
type Range4 = (Ipv4Addr, u32);
/// A range of IPv6 addresses.
type Range6 = (Ipv6Addr, u32);

const FORBIDDEN_V4: &[Range4] = &[
    // "This network": Linux connects 0.0.0.0 to the machine itself.
    (Ipv4Addr::UNSPECIFIED, 8),
    // Private networks.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Shared by the customers of one carrier; clouds keep metadata services here too.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // This machine.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with the metadata services of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments, documentation, benchmarks, and the relays of 6to4.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Multicast; reserved; broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Global unicast; loopback, link-local, unique-local, multicast and mapped addresses are outside of it.
const GLOBAL_V6: Range6 = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const FORBIDDEN_V6: &[Range6] = &[
    // Protocol assignments, Teredo and ORCHID among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// `::ffff:a.b.c.d`
const MAPPED: Range6 = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// `64:ff9b::a.b.c.d` (RFC 6052): how a network without IPv4 reaches it.
const NAT64: Range6 = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// `2002:aabb:ccdd::` (RFC 3056).
const SIX_TO_FOUR: Range6 = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Whether `address` is not of the public Internet. An IPv6 address that leads to an IPv4 one is judged by that.
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(address) => is_forbidden_v4(address),
            None => !is_in(address, GLOBAL_V6) || FORBIDDEN_V6.iter().any(|range| is_in(address, *range)),
        },
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    FORBIDDEN_V4.iter().any(|(first, bits)| (address.to_bits() ^ first.to_bits()) >> (32 - bits) == 0)
}

fn is_in(address: Ipv6Addr, (first, bits): Range6) -> bool {
    (address.to_bits() ^ first.to_bits()) >> (128 - bits) == 0
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    if is_in(address, MAPPED) || is_in(address, NAT64) {
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    let [_, _, a, b, c, d, ..] = address.octets();
    is_in(address, SIX_TO_FOUR).then_some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_internet_is_allowed_and_nothing_else() {
        let table = [
            ("1.1.1.1", false),
            ("8.8.8.8", false),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("100.63.255.255", false),
            ("100.128.0.0", false),
            ("172.15.255.255", false),
            ("172.32.0.0", false),
            ("192.0.1.0", false),
            ("192.167.255.255", false),
            ("198.17.255.255", false),
            ("198.20.0.0", false),
            ("223.255.255.255", false),
            ("0.0.0.0", true),
            ("0.255.255.255", true),
            ("10.0.0.1", true),
            ("100.64.0.1", true),
            ("100.100.100.200", true),
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("169.254.169.254", true),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("192.0.0.192", true),
            ("192.0.2.1", true),
            ("192.88.99.1", true),
            ("192.168.1.1", true),
            ("198.18.0.1", true),
            ("198.19.255.255", true),
            ("198.51.100.1", true),
            ("203.0.113.1", true),
            ("224.0.0.1", true),
            ("239.255.255.255", true),
            ("240.0.0.1", true),
            ("255.255.255.255", true),
            ("2606:4700::1111", false),
            ("2a00:1450::1", false),
            ("2001:4860:4860::8888", false),
            ("::", true),
            ("::1", true),
            ("::127.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::8.8.8.8", false),
            ("64:ff9b::10.0.0.1", true),
            ("64:ff9b:1::8.8.8.8", true),
            ("2002:0808:0808::1", false),
            ("2002:7f00:0001::1", true),
            ("2002:a9fe:a9fe::1", true),
            ("100::1", true),
            ("2001::1", true),
            ("2001:10::1", true),
            ("2001:db8::1", true),
            ("3fff::1", true),
            ("4000::1", true),
            ("5f00::1", true),
            ("fc00::1", true),
            ("fd00:ec2::254", true),
            ("fe80::1", true),
            ("fec0::1", true),
            ("ff02::1", true),
        ];
        for (text, expected) in table {
            assert_eq!(is_forbidden(text.parse().unwrap()), expected, "{text}");
        }
    }
}
