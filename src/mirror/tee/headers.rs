//! What a mirror is told of an object: what the primary is told, by allow-list, but its class and its encryption, which
//! are the mirror's own.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::transfer::is_metadata;

const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// What the names of the headers begin with that carry a customer's own key.
const CUSTOMER: &str = "x-amz-server-side-encryption-customer-";

/// The type that S3 gives an object without one. Said to the mirror, so that both say the same to readers.
const UNTYPED: HeaderValue = HeaderValue::from_static("binary/octet-stream");

/// Of an object, or of the upload that will be one. `described` is what the primary is told of it, before its body's framing
/// is added.
pub(super) fn of_object(described: &HeaderMap) -> HeaderMap {
    let is_passed = |name: &HeaderName| is_metadata(name) || *name == TAGGING || is_customers(name);
    let mut headers = passed(described, is_passed);
    headers.entry(header::CONTENT_TYPE).or_insert(UNTYPED);
    headers
}

/// What goes along with bytes, of an object or a part: the digest by which the mirror verifies them by itself, and the key
/// that they are encrypted with.
pub(super) fn of_bytes(sent: &HeaderMap) -> HeaderMap {
    passed(sent, |name| *name == CONTENT_MD5 || is_customers(name))
}

/// What carries a customer's own key.
pub(super) fn of_customer(sent: &HeaderMap) -> HeaderMap {
    passed(sent, is_customers)
}

/// Whether an object is encrypted with a customer's own key.
pub fn is_encrypted_by_customer(headers: &HeaderMap) -> bool {
    headers.keys().any(is_customers)
}

fn is_customers(name: &HeaderName) -> bool {
    name.as_str().starts_with(CUSTOMER)
}

fn passed(headers: &HeaderMap, is_passed: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let passed = headers.iter().filter(|(name, _)| is_passed(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(header).collect()
    }

    #[test]
    fn a_mirror_is_told_what_the_object_is_and_nothing_of_the_primary() {
        let described = headers(&[
            ("cache-control", "no-store"),
            ("x-amz-meta-colour", "red"),
            ("x-amz-tagging", "a=b"),
            ("if-none-match", "*"),
            ("x-amz-acl", "public-read"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "primary"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-expected-bucket-owner", "1"),
            ("content-md5", "CY9rzUYh03PK3k6DJie09g=="),
        ]);
        let told = headers(&[
            ("cache-control", "no-store"),
            ("x-amz-meta-colour", "red"),
            ("x-amz-tagging", "a=b"),
            ("content-type", "binary/octet-stream"),
        ]);
        assert_eq!(of_object(&described), told);
        assert_eq!(of_bytes(&described), headers(&[("content-md5", "CY9rzUYh03PK3k6DJie09g==")]));
    }

    #[test]
    fn a_customers_key_goes_along() {
        let described = headers(&[
            ("content-type", "text/plain"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "a2V5"),
        ]);
        assert_eq!(of_object(&described), described);
        assert_eq!(of_bytes(&described).len(), 2);
        assert!(is_encrypted_by_customer(&described));
    }
}
