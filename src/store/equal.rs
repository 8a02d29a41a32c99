//! What a walk through both sides of a mirror says of one key: nothing was changed, and the journal did not know.

use std::sync::Arc;

use crate::mirror::state::Record;

/// A pair that was found equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// The caller's key.
    pub key: String,
    /// What was on record when it was looked at. If it is another one by now, somebody knows better.
    pub was: Option<Record>,
    /// What is recorded in its place.
    pub record: Record,
}

/// Pairs of one mirror.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) bucket: Arc<str>,
    pub(super) mirror: Arc<str>,
    pub(super) equal: Vec<Equal>,
}
