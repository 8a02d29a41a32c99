//! What a mirror's reply says of its object, and what of that is true of the primary's.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body;
use wharf_wire::date::Timestamp;

use super::conditions::opaque;
use crate::mirror::state::Record;

const SERVED_FROM: HeaderName = HeaderName::from_static("x-wharf-served-from");
const STALE: HeaderName = HeaderName::from_static("x-wharf-stale");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Which bytes of an object a reply has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first one.
    pub(super) first: u64,
    /// The one behind the last.
    pub(super) end: u64,
    /// How many the object has.
    pub(super) whole: u64,
}

impl Extent {
    /// Of a reply that says it.
    pub(super) fn of<B: Body>(reply: &Response<B>) -> Option<Self> {
        match reply.status() {
            StatusCode::OK => {
                let bytes = number(reply.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?)?;
                Some(Self { first: 0, end: bytes, whole: bytes })
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = reply.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
                let (bytes, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
                let (first, last) = bytes.split_once('-')?;
                let (first, last, whole) = (number(first)?, number(last)?, number(whole)?);
                (first <= last && last < whole).then_some(Self { first, end: last + 1, whole })
            }
            _ => None,
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The `ETag` of a reply, if it is one that stands for the very bytes.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<&str> {
    let etag = headers.get(header::ETAG)?.to_str().ok()?;
    (!etag.starts_with("W/") && !opaque(etag).is_empty()).then_some(etag)
}

/// `etag` as a header has it, in quotes.
pub(super) fn etag_header(etag: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(["\"", opaque(etag), "\""].concat()).ok()
}

/// Whether a reply is of the very object that `record` says is the copy. There are stores that ignore `If-Match`.
pub(super) fn is_of<B: Body>(reply: &Response<B>, record: &Record) -> bool {
    let is_it = strong_etag(reply.headers()).is_some_and(|etag| opaque(etag) == opaque(&record.mirror_etag));
    is_it && Extent::of(reply).is_some_and(|extent| extent.whole == record.bytes)
}

/// Makes the headers of a mirror's reply those of the primary's object.
pub(super) fn as_the_primarys(headers: &mut HeaderMap, record: &Record) {
    forget_the_store(headers);
    headers.remove(header::LAST_MODIFIED);
    if let Some(etag) = etag_header(&record.primary_etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(date) = record.last_modified.and_then(http_date) {
        headers.insert(header::LAST_MODIFIED, date);
    }
}

/// Takes out what is true at the mirror alone: versions, classes, encryption, how many parts there were.
pub(super) fn forget_the_store(headers: &mut HeaderMap) {
    let is_of_the_store = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amz-") && !is_of_the_object(name)
    };
    for name in headers.keys().filter(is_of_the_store).cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

fn is_of_the_object(name: &str) -> bool {
    matches!(name, "x-amz-missing-meta" | "x-amz-tagging-count" | "x-amz-website-redirect-location")
        || ["x-amz-meta-", "x-amz-checksum-"].iter().any(|start| name.starts_with(start))
}

/// Says who serves it, and whether that may be older than what the primary has.
pub(super) fn mark(headers: &mut HeaderMap, mirror: &str, is_stale: bool) {
    if let Ok(mirror) = HeaderValue::from_str(mirror) {
        headers.insert(SERVED_FROM, mirror);
    }
    if is_stale {
        headers.insert(STALE, TRUE);
    }
}

fn http_date(time: Timestamp) -> Option<HeaderValue> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.unix_seconds()))?;
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)]) -> Response<Empty<&'static [u8]>> {
        let mut reply = Response::new(Empty::new());
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            reply.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        reply
    }

    fn record() -> Record {
        Record {
            primary_etag: "\"primary\"".to_owned(),
            mirror_etag: "mirror-3".to_owned(),
            bytes: 10,
            checksum: None,
            last_modified: Some(Timestamp::from_unix_millis(1_369_353_600_999)),
            metadata_digest: String::new(),
        }
    }

    #[test]
    fn a_reply_says_which_bytes_it_has() {
        let extent = |first, end, whole| Some(Extent { first, end, whole });
        assert_eq!(Extent::of(&reply(200, &[("content-length", "10")])), extent(0, 10, 10));
        assert_eq!(Extent::of(&reply(206, &[("content-range", "bytes 2-4/10")])), extent(2, 5, 10));
        for wrong in ["bytes 2-4/*", "bytes */10", "bytes 4-2/10", "bytes 2-10/10", "2-4/10", "bytes +2-4/10"]
        {
            assert_eq!(Extent::of(&reply(206, &[("content-range", wrong)])), None, "{wrong}");
        }
        assert_eq!(Extent::of(&reply(200, &[])), None);
        assert_eq!(Extent::of(&reply(304, &[("content-length", "10")])), None);
    }

    #[test]
    fn another_object_than_the_recorded_one_is_not_served() {
        let is_it =
            |etag, length| is_of(&reply(200, &[("etag", etag), ("content-length", length)]), &record());
        assert!(is_it("\"mirror-3\"", "10"));
        assert!(!is_it("\"mirror-4\"", "10"));
        assert!(!is_it("W/\"mirror-3\"", "10"));
        assert!(!is_it("\"mirror-3\"", "11"));
        assert!(!is_of(&reply(200, &[("content-length", "10")]), &record()));
    }

    #[test]
    fn what_is_true_of_the_primarys_object_is_told_and_nothing_of_the_mirrors() {
        let mut headers = reply(
            200,
            &[
                ("etag", "\"mirror-3\""),
                ("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT"),
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "b"),
                ("x-amz-checksum-crc32", "AAAAAA=="),
                ("x-amz-version-id", "1"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-server-side-encryption", "AES256"),
                ("x-amz-mp-parts-count", "3"),
            ],
        )
        .into_parts()
        .0
        .headers;
        as_the_primarys(&mut headers, &record());
        mark(&mut headers, "spare", false);
        let mut left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        let expected = [
            ("content-type", "text/plain"),
            ("etag", "\"primary\""),
            ("last-modified", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-meta-a", "b"),
            ("x-wharf-served-from", "spare"),
        ];
        assert_eq!(left, expected);
        mark(&mut headers, "spare", true);
        assert_eq!(headers[STALE], "true");
    }
}
