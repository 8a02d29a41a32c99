//! One mirror's dispatcher: claims what is due, and has as many jobs under way as the configuration allows.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};
use wharf_wire::date::Timestamp;

use super::{
    Current, Mirror, Shared,
    health::Health,
    job::{self, Job},
};

/// A mirror's worker looks by itself this often: other nodes make keys dirty, too, and a woken one may have been missed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The journal is asked again this long after it failed.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Jobs for each copy that may be under way: the others' rows are claimed or noted meanwhile. Either takes up to two commits,
/// and where those take longer than a copy, nothing is left to copy until they are done. Harm: so many rows wait for their
/// leases to end when this process is gone.
const JOBS_PER_COPY: usize = 4;

/// Claims rows and begins jobs.
#[derive(Debug)]
pub(super) struct Dispatcher {
    mirror: Arc<Mirror>,
    current: watch::Receiver<Arc<Current>>,
    jobs: JoinSet<Option<Timestamp>>,
    /// One for each copy that may be under way.
    slots: Arc<Semaphore>,
    slots_max: usize,
    /// When the journal may have something, since some start.
    look_at: Duration,
}

impl Dispatcher {
    pub(super) fn new(
        (bucket, name): (Arc<str>, Arc<str>),
        shared: Arc<Shared>,
        current: watch::Receiver<Arc<Current>>,
    ) -> Self {
        let metrics = shared.metrics.mirror(&bucket, &name);
        let health = Mutex::new(Health::default());
        let mirror = Mirror { bucket, name, shared, current: current.clone(), health, metrics };
        Self {
            mirror: Arc::new(mirror),
            current,
            jobs: JoinSet::new(),
            slots: Arc::new(Semaphore::new(0)),
            slots_max: 0,
            look_at: Duration::ZERO,
        }
    }

    /// Works until the drain begins or the mirror is configured no more; then finishes what is under way.
    pub(super) async fn run(mut self) {
        while !self.mirror.shared.drain.has_begun() && self.is_configured() {
            let pause = self.dispatch().await;
            self.wait(pause).await;
        }
        while self.jobs.join_next().await.is_some() {}
    }

    /// Whether there is such a mirror. If not, a new one of the same name gets a dispatcher of its own.
    fn is_configured(&self) -> bool {
        let is_known = || self.mirror.current().find(&self.mirror.bucket, &self.mirror.name).is_some();
        if is_known() {
            return true;
        }
        // Under the lock: it may have come back since, to one who saw that it has a dispatcher.
        let mut running = self.mirror.shared.running();
        let is_known = is_known();
        if !is_known {
            running.remove(&(Arc::clone(&self.mirror.bucket), Arc::clone(&self.mirror.name)));
        }
        is_known
    }

    /// Claims what there is room for. Returns how long nothing more needs to be done, if nothing happens before.
    async fn dispatch(&mut self) -> Duration {
        let now = self.mirror.shared.clock.elapsed();
        if now < self.look_at {
            return self.look_at.saturating_sub(now);
        }
        let room = self.room();
        let admitted = self.mirror.health().admit(room, now);
        let count_max = match admitted {
            Err(rest) => return rest,
            Ok(0) => return LOOK_EVERY,
            Ok(count_max) => count_max,
        };
        let pause = self.claim(count_max).await;
        self.look_at = self.mirror.shared.clock.elapsed() + pause;
        pause
    }

    /// Room for jobs. Some of it is left unused until it is worth asking the journal, each of whose answers is a commit.
    fn room(&mut self) -> usize {
        let copies_max = self.mirror.current().config.mirroring.copies_in_flight_max;
        if copies_max != self.slots_max {
            (self.slots, self.slots_max) = (Arc::new(Semaphore::new(copies_max)), copies_max);
        }
        let room = (JOBS_PER_COPY * copies_max).saturating_sub(self.jobs.len());
        if room >= copies_max { room } else { 0 }
    }

    /// Claims rows and begins their jobs. Returns when there may be more.
    async fn claim(&mut self, count_max: usize) -> Duration {
        let journal = &self.mirror.shared.journal;
        let (bucket, name) = self.mirror.names();
        let claims = match journal.claim(bucket, name, u32::try_from(count_max).unwrap_or(u32::MAX)).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(bucket, mirror = name, %error, "nothing is mirrored: the journal fails");
                return JOURNAL_PAUSE;
            }
        };
        let is_all = claims.len() < count_max;
        for claim in claims {
            let is_trial = self.mirror.health().begin();
            let job = Job { claim, slots: Arc::clone(&self.slots), is_trial };
            self.jobs.spawn(job::run(Arc::clone(&self.mirror), job));
        }
        if !is_all {
            return Duration::ZERO;
        }
        match journal.next_due(bucket, name).await {
            Ok(Some(due)) => self.until(due).min(LOOK_EVERY),
            Ok(None) => LOOK_EVERY,
            Err(_) => JOURNAL_PAUSE,
        }
    }

    /// Waits for `pause`, or until something happens.
    async fn wait(&mut self, pause: Duration) {
        let woken = pin!(self.mirror.shared.journal.woken(&self.mirror.bucket, &self.mirror.name));
        tokio::select! {
            () = self.mirror.shared.drain.begun() => {}
            () = woken => self.look_at = Duration::ZERO,
            // Whatever was wrong may have been mended.
            _ = self.current.changed() => {
                *self.mirror.health() = Health::default();
                self.mirror.metrics.is_resting.set(0);
                self.look_at = Duration::ZERO;
            }
            Some(ended) = self.jobs.join_next() => match ended {
                Ok(due) => self.ended(due),
                // It panicked, and has told nobody.
                Err(_) => self.mirror.health().ended(),
            },
            () = sleep(pause) => {}
        }
    }

    /// A job has ended, and its row is perhaps due again.
    fn ended(&mut self, due: Option<Timestamp>) {
        if let Some(due) = due {
            let due = self.mirror.shared.clock.elapsed() + self.until(due);
            self.look_at = self.look_at.min(due);
        }
    }

    /// How long it is until `due`.
    fn until(&self, due: Timestamp) -> Duration {
        let now = self.mirror.shared.clock.now().unix_millis();
        Duration::from_millis(due.unix_millis().saturating_sub(now))
    }
}
