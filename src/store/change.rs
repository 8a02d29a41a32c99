//! What doors say before a key changes.

use std::sync::Arc;

use crate::mirror::state::Change;

/// The mirrors of a bucket, by their configured names.
pub type Mirrors = Arc<[Arc<str>]>;

/// An intent that is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct NewIntent<'a> {
    /// The configured bucket.
    pub bucket: &'a str,
    /// The caller's key.
    pub key: &'a str,
    /// What is about to happen.
    pub change: Change,
    /// The mirrors that have to follow.
    pub mirrors: &'a Mirrors,
    /// The mirror that takes the change in the primary's place; `None` when the primary takes it itself.
    pub taken_by: Option<&'a str>,
}
