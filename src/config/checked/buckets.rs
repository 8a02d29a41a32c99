//! Where objects are, under the names that apps ask for.

use std::sync::Arc;

use wharf_provider::{
    StorageClass,
    cdn::{CdnDomain, CdnSigner},
};
use wharf_wire::names::BucketName;

use super::{BackfillConfig, EventsConfig, Failover, MirrorConfig, MirrorMode};

/// `[buckets.NAME]`
#[derive(Debug, Clone)]
pub struct BucketConfig {
    /// The name that apps ask for.
    pub name: String,
    /// The name of its provider in the config.
    pub provider: String,
    /// What it is called there.
    pub bucket: BucketName,
    /// What stands before every key there; empty, or ends with `/`.
    pub key_prefix: String,
    /// The class for uploads that name none.
    pub storage_class: Option<&'static StorageClass>,
    /// The encryption for uploads that name none.
    pub encryption: Option<EncryptionChoice>,
    /// The CDN in front of it.
    pub cdn: Option<CdnConfig>,
    /// Whether objects can be read without a signature.
    pub public: bool,
    /// Where the upload API's signed URLs point.
    pub direct_uploads: DirectUploads,
    /// What uploads must be.
    pub accept: Accept,
    /// What its clients get when its provider fails.
    pub failover: Failover,
    /// Where its objects are kept besides.
    pub mirrors: Vec<MirrorConfig>,
    /// Where an object is read that it has not, and kept from then on.
    pub backfill: Option<BackfillConfig>,
    /// Who tells of objects that came to its provider without Wharf.
    pub events: Option<EventsConfig>,
}

impl BucketConfig {
    /// Whether every mirror gets what clients send while they send it. What only its owner can read gets there no other
    /// way.
    pub fn is_teed(&self) -> bool {
        self.mirrors.iter().all(|mirror| mirror.mode == MirrorMode::Tee)
    }

    /// Whether what its provider says of an object need not be all: it may be at a mirror, or where the bucket was before.
    pub fn may_be_elsewhere(&self) -> bool {
        !self.mirrors.is_empty() || self.backfill.is_some()
    }
}

/// Where the upload API's signed URLs point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DirectUploads {
    /// At the bucket's provider: the bytes do not pass through Wharf.
    #[default]
    Provider,
    /// At Wharf's own S3 endpoint: they do, as those of any S3 client.
    Wharf,
}

/// Encryption at rest, chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncryptionChoice {
    /// The provider's keys.
    SseS3,
    /// A key of the provider's key management service: an id, ARN or alias.
    SseKms {
        /// Which key.
        key_id: String,
    },
}

/// A CDN in front of a bucket.
#[derive(Debug, Clone)]
pub struct CdnConfig {
    /// Its domain.
    pub domain: CdnDomain,
    /// What signs for a private distribution.
    pub signer: Option<Arc<CdnSigner>>,
    /// What its cookies are like.
    pub cookies: CdnCookies,
}

/// Attributes of a CDN's signed cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnCookies {
    /// The domain that they are sent to; without one it is the CDN's host.
    pub domain: Option<String>,
    /// The paths that they are sent to begin with it.
    pub path: String,
    /// Seconds that they open anything when the caller says nothing.
    pub expires_seconds: Option<u32>,
}

/// What a bucket's uploads must be. Empty lists refuse nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept {
    /// Bytes of the largest file; the provider's own bound holds besides.
    pub file_bytes_max: Option<u64>,
    /// `image/png`, `image/*`.
    pub content_types: Vec<String>,
    /// `png`, lower case, without the dot.
    pub extensions: Vec<String>,
}
