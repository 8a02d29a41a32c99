//! Where a key is at its primary and at its mirror, as the configuration in force has it.

use std::sync::Arc;

use http::HeaderMap;
use wharf_wire::names::BucketName;

use crate::{
    backend::{Origin, Origins},
    config::{
        Config,
        checked::{BucketConfig, MirrorConfig},
    },
    mirror::state::Side,
    tenure::Tenure,
    transfer::{self, Defaults, Object, TransferError},
};

/// What is in force: the configuration, and its providers.
#[derive(Debug)]
pub struct Current {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its providers.
    pub origins: Arc<Origins>,
}

impl Current {
    /// The bucket and its mirror of these names, if they are still configured.
    pub(super) fn find(&self, bucket: &str, mirror: &str) -> Option<(&BucketConfig, &MirrorConfig)> {
        let bucket = self.config.buckets.get(bucket)?;
        Some((bucket, bucket.mirrors.iter().find(|known| *known.name == *mirror)?))
    }
}

/// One key at both of its places.
#[derive(Debug)]
pub(super) struct Sides {
    /// What is read.
    pub(super) source: Object,
    /// What is made equal.
    pub(super) target: Object,
    /// What every new object there has: class and encryption are the place's own.
    pub(super) defaults: HeaderMap,
    /// The target's bucket.
    target_place: Place,
}

/// One of the places.
#[derive(Debug)]
struct Place {
    origin: Arc<Origin>,
    bucket: BucketName,
    key_prefix: String,
}

impl Sides {
    /// `key` with the `truth` at one side. `None` if bucket or mirror are configured no more.
    pub(super) fn of(
        current: &Current,
        (bucket, mirror): (&str, &str),
        key: &str,
        truth: Side,
    ) -> Option<Result<Self, TransferError>> {
        let (bucket, mirror) = current.find(bucket, mirror)?;
        let primary = Place {
            origin: Arc::clone(current.origins.get(&bucket.provider)?),
            bucket: bucket.bucket.clone(),
            key_prefix: bucket.key_prefix.clone(),
        };
        let primary_defaults =
            Defaults { storage_class: bucket.storage_class, encryption: bucket.encryption.as_ref() };
        let spare = Place {
            origin: Arc::clone(current.origins.get(&mirror.provider)?),
            bucket: mirror.bucket.clone(),
            key_prefix: mirror.key_prefix.clone(),
        };
        let spare_defaults =
            Defaults { storage_class: mirror.storage_class, encryption: mirror.encryption.as_ref() };
        Some(match truth {
            Side::Primary => Self::between(&primary, spare, spare_defaults, key),
            Side::Mirror => Self::between(&spare, primary, primary_defaults, key),
        })
    }

    fn between(
        source: &Place,
        target: Place,
        defaults: Defaults<'_>,
        key: &str,
    ) -> Result<Self, TransferError> {
        let mut headers = HeaderMap::new();
        defaults.add_to(&mut headers, target.origin.account().profile()).map_err(|_| TransferError::Key {
            side: transfer::Side::Target,
            why: "the KMS key in the configuration is none that a header can name",
        })?;
        Ok(Self {
            source: source.object(transfer::Side::Source, key)?,
            target: target.object(transfer::Side::Target, key)?,
            defaults: headers,
            target_place: target,
        })
    }

    /// The same, of which the target is changed only while `tenure` is held.
    pub(super) fn while_held(self, tenure: &Arc<Tenure>) -> Self {
        Self { target: self.target.while_held(Some(tenure)), ..self }
    }

    /// The target's object called `key`.
    pub(super) fn beside(&self, key: &str) -> Result<Object, TransferError> {
        self.target_place.object(transfer::Side::Target, key)
    }
}

impl Place {
    fn object(&self, side: transfer::Side, key: &str) -> Result<Object, TransferError> {
        let object = Object::below(Arc::clone(&self.origin), self.bucket.clone(), &self.key_prefix, key);
        object.map_err(|why| TransferError::Key { side, why })
    }
}
