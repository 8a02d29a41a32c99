//! Where requests go: a scheme, a host and a port, parsed strictly and never normalised by the `url` crate.
//!
//! An endpoint may come from a caller, so it decides where Wharf's packets and signatures go. Whatever one parser
//! would read differently from the next (userinfo, backslashes, escapes, control characters, octal addresses) is
//! refused or made explicit here; a guard on addresses then sees an address wherever a resolver would.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use thiserror::Error;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL of this scheme means when it names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why an endpoint was refused; the text says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// No `http://` or `https://`.
    #[error("an endpoint starts with https:// or http://")]
    Scheme,
    /// No host.
    #[error("an endpoint names a host: write https://host or https://host:port")]
    NoHost,
    /// `user@`
    #[error("an endpoint has no user name or password: leave out everything up to the @")]
    Userinfo,
    /// Anything behind the authority but one slash.
    #[error("an endpoint has no path, query or fragment: stop after the host and port")]
    Tail,
    /// Whitespace, a control character, a backslash, a percent sign or a byte outside ASCII.
    #[error(
        "an endpoint's host is plain ASCII letters, digits, dots and hyphens, without spaces, escapes or backslashes: \
         write an international name in its xn-- form"
    )]
    Character,
    /// Not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535, without leading zeros")]
    Port,
    /// A label that is empty, above 63 bytes, or starts or ends with a hyphen; or a name above 253 bytes.
    #[error(
        "a host name has at most 253 characters, in labels of 1 to 63 letters, digits and inner hyphens, \
         with single dots between them and no dot at an end"
    )]
    Name,
    /// A name whose last label is a number, but no IPv4 address.
    #[error("a host that ends in a number is an IPv4 address: write four decimal numbers from 0 to 255")]
    Ipv4,
    /// Brackets around something else than an IPv6 address without a zone.
    #[error("brackets hold an IPv6 address without a zone: write https://[2001:db8::1]:9000")]
    Ipv6,
}

/// A host: a DNS name in lower case, or an address. Every notation that a resolver would read as an IPv4 address
/// (decimal, octal, hexadecimal, short forms, IPv4 inside IPv6) is an IPv4 address here, so that a guard sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name, lower case, LDH labels, at most 253 bytes.
    Name(String),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
}

impl Host {
    const NAME_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;

    /// Parses a DNS name, an IPv4 address in any notation, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if let Some(inner) = text.strip_prefix('[') {
            return parse_ipv6(inner.strip_suffix(']').ok_or(EndpointError::Ipv6)?);
        }
        if text.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')) {
            return Err(EndpointError::Character);
        }
        if text.len() > Self::NAME_BYTES_MAX || !text.split('.').all(is_label) {
            return Err(EndpointError::Name);
        }
        if text.rsplit('.').next().is_some_and(|last| parse_ipv4_part(last).is_some() || is_digits(last)) {
            return parse_ipv4(text)
                .map(|address| Self::Address(IpAddr::V4(address)))
                .ok_or(EndpointError::Ipv4);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

/// As it stands in a URL: IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(out, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

/// A scheme, a host and perhaps a port: `https://storage.example.com:9000`. No userinfo, path, query or fragment.
///
/// ```
/// use wharf_wire::endpoint::{Endpoint, EndpointError};
///
/// let endpoint = Endpoint::parse("https://S3.Example.com:443/").unwrap();
/// assert_eq!(endpoint.origin(), "https://s3.example.com");
/// assert_eq!(Endpoint::parse("https://2130706433").unwrap().authority(), "127.0.0.1");
/// assert_eq!(Endpoint::parse("https://x@evil.example/#"), Err(EndpointError::Userinfo));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: Host,
    port: Option<u16>,
}

