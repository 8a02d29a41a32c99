//! The sweep: a gentle sync of each mirror, now and then, for what went past Wharf. A browser that holds a signed URL sends
//! its object straight to the provider, and not every one says so afterwards.
//!
//! It only adds. What the primary lacks stays at the mirror: nobody has told Wharf of a delete.
//!
//! It is the same walk as `wharf sync`'s, with the same cursor: it goes on where one was broken off, and when it has come
//! to its end the mirror is complete. It is due by what the journal says of the last one, so a restart brings none forward.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    backend::Origins,
    clock::Clock,
    config::{
        Config,
        checked::{BucketConfig, MirrorConfig, SweepConfig},
    },
    server::Drain,
    store::{Journal, SyncState},
};

use super::{
    Mirrors,
    resync::{Complete, Options, Progress, Rates, Route},
    state::Side,
};

/// How often it looks whether a sweep is due; and one that failed is begun again no sooner.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Rows that may wait for the workers while more are made: few, so that what clients write comes first.
const WAITING_MAX: u64 = 500;

/// What a sweeper works with.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The journal, once there is one: it says which mirrors are complete since when.
    pub mirrors: Arc<Mirrors>,
    /// The time.
    pub clock: Clock,
    /// Owns the sweeps. Finish it before that of the journal.
    pub drain: Drain,
}

/// Mirrors that are being swept, by bucket and name.
type Running = Arc<Mutex<HashSet<(String, Arc<str>)>>>;

impl Sweeper {
    /// Sweeps what is due until the drain begins. `current` says what is in force.
    pub async fn run(self, current: impl Fn() -> (Arc<Config>, Arc<Origins>) + Send) {
        let running = Running::default();
        while !self.drain.has_begun() {
            let (config, origins) = current();
            if let (Some(sweep), Some(journal)) = (config.mirroring.sweep, self.mirrors.journal()) {
                self.look(journal, (&config, &origins), sweep, &running).await;
            }
            tokio::select! {
                () = self.drain.begun() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(
        &self,
        journal: &Journal,
        (config, origins): (&Config, &Origins),
        sweep: SweepConfig,
        running: &Running,
    ) {
        for bucket in config.buckets.values() {
            for mirror in &bucket.mirrors {
                if self.is_due(journal, (bucket, mirror), sweep).await {
                    self.begin(journal, (bucket, mirror), (origins, sweep), running);
                }
            }
        }
    }

    /// Whether the last sweep, or sync, is so long ago. A journal that cannot be read says that it is not.
    async fn is_due(
        &self,
        journal: &Journal,
        (bucket, mirror): (&BucketConfig, &MirrorConfig),
        sweep: SweepConfig,
    ) -> bool {
        let state = journal.sync_state(&bucket.name, &mirror.name).await;
        state.is_ok_and(|state| is_due(state.as_ref(), sweep.interval, self.clock))
    }

    fn begin(
        &self,
        journal: &Journal,
        (bucket, mirror): (&BucketConfig, &MirrorConfig),
        (origins, sweep): (&Origins, SweepConfig),
        running: &Running,
    ) {
        let Some(route) = Route::new(bucket, mirror, origins, Side::Primary) else { return };
        let name = (bucket.name.clone(), Arc::clone(&mirror.name));
        let is_new = lock(running).insert(name.clone());
        if !is_new {
            return;
        }
        let (sweeper, journal, running) = (self.clone(), journal.clone(), Arc::clone(running));
        self.drain.spawn(async move {
            tokio::select! {
                () = sweeper.drain.begun() => {}
                () = sweeper.sweep(&journal, &route, sweep) => {}
            }
            lock(&running).remove(&name);
        });
    }

    async fn sweep(&self, journal: &Journal, route: &Route, sweep: SweepConfig) {
        let (bucket, mirror) = (&*route.bucket, &*route.mirror);
        tracing::info!(bucket, mirror, "a sweep begins");
        let options = Options {
            prefix: String::new(),
            rates: Rates {
                requests_per_second: Some(sweep.requests_per_second.get()),
                bytes_per_second: None,
            },
            waiting_max: WAITING_MAX,
            deletions: None,
        };
        match Complete::new(route, journal, self.clock, &options).run(|_| {}).await {
            Ok(Progress { totals, .. }) => {
                let (keys, missing, different, extra) =
                    (totals.keys, totals.missing, totals.different, totals.extra);
                tracing::info!(bucket, mirror, keys, missing, different, extra, "a sweep is complete");
            }
            Err(error) => tracing::warn!(bucket, mirror, %error, "a sweep was broken off; it goes on later"),
        }
    }
}

fn is_due(state: Option<&SyncState>, interval: Duration, clock: Clock) -> bool {
    let Some(completed_at) = state.and_then(|state| state.completed_at) else { return true };
    completed_at.plus_seconds(interval.as_secs()) <= clock.now()
}

fn lock(running: &Running) -> std::sync::MutexGuard<'_, HashSet<(String, Arc<str>)>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use wharf_wire::date::Timestamp;

    use super::*;

    #[test]
    fn a_sweep_is_due_when_the_last_one_is_so_long_ago() {
        let clock = Clock::Fixed(Timestamp::from_unix_millis(100_000_000));
        let state = |completed_at: Option<u64>| SyncState {
            cursor: None,
            started_at: Timestamp::from_unix_millis(99_000_000),
            completed_at: completed_at.map(Timestamp::from_unix_millis),
        };
        let hour = Duration::from_hours(1);
        assert!(is_due(None, hour, clock));
        assert!(is_due(Some(&state(None)), hour, clock), "one that was broken off");
        assert!(is_due(Some(&state(Some(96_400_000))), hour, clock));
        assert!(!is_due(Some(&state(Some(96_401_000))), hour, clock));
    }
}
