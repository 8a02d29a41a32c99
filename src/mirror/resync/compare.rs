//! Whether a pair is equal, by as little as proves it. Pure.
//!
//! ```text
//! sizes differ ─→ Different
//! a record of this very pair ─→ Equal          its bytes were compared when it was copied
//! the same digest as ETag ─→ Equal             an MD5, or the MD5 of the parts' MD5s
//! else ask both ─→ a checksum of the same kind says it, or else they are Different: what is not proven is copied
//! ```

use http::{HeaderMap, header};
use wharf_wire::checksum::ChecksumAlgorithm;

use super::Listed;
use crate::transfer::Found;

/// What is known of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides hold the same bytes.
    Equal,
    /// They do not, or nothing proves that they do.
    Different,
    /// The listings do not say.
    Unknown,
}

/// The `ETag`s under which a pair was recorded as equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etags<'a> {
    /// The source's.
    pub source: &'a str,
    /// The target's.
    pub target: &'a str,
}

/// Compares what the listings say. An `ETag` that is another one than recorded proves nothing: a store may have encrypted
/// its objects anew.
pub fn by_listing(source: &Listed, target: &Listed, recorded: Option<Etags<'_>>) -> Verdict {
    if source.bytes != target.bytes {
        return Verdict::Different;
    }
    let (Some(source_etag), Some(target_etag)) = (&source.etag, &target.etag) else {
        return Verdict::Unknown;
    };
    let (source_etag, target_etag) = (bare(source_etag), bare(target_etag));
    let is_recorded =
        recorded.is_some_and(|etags| bare(etags.source) == source_etag && bare(etags.target) == target_etag);
    let is_same_digest = source_etag == target_etag && is_digest(source_etag, source.bytes);
    if is_recorded || is_same_digest { Verdict::Equal } else { Verdict::Unknown }
}

/// Compares what the stores say of a pair when they are asked. It is never [`Verdict::Unknown`].
pub fn by_look(source: &Found, target: &Found, recorded: Option<Etags<'_>>) -> Verdict {
    let verdict = by_listing(&listed(source), &listed(target), recorded);
    if verdict != Verdict::Unknown {
        return verdict;
    }
    let has_same = |algorithm: ChecksumAlgorithm| {
        let name = algorithm.header();
        source.headers.get(name).is_some_and(|checksum| target.headers.get(name) == Some(checksum))
    };
    // Checksums of parts' checksums are equal only for the same parts of the same bytes.
    if ChecksumAlgorithm::ALL.into_iter().any(has_same) { Verdict::Equal } else { Verdict::Different }
}

fn listed(found: &Found) -> Listed {
    let etag = etag(&found.headers).map(str::to_owned);
    Listed { key: String::new(), etag, bytes: found.bytes, last_modified: None }
}

/// The `ETag` of a reply.
pub(super) fn etag(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ETAG).and_then(|etag| etag.to_str().ok())
}

/// An `ETag` without its quotes: not every store's listing has them.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

const MD5_HEX_DIGITS: usize = 32;
/// What some stores give for every object: the digest of nothing.
const OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Whether an `ETag` may be a digest of the object's bytes, so that two stores have the same one only for the same bytes.
fn is_digest(etag: &str, bytes: u64) -> bool {
    let (digest, parts) = etag.split_once('-').unwrap_or((etag, "1"));
    digest.len() == MD5_HEX_DIGITS
        && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parts.parse::<u16>().is_ok_and(|parts| parts > 0)
        && (digest != OF_NOTHING || bytes == 0)
        // A digest of bytes is not made of one digit.
        && digest.bytes().any(|byte| Some(byte) != digest.bytes().next())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MD5: &str = "\"9b2cf535f27731c974343645a3985328\"";
    const OTHER_MD5: &str = "\"fba9dede5f27731c9771645a39863328\"";
    const PARTS: &str = "\"9b2cf535f27731c974343645a3985328-12\"";

    fn object(etag: Option<&str>, bytes: u64) -> Listed {
        Listed { key: "k".to_owned(), etag: etag.map(str::to_owned), bytes, last_modified: None }
    }

    fn found(etag: &str, bytes: u64, headers: &[(&'static str, &str)]) -> Found {
        let mut map = HeaderMap::new();
        map.insert(header::ETAG, HeaderValue::from_str(etag).unwrap());
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Found { bytes, headers: map }
    }

    #[test]
    fn a_listing_proves_what_digests_and_records_prove() {
        let recorded = Some(Etags { source: MD5, target: "\"x\"" });
        for (source, target, recorded, verdict) in [
            ((Some(MD5), 1), (Some(MD5), 1), None, Verdict::Equal),
            ((Some(MD5), 1), (Some(MD5.trim_matches('"')), 1), None, Verdict::Equal),
            ((Some(PARTS), 1), (Some(PARTS), 1), None, Verdict::Equal),
            ((Some(MD5), 1), (Some(MD5), 2), None, Verdict::Different),
            ((Some(MD5), 1), (Some(OTHER_MD5), 1), None, Verdict::Unknown),
            ((Some(MD5), 1), (None, 1), None, Verdict::Unknown),
            ((Some("\"x\""), 1), (Some("\"x\""), 1), None, Verdict::Unknown),
            ((Some(MD5), 1), (Some("\"x\""), 1), recorded, Verdict::Equal),
            ((Some(MD5), 1), (Some("\"x\""), 2), recorded, Verdict::Different),
            ((Some(MD5), 1), (Some("\"y\""), 1), recorded, Verdict::Unknown),
            ((Some(OTHER_MD5), 1), (Some("\"x\""), 1), recorded, Verdict::Unknown),
        ] {
            let sides = (object(source.0, source.1), object(target.0, target.1));
            assert_eq!(by_listing(&sides.0, &sides.1, recorded), verdict, "{sides:?}");
        }
    }

    #[test]
    fn what_is_no_digest_of_the_bytes_proves_nothing() {
        for etag in [
            "\"\"",
            "\"d41d8cd98f00b204e9800998ecf8427e\"",
            "\"00000000000000000000000000000000\"",
            "\"9b2cf535f27731c974343645a3985328-0\"",
            "\"9b2cf535f27731c974343645a3985328-\"",
            "\"9b2cf535f27731c974343645a398532z\"",
        ] {
            let object = object(Some(etag), 7);
            assert_eq!(by_listing(&object, &object, None), Verdict::Unknown, "{etag}");
        }
        let empty = object(Some("\"d41d8cd98f00b204e9800998ecf8427e\""), 0);
        assert_eq!(by_listing(&empty, &empty, None), Verdict::Equal);
    }

    #[test]
    fn a_look_finds_a_checksum_of_the_same_kind_or_nothing() {
        let crc = [("x-amz-checksum-crc32", "y/Q5Jg==")];
        let other = [("x-amz-checksum-crc32", "AAAAAA==")];
        let both = [("x-amz-checksum-sha1", "x"), ("x-amz-checksum-crc32", "y/Q5Jg==")];
        for (source, target, verdict) in [
            (found(MD5, 9, &crc), found(OTHER_MD5, 9, &both), Verdict::Equal),
            (found(MD5, 9, &crc), found(OTHER_MD5, 9, &other), Verdict::Different),
            (found(MD5, 9, &crc), found(OTHER_MD5, 9, &[]), Verdict::Different),
            (found(MD5, 9, &crc), found(MD5, 8, &crc), Verdict::Different),
            (found(MD5, 9, &[]), found(MD5, 9, &[]), Verdict::Equal),
        ] {
            assert_eq!(by_look(&source, &target, None), verdict, "{source:?} {target:?}");
        }
    }
}
