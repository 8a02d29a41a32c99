//! The journal as a model: tables that outlive crashes, and transactions that happen whole or not at all. Every decision
//! is the product's.

use std::time::Duration;

use wharf::mirror::state::{
    Around, Change, Claimed, Currency, Finish, Finished, Known, Lease, Moment, Outcome, Record, Row, Settled,
    Side, claimed, currency, finished, settled,
};
use wharf_wire::date::Timestamp;

use super::stores::{KEYS, MIRRORS};

/// How long a request that was given up can still take effect.
pub(super) const LATE: u64 = 500;
/// A worker's lease, in milliseconds.
pub(super) const LEASE: u64 = 400;
/// A run's.
pub(super) const RUN_LEASE: u64 = 600;

pub(super) fn time(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn moment(now: u64) -> Moment {
    Moment { now: time(now), late_effect: Duration::from_millis(LATE) }
}

#[derive(Debug, Clone, Copy)]
struct Intent {
    id: u32,
    run: u32,
    key: usize,
    change: Change,
    opened_at: u64,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    id: u32,
    node: usize,
    until: u64,
}

/// What a door says when its request has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settlement {
    pub(super) intent: u32,
    pub(super) key: usize,
    pub(super) change: Change,
    pub(super) outcome: Outcome,
    pub(super) opened_at: u64,
    /// What the object that was written has for a number at the primary.
    pub(super) version: Option<u32>,
}

impl Settlement {
    /// The intent that is open until this is written.
    pub(super) fn intent(&self) -> (u32, usize, Change, u64) {
        (self.intent, self.key, self.change, self.opened_at)
    }
}

/// A row that a worker has leased.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) key: usize,
    pub(super) row: Row,
    pub(super) record: Option<Record>,
    pub(super) claimed: Claimed,
    pub(super) until: u64,
}

#[derive(Default)]
pub(super) struct Journal {
    rows: [[Option<Row>; KEYS]; MIRRORS],
    records: [[Option<Record>; KEYS]; MIRRORS],
    intents: Vec<Intent>,
    runs: Vec<Run>,
    next: u32,
    pub(super) is_down: bool,
}

impl Journal {
    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(super) fn row(&self, mirror: usize, key: usize) -> Option<&Row> {
        self.rows[mirror][key].as_ref()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten().flatten()
    }

    pub(super) fn has_intents(&self) -> bool {
        !self.intents.is_empty()
    }

    /// Records a copy that was made before the run.
    pub(super) fn begin_with(&mut self, mirror: usize, key: usize, record: Record) {
        self.records[mirror][key] = Some(record);
    }

    // --- Runs

    pub(super) fn start_run(&mut self, node: usize, now: u64) -> u32 {
        let id = self.number();
        self.runs.push(Run { id, node, until: now + RUN_LEASE });
        id
    }

    /// Prolongs a run; whether it still was one.
    pub(super) fn heartbeat(&mut self, run: u32, now: u64) -> bool {
        let found = self.runs.iter_mut().find(|held| held.id == run && held.until > now);
        found.map(|run| run.until = now + RUN_LEASE).is_some()
    }

    /// Writes again what a process has open whose run was taken for dead.
    pub(super) fn open_again(&mut self, run: u32, intents: impl Iterator<Item = (u32, usize, Change, u64)>) {
        for (id, key, change, opened_at) in intents {
            self.intents.retain(|open| open.id != id);
            self.intents.push(Intent { id, run, key, change, opened_at });
        }
    }

    /// Earlier runs of `node`, which are over, and those of others whose lease has run out.
    fn ended_runs(&self, node: usize, run: u32, now: u64) -> Vec<u32> {
        let is_over = |held: &&Run| held.id != run && (held.node == node || held.until <= now);
        self.runs.iter().filter(is_over).map(|run| run.id).collect()
    }

    pub(super) fn can_promote(&self, node: usize, run: u32, now: u64) -> bool {
        !self.ended_runs(node, run, now).is_empty()
    }

