//! One object at its provider, as its provider knows it.

use std::sync::Arc;

use http::Response;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

use super::super::{
    Place,
    forward::{Sending, method},
};
use crate::{
    backend::{Origin, Outgoing, upstream::ReplyStream},
    error::S3Error,
};

/// Where one side of a copy is. It outlives the request that named it, for what has to be cleaned up.
#[derive(Debug, Clone)]
pub(super) struct Object {
    origin: Arc<Origin>,
    bucket: BucketName,
    key: ObjectKey,
}

impl Object {
    /// The object that the caller calls `key`.
    pub(super) fn at(place: &Place<'_>, key: &ObjectKey) -> Result<Self, S3Error> {
        Ok(Self {
            origin: Arc::clone(place.origin),
            bucket: place.bucket.bucket.clone(),
            key: place.provider_key(key)?,
        })
    }

    pub(super) async fn send(
        &self,
        operation: Operation,
        parameters: &Parameters,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, S3Error> {
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
        Ok(self.origin.send(outgoing).await?)
    }
}
