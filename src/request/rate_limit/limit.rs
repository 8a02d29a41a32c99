//! One limit, for all who share it or for each of many apart, on governor's GCRA.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use governor::{
    InsufficientCapacity, NotUntil, Quota, RateLimiter,
    clock::Clock as _,
    middleware::{StateInformationMiddleware, StateSnapshot},
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use crate::{clock::Clock, config::checked::RateLimit, error::Error};

use super::{
    standing::{Policy, Standing},
    store::BoundedStore,
};

/// Governor's view of the process's clock: the time since some start, which never runs backwards.
#[derive(Debug, Clone, Copy)]
struct Elapsed(Clock);

impl governor::clock::Clock for Elapsed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

type Outcome = Result<StateSnapshot, NotUntil<Nanos>>;

/// A limit that all who meet it share. Lock-free: a busy limit slows no other.
#[derive(Debug)]
pub(super) struct Limit {
    policy: Policy,
    clock: Elapsed,
    limiter: RateLimiter<NotKeyed, InMemoryState, Elapsed, StateInformationMiddleware>,
}

impl Limit {
    pub(super) fn new(policy: Policy, clock: Clock) -> Self {
        let clock = Elapsed(clock);
        let limiter = RateLimiter::new(quota(policy.limit), InMemoryState::default(), clock);
        Self { policy, clock, limiter }
    }

    pub(super) fn is_of(&self, limit: RateLimit) -> bool {
        self.policy.limit == limit
    }

    /// Counts `requests`: all are admitted or none.
    pub(super) fn count(&self, requests: NonZeroU32) -> Result<Standing, Error> {
        match self.limiter.check_n(requests) {
            Ok(outcome) => self.policy.answer(outcome, self.clock),
            Err(InsufficientCapacity(_)) => Err(self.policy.never()),
        }
    }
}

/// A limit that each key meets apart, up to a number of keys; the rest share one count.
///
/// A key whose count is back where a new key begins is forgotten when the store is crowded: whenever it has doubled,
/// or once a second while it is full. So a flood of new keys costs each request a constant, and memory its bound.
#[derive(Debug)]
pub(super) struct LimitPerKey<K: Hash + Eq + Clone> {
    policy: Policy,
    clock: Elapsed,
    keys_max: usize,
    limiter: RateLimiter<K, BoundedStore<K>, Elapsed, StateInformationMiddleware>,
    /// So many keys are a crowd.
    crowd: AtomicUsize,
    /// Second of the last sweep.
    swept: AtomicU64,
}

/// Fewer keys than these are never a crowd.
const CROWD_MIN: usize = 1024;

impl<K: Hash + Eq + Clone> LimitPerKey<K> {
    pub(super) fn new(policy: Policy, keys_max: usize, clock: Clock) -> Self {
        let clock = Elapsed(clock);
        let limiter = RateLimiter::new(quota(policy.limit), BoundedStore::new(keys_max), clock);
        let (crowd, swept) = (AtomicUsize::new(CROWD_MIN.min(keys_max)), AtomicU64::new(0));
        Self { policy, clock, keys_max, limiter, crowd, swept }
    }

    pub(super) fn is_of(&self, limit: RateLimit, keys_max: usize) -> bool {
        self.policy.limit == limit && self.keys_max == keys_max
    }

    /// Counts one request of `key`.
    pub(super) fn count(&self, key: &K) -> Result<Standing, Error> {
        self.sweep_a_crowd();
        self.policy.answer(self.limiter.check_key(key), self.clock)
    }

    /// How many keys are counted apart.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.limiter.len()
    }

    fn sweep_a_crowd(&self) {
        let keys = self.limiter.len();
        if keys < self.crowd.load(Ordering::Relaxed) || !self.take_turn() {
            return;
        }
        self.limiter.retain_recent();
        let left = self.limiter.len();
        if left < keys / 4 {
            self.limiter.shrink_to_fit();
        }
        self.crowd.store((2 * left).max(CROWD_MIN).min(self.keys_max), Ordering::Relaxed);
    }

    /// True for one caller in a second.
    fn take_turn(&self) -> bool {
        let second = self.clock.0.elapsed().as_secs();
        let last = self.swept.load(Ordering::Relaxed);
        second > last
            && self.swept.compare_exchange(last, second, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Policy {
    fn answer(self, outcome: Outcome, clock: Elapsed) -> Result<Standing, Error> {
        match outcome {
            Ok(state) => Ok(Standing::admitted(self, state.remaining_burst_capacity())),
            Err(refused) => Err(self.exceeded(refused.wait_time_from(clock.now()))),
        }
    }
}

fn quota(limit: RateLimit) -> Quota {
    Quota::per_second(limit.requests_per_second).allow_burst(limit.burst)
}
