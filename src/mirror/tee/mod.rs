//! `mode = "tee"`: a client's bytes go to the primary and to the mirrors at once, so that nothing has to be read back.
//!
//! ```text
//! upload ─ Fork ─┬─▶ primary ── answers ──▶ client            the reply waits for nobody else
//!                │                 └─ verdict ─┐
//!                └─▶ mirror, all but one byte ─┴─ last byte or reset ── answers ──▶ intent settled, copy recorded
//! ```
//!
//! A tee only spares the worker its work. A mirror's intent stays open until its request has ended, so that no worker takes
//! the key for mirrored while a teed write could still land; then the key is dirty, as after any write, and the worker
//! looks at both sides. Where the tee has written, it finds what was recorded and reads nothing. Where the tee was too
//! slow, broke off or lost a race, it copies. So nothing here has to go well for a mirror to become right.
//!
//! A multipart upload is teed part by part (`upload`), with the mirrors' upload ids in the database.

mod branch;
mod customer_key;
mod fork;
mod headers;
mod janitor;
mod object;
mod ongoing;
mod upload;
mod verdict;

use std::sync::Arc;

use http::HeaderMap;
use wharf_wire::names::ObjectKey;

pub use fork::{Fork, Memory};
pub use headers::is_encrypted_by_customer;
pub use object::Teeing;
pub use upload::{Listed, UploadName, quoted};
pub use verdict::{Judge, Verdict};

use self::ongoing::Ongoing;
use crate::{
    admin::Metrics,
    backend::Origins,
    config::checked::{BucketConfig, MirrorConfig, MirrorMode},
    server::Drain,
    store::{Journal, TeeName},
    transfer::{Defaults, Object},
};

/// What all tees of a process share. Clones are handles of the same.
#[derive(Debug, Clone)]
pub struct Tee {
    journal: Journal,
    /// How far a mirror may fall behind the client.
    skew_bytes_max: usize,
    memory: Memory,
    /// Uploads that are being begun at a mirror.
    begins: Ongoing<TeeName>,
    /// Parts on their way to one.
    parts: Ongoing<TeeName>,
    drain: Drain,
    metrics: Arc<Metrics>,
}

impl Tee {
    /// Mirrors may fall `skew_bytes_max` behind their clients, and all of them together hold no more than `memory`.
    pub fn new(journal: Journal, skew_bytes_max: usize, memory: Memory, drain: Drain) -> Self {
        let (begins, parts) = (Ongoing::default(), Ongoing::default());
        Self { journal, skew_bytes_max, memory, begins, parts, drain, metrics: Arc::default() }
    }

    /// The same, whose outcomes are counted there.
    #[must_use]
    pub fn counted_in(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }
}

/// A mirror that is sent what clients upload, and where it keeps the object.
#[derive(Debug)]
pub struct Target<'a> {
    config: &'a MirrorConfig,
    object: Object,
}

impl<'a> Target<'a> {
    /// Those of `bucket`. A mirror that cannot have such a key is left to its worker, which says so.
    pub fn all(bucket: &'a BucketConfig, origins: &Origins, key: &ObjectKey) -> Vec<Self> {
        let is_teed = |mirror: &&MirrorConfig| mirror.mode == MirrorMode::Tee;
        let target = |config: &'a MirrorConfig| Self::new(config, origins, key);
        bucket.mirrors.iter().filter(is_teed).filter_map(target).collect()
    }

    /// The object that the caller calls `key`.
    pub fn new(config: &'a MirrorConfig, origins: &Origins, key: &ObjectKey) -> Option<Self> {
        let origin = Arc::clone(origins.get(&config.provider)?);
        let object = Object::below(origin, config.bucket.clone(), &config.key_prefix, key.as_str());
        object.ok().map(|object| Self { config, object })
    }

    /// The mirror's name.
    pub fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    /// What the mirror is told of an object of which the primary is told `described`: its class and its encryption are the
    /// mirror's own.
    fn headers(&self, described: &HeaderMap) -> HeaderMap {
        let MirrorConfig { storage_class, encryption, .. } = self.config;
        let defaults = Defaults { storage_class: *storage_class, encryption: encryption.as_ref() };
        let mut headers = headers::of_object(described);
        if let Err(error) = defaults.add_to(&mut headers, self.object.origin().account().profile()) {
            tracing::warn!(mirror = &*self.config.name, %error, "a mirror's KMS key cannot be named in a header");
        }
        headers
    }
}
