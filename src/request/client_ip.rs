//! Who sent a request, when proxies stand in front.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// What proxies append to; each writes the address that it was called from at the right end.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What proxies of other makes set instead. They do not decide, but they show that the peer is not the client.
const PROXY_MARKS: [HeaderName; 3] = [FORWARDED_FOR, header::FORWARDED, HeaderName::from_static("x-real-ip")];

/// The client's address: the peer's own, unless the peer is a trusted proxy. Then it is the rightmost address of
/// `X-Forwarded-For` that is not a trusted proxy itself: what stands to the left of it was written by the client, who
/// may write anything.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(&client) {
        return client;
    }
    let lines: Vec<_> = headers.get_all(&FORWARDED_FOR).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        // An address that cannot be read came from nobody that we trust: the proxy that wrote it is the last one known.
        let Some(address) = parse(hop) else { return client };
        client = address;
        if !is_trusted(&client) {
            return client;
        }
    }
    client
}

/// Whether the request was made on this machine and passed through no proxy.
pub fn is_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    peer.to_canonical().is_loopback() && !PROXY_MARKS.iter().any(|name| headers.contains_key(name))
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]:1234`
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn from(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:ffff::/48".parse().unwrap()];
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_another() {
        assert_eq!(from("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_counts() {
        assert_eq!(from("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.7, 198.51.100.1, 10.1.1.1"]), "198.51.100.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.7", "198.51.100.1,10.1.1.1"]), "198.51.100.1");
        assert_eq!(from("::ffff:10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(from("2001:db8:ffff::1", &["[2001:db8::2]:4711"]), "2001:db8::2");
        assert_eq!(from("10.0.0.1", &["[2001:db8::2]"]), "2001:db8::2");
    }

    #[test]
    fn without_a_client_the_last_proxy_counts() {
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["10.2.2.2"]), "10.2.2.2");
        assert_eq!(from("10.0.0.1", &["198.51.100.1, unknown, 10.2.2.2"]), "10.2.2.2");
        assert_eq!(from("10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_the_client() {
        let loopback = "127.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert!(is_local(loopback, &headers));
        assert!(is_local("::1".parse().unwrap(), &headers));
        assert!(!is_local("192.0.2.1".parse().unwrap(), &headers));
        headers.insert("forwarded", HeaderValue::from_static("for=192.0.2.1"));
        assert!(!is_local(loopback, &headers));
    }
}
