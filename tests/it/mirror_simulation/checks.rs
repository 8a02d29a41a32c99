//! What has to hold, and what is remembered to tell whether it does.

use wharf::mirror::state::{Change, Class, Currency, Outcome, Seen};

use super::{
    journal::{LATE, OpenIntent, Settlement},
    stores::{KEYS, MIRRORS, PRIMARY},
    worker::Worker,
    world::World,
};

/// By more than this a write has to come after a delete, so that clocks cannot hide it.
const SKEW: u64 = 1000;

/// What is known of deletes through Wharf, and of objects that none of them can have deleted.
#[derive(Default)]
pub(super) struct Deletes {
    /// Key, and when the delete was over at the latest.
    over: Vec<(usize, u64)>,
    /// Key, and the number that the delete has at the primary.
    done: Vec<(usize, u32)>,
    /// Requests that wrote to the primary, and the numbers of what they wrote.
    written: Vec<(u32, u32)>,
    /// Store and number of an object, and the time at which a delete had to be over if it was not to touch it.
    safe: Vec<(usize, u32, u64)>,
}

impl Deletes {
    /// The journal knows of a delete that it was over at `at`, at the latest.
    pub(super) fn over(&mut self, key: usize, at: u64) {
        self.over.push((key, at));
    }

    pub(super) fn done(&mut self, key: usize, version: u32) {
        self.done.push((key, version));
    }

    pub(super) fn wrote(&mut self, request: u32, version: u32) {
        self.written.push((request, version));
    }

    /// The number of what `request` wrote.
    pub(super) fn written(&self, request: u32) -> Option<u32> {
        Some(self.written.iter().find(|written| written.0 == request)?.1)
    }

    /// The journal knows of the object at `store` that its original was there after `time`: it was acknowledged to a
    /// client who began then, or copied by a worker who did.
    pub(super) fn safe(&mut self, store: usize, version: u32, time: u64) {
        self.safe.push((store, version, time));
    }

    /// Whether one of them deleted number `version`, or may have for all that the journal knows at `store`.
    fn may_have_deleted(&self, store: usize, key: usize, version: u32) -> bool {
        let known = self.safe.iter().filter(|safe| (safe.0, safe.1) == (store, version));
        let since = known.map(|safe| safe.2).max();
        self.over.iter().any(|over| over.0 == key && since.is_none_or(|since| over.1 >= since))
            || self.done.iter().any(|done| done.0 == key && done.1 > version)
    }
}

impl World {
    /// The journal has heard of a request.
    pub(super) fn remember(&mut self, settlement: &Settlement) {
        let Settlement { intent, outcome, version, .. } = *settlement;
        let OpenIntent { key, change, opened_at, mirrors, .. } = intent;
        match (change, outcome) {
            (Change::Delete, Outcome::Changed) => self.deletes.over(key, self.now),
            (Change::Delete, Outcome::Unknown) => self.deletes.over(key, self.now + LATE),
            (Change::Write, Outcome::Changed) => {
                let (opened_at, version) = (opened_at.saturating_sub(SKEW), version.unwrap_or_default());
                for mirror in (0..MIRRORS).filter(|mirror| mirrors[*mirror]) {
                    self.deletes.safe(1 + mirror, version, opened_at);
                }
            }
            (Change::Write, Outcome::Unknown) | (_, Outcome::Unchanged) => {}
        }
    }

    /// A worker is about to delete what it saw at the target, number `doomed`: that must have been Wharf's wish.
    pub(super) fn check_delete(&mut self, store: usize, key: usize, doomed: Option<u32>) {
        let Some(version) = doomed else { return };
        self.note(|| format!("store {store}: version {version} of key {key} is about to be deleted"));
        assert!(
            self.deletes.may_have_deleted(store, key, version),
            "the mirror's object of key {key} is deleted, and only others deleted it at the primary"
        );
    }

    /// A worker that holds its lease has done its step, the source was as it had been before, and nobody else can have
    /// written to the target.
    pub(super) fn check_mirrored(&self, worker: usize, store: usize, key: usize) {
        let Worker { claim: Some(claim), mirror, .. } = &self.workers[worker] else { return };
        let is_held = claim.until > self.now && claim.row.unsure_until <= claim.claimed.at;
        let is_newest =
            self.journal.row(*mirror, key).is_some_and(|row| row.generation == claim.row.generation);
        let is_alone = is_held && is_newest && !self.journal.has_intents_on(key);
        assert!(!is_alone || self.stores.is_equal(store, key), "key {key} at {store} differs after a step");
    }

    /// A row was cleared: nothing may be open that could make it dirty again by itself.
    pub(super) fn check_cleared(&self, mirror: usize, key: usize) {
        let currency = self.journal.currency(mirror, key);
        assert!(!matches!(currency, Currency::Dirty { .. }), "key {key} is cleared, and {currency:?}");
    }

    /// What is called current is equal at this moment, as long as nobody writes past Wharf.
    pub(super) fn check_currency(&mut self) {
        for key in 0..KEYS {
            if !std::mem::take(&mut self.touched[key]) || self.is_foreign[key] {
                continue;
            }
            for mirror in 0..MIRRORS {
                self.check_current(mirror, key);
            }
        }
    }

    fn check_current(&self, mirror: usize, key: usize) {
        let store = 1 + mirror;
        match self.journal.currency(mirror, key) {
            Currency::Current(record) => {
                assert!(self.stores.is_equal(store, key), "key {key} is current at {store}, and differs");
                let Seen::Present(primary) = self.stores.seen(PRIMARY, key) else {
                    panic!("key {key} is current at {store}, and deleted")
                };
                assert_eq!(record.primary_etag, primary.etag, "the ETag that clients are told");
            }
            Currency::Absent => {
                assert_eq!(self.stores.object(PRIMARY, key), None, "key {key} is not absent at all");
                assert_eq!(self.stores.object(store, key), None, "key {key} is called absent at {store}");
            }
            Currency::Dirty { .. } => {}
            Currency::Unknown => panic!("everything is known since the sync"),
        }
    }

    /// After the drain all sides are equal; but what others deleted stays at the mirrors, and is listed.
    pub(super) fn check_end(&mut self) {
        for (mirror, key) in (0..MIRRORS).flat_map(|mirror| (0..KEYS).map(move |key| (mirror, key))) {
            let (store, row) = (1 + mirror, self.journal.row(mirror, key));
            let is_equal = self.stores.is_equal(store, key);
            if let Some(row) = row {
                assert_eq!(row.class, Some(Class::Absence), "key {key} at {store} is stuck: {row:?}");
                assert!(self.is_foreign[key], "key {key} at {store} is held for an absence that is ours");
                assert_eq!(self.stores.object(PRIMARY, key), None, "key {key} is not absent: {row:?}");
            } else {
                assert!(is_equal, "key {key} at {store} differs");
            }
        }
        self.touched = [true; KEYS];
        for key in 0..KEYS {
            // A key that is held is dirty; of every other we know what it is worth.
            if !self.is_foreign[key] {
                (0..MIRRORS).for_each(|mirror| self.check_current(mirror, key));
            }
        }
        self.check_sent();
    }

    /// Every object is one that a client, or somebody else, sent whole.
    fn check_sent(&self) {
        for (store, key) in (0..=MIRRORS).flat_map(|store| (0..KEYS).map(move |key| (store, key))) {
            let Some(stored) = self.stores.object(store, key) else { continue };
            assert!(self.sent.contains(&(key, stored.value.bytes, stored.value.metadata)), "{stored:?}");
        }
    }
}
