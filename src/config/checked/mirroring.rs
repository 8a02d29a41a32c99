//! Mirrors, as they are used: where a bucket's objects are kept besides, and what a failing primary means for its clients.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use secrecy::SecretString;
use wharf_provider::StorageClass;
use wharf_wire::names::BucketName;

use super::EncryptionChoice;

/// `[mirroring]`: what holds for the mirrors of all buckets.
#[derive(Debug, Clone)]
pub struct Mirroring {
    /// Objects that one mirror is sent at once.
    pub copies_in_flight_max: usize,
    /// How many bytes of an upload a mirror may be behind the primary before the tee goes on without it.
    pub tee_skew_bytes_max: usize,
    /// How many bytes all tees together may hold for mirrors that are behind.
    pub tee_memory_bytes_max: usize,
    /// A mirror that is this far behind is an event.
    pub lag_alert: Duration,
    /// Where such events are posted. Its address may have a secret in it.
    pub alert_webhook: Option<SecretString>,
    /// How a gateway looks by itself for what went past it; with none it does not.
    pub sweep: Option<SweepConfig>,
}

/// `sweep_…`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepConfig {
    /// How long after a sync, or a sweep, the next sweep is due.
    pub interval: Duration,
    /// Requests of the sweep itself, at both providers together.
    pub requests_per_second: NonZeroU32,
}

/// `[[buckets.NAME.mirrors]]`
#[derive(Debug, Clone)]
pub struct MirrorConfig {
    /// What it is called in the journal, in metrics and in commands. No other mirror of its bucket has the same name.
    pub name: Arc<str>,
    /// The name of its provider in the config.
    pub provider: String,
    /// What its bucket is called there.
    pub bucket: BucketName,
    /// What stands before every key there; empty, or ends with `/`.
    pub key_prefix: String,
    /// How objects get there.
    pub mode: MirrorMode,
    /// The class that its objects are stored in. With none it is the provider's default, never the primary's.
    pub storage_class: Option<&'static StorageClass>,
    /// How its objects are encrypted. With none it is the bucket's own default.
    pub encryption: Option<EncryptionChoice>,
}

/// `backfill`: where the bucket's objects were before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillConfig {
    /// The name of its provider in the config.
    pub provider: String,
    /// What the bucket was called there.
    pub bucket: BucketName,
    /// What stands before every key there; empty, or ends with `/`.
    pub key_prefix: String,
}

/// How objects get to a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorMode {
    /// Workers copy them from the primary, soon after it has them.
    Async,
    /// The client's bytes go to both while they come in.
    Tee,
}

/// `failover = { … }`: what a bucket's clients get when its primary fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failover {
    /// Of their reads.
    pub reads: FailoverReads,
    /// Of their writes.
    pub writes: FailoverWrites,
}

/// What a mirror serves when the primary cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverReads {
    /// What is known to be as it is at the primary.
    Current,
    /// What may be older as well; the reply says so.
    Stale,
    /// Nothing.
    Off,
}

/// What becomes of a write that the primary cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverWrites {
    /// It fails.
    Refuse,
    /// A mirror takes it, and it is copied back later.
    Accept,
}
