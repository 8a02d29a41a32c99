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
}

/// One of the places.
struct Place<'a> {
    origin: &'a Arc<Origin>,
    bucket: &'a BucketName,
    key_prefix: &'a str,
    defaults: Defaults<'a>,
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
            origin: current.origins.get(&bucket.provider)?,
            bucket: &bucket.bucket,
            key_prefix: &bucket.key_prefix,
            defaults: Defaults {
                storage_class: bucket.storage_class,
                encryption: bucket.encryption.as_ref(),
            },
        };
        let mirror = Place {
            origin: current.origins.get(&mirror.provider)?,
            bucket: &mirror.bucket,
            key_prefix: &mirror.key_prefix,
            defaults: Defaults {
                storage_class: mirror.storage_class,
                encryption: mirror.encryption.as_ref(),
            },
        };
        Some(match truth {
            Side::Primary => Self::between(&primary, &mirror, key),
            Side::Mirror => Self::between(&mirror, &primary, key),
        })
    }

    fn between(source: &Place<'_>, target: &Place<'_>, key: &str) -> Result<Self, TransferError> {
        let mut defaults = HeaderMap::new();
        let profile = target.origin.account().profile();
        target.defaults.add_to(&mut defaults, profile).map_err(|_| TransferError::Key {
            side: transfer::Side::Target,
            why: "the KMS key in the configuration is none that a header can name",
        })?;
        Ok(Self {
            source: source.object(transfer::Side::Source, key)?,
            target: target.object(transfer::Side::Target, key)?,
            defaults,
        })
    }
}

impl Place<'_> {
    fn object(&self, side: transfer::Side, key: &str) -> Result<Object, TransferError> {
        let object = Object::below(Arc::clone(self.origin), self.bucket.clone(), self.key_prefix, key);
        object.map_err(|why| TransferError::Key { side, why })
    }
}
