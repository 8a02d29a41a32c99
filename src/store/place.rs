//! Where the two sides of a mirror are, as the journal has known them: what it says of keys, it says of these places.

use std::sync::Arc;

/// The places of one mirror of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacePair {
    /// The configured bucket.
    pub bucket: Arc<str>,
    /// The mirror's configured name.
    pub mirror: Arc<str>,
    /// Where the bucket is: a URL, and what stands before its keys.
    pub primary: String,
    /// Where the mirror is.
    pub place: String,
}

impl PlacePair {
    /// Whether both are about the same mirror, wherever it is.
    pub fn is_of_same_mirror(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.mirror == other.mirror
    }
}

/// What becomes of what is known of a mirror's places.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) pair: PlacePair,
    /// Whether it is there from now on; else nothing is known.
    pub(super) is_kept: bool,
}
