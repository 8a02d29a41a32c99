//! The workers: they make mirrors equal to their primaries, key by key, from what the journal says is dirty.
//!
//! ```text
//! Workers ─ one dispatcher for each mirror of each bucket, as many as are configured
//!   Dispatcher ─ claim what is due, as much as there is room for ─→ Job ─→ Work: look, plan, do, look again
//!        ▲                                                           │
//!        ├── woken by the journal, by the clock, by a reload ────────┤ finish: record the copy, clear the row
//!        └── Health: is the mirror given work, a trial, or nothing? ◀┘ or try again later
//! ```
//!
//! Each mirror has slots, a health and a queue of its own, so that one in trouble slows no other; and a key that fails
//! waits by itself. A job sees the configuration that is in force when it begins.

mod dispatcher;
mod failure;
mod health;
mod job;
mod lag;
mod look;
mod sides;
mod work;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use self::{dispatcher::Dispatcher, health::Health};
use super::{MirrorMetrics, state::Change};
use crate::{
    admin::Metrics, backend::Jitter, clock::Clock, config::checked::BucketConfig, server::Drain,
    store::Journal,
};

pub use sides::Current;

/// What all workers share.
#[derive(Debug)]
pub struct Parts {
    /// What is dirty.
    pub journal: Journal,
    /// Where each mirror's counters are.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Owns the workers. Finish it before that of the journal.
    pub drain: Drain,
}

/// Every mirror's worker.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    current: watch::Sender<Arc<Current>>,
}

#[derive(Debug)]
struct Shared {
    journal: Journal,
    metrics: Arc<Metrics>,
    clock: Clock,
    drain: Drain,
    jitter: Jitter,
    /// Mirrors that have a dispatcher, by bucket and name.
    running: Mutex<HashSet<(Arc<str>, Arc<str>)>>,
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, HashSet<(Arc<str>, Arc<str>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One mirror of one bucket, as its dispatcher and jobs know it.
#[derive(Debug)]
struct Mirror {
    bucket: Arc<str>,
    name: Arc<str>,
    shared: Arc<Shared>,
    current: watch::Receiver<Arc<Current>>,
    health: Mutex<Health>,
    metrics: MirrorMetrics,
}

impl Mirror {
    /// The bucket's and its own.
    fn names(&self) -> (&str, &str) {
        (&self.bucket, &self.name)
    }

    /// Says that a key came to be at the primary that nobody knew of.
    async fn note_foreign(&self, key: &str) {
        let current = self.current();
        let Some((bucket, _)) = current.find(&self.bucket, &self.name) else { return };
        let mirrors = bucket.mirrors.iter().map(|mirror| Arc::clone(&mirror.name)).collect();
        let noted = self.shared.journal.mark_dirty(&self.bucket, &mirrors, &[key], Change::Write).await;
        if let Err(error) = noted {
            tracing::warn!(bucket = &*self.bucket, key, %error, "a key is not mirrored, as it could not be noted");
        }
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    /// Starts a worker for each mirror of `current`.
    pub fn start(parts: Parts, current: Current) -> Self {
        let workers = Self::new(parts, current);
        let watch = lag::Watch::new(Arc::clone(&workers.shared), workers.current.subscribe());
        workers.shared.drain.spawn(watch.run());
        workers.start_missing(|_| true);
        workers
    }

    /// Starts workers for the mirrors of one bucket beside a process that serves, which reports how mirrors stand: for a
    /// command that ends with its work.
    pub fn beside(parts: Parts, current: Current, bucket: &str) -> Self {
        let workers = Self::new(parts, current);
        workers.start_missing(|configured| configured.name == bucket);
        workers
    }

    /// Puts another configuration in force: jobs to come see it, mirrors that are new get a worker, and those that are no
    /// more lose theirs. What was known of a mirror's health is forgotten, since its trouble may have been mended.
    pub fn replace(&self, current: Current) {
        self.current.send_replace(Arc::new(current));
        self.start_missing(|_| true);
    }

    fn new(parts: Parts, current: Current) -> Self {
        let Parts { journal, metrics, clock, drain } = parts;
        let running = Mutex::default();
        let shared = Arc::new(Shared { journal, metrics, clock, drain, jitter: Jitter::default(), running });
        let (current, _) = watch::channel(Arc::new(current));
        Self { shared, current }
    }

    /// Starts what is not running for the buckets that are wanted.
    fn start_missing(&self, is_wanted: impl Fn(&BucketConfig) -> bool) {
        let current = Arc::clone(&self.current.borrow());
        let mut running = self.shared.running();
        for bucket in current.config.buckets.values().filter(|bucket| is_wanted(bucket)) {
            for mirror in &bucket.mirrors {
                let name = (Arc::from(bucket.name.as_str()), Arc::clone(&mirror.name));
                if running.insert(name.clone()) {
                    let dispatcher =
                        Dispatcher::new(name, Arc::clone(&self.shared), self.current.subscribe());
                    self.shared.drain.spawn(dispatcher.run());
                }
            }
        }
    }
}
