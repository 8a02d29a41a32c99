//! A CDN's domain, and the address of an object on it.

use std::borrow::Cow;

use wharf_wire::{
    encode,
    endpoint::{Endpoint, Host},
    names::ObjectKey,
};

use super::CdnError;

/// The query parameters that a signed URL adds; an object's own may not bear these names.
const RESERVED_PARAMETERS: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];

/// A CDN's domain, of any depth, with `http://` or `https://` perhaps, without port or path.
///
/// ```
/// use wharf_provider::cdn::CdnDomain;
/// use wharf_wire::names::ObjectKey;
///
/// let domain = CdnDomain::parse("cdn.eu.example.co.uk")?;
/// let key = ObjectKey::parse("holiday photos/süd.jpg")?;
/// assert_eq!(domain.url(&key), "https://cdn.eu.example.co.uk/holiday%20photos/s%C3%BCd.jpg");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnDomain {
    origin: String,
}

impl CdnDomain {
    /// Parses `cdn.example.com` or `https://cdn.example.com`. Without a scheme it is `https`.
    pub fn parse(text: &str) -> Result<Self, CdnError> {
        let refused = || CdnError::Domain(text.to_owned());
        let url =
            if text.contains("://") { Cow::Borrowed(text) } else { Cow::Owned(format!("https://{text}")) };
        let host = url.split_once("://").map_or("", |(_, host)| host);
        // An endpoint may have a port and a closing slash; a CDN's domain may not, not even the scheme's own port.
        if host.contains([':', '/']) {
            return Err(refused());
        }
        let endpoint = Endpoint::parse(&url).map_err(|_| refused())?;
        match endpoint.host() {
            Host::Name(name) if name.contains('.') => Ok(Self { origin: endpoint.origin() }),
            Host::Name(_) | Host::Address(_) => Err(refused()),
        }
    }

    /// The object's address, percent-encoded and without a signature.
    pub fn url(&self, key: &ObjectKey) -> String {
        let mut url = self.root();
        encode::path(key.as_str(), &mut url);
        url
    }

    /// What stands before every key.
    pub(super) fn root(&self) -> String {
        format!("{}/", self.origin)
    }

    /// The host's name alone, as a cookie's `Domain` has it.
    pub fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether browsers reach it by TLS.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

/// An object on a CDN, and what its address asks of the origin.
#[derive(Debug, Clone, Copy)]
pub struct CdnObject<'a> {
    /// Where the CDN is.
    pub domain: &'a CdnDomain,
    /// The object.
    pub key: &'a ObjectKey,
    /// Query parameters, unencoded, in the order in which they are sent (`versionId`, `response-content-type`, …). They
    /// reach the store only if the distribution's origin request policy forwards them.
    pub query: &'a [(&'a str, &'a str)],
}

impl CdnObject<'_> {
    /// The address, percent-encoded. It can hold no `*`, which a policy would read as "any".
    pub fn url(&self) -> Result<String, CdnError> {
        let mut url = self.domain.url(self.key);
        let mut separator = '?';
        for (name, value) in self.query {
            if RESERVED_PARAMETERS.contains(name) {
                return Err(CdnError::ReservedParameter((*name).to_owned()));
            }
            url.push(separator);
            encode::query(name, &mut url);
            url.push('=');
            encode::query(value, &mut url);
            separator = '&';
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_any_depth_pass_and_are_https_unless_they_say_otherwise() {
        for (text, origin) in [
            ("example.com", "https://example.com"),
            ("d111111abcdef8.cloudfront.net", "https://d111111abcdef8.cloudfront.net"),
            ("cdn.eu.example.co.uk", "https://cdn.eu.example.co.uk"),
            ("https://a.b.c.d.e.f.example.com", "https://a.b.c.d.e.f.example.com"),
            ("http://cdn.example.com", "http://cdn.example.com"),
            ("CDN.Example.COM", "https://cdn.example.com"),
            ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(CdnDomain::parse(text).map(|domain| domain.origin), Ok(origin.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_a_domain_is_refused() {
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            "0x7f.1",
            "[::1]",
            "cdn.example.com:443",
            "https://cdn.example.com:8443",
            "cdn.example.com/",
            "cdn.example.com/images",
            "https://cdn.example.com/images",
            "//cdn.example.com",
            "ftp://cdn.example.com",
            "javascript://cdn.example.com",
            "://cdn.example.com",
            "https://https://cdn.example.com",
            "user@cdn.example.com",
            "cdn.example.com?x=1",
            "cdn.example.com#x",
            "cdn.example.com\\evil",
            "cdn..example.com",
            ".example.com",
            "-cdn.example.com",
            "*.example.com",
            "cdn.example.com\r\nhost: evil.example",
            " cdn.example.com",
            "bücher.example",
        ] {
            assert_eq!(CdnDomain::parse(text), Err(CdnError::Domain(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn an_address_has_one_reading_whatever_the_key() {
        let domain = CdnDomain::parse("cdn.example.com").unwrap();
        for (key, url) in [
            ("a+b.txt", "https://cdn.example.com/a%2Bb.txt"),
            ("a*?#&=%41.txt", "https://cdn.example.com/a%2A%3F%23%26%3D%2541.txt"),
            ("/leading//double/", "https://cdn.example.com//leading//double/"),
            ("quote\"and\\back", "https://cdn.example.com/quote%22and%5Cback"),
            ("写真/🌊.png", "https://cdn.example.com/%E5%86%99%E7%9C%9F/%F0%9F%8C%8A.png"),
        ] {
            assert_eq!(domain.url(&ObjectKey::parse(key).unwrap()), url);
        }
    }

    #[test]
    fn a_query_is_encoded_and_may_not_bear_the_signatures_names() {
        let domain = CdnDomain::parse("cdn.example.com").unwrap();
        let key = ObjectKey::parse("a.txt").unwrap();
        let url = |query| CdnObject { domain: &domain, key: &key, query }.url();
        assert_eq!(
            url(&[("versionId", "a/b+c"), ("response-content-disposition", "attachment; filename=\"ü\"")]),
            Ok("https://cdn.example.com/a.txt?versionId=a%2Fb%2Bc\
                &response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%22"
                .to_owned())
        );
        assert_eq!(url(&[("Policy", "mine")]), Err(CdnError::ReservedParameter("Policy".to_owned())));
    }
}
