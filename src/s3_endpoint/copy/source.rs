//! The source that a caller names, under the caller's conditions.

use http::{HeaderMap, HeaderName, header};
use wharf_wire::s3::CopySource;

use crate::transfer::{Object, Source};

/// What a copy asks of its source, and what a read asks the same with.
const CONDITIONS: [(&str, HeaderName); 4] = [
    ("x-amz-copy-source-if-match", header::IF_MATCH),
    ("x-amz-copy-source-if-modified-since", header::IF_MODIFIED_SINCE),
    ("x-amz-copy-source-if-none-match", header::IF_NONE_MATCH),
    ("x-amz-copy-source-if-unmodified-since", header::IF_UNMODIFIED_SINCE),
];

/// The same, for what every read needs.
const KEYS: [(&str, &str); 5] = [
    (
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-algorithm",
    ),
    ("x-amz-copy-source-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key"),
    (
        "x-amz-copy-source-server-side-encryption-customer-key-md5",
        "x-amz-server-side-encryption-customer-key-md5",
    ),
    ("x-amz-request-payer", "x-amz-request-payer"),
    ("x-amz-source-expected-bucket-owner", "x-amz-expected-bucket-owner"),
];

/// The `object` that is `named`, as `asked`, the headers of a copy that may pass, want it.
pub(super) fn of(object: Object, named: &CopySource, asked: &HeaderMap) -> Source {
    let keys = KEYS.map(|(asked, read)| (asked, HeaderName::from_static(read)));
    let source = Source::new(object);
    let source = source.with(renamed(asked, keys)).on(renamed(asked, CONDITIONS));
    match &named.version_id {
        Some(id) => source.version(id.clone()),
        None => source,
    }
}

/// Of `asked`, the headers on the left under the names on the right.
fn renamed<const N: usize>(asked: &HeaderMap, names: [(&str, HeaderName); N]) -> HeaderMap {
    let found = names.into_iter().filter_map(|(name, read)| Some((read, asked.get(name)?.clone())));
    found.collect()
}
