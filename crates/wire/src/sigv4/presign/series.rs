//! Many URLs that differ in one number alone: the parts of a multipart upload.
//!
//! ```text
//! PUT /key?X-Amz-…&partNumber=   7   &uploadId=…, headers, payload
//! └──── written and hashed once ┘    └─ written once, hashed again ┘
//! ```
//!
//! An upload may have ten thousand parts. What stands before the number is most of the URL, and all of a session's long
//! token, so a URL costs the hashing of what follows the number and little else.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::{
    encode,
    sigv4::{
        Credentials, HexDigest, Signature, SigningKey, UNSIGNED_PAYLOAD,
        canonical::{CanonicalHeaders, CanonicalRequest},
    },
};

use super::{
    PresignError, PresignInput, SignedUrl, Signer, Unsigned, check, name, push_decimal, signed_headers,
    write_url,
};

/// A signature and its name behind the last parameter.
const SIGNATURE_BYTES: usize = "&X-Amz-Signature=".len() + 64;
/// Digits of the largest number, 4,294,967,295.
const NUMBER_BYTES: usize = 10;

/// URLs that are signed but for one number. It can sign, so `Debug` shows nothing of it.
pub struct Series {
    /// The URL as far as the number.
    front: String,
    /// The rest of the URL, but for the signature.
    back: String,
    /// The canonical request as far as the number.
    hashed: Sha256,
    /// The rest of the canonical request.
    unhashed: Vec<u8>,
    /// What is signed as far as the canonical request's digest.
    keyed: Hmac<Sha256>,
}

/// Prepares URLs that are what [`super::presign`] makes of `input` and a parameter `varying` more, which is a number.
///
/// `input` has no parameter of that name itself.
pub fn series(
    input: &PresignInput<'_>,
    varying: &str,
    credentials: &Credentials,
    key: &SigningKey,
) -> Result<Series, PresignError> {
    if input.query.iter().any(|(name, _)| *name == varying) {
        return Err(PresignError::Parameter);
    }
    let query = [input.query, &[(varying, "")]].concat();
    let input = PresignInput { query: &query, ..*input };
    let date = input.now.amz_date();
    check(&input, &date, key)?;

    let mut headers = signed_headers(&input);
    let headers = CanonicalHeaders::sort(&mut headers);
    let Unsigned { url, path, query } = write_url(&input, &Signer { date: &date, credentials, key, headers });
    let method = input.method.as_str();
    let before_query = method.len() + path.len() + "\n\n".len();
    let number_at = query.start + number_at(url.get(query.clone()).unwrap_or_default(), varying);
    let canonical = CanonicalRequest {
        method,
        path: url.get(path).unwrap_or_default(),
        query: url.get(query.clone()).unwrap_or_default(),
        headers,
        payload_sha256: UNSIGNED_PAYLOAD,
    }
    .to_bytes();
    let (hashed, unhashed) = canonical.split_at(before_query + number_at - query.start);
    let (front, back) = url.split_at(number_at);
    let mut keyed = key.begin_lines(super::ALGORITHM, &date);
    keyed.update(b"\n");
    Ok(Series {
        front: front.to_owned(),
        back: back.to_owned(),
        hashed: Sha256::new_with_prefix(hashed),
        unhashed: unhashed.to_vec(),
        keyed,
    })
}

/// Where the value of `varying` is to stand in `query`, which has the parameter with no value. In an encoded query, `&` and
/// `=` stand nowhere but between parameters.
fn number_at(query: &str, varying: &str) -> usize {
    let mut name = String::new();
    encode::query(varying, &mut name);
    let mut end = 0;
    for pair in query.split('&') {
        end += pair.len();
        if pair.strip_suffix('=') == Some(&name) {
            return end;
        }
        end += "&".len();
    }
    query.len()
}

