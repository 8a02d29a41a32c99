//! What the probe asks of a provider: small requests, their bodies at hand.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wharf_wire::{
    names::{BucketName, ObjectKey},
    sigv4::payload_sha256,
};

use crate::backend::{Outgoing, Payload};

/// One request. Everything in it is unencoded.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The bucket, as the provider calls it; with none, the account.
    pub(super) bucket: Option<&'a BucketName>,
    /// The object; with none, the bucket.
    pub(super) key: Option<&'a ObjectKey>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: Bytes,
}

impl<'a> Call<'a> {
    /// With the body's hash, to be signed too.
    pub(super) fn outgoing(self) -> Outgoing<'a> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Outgoing {
            method: self.method,
            bucket: self.bucket,
            key: self.key,
            query: self.query,
            headers: self.headers.iter().map(header).collect::<HeaderMap>(),
            payload: Payload::Sha256(payload_sha256(&self.body)),
            body: self.body.into(),
            may_repeat: false,
            is_slow: false,
        }
    }
}
