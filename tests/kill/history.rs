//! What writers did, and what they were told: enough to say which states of a key are possible.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a write leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Absent,
    /// The content of this write.
    Written(u64),
}

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    /// Certainly nothing came of it.
    Refused,
    /// Nobody can know.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    state: State,
    begun: u64,
    /// When its client was told that it is done; without that, it may still come.
    done: Option<u64>,
}

/// All keys' histories.
#[derive(Debug, Default)]
pub(crate) struct History {
    clock: AtomicU64,
    writes: AtomicU64,
    keys: Mutex<BTreeMap<String, Vec<Event>>>,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

impl History {
    /// A number for a new write.
    pub(crate) fn write(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::SeqCst)
    }

    /// The time, in steps.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A request that began at `begun` has ended.
    pub(crate) fn ended(&self, key: &str, state: State, begun: u64, told: Told) {
        let done = match told {
            Told::Refused => return,
            Told::Nothing => None,
            Told::Done => Some(self.now()),
        };
        let counter = if done.is_some() { &self.acknowledged } else { &self.unknown };
        counter.fetch_add(1, Ordering::SeqCst);
        let mut keys = self.keys.lock().expect("no writer panics here");
        keys.entry(key.to_owned()).or_default().push(Event { state, begun, done });
    }

    /// How many writes were acknowledged, and of how many nobody knows.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.acknowledged.load(Ordering::SeqCst), self.unknown.load(Ordering::SeqCst))
    }

    /// Every key that was written to, and the states that it can be in: those that no acknowledged write came after.
    pub(crate) fn possible(&self) -> BTreeMap<String, Vec<State>> {
        let keys = self.keys.lock().expect("no writer panics here");
        keys.iter().map(|(key, events)| (key.clone(), possible(events))).collect()
    }
}

fn possible(events: &[Event]) -> Vec<State> {
    let begun_last = events.iter().filter(|event| event.done.is_some()).map(|event| event.begun).max();
    let is_last = |event: &&Event| event.done.is_none_or(|done| begun_last.is_none_or(|begun| done >= begun));
    let mut states: Vec<State> = events.iter().filter(is_last).map(|event| event.state).collect();
    if begun_last.is_none() {
        states.push(State::Absent);
    }
    states.sort();
    states.dedup();
    states
}
