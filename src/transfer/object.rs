//! One object at its provider, as its provider knows it.

use std::sync::Arc;

use http::Response;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

use super::Sending;
use crate::{
    backend::{
        Origin,
        upstream::{ReplyStream, UpstreamError},
    },
    request::authorize::walks_up,
    tenure::Tenure,
};

/// Where one side of a transfer is. It outlives the request that named it, for what has to be cleaned up.
#[derive(Debug, Clone)]
pub struct Object {
    origin: Arc<Origin>,
    bucket: BucketName,
    key: ObjectKey,
    tenure: Option<Arc<Tenure>>,
}

impl Object {
    /// The object that `origin`'s provider knows as `key` in `bucket`.
    pub fn new(origin: Arc<Origin>, bucket: BucketName, key: ObjectKey) -> Self {
        Self { origin, bucket, key, tenure: None }
    }

    /// The same, which is changed only while `tenure` is held, if there is one.
    #[must_use]
    pub fn while_held(self, tenure: Option<&Arc<Tenure>>) -> Self {
        Self { tenure: tenure.cloned(), ..self }
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
        Ok(Self::new(origin, bucket, key))
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
        let tenure = self.tenure.as_ref().filter(|_| makes_or_unmakes(operation));
        let sending = match tenure {
            Some(tenure) => Sending { body: sending.body.while_held(tenure), ..sending },
            None => sending,
        };
        self.origin.send(sending.asking(operation, &self.bucket, Some(&self.key), &query)).await
    }
}

/// Whether `operation` is seen by who reads the object. Parts are not, until they are put together.
fn makes_or_unmakes(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::PutObject
            | Operation::CopyObject
            | Operation::CompleteMultipartUpload
            | Operation::PutObjectTagging
            | Operation::DeleteObjectTagging
            | Operation::DeleteObject
    )
}
