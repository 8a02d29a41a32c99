//! Who may send to a provider now: the breaker's and the concurrency limit's word, and the queue before them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{
    breaker::Breaker, concurrency::Concurrency, metrics::OriginMetrics, outcome::Outcome, retry::Budget,
};
use crate::{backend::upstream::UpstreamError, clock::Clock};

/// How long a request waits for a place. Its client waits with it.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// When a client that found no place should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What stands before a provider.
#[derive(Debug)]
pub(super) struct Gate {
    condition: Mutex<Condition>,
    /// A place is free for one who waits. Waiters are called in order.
    freed: Notify,
    clock: Clock,
    metrics: OriginMetrics,
}

#[derive(Debug)]
struct Condition {
    breaker: Breaker,
    concurrency: Concurrency,
    budget: Budget,
}

/// One request in flight, until this is dropped.
#[derive(Debug)]
pub struct Slot {
    gate: Arc<Gate>,
    is_reported: bool,
}

impl Gate {
    pub(super) fn new(in_flight_max: usize, clock: Clock, metrics: OriginMetrics) -> Self {
        let condition = Condition {
            breaker: Breaker::new(),
            concurrency: Concurrency::new(in_flight_max),
            budget: Budget::new(),
        };
        Self { condition: Mutex::new(condition), freed: Notify::new(), clock, metrics }
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is to be sent for the first time.
    pub(super) fn earn_retries(&self) {
        self.condition().budget.earn();
    }

    /// Whether a request may be sent again.
    pub(super) fn spend_retry(&self) -> bool {
        let may = self.condition().budget.spend();
        if may {
            self.metrics.retries.inc();
        }
        may
    }

    /// Takes a place, at once or after a wait.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<Slot, UpstreamError> {
        let entered = match self.try_enter(false) {
            Some(entered) => entered,
            None => match Waiting::join(self) {
                Some(waiting) => timeout(WAIT_MAX, waiting.served()).await.unwrap_or(Err(BUSY)),
                None => Err(BUSY),
            },
        };
        if let Err(refused) = &entered {
            self.metrics.count(Outcome::of_error(refused));
        }
        entered
    }

    /// `None` where there is no place now.
    fn try_enter(self: &Arc<Self>, from_queue: bool) -> Option<Result<Slot, UpstreamError>> {
        let now = self.clock.elapsed();
        let mut condition = self.condition();
        let Condition { breaker, concurrency, .. } = &mut *condition;
        if let Err(pause) = breaker.check(now) {
            return Some(Err(UpstreamError::Open(pause)));
        }
        let has_place = if from_queue { concurrency.enter_from_queue() } else { concurrency.enter() };
        if !has_place {
            return None;
        }
        let admitted = breaker.admit(now).map_err(UpstreamError::Open);
        self.metrics.breaker.set(breaker.position() as i64);
        drop(condition);
        let slot = Slot { gate: Arc::clone(self), is_reported: false };
        Some(admitted.map(|()| slot))
    }

    /// Calls those for whom there is a place.
    fn call(&self, callable: usize) {
        (0..callable).for_each(|_| self.freed.notify_one());
    }
}

const BUSY: UpstreamError = UpstreamError::Busy(RETRY_AFTER);

/// A place in the queue.
struct Waiting<'a>(&'a Arc<Gate>);

impl<'a> Waiting<'a> {
    fn join(gate: &'a Arc<Gate>) -> Option<Self> {
        let has_room = gate.condition().concurrency.wait();
        // Made only where it was taken: to drop one gives it back, which takes the lock.
        has_room.then(|| Self(gate))
    }

    async fn served(self) -> Result<Slot, UpstreamError> {
        loop {
            self.0.freed.notified().await;
            if let Some(entered) = self.0.try_enter(true) {
                return entered;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut condition = self.0.condition();
        condition.concurrency.stop_waiting();
        let callable = condition.concurrency.callable();
        drop(condition);
        // Whoever was called and left passes the call on.
        self.0.call(callable);
    }
}

impl Slot {
    /// Notes what the request came to.
    pub(super) fn report(&mut self, outcome: Outcome) {
        self.is_reported = true;
        let gate = &self.gate;
        let now = gate.clock.elapsed();
        gate.metrics.count(outcome);
        let mut condition = gate.condition();
        let Condition { breaker, concurrency, .. } = &mut *condition;
        breaker.record(outcome.health(), now);
        match outcome {
            Outcome::TooFast => concurrency.too_fast(now),
            Outcome::Answered => concurrency.good(),
            Outcome::Failed
            | Outcome::Unreachable
            | Outcome::Broken
            | Outcome::Late
            | Outcome::Cut
            | Outcome::Open
            | Outcome::Busy => {}
        }
        gate.metrics.breaker.set(breaker.position() as i64);
        gate.metrics.in_flight_limit.set(i64::try_from(concurrency.limit()).unwrap_or(i64::MAX));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_reported {
            self.report(Outcome::Cut);
        }
        let mut condition = self.gate.condition();
        condition.concurrency.leave();
        let callable = condition.concurrency.callable();
        drop(condition);
        self.gate.call(callable);
    }
}
