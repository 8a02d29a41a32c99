//! One object at its provider, as its provider knows it.

use std::sync::Arc;

use http::Response;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

use super::{Sending, method};
use crate::{
    backend::{
        Origin, Outgoing,
        upstream::{ReplyStream, UpstreamError},
    },
    request::authorize::walks_up,
};

/// Where one side of a transfer is. It outlives the request that named it, for what has to be cleaned up.
#[derive(Debug, Clone)]
pub struct Object {
    origin: Arc<Origin>,
    bucket: BucketName,
    key: ObjectKey,
}

impl Object {
    /// The object that `origin`'s provider knows as `key` in `bucket`.
    pub fn new(origin: Arc<Origin>, bucket: BucketName, key: ObjectKey) -> Self {
        Self { origin, bucket, key }
    }

    /// The same for a key as its bucket's users know it, below the bucket's prefix; else what is wrong with it there.
    pub fn below(
        origin: Arc<Origin>,
        bucket: BucketName,
        key_prefix: &str,
        key: &str,
    ) -> Result<Self, &'static str> {
        if !key_prefix.is_empty() && walks_up(key) {
            return Err("a part of it is `..`, which could lead out of the bucket's prefix");
        }
        let key = ObjectKey::parse(&[key_prefix, key].concat());
        let key = key.map_err(|_| "with the bucket's prefix, it is longer than keys can be")?;
        Ok(Self { origin, bucket, key })
    }

    /// The provider.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Asks the provider. Every answer is a reply, whatever its status.
    pub async fn send(
        &self,
        operation: Operation,
        parameters: &Parameters,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, UpstreamError> {
        let query: Vec<_> = parameters.pairs(operation).collect();
        let outgoing = Outgoing {
            method: method(operation),
            bucket: Some(&self.bucket),
            key: Some(&self.key),
            query: &query,
            headers: sending.headers,
            payload: sending.payload,
            body: sending.body,
            may_repeat: operation.may_be_sent_twice(),
            is_slow: operation.is_slow(),
        };
        self.origin.send(outgoing).await
    }
}
