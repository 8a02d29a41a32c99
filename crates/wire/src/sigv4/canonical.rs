//! Canonical requests: the bytes that both sides hash. Signing and verifying share this one writer.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>,
//! with S3's exceptions: the path is escaped once and never normalised.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::encode;

use super::{HexDigest, presign::name};

/// A header's lower-case name and its value, which may hold any byte from 0x80 up.
pub type Header<'a> = (&'a str, &'a [u8]);

/// Headers in canonical order: by name; values of one name in the order in which they were sent.
#[derive(Clone, Copy)]
pub struct CanonicalHeaders<'a>(&'a [Header<'a>]);

impl<'a> CanonicalHeaders<'a> {
    /// Sorts `headers`, which are the signed ones and no others.
    pub fn sort<'h: 'a>(headers: &'a mut [Header<'h>]) -> Self {
        // Stable, so that the values of one name keep their order.
        headers.sort_by_key(|(name, _)| *name);
        Self(headers)
    }

    /// Each name once, in order: `host`, `x-amz-date`.
    pub fn names(self) -> impl Iterator<Item = &'a str> {
        self.lines().map(|(name, _)| name)
    }

    /// Each name with all of its headers.
    fn lines(self) -> impl Iterator<Item = (&'a str, &'a [Header<'a>])> {
        let same_name = |(a, _): &Header<'_>, (b, _): &Header<'_>| a == b;
        self.0.chunk_by(same_name).filter_map(|headers| headers.first().map(|(name, _)| (*name, headers)))
    }
}

/// What is signed, all of it in the form in which it is sent.
#[derive(Clone, Copy)]
pub struct CanonicalRequest<'a> {
    /// `GET`
    pub method: &'a str,
    /// The path as sent or received, percent-encoded.
    pub path: &'a str,
    /// The query in canonical order, as [`query`] makes it of a received one.
    pub query: &'a str,
    /// The signed headers.
    pub headers: CanonicalHeaders<'a>,
    /// `x-amz-content-sha256`, or `UNSIGNED-PAYLOAD` for a presigned request.
    pub payload_sha256: &'a str,
}

impl CanonicalRequest<'_> {
    /// The request's digest, which is what is signed.
    pub fn sha256(&self) -> HexDigest {
        let mut hasher = Sha256::new();
        self.write(|bytes| hasher.update(bytes));
        HexDigest::new(&hasher.finalize().into())
    }

    /// The bytes themselves, for a client that asks why its signature does not match.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(|bytes| out.extend_from_slice(bytes));
        out
    }

    fn write(&self, mut put: impl FnMut(&[u8])) {
        for line in [self.method, self.path, self.query] {
            put(line.as_bytes());
            put(b"\n");
        }
        for (name, headers) in self.headers.lines() {
            put(name.as_bytes());
            put(b":");
            separated(b",", headers, &mut put, |(_, value), put| write_value(value, put));
            put(b"\n");
        }
        put(b"\n");
        separated(b";", self.headers.names(), &mut put, |name, put| put(name.as_bytes()));
        put(b"\n");
        put(self.payload_sha256.as_bytes());
    }
}

/// Writes every item with `write` and `separator` between them.
fn separated<Item, Put: FnMut(&[u8])>(
    separator: &[u8],
    items: impl IntoIterator<Item = Item>,
    put: &mut Put,
    write: impl Fn(Item, &mut Put),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            put(separator);
        }
        write(item, put);
    }
}

/// Spaces at the ends go, and a run of them becomes one. Other white space stays: S3 looks at spaces alone.
fn write_value(value: &[u8], put: &mut impl FnMut(&[u8])) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    separated(b" ", words, put, |word, put| put(word));
}

/// Whether `name` is a header's, in lower case.
pub(super) fn is_header_name(name: &str) -> bool {
    let is_token =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// The canonical form of a path as it was received: decoded, and encoded again in the one way. Nothing is normalised.
///
/// ```
/// use wharf_wire::sigv4::canonical;
///
/// assert_eq!(canonical::path("/a//../%7e(1)%2b+"), "/a//../~%281%29%2B%2B");
/// ```
pub fn path(received: &str) -> Cow<'_, str> {
    encode::path_again(received)
}

/// The canonical form of a query as it was received, without its `?`: each name and value is decoded (`+` is a space)
/// and encoded again, then all are sorted by encoded name and encoded value. `acl` and `acl=` are the same.
///
/// ```
/// use wharf_wire::sigv4::canonical;
///
/// assert_eq!(canonical::query("uploads&prefix=a+b/%7e&a=2&a=1"), "a=1&a=2&prefix=a%20b%2F~&uploads=");
/// ```
pub fn query(received: &str) -> String {
    sorted(received, |_| true)
}