impl Series {
    /// The URL with this number.
    pub fn url(&self, number: u32) -> SignedUrl {
        let mut url = String::with_capacity(self.url_bytes());
        url.push_str(&self.front);
        push_decimal(number, &mut url);
        let mut hasher = self.hashed.clone();
        hasher.update(url.get(self.front.len()..).unwrap_or_default());
        hasher.update(&self.unhashed);
        let mut keyed = self.keyed.clone();
        keyed.update(HexDigest::new(&hasher.finalize().into()).as_str().as_bytes());
        let signature = Signature::new(&keyed.finalize().into_bytes().into());
        url.extend([&self.back, "&", name::SIGNATURE, "=", signature.expose()]);
        SignedUrl(url)
    }

    /// About how long each URL is, in bytes.
    pub fn url_bytes(&self) -> usize {
        self.front.len() + NUMBER_BYTES + self.back.len() + SIGNATURE_BYTES
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Series(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;
    use crate::sigv4::presign::{
        presign,
        tests::{GET, NOW, credentials},
    };
    use crate::{names::Region, sigv4::Scope};

    /// The URL of a series, and the same signed by itself.
    fn both(input: &PresignInput<'_>, varying: &str, token: Option<&str>, number: u32) -> (String, String) {
        let credentials = credentials(token);
        let scope = Scope::s3(NOW.amz_date(), &Region::parse("us-east-1").unwrap());
        let key = SigningKey::derive(&credentials, scope);
        let series = series(input, varying, &credentials, &key).unwrap();
        let value = number.to_string();
        let query = [input.query, &[(varying, &*value)]].concat();
        let alone = presign(&PresignInput { query: &query, ..*input }, &credentials, &key).unwrap();
        (series.url(number).into_exposed(), alone.into_exposed())
    }

    #[test]
    fn a_url_of_a_series_is_the_one_that_is_signed_by_itself() {
        let upload = [("uploadId", "2~a/b+c=&partNumber=3")];
        let part = PresignInput { query: &upload, path: "/a b/\u{fc}?partNumber=", ..GET };
        let headed = PresignInput { headers: &[("x-amz-meta-a", "1"), ("content-type", "a/b")], ..part };
        for token in [None, Some("a/b+c==")] {
            for number in [0, 1, 9, 10, 10_000, u32::MAX] {
                for (input, varying) in [
                    (&part, "partNumber"),
                    (&part, "zz"),
                    (&part, "A"),
                    (&GET, "partNumber"),
                    (&headed, "n"),
                    (&part, "a b=&c"),
                ] {
                    let (of_series, alone) = both(input, varying, token, number);
                    assert_eq!(of_series, alone, "{varying} {number}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_signed_alone_cannot_be_in_a_series() {
        let credentials = credentials(None);
        let scope = Scope::s3(NOW.amz_date(), &Region::parse("us-east-1").unwrap());
        let key = SigningKey::derive(&credentials, scope);
        let twice = PresignInput { query: &[("partNumber", "1")], ..GET };
        let dead = PresignInput { expires_seconds: 0, ..GET };
        for (input, varying, expected) in [
            (&twice, "partNumber", PresignError::Parameter),
            (&GET, "X-Amz-Date", PresignError::Parameter),
            (&dead, "partNumber", PresignError::Expires),
        ] {
            assert_eq!(series(input, varying, &credentials, &key).unwrap_err(), expected);
        }
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let credentials = credentials(None);
        let scope = Scope::s3(NOW.amz_date(), &Region::parse("us-east-1").unwrap());
        let series = series(&GET, "n", &credentials, &SigningKey::derive(&credentials, scope)).unwrap();
        assert_eq!(format!("{series:?}"), "Series(redacted)");
        assert!(series.url(10_000).expose().len() <= series.url_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_upload_has_its_series(upload: String, path: String, number in any::<u32>()) {
            let path = ["/", &path].concat();
            let query = [("uploadId", upload.as_str())];
            let (of_series, alone) = both(&PresignInput { path: &path, query: &query, ..GET }, "partNumber", None, number);
            prop_assert_eq!(of_series, alone);
        }
    }
}