impl Endpoint {
    /// Parses `http(s)://host[:port][/]`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = split_scheme(text)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\' || byte == b'%') {
            return Err(EndpointError::Character);
        }
        if authority.contains('@') {
            return Err(EndpointError::Userinfo);
        }
        if authority.contains(['/', '?', '#']) {
            return Err(EndpointError::Tail);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self::from_parts(scheme, Host::parse(host)?, port))
    }

    /// From parts that are already checked (a provider's endpoint rule). The scheme's own port is left out.
    pub fn from_parts(scheme: Scheme, host: Host, port: Option<u16>) -> Self {
        Self { scheme, host, port: port.filter(|port| *port != scheme.default_port()) }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, when it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What stands in the `Host` header and is signed: the host, and the port unless it is the scheme's own.
    pub fn authority(&self) -> String {
        match (&self.host, self.port) {
            (Host::Name(name), None) => name.clone(),
            (host, None) => host.to_string(),
            (host, Some(port)) => format!("{host}:{port}"),
        }
    }

    /// `https://host:port`, without a trailing slash.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), EndpointError> {
    let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
        .map(|known| (known, rest))
        .ok_or(EndpointError::Scheme)
}

/// Splits at the colon behind the host; the colons of an IPv6 address stand in brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointError> {
    let brackets_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let tail = authority.get(brackets_end..).unwrap_or_default();
    let Some((_, port)) = tail.split_once(':') else {
        return Ok((authority, None));
    };
    let host_bytes = authority.len() - port.len() - 1;
    let host = authority.get(..host_bytes).unwrap_or_default();
    match port.parse() {
        Ok(number) if number > 0 && is_digits(port) && !port.starts_with('0') => Ok((host, Some(number))),
        Ok(_) | Err(_) => Err(EndpointError::Port),
    }
}

fn parse_ipv6(text: &str) -> Result<Host, EndpointError> {
    let address: Ipv6Addr = text.parse().map_err(|_| EndpointError::Ipv6)?;
    Ok(Host::Address(IpAddr::V6(address).to_canonical()))
}

