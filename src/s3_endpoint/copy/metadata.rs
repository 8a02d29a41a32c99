//! What a copy takes over of its source besides the bytes.

use http::{HeaderMap, HeaderName, HeaderValue};
use wharf_wire::s3::ErrorCode;

use crate::{
    error::S3Error,
    transfer::{Opened, Source, is_metadata, tags_header},
};

const METADATA_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-metadata-directive");
const TAGGING_DIRECTIVE: HeaderName = HeaderName::from_static("x-amz-tagging-directive");
const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");

/// The headers of the object to be: `asked`, with the metadata that was `found` at the source if that is to be kept.
/// Class, encryption, ACL and locks are never the source's, as S3 has it.
pub(super) fn described(mut asked: HeaderMap, found: &HeaderMap) -> Result<HeaderMap, S3Error> {
    if keeps_metadata(&asked)? {
        replace_metadata(&mut asked, found);
    }
    Ok(asked)
}

/// Puts the source's tags in place of those that `asked` has, if they are to be kept.
pub(super) async fn take_tags(
    asked: &mut HeaderMap,
    source: &Source,
    opened: &Opened,
) -> Result<(), S3Error> {
    if keeps(asked, &TAGGING_DIRECTIVE)? {
        asked.remove(TAGGING);
        if let Some(tags) = tags_header(&source.tags(&opened.headers).await?)? {
            asked.insert(TAGGING, tags);
        }
    }
    Ok(())
}

/// Whether the copy has the source's metadata, and not the request's own.
pub(super) fn keeps_metadata(asked: &HeaderMap) -> Result<bool, S3Error> {
    keeps(asked, &METADATA_DIRECTIVE)
}

/// Whether a directive is `COPY`, as it is when it is not there.
fn keeps(asked: &HeaderMap, directive: &HeaderName) -> Result<bool, S3Error> {
    match asked.get(directive).map(HeaderValue::as_bytes) {
        None | Some(b"COPY") => Ok(true),
        Some(b"REPLACE") => Ok(false),
        Some(_) => Err(S3Error::new(ErrorCode::InvalidArgument, format!("{directive} is COPY or REPLACE."))),
    }
}

fn replace_metadata(asked: &mut HeaderMap, found: &HeaderMap) {
    let names: Vec<HeaderName> = asked.keys().filter(|name| is_metadata(name)).cloned().collect();
    for name in names {
        asked.remove(name);
    }
    for (name, value) in found.iter().filter(|(name, _)| is_metadata(name)) {
        asked.append(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_sources_metadata_stands_in_place_of_the_callers() {
        let mut asked = headers(&[
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-storage-class", "STANDARD_IA"),
        ]);
        let found = headers(&[
            ("cache-control", "no-store"),
            ("x-amz-meta-b", "2"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-website-redirect-location", "/elsewhere"),
            ("etag", "\"e\""),
            ("content-length", "5"),
        ]);
        replace_metadata(&mut asked, &found);
        let expected =
            [("cache-control", "no-store"), ("x-amz-meta-b", "2"), ("x-amz-storage-class", "STANDARD_IA")];
        assert_eq!(asked, headers(&expected));
    }

    #[test]
    fn a_directive_is_one_of_two() {
        let is_kept = |value| keeps(&headers(&[("x-amz-metadata-directive", value)]), &METADATA_DIRECTIVE);
        assert!(keeps(&HeaderMap::new(), &METADATA_DIRECTIVE).unwrap());
        assert!(is_kept("COPY").unwrap());
        assert!(!is_kept("REPLACE").unwrap());
        assert_eq!(is_kept("replace").unwrap_err().code, ErrorCode::InvalidArgument);
    }
}