    /// Turns the intents of ended runs into dirty rows; the keys that may have been deleted.
    pub(super) fn promote(&mut self, node: usize, run: u32, now: u64) -> Vec<usize> {
        let ended = self.ended_runs(node, run, now);
        self.runs.retain(|run| !ended.contains(&run.id));
        let (left, kept): (Vec<_>, _) = self.intents.iter().partition(|intent| ended.contains(&intent.run));
        self.intents = kept;
        for Intent { key, change, opened_at, .. } in left.iter().copied() {
            self.say(
                key,
                Settled {
                    change,
                    outcome: Outcome::Unknown,
                    side: Some(Side::Primary),
                    opened_at: time(opened_at),
                },
                now,
            );
        }
        left.iter().filter(|intent| intent.change == Change::Delete).map(|intent| intent.key).collect()
    }

    // --- Doors

    pub(super) fn open(&mut self, run: u32, key: usize, change: Change, now: u64) -> u32 {
        let id = self.number();
        self.intents.push(Intent { id, run, key, change, opened_at: now });
        id
    }

    pub(super) fn settle(&mut self, settlement: Settlement, now: u64) {
        let Settlement { intent, key, change, outcome, opened_at, .. } = settlement;
        self.intents.retain(|open| open.id != intent);
        let opened_at = time(opened_at);
        self.say(key, Settled { change, outcome, side: Some(Side::Primary), opened_at }, now);
    }

    /// What a notification or a sweep says, or an operator who redrives.
    pub(super) fn mark_dirty(&mut self, key: usize, now: u64) {
        let (change, outcome) = (Change::Write, Outcome::Changed);
        self.say(key, Settled { change, outcome, side: None, opened_at: time(now) }, now);
    }

    fn say(&mut self, key: usize, said: Settled, now: u64) {
        for rows in &mut self.rows {
            rows[key] = settled(rows[key], said, moment(now));
        }
    }

    // --- Workers

    /// Leases the first row of `mirror` that may be claimed, from key `first` on.
    pub(super) fn claim(&mut self, mirror: usize, first: usize, now: u64) -> Option<Claim> {
        let token = self.number().into();
        let lease = Lease { token, until: time(now + LEASE) };
        let keys = (first..KEYS).chain(0..first);
        let (key, row) = keys
            .into_iter()
            .find_map(|key| Some((key, claimed(self.rows[mirror][key]?, lease, moment(now))?)))?;
        self.rows[mirror][key] = Some(row);
        let claimed = Claimed { token, generation: row.generation, at: time(now) };
        let record = self.records[mirror][key].clone();
        Some(Claim { key, row, record, claimed, until: now + LEASE })
    }

    /// Prolongs a lease that is still held; until when.
    pub(super) fn renew(&mut self, mirror: usize, claim: &Claim, now: u64) -> Option<u64> {
        let lease = self.rows[mirror][claim.key].as_mut()?.lease.as_mut()?;
        (lease.token == claim.claimed.token).then(|| {
            lease.until = time(now + LEASE);
            now + LEASE
        })
    }

    pub(super) fn finish(&mut self, mirror: usize, claim: &Claim, finish: &Finish, now: u64) -> Finished {
        let around = self.around(claim.key);
        let row = &mut self.rows[mirror][claim.key];
        let finished = finished(*row, claim.claimed, finish, around, moment(now));
        match finished {
            Finished::LeaseLost => return finished,
            Finished::Cleared => *row = None,
            Finished::Kept(kept) => *row = Some(kept),
        }
        if let Finish::Clean(record) = finish {
            self.records[mirror][claim.key].clone_from(record);
        }
        finished
    }

    fn around(&self, key: usize) -> Around {
        let has_open_intents = self.intents.iter().any(|intent| intent.key == key);
        Around { has_open_intents, truth_is_elsewhere: false }
    }

    // --- Readers

    /// Every mirror begins with a complete sync of nothing.
    pub(super) fn currency(&self, mirror: usize, key: usize) -> Currency {
        let opened = self.intents.iter().filter(|intent| intent.key == key).map(|intent| intent.opened_at);
        currency(Known {
            row: self.row(mirror, key),
            oldest_intent: opened.min().map(time),
            truth_is_elsewhere: false,
            record: self.records[mirror][key].clone(),
            is_synced: true,
        })
    }
}
