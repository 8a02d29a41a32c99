//! `completeToken`: what a signed upload was meant to be, sealed, so that a later call can hold the object against it
//! without a database and without trust in the client.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use wharf_wire::date::Timestamp;

/// Seconds after the URL's end that its token is still good: an upload may begin at the last moment and be large.
const GRACE_SECONDS: u64 = 24 * 60 * 60;

/// What was signed. It holds no credentials: whoever completes an upload of their own brings them again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CompleteToken<'a> {
    /// Where the object is to be.
    pub place: Place<'a>,
    /// The upload's id.
    pub upload_id: Cow<'a, str>,
    /// The key, as the caller calls it.
    pub key: Cow<'a, str>,
    /// The type that was declared.
    pub content_type: Cow<'a, str>,
    /// The size that was declared, in bytes.
    pub file_bytes: Option<u64>,
    /// Bytes of the largest object that will do.
    pub file_bytes_max: u64,
    /// Unix seconds after which the token is worth nothing.
    pub expires_at: u64,
}

/// A bucket of the configuration, or one of the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place<'a> {
    /// By the name in the configuration.
    Configured(Cow<'a, str>),
    /// The plugin, and the bucket there.
    Brought(Cow<'a, str>, Cow<'a, str>),
}

/// As a list: the fields' names would be over a quarter of the token, and clients carry it to and fro.
impl Serialize for CompleteToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { place, upload_id, key, content_type, file_bytes, file_bytes_max, expires_at } = self;
        (place, upload_id, key, content_type, file_bytes, file_bytes_max, expires_at).serialize(serializer)
    }
}

/// When the token of a URL that ends after `expires_seconds` ends.
pub(super) fn expires_at(now: Timestamp, expires_seconds: u32) -> u64 {
    ends_at(now, expires_seconds).unix_seconds()
}

/// Until when an upload may come whose URL ends after `expires_seconds`.
pub(super) fn ends_at(now: Timestamp, expires_seconds: u32) -> Timestamp {
    now.plus_seconds(u64::from(expires_seconds) + GRACE_SECONDS)
}
