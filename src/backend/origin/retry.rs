//! When a request is sent again, and how long is waited before: full jitter, so that those who failed together do not
//! come back together, and a budget, so that a provider in trouble is not sent more because it is in trouble.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often one request is sent at most.
pub(super) const TRIES_MAX: u32 = 3;

const PAUSE_BASE: Duration = Duration::from_millis(50);
/// Also the longest `Retry-After` that is waited for; a longer one is the caller's to wait for.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pause before try `tries + 1`: anything up to a bound that doubles, by `random`.
pub(super) fn pause(tries: u32, random: u64) -> Duration {
    let doubled = PAUSE_BASE.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let bound = u64::try_from(doubled.min(PAUSE_MAX).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % bound.saturating_add(1))
}

/// Retries that may be made: one for each ten requests, and a few to begin with. In tenths.
#[derive(Debug)]
pub(super) struct Budget {
    tenths: u32,
}

const RETRY_TENTHS: u32 = 10;
const TENTHS_MAX: u32 = 10 * RETRY_TENTHS;

impl Budget {
    pub(super) const fn new() -> Self {
        Self { tenths: TENTHS_MAX }
    }

    /// A request is sent for the first time.
    pub(super) fn earn(&mut self) {
        self.tenths = TENTHS_MAX.min(self.tenths + 1);
    }

    /// Takes one retry out of the budget, if it holds one.
    pub(super) const fn spend(&mut self) -> bool {
        match self.tenths.checked_sub(RETRY_TENTHS) {
            Some(left) => {
                self.tenths = left;
                true
            }
            None => false,
        }
    }
}

/// Numbers that nobody outside foresees. They spread load and protect nothing.
#[derive(Debug, Default)]
pub struct Jitter {
    seed: RandomState,
    count: AtomicU64,
}

impl Jitter {
    /// The next one.
    pub fn next(&self) -> u64 {
        self.seed.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_lie_anywhere_below_a_bound_that_doubles_up_to_its_own() {
        let longest = |tries| (0..10_000).map(|random| pause(tries, random).as_millis()).max().unwrap();
        assert_eq!([1, 2, 3, 6, 7, 99].map(longest), [50, 100, 200, 1600, 2000, 2000]);
        assert_eq!([0, 51].map(|random| pause(1, random)), [Duration::ZERO; 2]);
    }

    #[test]
    fn a_tenth_of_the_requests_may_be_retries() {
        let mut budget = Budget::new();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10, "to begin with");
        let mut retries = 0;
        for _ in 0..1000 {
            budget.earn();
            retries += u32::from(budget.spend());
        }
        assert_eq!(retries, 100);
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10, "what is saved is bounded");
    }

    #[test]
    fn two_sources_differ() {
        let [one, other] = [Jitter::default(), Jitter::default()];
        let draw = |jitter: &Jitter| [jitter.next(), jitter.next(), jitter.next()];
        assert_ne!(draw(&one), draw(&other));
    }
}
