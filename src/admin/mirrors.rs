//! What `/metrics` shows of mirrors.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::mirror::{MirrorMetrics, ReadKind, state::Class};

/// Every mirror's counters.
#[derive(Debug, Default)]
pub(super) struct MirrorFamilies {
    dirty: Family<MirrorLabels, Gauge>,
    lag_seconds: Family<MirrorLabels, Gauge>,
    resting: Family<MirrorLabels, Gauge>,
    attempts: Family<MirrorLabels, Counter>,
    copied: Family<MirrorLabels, Counter>,
    copied_bytes: Family<MirrorLabels, Counter>,
    deleted: Family<MirrorLabels, Counter>,
    failures: Family<ClassLabels, Counter>,
    dead: Family<ClassLabels, Gauge>,
    reads: Family<ReadLabels, Counter>,
    tees: Family<TeeLabels, Counter>,
    backfills: Family<BackfillLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MirrorLabels {
    bucket: String,
    mirror: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    bucket: String,
    mirror: String,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    bucket: String,
    mirror: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TeeLabels {
    bucket: String,
    mirror: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackfillLabels {
    bucket: String,
    outcome: &'static str,
}

impl MirrorFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mirror_dirty_keys",
            "Keys that a mirror may lack something of",
            self.dirty.clone(),
        );
        registry.register(
            "mirror_lag_seconds",
            "The age of the oldest change that a mirror lacks",
            self.lag_seconds.clone(),
        );
        registry.register(
            "mirror_resting",
            "1 while a mirror in trouble is left alone",
            self.resting.clone(),
        );
        registry.register("mirror_attempts", "Keys that were worked on", self.attempts.clone());
        registry.register("mirror_copied_objects", "Objects that were copied", self.copied.clone());
        registry.register("mirror_copied_bytes", "Their bytes", self.copied_bytes.clone());
        registry.register("mirror_deleted_objects", "Objects that were deleted", self.deleted.clone());
        registry.register("mirror_failures", "Failures by class", self.failures.clone());
        registry.register("mirror_dead_keys", "Keys that were given up, by class", self.dead.clone());
        registry.register(
            "mirror_reads",
            "Reads that a mirror has answered in the primary's place",
            self.reads.clone(),
        );
        registry.register(
            "mirror_tees",
            "Uploads that were sent to a mirror at the same time, by what came of it there",
            self.tees.clone(),
        );
        registry.register(
            "backfills",
            "Objects that were read where their bucket was before, and what came of keeping them",
            self.backfills.clone(),
        );
    }

    pub(super) fn read(&self, bucket: &str, mirror: &str, kind: ReadKind) {
        let (bucket, mirror) = (bucket.to_owned(), mirror.to_owned());
        self.reads.get_or_create(&ReadLabels { bucket, mirror, kind: kind.as_str() }).inc();
    }

    pub(super) fn tee(&self, bucket: &str, mirror: &str, outcome: &'static str) {
        let (bucket, mirror) = (bucket.to_owned(), mirror.to_owned());
        self.tees.get_or_create(&TeeLabels { bucket, mirror, outcome }).inc();
    }

    pub(super) fn backfill(&self, bucket: &str, outcome: &'static str) {
        self.backfills.get_or_create(&BackfillLabels { bucket: bucket.to_owned(), outcome }).inc();
    }

    /// The counters of one mirror.
    pub(super) fn of(&self, bucket: &str, mirror: &str) -> MirrorMetrics {
        let labels = MirrorLabels { bucket: bucket.to_owned(), mirror: mirror.to_owned() };
        let class = |class: Class| ClassLabels {
            bucket: bucket.to_owned(),
            mirror: mirror.to_owned(),
            class: class.as_str(),
        };
        MirrorMetrics {
            dirty: self.dirty.get_or_create_owned(&labels),
            lag_seconds: self.lag_seconds.get_or_create_owned(&labels),
            is_resting: self.resting.get_or_create_owned(&labels),
            attempts: self.attempts.get_or_create_owned(&labels),
            copied: self.copied.get_or_create_owned(&labels),
            copied_bytes: self.copied_bytes.get_or_create_owned(&labels),
            deleted: self.deleted.get_or_create_owned(&labels),
            failures: Class::ALL.map(|of| self.failures.get_or_create_owned(&class(of))),
            dead: Class::ALL.map(|of| self.dead.get_or_create_owned(&class(of))),
        }
    }
}
