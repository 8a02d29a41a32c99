//! What an object has besides its bytes, as headers.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wharf_wire::{encode, s3::headers};

/// Whether a header is the object's own: what its writer said of it, and every reader is told.
pub fn is_metadata(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "cache-control"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-type"
            | "expires"
    ) || name.as_str().starts_with("x-amz-meta-")
}

/// `Content-Encoding` as it is stored.
pub fn strip_aws_chunked(headers: &mut HeaderMap) {
    let values: Vec<&[u8]> =
        headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return;
    }
    let whole = values.join(b", ".as_slice());
    let stored = headers::stored_content_encoding(&whole).map(|stored| HeaderValue::from_bytes(&stored));
    headers.remove(header::CONTENT_ENCODING);
    if let Some(Ok(stored)) = stored {
        headers.insert(header::CONTENT_ENCODING, stored);
    }
}

/// Tags as a header has them: `a=b&c=d`.
pub fn tags_as_query(tags: &[(String, String)]) -> String {
    let mut query = String::new();
    for (key, value) in tags {
        if !query.is_empty() {
            query.push('&');
        }
        encode::query(key, &mut query);
        query.push('=');
        encode::query(value, &mut query);
    }
    query
}
