//! From the caller's bucket and key to the provider's.

use std::sync::Arc;

use wharf_wire::{
    names::ObjectKey,
    s3::{Address, ErrorCode},
};

use crate::{
    backend::{Origin, Origins},
    config::{Config, checked::BucketConfig},
    error::S3Error,
    request::authorize::walks_up,
    transfer::Object,
};

/// Where a request goes. Rights are checked on the caller's names, requests are made with the provider's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The bucket, under both of its names.
    pub(super) bucket: &'a BucketConfig,
    /// The provider.
    pub(super) origin: &'a Arc<Origin>,
}

impl<'a> Place<'a> {
    /// The configured bucket that `address` names.
    pub(super) fn find(config: &'a Config, origins: &'a Origins, address: &Address) -> Result<Self, S3Error> {
        let name = address.bucket().unwrap_or_default();
        Self::of_bucket(config, origins, name)
    }

    /// The configured bucket called `name`.
    pub(super) fn of_bucket(config: &'a Config, origins: &'a Origins, name: &str) -> Result<Self, S3Error> {
        let no_such_bucket = || S3Error::from(ErrorCode::NoSuchBucket).detail("BucketName", name);
        let bucket = config.buckets.get(name).ok_or_else(no_such_bucket)?;
        let origin = origins.get(&bucket.provider).ok_or_else(no_such_bucket)?;
        Ok(Self { bucket, origin })
    }

    /// `name`, which is a key or stands for keys, below the bucket's prefix.
    pub(super) fn below_prefix(&self, name: &str) -> Result<String, S3Error> {
        let prefix = self.bucket.key_prefix.as_str();
        if !prefix.is_empty() && walks_up(name) {
            let message = "In this bucket a key has no part that is `..`: it could lead out of it.";
            return Err(S3Error::new(ErrorCode::AccessDenied, message));
        }
        Ok([prefix, name].concat())
    }

    /// The object that the caller calls `key`.
    pub(super) fn object(&self, key: &ObjectKey) -> Result<Object, S3Error> {
        let key = self.provider_key(key)?;
        Ok(Object::new(Arc::clone(self.origin), self.bucket.bucket.clone(), key))
    }

    /// `key` as the provider knows it.
    pub(super) fn provider_key(&self, key: &ObjectKey) -> Result<ObjectKey, S3Error> {
        let whole = self.below_prefix(key.as_str())?;
        ObjectKey::parse(&whole).map_err(|_| {
            let left = ObjectKey::BYTES_MAX.saturating_sub(self.bucket.key_prefix.len());
            let message = format!(
                "A key of this bucket has at most {left} bytes: at the provider more stands before it, and there a key \
                 has at most {}.",
                ObjectKey::BYTES_MAX
            );
            S3Error::new(ErrorCode::KeyTooLongError, message)
        })
    }
}
