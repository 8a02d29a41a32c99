//! One object at its provider, as its provider knows it.

use std::sync::Arc;

use http::Response;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

use super::{Sending, method};
use crate::backend::{
    Origin, Outgoing,
    upstream::{ReplyStream, UpstreamError},
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