/// [`query`] of a presigned request: its signature is no part of what it signs.
pub(super) fn unsigned_query(received: &str) -> String {
    sorted(received, |name| name != name::SIGNATURE)
}

fn sorted(received: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let mut pairs: Vec<_> = encode::query_pairs(received)
        .map(|(name, value)| (encode::query_again(name), encode::query_again(value)))
        .filter(|(name, _)| is_kept(name))
        .collect();
    pairs.sort_unstable();
    let mut out = String::with_capacity(received.len() + pairs.len());
    for (name, value) in &pairs {
        let separator = if out.is_empty() { "" } else { "&" };
        out.extend([separator, name.as_ref(), "=", value.as_ref()]);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    fn canonical(headers: &mut [Header<'_>]) -> String {
        let headers = CanonicalHeaders::sort(headers);
        let request = CanonicalRequest {
            method: "GET",
            path: "/",
            query: "",
            headers,
            payload_sha256: "UNSIGNED-PAYLOAD",
        };
        String::from_utf8_lossy(&request.to_bytes()).into_owned()
    }

    #[test]
    fn headers_are_sorted_trimmed_and_joined() {
        let mut headers: [Header<'_>; 5] = [
            ("x-b", b"  two   words "),
            ("host", b"example.com"),
            ("x-a", b"2"),
            ("x-a", b"1"),
            ("x-tab", b" \ta\t b  "),
        ];
        assert_eq!(
            canonical(&mut headers),
            "GET\n/\n\nhost:example.com\nx-a:2,1\nx-b:two words\nx-tab:\ta\t b\n\n\
             host;x-a;x-b;x-tab\nUNSIGNED-PAYLOAD"
        );
    }

    #[test]
    fn values_are_bytes() {
        let mut headers: [Header<'_>; 2] = [("host", b"h"), ("x-amz-meta-name", b" \xff\xfe ")];
        let headers = CanonicalHeaders::sort(&mut headers);
        let request = CanonicalRequest { method: "PUT", path: "/k", query: "", headers, payload_sha256: "p" };
        assert_eq!(
            request.to_bytes(),
            b"PUT\n/k\n\nhost:h\nx-amz-meta-name:\xff\xfe\n\nhost;x-amz-meta-name\np"
        );
        assert_eq!(request.sha256(), super::super::payload_sha256(&request.to_bytes()));
    }

    #[test]
    fn an_empty_value_keeps_its_line() {
        assert_eq!(canonical(&mut [("a", b""), ("a", b"  ")]), "GET\n/\n\na:,\n\na\nUNSIGNED-PAYLOAD");
    }

    #[test]
    fn queries_are_decoded_encoded_and_sorted() {
        for (received, expected) in [
            ("", ""),
            ("acl", "acl="),
            ("acl=", "acl="),
            ("&&a=1&", "a=1"),
            ("=", "="),
            ("a=b=c", "a=b%3Dc"),
            ("a=1+2&b=1%2B2&c=1%202", "a=1%202&b=1%2B2&c=1%202"),
            ("a=%e1%88%b4&b=ሴ", "a=%E1%88%B4&b=%E1%88%B4"),
            ("a=%41%7e%2f/", "a=A~%2F%2F"),
            ("a=%&b=%2&c=%zz&d=%+1", "a=%25&b=%252&c=%25zz&d=%25%201"),
            ("a=%ff", "a=%FF"),
            ("b=1&A=1&a-=1&a=2&a=10&%21=1", "%21=1&A=1&a=10&a=2&a-=1&b=1"),
        ] {
            assert_eq!(query(received), expected, "{received}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_canonical_query_is_its_own_canonical_form(received in any::<String>()) {
            let once = query(&received);
            prop_assert_eq!(query(&once), once);
        }

        #[test]
        fn the_digest_is_that_of_the_bytes(method: String, path: String, name: String, value: Vec<u8>) {
            let mut headers = [("host", "h".as_bytes()), (name.as_str(), value.as_slice())];
            let headers = CanonicalHeaders::sort(&mut headers);
            let request =
                CanonicalRequest { method: &method, path: &path, query: "", headers, payload_sha256: "p" };
            prop_assert_eq!(request.sha256(), super::super::payload_sha256(&request.to_bytes()));
        }
    }
}
