//! What the app is told of the client behind Wharf: `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! An app behind a proxy believes these headers, so a client may not write them. From anyone but a configured proxy they
//! are dropped, with their whole family, before Wharf writes its own.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::checked::Server;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// The other end of it.
    pub address: IpAddr,
    /// Whether that is a configured proxy, whose word counts.
    pub is_proxy: bool,
    /// Whether Wharf's own door speaks TLS.
    pub is_tls: bool,
}

impl Sender {
    /// The peer at `address`, on the API's door of `server`.
    pub fn new(address: IpAddr, server: &Server) -> Self {
        let address = address.to_canonical();
        let is_proxy = server.trusted_proxies.iter().any(|network| network.contains(&address));
        Self { address, is_proxy, is_tls: server.api.tls.is_some() }
    }
}

/// Writes what the app is told. `headers` have the `Host` that the client asked for, if it asked for one.
pub(super) fn write(headers: &mut HeaderMap, sender: Sender) {
    remove_claims(headers, sender.is_proxy);
    let mut hops = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    let address = sender.address.to_string();
    hops.push(address.as_bytes());
    if let Ok(hops) = HeaderValue::from_bytes(&hops.join(b", ".as_slice())) {
        headers.insert(FORWARDED_FOR, hops);
    }
    let scheme = HeaderValue::from_static(if sender.is_tls { "https" } else { "http" });
    headers.entry(FORWARDED_PROTO).or_insert(scheme);
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
}

/// Removes what nobody may claim, or only a proxy.
fn remove_claims(headers: &mut HeaderMap, is_proxy: bool) {
    let is_removed = |name: &&HeaderName| {
        claims(name.as_str()).is_some_and(|claim| !is_proxy || claim == Claim::Disguised)
    };
    let removed: Vec<_> = headers.keys().filter(is_removed).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Under the name that proxies use.
    Plain,
    /// Under one that CGI and its heirs cannot tell from it (`X_Forwarded_For`), which no proxy uses.
    Disguised,
}

/// Whether a header says who the client is or how it came here.
fn claims(name: &str) -> Option<Claim> {
    let plain = name.replace('_', "-");
    let is_claim = plain.starts_with("x-forwarded-") || plain == "forwarded" || plain == "x-real-ip";
    is_claim.then_some(if plain == name { Claim::Plain } else { Claim::Disguised })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Sender =
        Sender { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), is_proxy: false, is_tls: false };

    /// The headers that the app gets, in order of their names.
    fn written(lines: &[(&'static str, &'static str)], sender: Sender) -> Vec<(String, String)> {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers: HeaderMap = lines.iter().map(line).collect();
        write(&mut headers, sender);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let mut written: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        written.sort();
        written
    }

    fn pairs(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_a_client_claims_is_replaced() {
        let claims = [
            ("host", "app.example"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "/evil"),
            ("x_forwarded_for", "203.0.113.2"),
            ("x-real-ip", "203.0.113.3"),
            ("forwarded", "for=203.0.113.4"),
        ];
        let expected = pairs(&[
            ("host", "app.example"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(written(&claims, CLIENT), expected);
    }

    #[test]
    fn what_a_proxy_says_is_kept_and_it_becomes_a_hop() {
        let claims = [
            ("host", "inner.example"),
            ("x-forwarded-for", "203.0.113.1, 198.51.100.2"),
            ("x-forwarded-for", "198.51.100.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-port", "443"),
            ("x_forwarded_host", "evil.example"),
        ];
        let expected = pairs(&[
            ("host", "inner.example"),
            ("x-forwarded-for", "203.0.113.1, 198.51.100.2, 198.51.100.3, 192.0.2.7"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(written(&claims, Sender { is_proxy: true, ..CLIENT }), expected);
    }

    #[test]
    fn without_claims_the_connection_speaks() {
        let expected = pairs(&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")]);
        assert_eq!(written(&[], Sender { is_tls: true, ..CLIENT }), expected);
    }
}
