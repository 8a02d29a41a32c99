//! Which endpoints a caller may name. Without a guard a caller could point Wharf at the machine it runs on.
//!
//! Signing makes no look-up, so this checks the list alone; a host written as an address, in whatever notation, is an
//! address here ([`Host::Address`]) and passes only where that very address is listed. Whatever connects looks at the
//! address that a name leads to: that may be inside only where the operator wrote down the very name.

use wharf_wire::endpoint::{Endpoint, Host, Scheme};

use crate::{backend::upstream::Reach, config::checked::EndpointRule};

/// How far a connection to `endpoint` may go, if `rules` let callers name it.
pub(super) fn reach(endpoint: &Endpoint, rules: &[EndpointRule]) -> Option<Reach> {
    let is_exact = |rule: &EndpointRule| matches!(rule, EndpointRule::Exact(listed) if listed == endpoint);
    if rules.iter().any(is_exact) {
        return Some(Reach::Anywhere);
    }
    rules.iter().any(|rule| is_in_domain(endpoint, rule)).then_some(Reach::Public)
}

fn is_in_domain(endpoint: &Endpoint, rule: &EndpointRule) -> bool {
    let EndpointRule::Below { domain, port } = rule else { return false };
    endpoint.scheme() == Scheme::Https
        && endpoint.port() == *port
        && matches!(endpoint.host(), Host::Name(name) if is_below(name, domain))
}

/// Whether `name` has labels in front of `domain`: `a.example.com` is below `example.com`, `badexample.com` is not.
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> EndpointRule {
        EndpointRule::Exact(Endpoint::parse(text).unwrap())
    }

    fn below(domain: &str, port: Option<u16>) -> EndpointRule {
        EndpointRule::Below { domain: domain.to_owned(), port }
    }

    fn is_listed(endpoint: &Endpoint, rules: &[EndpointRule]) -> bool {
        reach(endpoint, rules).is_some()
    }

    #[test]
    fn only_a_name_that_is_written_down_may_lead_inside() {
        let (a, b) = ("https://a.example.com", "https://b.example.com");
        let rules = [below("example.com", None), exact(a)];
        assert_eq!(reach(&Endpoint::parse(a).unwrap(), &rules), Some(Reach::Anywhere));
        assert_eq!(reach(&Endpoint::parse(b).unwrap(), &rules), Some(Reach::Public));
    }

    #[test]
    fn what_is_listed_passes() {
        for (rule, endpoint) in [
            (exact("https://minio.example.com"), "https://minio.example.com"),
            (exact("https://minio.example.com"), "https://MINIO.example.com:443/"),
            (exact("http://127.0.0.1:9000"), "http://127.0.0.1:9000"),
            (exact("http://[::1]:9000"), "http://[0:0:0:0:0:0:0:1]:9000"),
            (below("example.com", None), "https://a.example.com"),
            (below("example.com", None), "https://a.b.example.com"),
            (below("example.com", Some(9000)), "https://a.example.com:9000"),
        ] {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            assert!(is_listed(&endpoint, std::slice::from_ref(&rule)), "{endpoint:?} {rule:?}");
        }
    }

    #[test]
    fn what_is_not_listed_does_not_pass() {
        for (rule, endpoint) in [
            (exact("https://minio.example.com"), "http://minio.example.com"),
            (exact("https://minio.example.com"), "https://minio.example.com:9000"),
            (exact("https://minio.example.com"), "https://minio.example.com.evil.example"),
            (exact("http://127.0.0.1:9000"), "http://127.0.0.1:9001"),
            (exact("http://127.0.0.1:9000"), "http://localhost:9000"),
            (below("example.com", None), "https://example.com"),
            (below("example.com", None), "http://a.example.com"),
            (below("example.com", None), "https://a.example.com:8443"),
            (below("example.com", None), "https://badexample.com"),
            (below("example.com", None), "https://a.example.com.evil.example"),
            (below("example.com", None), "https://169.254.169.254"),
        ] {
            let endpoint = Endpoint::parse(endpoint).unwrap();
            assert!(!is_listed(&endpoint, std::slice::from_ref(&rule)), "{endpoint:?} {rule:?}");
        }
        let address = Endpoint::parse("http://169.254.169.254").unwrap();
        assert!(!is_listed(&address, &[]));
    }

    #[test]
    fn an_address_is_an_address_in_every_notation() {
        for notation in ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "169.16689662"] {
            let endpoint = Endpoint::parse(&format!("http://{notation}"));
            let listed = endpoint.is_ok_and(|endpoint| is_listed(&endpoint, &[below("example.com", None)]));
            assert!(!listed, "{notation}");
        }
    }
}
