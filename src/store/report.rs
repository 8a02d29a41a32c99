//! What the journal hands out and tells.

use std::{collections::BTreeMap, sync::Arc};

use wharf_wire::date::Timestamp;

use crate::mirror::state::{Claimed, Class, Record, Row};

/// A dirty row that a worker holds until its lease ends. Dropping it leaves the row to the end of the lease; say
/// [`release`](super::Journal::release) to give it back at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// The configured bucket.
    pub bucket: Arc<str>,
    /// The mirror's configured name.
    pub mirror: Arc<str>,
    /// The caller's key.
    pub key: Arc<str>,
    /// The row as it was claimed.
    pub row: Row,
    /// What was recorded when the two sides were equal last.
    pub record: Option<Record>,
    /// By what the row is found again.
    pub claimed: Claimed,
}

/// What one mirror has still to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The configured bucket.
    pub bucket: String,
    /// The mirror's configured name.
    pub mirror: String,
    /// Keys that the mirror may lack something of.
    pub waiting: u64,
    /// The oldest change among them: the mirror's lag is its age.
    pub oldest: Option<Timestamp>,
    /// Keys that were equal when last looked at, and are being changed.
    pub held: u64,
    /// Keys that have been given up, by the class of their failure.
    pub dead: BTreeMap<String, u64>,
}

/// Why a mirror's store is left alone, by the key that was tried last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The kind of the failure.
    pub class: Class,
    /// What the store said, or did.
    pub error: String,
    /// When the key is tried again, at the earliest.
    pub next_try: Timestamp,
}

/// Which dead letters are meant; empty means all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Of this bucket.
    pub bucket: Option<String>,
    /// Of this mirror.
    pub mirror: Option<String>,
    /// This key.
    pub key: Option<String>,
    /// Of this class.
    pub class: Option<Class>,
}

/// A key that has been given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The configured bucket.
    pub bucket: Arc<str>,
    /// The mirror's configured name.
    pub mirror: Arc<str>,
    /// The caller's key.
    pub key: Arc<str>,
    /// The row.
    pub row: Row,
    /// The last failure.
    pub error: String,
}

/// How far making a mirror complete has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// The last key that was dealt with; `None` at the beginning.
    pub cursor: Option<String>,
    /// When the walk began that is under way, or was the last.
    pub started_at: Timestamp,
    /// When one came to its end: since then the mirror is complete.
    pub completed_at: Option<Timestamp>,
}

impl SyncState {
    /// Whether the walk that began last has not come to its end.
    pub fn is_under_way(&self) -> bool {
        self.completed_at.is_none_or(|completed_at| completed_at < self.started_at)
    }
}
