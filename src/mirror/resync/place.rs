//! One side of a walk: a bucket at a provider, and what stands before the caller's keys there.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wharf_wire::names::{BucketName, ObjectKey};

use crate::{
    backend::{Origin, Origins},
    config::checked::{BucketConfig, MirrorConfig},
    transfer::{Defaults, Found, Object, Side, Source, TransferError},
};

use super::pace::Pace;

const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");

/// Where the keys of one side are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The provider.
    pub origin: Arc<Origin>,
    /// The bucket, as the provider calls it.
    pub bucket: BucketName,
    /// What stands before every key there.
    pub key_prefix: String,
    /// What every new object there is asked for with: its class, its encryption.
    pub stored_as: HeaderMap,
}

impl Place {
    /// The bucket's own. `None` if its provider is not configured, which a checked configuration rules out.
    pub fn of_primary(bucket: &BucketConfig, origins: &Origins) -> Option<Self> {
        let origin = origins.get(&bucket.provider)?;
        Some(Self {
            origin: Arc::clone(origin),
            bucket: bucket.bucket.clone(),
            key_prefix: bucket.key_prefix.clone(),
            stored_as: stored_as(
                origin,
                Defaults { storage_class: bucket.storage_class, encryption: bucket.encryption.as_ref() },
            ),
        })
    }

    /// A mirror's.
    pub fn of_mirror(mirror: &MirrorConfig, origins: &Origins) -> Option<Self> {
        let origin = origins.get(&mirror.provider)?;
        Some(Self {
            origin: Arc::clone(origin),
            bucket: mirror.bucket.clone(),
            key_prefix: mirror.key_prefix.clone(),
            stored_as: stored_as(
                origin,
                Defaults { storage_class: mirror.storage_class, encryption: mirror.encryption.as_ref() },
            ),
        })
    }

    /// The object that callers call `key`.
    pub fn object(&self, side: Side, key: &str) -> Result<Object, TransferError> {
        let (origin, bucket) = (Arc::clone(&self.origin), self.bucket.clone());
        Object::below(origin, bucket, &self.key_prefix, key).map_err(|why| TransferError::Key { side, why })
    }

    /// The same of a key that was listed there, and so is one, whatever it looks like.
    pub(super) fn listed(&self, side: Side, key: &str) -> Result<Object, TransferError> {
        self.whole_key(side, &[self.key_prefix.as_str(), key].concat())
    }

    /// The object that the provider calls `whole_key`.
    pub(super) fn whole_key(&self, side: Side, whole_key: &str) -> Result<Object, TransferError> {
        let key = ObjectKey::parse(whole_key)
            .map_err(|_| TransferError::Key { side, why: "it is empty, or longer than S3's keys are" })?;
        Ok(Object::new(Arc::clone(&self.origin), self.bucket.clone(), key))
    }
}

/// What a new object is asked for with. A KMS key that no header can name was refused with the configuration.
fn stored_as(origin: &Origin, defaults: Defaults<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Err(error) = defaults.add_to(&mut headers, origin.account().profile()) {
        tracing::error!(provider = origin.name(), %error, "the KMS key in the configuration cannot be named");
    }
    headers
}

/// Asks what an object is; `None` if it is not there. Its checksums are told, too.
pub(super) async fn look(side: Side, object: Object, pace: &Pace) -> Result<Option<Found>, TransferError> {
    pace.request().await;
    let mut headers = HeaderMap::new();
    headers.insert(CHECKSUM_MODE, HeaderValue::from_static("ENABLED"));
    match Source::new(object).with(headers).look().await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(of_side(side, error)),
    }
}

/// The same error, said of the side that it happened at: here both are only read.
fn of_side(at: Side, error: TransferError) -> TransferError {
    match error {
        TransferError::Refused { answer, .. } => TransferError::Refused { side: at, answer },
        TransferError::Unanswered { error, .. } => TransferError::Unanswered { side: at, error },
        TransferError::Senseless { what, .. } => TransferError::Senseless { side: at, what },
        TransferError::Damaged { what, .. } => TransferError::Damaged { side: at, what },
        TransferError::Key { why, .. } => TransferError::Key { side: at, why },
        other @ (TransferError::Changed | TransferError::Range(_)) => other,
    }
}
