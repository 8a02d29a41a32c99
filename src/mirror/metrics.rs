//! What is counted of a mirror.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::state::Class;

/// A mirror's counters; a reload does not reset them.
#[derive(Debug, Clone, Default)]
pub struct MirrorMetrics {
    /// Keys that are dirty.
    pub dirty: Gauge,
    /// Seconds since the oldest change that the mirror lacks; 0 if it lacks none.
    pub lag_seconds: Gauge,
    /// 1 while the mirror is left alone.
    pub is_resting: Gauge,
    /// Keys that were worked on.
    pub attempts: Counter,
    /// Objects that were copied.
    pub copied: Counter,
    /// Their bytes.
    pub copied_bytes: Counter,
    /// Objects that were deleted.
    pub deleted: Counter,
    /// Failures, in the order of [`Class::ALL`].
    pub failures: [Counter; Class::ALL.len()],
    /// Keys that were given up, in the same order.
    pub dead: [Gauge; Class::ALL.len()],
}

/// How a mirror answers in the primary's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// With what the primary has, or would have.
    Current,
    /// With what may be older.
    Stale,
    /// With the rest of what the primary began to send.
    Resumed,
}

impl ReadKind {
    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Resumed => "resumed",
        }
    }
}

impl MirrorMetrics {
    pub(super) fn failed(&self, class: Class) {
        if let Some(counter) = self.failures.get(class as usize) {
            counter.inc();
        }
    }
}