fn is_label(label: &str) -> bool {
    (1..=Host::LABEL_BYTES_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads one to four parts as `inet_aton` does: the last one fills all the bytes that are left.
fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(parse_ipv4_part).collect::<Option<Vec<u32>>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let bits_left = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >= 1 << bits_left {
        return None;
    }
    let high = leading.iter().fold(0_u64, |bits, part| bits << 8 | u64::from(*part)) << bits_left;
    u32::try_from(high | u64::from(*last)).ok().map(Ipv4Addr::from)
}

/// A decimal, octal (`0…`) or hexadecimal (`0x…`) number.
fn parse_ipv4_part(part: &str) -> Option<u32> {
    let lower = part.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(""), _) | (None, Some("")) => ("0", 10),
        (Some(hexadecimal), _) => (hexadecimal, 16),
        (None, Some(octal)) => (octal, 8),
        (None, None) => (lower.as_str(), 10),
    };
    // `from_str_radix` takes a sign, which no part has.
    if digits.starts_with(['+', '-']) { None } else { u32::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn origin(text: &str) -> Result<String, EndpointError> {
        Endpoint::parse(text).map(|endpoint| endpoint.origin())
    }

    #[test]
    fn accepts_names_addresses_and_ports() {
        for (text, expected) in [
            ("https://s3.amazonaws.com", "https://s3.amazonaws.com"),
            ("HTTPS://S3.Example.COM/", "https://s3.example.com"),
            ("http://localhost:9000", "http://localhost:9000"),
            ("https://host:443", "https://host"),
            ("http://host:80/", "http://host"),
            ("http://host:443", "http://host:443"),
            ("https://10.0.0.1:9000", "https://10.0.0.1:9000"),
            ("https://[2001:DB8::1]:9000/", "https://[2001:db8::1]:9000"),
            ("https://[::1]", "https://[::1]"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://1.2.3.example", "https://1.2.3.example"),
            ("https://0xg.example0x", "https://0xg.example0x"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn every_notation_of_an_ipv4_address_is_that_address() {
        for text in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "017700000001",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "0x7f.0x0.0x0.0x1",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ] {
            let expected = Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
            assert_eq!(Host::parse(text), Ok(expected), "{text}");
        }
        assert_eq!(origin("http://0").as_deref(), Ok("http://0.0.0.0"));
        assert_eq!(origin("http://0x").as_deref(), Ok("http://0.0.0.0"));
        assert_eq!(origin("http://4294967295").as_deref(), Ok("http://255.255.255.255"));
        assert_eq!(origin("http://169.254.43518").as_deref(), Ok("http://169.254.169.254"));
    }

    #[test]
    fn refuses_everything_else_and_says_why() {
        let long_label = format!("https://{}.example", "a".repeat(64));
        let long_name = format!("https://{}a", "a.".repeat(127));
        for (text, error) in [
            ("", EndpointError::Scheme),
            ("s3.amazonaws.com", EndpointError::Scheme),
            ("//host", EndpointError::Scheme),
            ("ftp://host", EndpointError::Scheme),
            (" https://host", EndpointError::Scheme),
            ("https:/host", EndpointError::Scheme),
            ("https://", EndpointError::NoHost),
            ("https:///", EndpointError::NoHost),
            ("https://:9000", EndpointError::NoHost),
            ("https://x@evil.example/#", EndpointError::Userinfo),
            ("https://user:password@host", EndpointError::Userinfo),
            ("https://host/path", EndpointError::Tail),
            ("https://host//", EndpointError::Tail),
            ("https://host?x", EndpointError::Tail),
            ("https://host#x", EndpointError::Tail),
            ("https://host/?x=/", EndpointError::Tail),
            ("https://ho st", EndpointError::Character),
            ("https://host\n", EndpointError::Character),
            ("https://host\0", EndpointError::Character),
            ("https://host\\@evil.example", EndpointError::Character),
            ("https://ho%73t", EndpointError::Character),
            ("https://bücher.example", EndpointError::Character),
            ("https://127。0。0。1", EndpointError::Character),
            ("https://ho_st", EndpointError::Character),
            ("https://[::1]x", EndpointError::Ipv6),
            ("https://host:", EndpointError::Port),
            ("https://host:0", EndpointError::Port),
            ("https://host:080", EndpointError::Port),
            ("https://host:+80", EndpointError::Port),
            ("https://host:65536", EndpointError::Port),
            ("https://host:80:80", EndpointError::Port),
            ("https://::1", EndpointError::Port),
            ("https://host.", EndpointError::Name),
            ("https://127.0.0.1.", EndpointError::Name),
            ("https://.host", EndpointError::Name),
            ("https://a..b", EndpointError::Name),
            ("https://-a.b", EndpointError::Name),
            ("https://a-.b", EndpointError::Name),
            (long_label.as_str(), EndpointError::Name),
            (long_name.as_str(), EndpointError::Name),
            ("https://1.2.3.4.5", EndpointError::Ipv4),
            ("https://256.1.1.1", EndpointError::Ipv4),
            ("https://1.256.1.1", EndpointError::Ipv4),
            ("https://127.0.0.08", EndpointError::Ipv4),
            ("https://4294967296", EndpointError::Ipv4),
            ("https://host.1", EndpointError::Ipv4),
            ("https://host.0x1f", EndpointError::Ipv4),
            ("https://1.65536.65536", EndpointError::Ipv4),
            ("https://[fe80::1%eth0]", EndpointError::Character),
            ("https://[::1", EndpointError::Port),
            ("https://[]", EndpointError::Ipv6),
            ("https://[127.0.0.1]", EndpointError::Ipv6),
        ] {
            assert_eq!(origin(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_parses_is_written_so_that_it_parses_again(
            text in "(?i:https?)://([a-z0-9-]{1,9}\\.){0,3}[a-z0-9x]{1,6}(:[0-9]{1,5})?/?"
        ) {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert_eq!(Endpoint::parse(&endpoint.origin()), Ok(endpoint));
            }
        }

        #[test]
        fn an_address_survives_in_its_own_notation(v4 in any::<Ipv4Addr>(), v6 in any::<Ipv6Addr>(), port in 1_u16..) {
            for address in [IpAddr::V4(v4), IpAddr::V6(v6)] {
                let host = Host::Address(address.to_canonical());
                let endpoint = Endpoint::from_parts(Scheme::Https, host, Some(port));
                prop_assert_eq!(Endpoint::parse(&endpoint.origin()), Ok(endpoint));
            }
        }

        #[test]
        fn no_text_makes_it_panic_or_leave_an_odd_byte(text in ".*", tail in any::<String>()) {
            let with_scheme = format!("https://{tail}");
            for text in [text, tail, with_scheme] {
                if let Ok(endpoint) = Endpoint::parse(&text) {
                    prop_assert!(endpoint.authority().bytes().all(|byte| byte.is_ascii_graphic() && !b"@/\\?#%".contains(&byte)));
                }
            }
        }
    }
}
