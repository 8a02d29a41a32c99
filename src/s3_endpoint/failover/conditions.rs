//! Conditional reads of an object that another store serves: the caller's conditions are about the primary's `ETag` and
//! date, which the mirror has others of, so they are judged here, by what the journal recorded of the primary's object.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wharf_wire::date::Timestamp;

/// What the caller's conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The object is to be read.
    Read,
    /// 304: the caller has it.
    NotModified,
    /// 412: it is not the one that the caller wants.
    Failed,
    /// What they are about was not recorded.
    Unknown,
}

/// The headers that are conditions.
pub(super) const NAMES: [HeaderName; 4] =
    [header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What is known of an object and a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Modified,
    Unmodified,
    Unknown,
}

/// Judges the conditions among `headers` as S3 does: one on the `ETag` outweighs the one on the date.
pub(super) fn judge(headers: &HeaderMap, etag: &str, last_modified: Option<Timestamp>) -> Verdict {
    let wanted = match headers.get(header::IF_MATCH) {
        Some(asked) if names(asked, etag) => Verdict::Read,
        Some(_) => Verdict::Failed,
        None => match since(headers, &header::IF_UNMODIFIED_SINCE, last_modified) {
            None | Some(Since::Unmodified) => Verdict::Read,
            Some(Since::Modified) => Verdict::Failed,
            Some(Since::Unknown) => Verdict::Unknown,
        },
    };
    if wanted != Verdict::Read {
        return wanted;
    }
    match headers.get(header::IF_NONE_MATCH) {
        Some(asked) if names(asked, etag) => Verdict::NotModified,
        Some(_) => Verdict::Read,
        None => match since(headers, &header::IF_MODIFIED_SINCE, last_modified) {
            Some(Since::Unmodified) => Verdict::NotModified,
            // To send an object again is never wrong.
            None | Some(Since::Modified | Since::Unknown) => Verdict::Read,
        },
    }
}

/// Whether the object was modified since the date in the header `name`. What is no date is no condition, as HTTP has it.
fn since(headers: &HeaderMap, name: &HeaderName, last_modified: Option<Timestamp>) -> Option<Since> {
    let since = Timestamp::from_http_date(headers.get(name)?.to_str().ok()?)?;
    // HTTP's dates are in whole seconds.
    let is_modified = last_modified.map(|modified| modified.unix_seconds() > since.unix_seconds());
    Some(match is_modified {
        Some(true) => Since::Modified,
        Some(false) => Since::Unmodified,
        None => Since::Unknown,
    })
}

/// Whether a list of entity tags names `etag`, or any.
fn names(asked: &HeaderValue, etag: &str) -> bool {
    let asked = String::from_utf8_lossy(asked.as_bytes());
    asked.split(',').map(str::trim).any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

/// What stands between an entity tag's quotes. S3's clients leave them out now and then.
pub(super) fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"abc-2\"";
    /// Thu, 01 Jan 1970 00:01:40 GMT, and a bit.
    const MODIFIED: Timestamp = Timestamp::from_unix_millis(100_900);
    const BEFORE: &str = "Thu, 01 Jan 1970 00:01:39 GMT";
    const THEN: &str = "Thu, 01 Jan 1970 00:01:40 GMT";

    fn headers(conditions: &[(HeaderName, &str)]) -> HeaderMap {
        conditions.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn conditions_are_judged_as_s3_does() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        for (conditions, verdict) in [
            (vec![], Verdict::Read),
            (vec![(IF_MATCH, ETAG)], Verdict::Read),
            (vec![(IF_MATCH, "abc-2")], Verdict::Read),
            (vec![(IF_MATCH, "*")], Verdict::Read),
            (vec![(IF_MATCH, "\"a\", \"abc-2\"")], Verdict::Read),
            (vec![(IF_MATCH, "\"abc\"")], Verdict::Failed),
            (vec![(IF_NONE_MATCH, ETAG)], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "W/\"abc-2\"")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"abc\"")], Verdict::Read),
            (vec![(IF_UNMODIFIED_SINCE, THEN)], Verdict::Read),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Failed),
            (vec![(IF_MODIFIED_SINCE, THEN)], Verdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Verdict::Read),
            (vec![(IF_MODIFIED_SINCE, "today")], Verdict::Read),
            (vec![(IF_MATCH, ETAG), (IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Read),
            (vec![(IF_NONE_MATCH, "\"abc\""), (IF_MODIFIED_SINCE, THEN)], Verdict::Read),
            (vec![(IF_MATCH, "\"abc\""), (IF_NONE_MATCH, ETAG)], Verdict::Failed),
        ] {
            assert_eq!(judge(&headers(&conditions), ETAG, Some(MODIFIED)), verdict, "{conditions:?}");
        }
    }

    #[test]
    fn without_a_date_nothing_is_said_of_it() {
        let judge = |name| judge(&headers(&[(name, THEN)]), ETAG, None);
        assert_eq!(judge(header::IF_UNMODIFIED_SINCE), Verdict::Unknown);
        assert_eq!(judge(header::IF_MODIFIED_SINCE), Verdict::Read);
    }
}
