//! Counts per key in bounded memory: governor's own keyed store grows with every key that it meets.

use std::{
    hash::Hash,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

/// A count per key for at most `keys_max` keys; all others share one.
///
/// A count is what governor calls the theoretical arrival time: nanoseconds since the limiter was made, 0 for none.
#[derive(Debug)]
pub(super) struct BoundedStore<K: Hash + Eq> {
    counts: DashMap<K, AtomicU64>,
    /// How many keys have a count of their own. Kept apart, since to ask the map is to visit all its shards.
    keys: AtomicUsize,
    keys_max: usize,
    overflow: AtomicU64,
}

impl<K: Hash + Eq> BoundedStore<K> {
    pub(super) fn new(keys_max: usize) -> Self {
        let (keys, overflow) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { counts: DashMap::new(), keys, keys_max, overflow }
    }

    fn reserve(&self) -> bool {
        let one_more = |keys| (keys < self.keys_max).then_some(keys + 1);
        self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl<K: Hash + Eq + Clone> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(count) = self.counts.get(key) {
            return replace(&count, decide);
        }
        if !self.reserve() {
            return replace(&self.overflow, decide);
        }
        match self.counts.entry(key.clone()) {
            Entry::Vacant(place) => replace(&place.insert(AtomicU64::new(0)), decide),
            Entry::Occupied(count) => {
                self.keys.fetch_sub(1, Ordering::Relaxed);
                replace(count.get(), decide)
            }
        }
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut dropped = 0;
        self.counts.retain(|_, count| {
            let is_recent = count.load(Ordering::Relaxed) > drop_below.as_u64();
            dropped += usize::from(!is_recent);
            is_recent
        });
        self.keys.fetch_sub(dropped, Ordering::Relaxed);
    }

    fn shrink_to_fit(&self) {
        self.counts.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::len(self) == 0
    }
}

/// Replaces a count by what `decide` makes of it, unless it refuses or another thread was first; then it decides anew.
fn replace<T, E>(count: &AtomicU64, decide: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>) -> Result<T, E> {
    let mut seen = count.load(Ordering::Acquire);
    loop {
        let (outcome, next) = decide((seen != 0).then(|| seen.into()))?;
        match count.compare_exchange_weak(seen, next.as_u64(), Ordering::Release, Ordering::Acquire) {
            Ok(_) => return Ok(outcome),
            Err(now) => seen = now,
        }
    }
}
