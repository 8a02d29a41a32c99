//! What the two sides hold, in the words of the plan.

use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use wharf_wire::date::Timestamp;

use crate::{
    mirror::state::{Object, Seen, Unreadable},
    transfer::{Class, Found, Opened, Source, Tags, TransferError, is_metadata},
};

/// What stores say of an object whose writer said nothing.
const CONTENT_TYPES_DEFAULT: [&[u8]; 2] = [b"application/octet-stream", b"binary/octet-stream"];

/// A source that was looked at.
#[derive(Debug)]
pub(super) struct Looked {
    /// What it is.
    pub(super) seen: Seen,
    /// The object that is being read, if that is how it was looked at.
    pub(super) opened: Option<Opened>,
    /// Its tags.
    pub(super) tags: Tags,
}

impl Looked {
    fn without_object(seen: Seen) -> Self {
        Self { seen, opened: None, tags: Tags::default() }
    }
}

/// Looks at a source by beginning to read it: in the common case it is copied next. What it says of the time before, its
/// `etag`, saves the reading where nothing has changed.
pub(super) async fn at_source(source: &Source, known_etag: Option<&str>) -> Result<Looked, TransferError> {
    let opened = match source.open_unless(known_etag).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return unchanged(source).await,
        Err(error) => return instead(error).map(Looked::without_object),
    };
    let tags = source.tags(&opened.headers).await?;
    let seen = Seen::Present(object(opened.bytes, &opened.headers, Some(&tags)));
    Ok(Looked { seen, opened: Some(opened), tags })
}

/// Nothing of the content has changed. The rest may have.
async fn unchanged(source: &Source) -> Result<Looked, TransferError> {
    let found = source.look().await?;
    let seen = Seen::Present(object(found.bytes, &found.headers, None));
    Ok(Looked { seen, opened: None, tags: Tags::default() })
}

/// What an object is that cannot be read; other errors say nothing of it.
fn instead(error: TransferError) -> Result<Seen, TransferError> {
    match error.class() {
        Class::Absent => Ok(Seen::Absent),
        Class::CustomerKey => Ok(Seen::Unreadable(Unreadable::CustomerKey)),
        Class::Archived => Ok(Seen::Unreadable(Unreadable::Archived)),
        Class::Auth
        | Class::Config
        | Class::Unreachable
        | Class::Throttled
        | Class::Transient
        | Class::Permanent => Err(error),
    }
}

/// What a found object is.
pub(super) fn object(bytes: u64, headers: &HeaderMap, tags: Option<&Tags>) -> Object {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    Object {
        etag: text(header::ETAG).unwrap_or_default().to_owned(),
        bytes,
        last_modified: text(header::LAST_MODIFIED).and_then(Timestamp::from_http_date),
        metadata_digest: metadata_digest(headers),
        tags_digest: tags.map(tags_digest),
    }
}

/// Whether a source that was looked at again is still the one that was copied.
pub(super) fn is_still(object: &Object, found: &Found) -> bool {
    let now = self::object(found.bytes, &found.headers, None);
    (now.etag, now.bytes, now.metadata_digest)
        == (object.etag.clone(), object.bytes, object.metadata_digest.clone())
}

/// Whether a look says that there is no such object.
pub(super) fn says_absent(error: &TransferError) -> bool {
    error.status() == Some(StatusCode::NOT_FOUND)
}

/// A digest of an object's metadata, in whatever order it came.
fn metadata_digest(headers: &HeaderMap) -> String {
    let mut lines: Vec<Vec<u8>> = headers
        .iter()
        .filter(|(name, value)| {
            let is_default =
                **name == header::CONTENT_TYPE && CONTENT_TYPES_DEFAULT.contains(&value.as_bytes());
            is_metadata(name) && !is_default
        })
        .map(|(name, value)| [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat())
        .collect();
    lines.sort_unstable();
    digest(&lines.concat())
}

/// A digest of tags, in whatever order they came.
pub(super) fn tags_digest(tags: &Tags) -> String {
    let mut tags: Vec<_> = tags.iter().collect();
    tags.sort_unstable();
    let mut hasher = Sha256::new();
    for text in tags.into_iter().flat_map(|(key, value)| [key, value]) {
        // Lengths, so that no two sets of tags read alike.
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    short(&hasher.finalize())
}

fn digest(bytes: &[u8]) -> String {
    short(&Sha256::digest(bytes))
}

/// Half of a SHA-256: nobody attacks it, and the journal keeps one for every key.
fn short(digest: &[u8]) -> String {
    hex::encode(digest.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn metadata_is_what_the_writer_said() {
        let one = headers(&[("x-amz-meta-a", "1"), ("cache-control", "no-store"), ("etag", "\"e\"")]);
        let same = headers(&[
            ("cache-control", "no-store"),
            ("content-type", "binary/octet-stream"),
            ("x-amz-meta-a", "1"),
            ("etag", "\"f\""),
        ]);
        assert_eq!(metadata_digest(&one), metadata_digest(&same));
        for other in [
            headers(&[("x-amz-meta-a", "2"), ("cache-control", "no-store")]),
            headers(&[("x-amz-meta-a", "1")]),
            headers(&[("x-amz-meta-a", "1"), ("cache-control", "no-store"), ("content-type", "text/plain")]),
        ] {
            assert_ne!(metadata_digest(&one), metadata_digest(&other), "{other:?}");
        }
    }

    #[test]
    fn tags_are_a_set() {
        let tags = |pairs: &[(&str, &str)]| -> String {
            tags_digest(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(tags(&[("a", "1"), ("b", "2")]), tags(&[("b", "2"), ("a", "1")]));
        assert_ne!(tags(&[("a", "1b2")]), tags(&[("a", "1"), ("b", "2")]));
        assert_ne!(tags(&[("ab", "c")]), tags(&[("a", "bc")]));
    }
}
