//! Where deliveries go: an address that a caller chose, checked for what can be seen of it.
//!
//! Whoever makes a webhook has Wharf connect from inside the operator's network. Here an address in place of a name is
//! refused unless it is public or listed; a name is looked at when it is connected to, by what it is then
//! ([`Reach::Public`]).

use http::Uri;
use wharf_wire::endpoint::{Endpoint, Host};

use crate::{
    backend::{is_forbidden, upstream::Reach},
    error::{Code, Error},
};

/// Bytes of an address that anyone has reason to choose.
const URL_BYTES_MAX: usize = 2048;

/// An address that can be posted to.
#[derive(Clone)]
pub(super) struct Receiver {
    uri: Uri,
    endpoint: Endpoint,
}

impl Receiver {
    /// Reads an address: `http` or `https`, a host, perhaps a port, a path and a query.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        Self::read(url, URL_BYTES_MAX).ok_or_else(|| {
            Error::new(Code::InvalidField, "The webhook's `url` is no address that can be posted to.").hint(
                "Write https://host/path, with at most 2,048 characters of ASCII, no user and no fragment.",
            )
        })
    }

    /// Reads an address that Wharf has signed itself: with a session token it may be long.
    pub(super) fn parse_signed(url: &str) -> Option<Self> {
        Self::read(url, usize::MAX)
    }

    fn read(url: &str, bytes_max: usize) -> Option<Self> {
        if url.len() > bytes_max || !url.is_ascii() || url.contains('#') {
            return None;
        }
        let uri: Uri = url.parse().ok()?;
        // As an endpoint, a host that is an address in an odd notation is that address.
        let endpoint =
            Endpoint::parse(&[uri.scheme_str()?, "://", uri.authority()?.as_str()].concat()).ok()?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let uri = [&endpoint.origin(), path].concat().parse().ok()?;
        Some(Self { uri, endpoint })
    }

    /// Refuses an address that is not public, unless the operator has listed it.
    pub(super) fn check(&self, listed: &[Endpoint]) -> Result<(), Error> {
        let is_private = match self.endpoint.host() {
            Host::Address(address) => is_forbidden(*address),
            Host::Name(_) => false,
        };
        if is_private && self.reach(listed) == Reach::Public {
            return Err(Error::new(
                Code::EndpointNotAllowed,
                "The webhook's `url` leads into a private network.",
            )
            .hint("The operator can list it in `webhooks.endpoints`."));
        }
        Ok(())
    }

    /// How far a request to it may reach.
    pub(super) fn reach(&self, listed: &[Endpoint]) -> Reach {
        if listed.contains(&self.endpoint) { Reach::Anywhere } else { Reach::Public }
    }

    /// What is posted to.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Scheme, host and port: what receivers are told apart by.
    pub(super) fn origin(&self) -> String {
        self.endpoint.origin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(url: &str, listed: &[Endpoint]) -> Option<Code> {
        Receiver::parse(url).and_then(|receiver| receiver.check(listed)).err().map(|error| error.code)
    }

    #[test]
    fn addresses_that_can_be_posted_to() {
        for (url, uri, origin) in [
            ("https://a.example", "https://a.example/", "https://a.example"),
            ("https://A.example:443/x?y=z", "https://a.example/x?y=z", "https://a.example"),
            ("http://a.example:8080/%2Fx", "http://a.example:8080/%2Fx", "http://a.example:8080"),
            ("https://1.1.1.1/", "https://1.1.1.1/", "https://1.1.1.1"),
        ] {
            let receiver = Receiver::parse(url).unwrap();
            assert_eq!(
                (receiver.uri().to_string().as_str(), receiver.origin().as_str()),
                (uri, origin),
                "{url}"
            );
            assert_eq!(code(url, &[]), None, "{url}");
        }
    }

    #[test]
    fn others_are_no_addresses() {
        let long = ["https://a.example/", &"x".repeat(URL_BYTES_MAX)].concat();
        for url in [
            "",
            "/hook",
            "a.example/hook",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https://u:p@a.example/",
            "https://a.example/#x",
            "https://a.example/\n",
            "https://ü.example/",
            "https://a.example/ü",
            &long,
        ] {
            assert_eq!(code(url, &[]), Some(Code::InvalidField), "{url}");
        }
    }

    #[test]
    fn a_private_address_must_be_listed() {
        let listed = [Endpoint::parse("http://127.0.0.1:3000").unwrap()];
        assert_eq!(code("http://127.0.0.1:3000/hook", &listed), None);
        assert_eq!(Receiver::parse("http://127.0.0.1:3000/hook").unwrap().reach(&listed), Reach::Anywhere);
        for url in ["http://127.0.0.1:3001/", "http://[::1]/", "http://169.254.169.254/", "https://10.0.0.1/"]
        {
            assert_eq!(code(url, &listed), Some(Code::EndpointNotAllowed), "{url}");
        }
        for url in ["http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/"] {
            assert!(code(url, &listed).is_some(), "{url}");
        }
    }

    #[test]
    fn a_name_is_judged_by_what_it_is_when_it_is_connected_to() {
        assert_eq!(code("http://localhost/", &[]), None);
        assert_eq!(Receiver::parse("http://localhost/").unwrap().reach(&[]), Reach::Public);
    }
}
