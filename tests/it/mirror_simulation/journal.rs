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
    run: u32,
    open: OpenIntent,
}

/// An intent, as its process knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenIntent {
    pub(super) id: u32,
    pub(super) key: usize,
    pub(super) change: Change,
    /// The mirrors that have to follow.
    pub(super) mirrors: [bool; MIRRORS],
    pub(super) opened_at: u64,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    id: u32,
    node: usize,
    until: u64,
}

/// What a door says when its request has ended.
#[derive(Debug, Clone)]
pub(super) struct Settlement {
    pub(super) intent: OpenIntent,
    pub(super) outcome: Outcome,
    /// What the object that was written has for a number at the primary.
    pub(super) version: Option<u32>,
    pub(super) teed: Teed,
}

/// What the mirror made of a request that a tee has sent it.
#[derive(Debug, Clone)]
pub(super) enum Teed {
    /// There was none, or it certainly did nothing.
    No,
    Copied(Record),
    /// It may still do it.
    Unsure,
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
    pub(super) fn open_again(&mut self, run: u32, intents: impl Iterator<Item = OpenIntent>) {
        for open in intents {
            self.intents.retain(|intent| intent.open.id != open.id);
            self.intents.push(Intent { run, open });
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
        for Intent { open, .. } in left.iter().copied() {
            self.say(open, Outcome::Unknown, now);
        }
        left.iter()
            .filter(|intent| intent.open.change == Change::Delete)
            .map(|intent| intent.open.key)
            .collect()
    }

    // --- Doors

    pub(super) fn open(&mut self, run: u32, intent: OpenIntent) -> OpenIntent {
        let open = OpenIntent { id: self.number(), ..intent };
        self.intents.push(Intent { run, open });
        open
    }

    pub(super) fn settle(&mut self, settlement: &Settlement, now: u64) {
        let Settlement { intent, outcome, teed, .. } = settlement;
        self.intents.retain(|open| open.open.id != intent.id);
        self.say(*intent, *outcome, now);
        match teed {
            Teed::No => {}
            Teed::Copied(record) => {
                for (mirror, _) in intent.mirrors.iter().enumerate().filter(|(_, has_it)| **has_it) {
                    self.records[mirror][intent.key] = Some(record.clone());
                }
            }
            Teed::Unsure => self.say(*intent, Outcome::Unknown, now),
        }
    }

    /// What a notification or a sweep says, or an operator who redrives.
    pub(super) fn mark_dirty(&mut self, key: usize, now: u64) {
        let said =
            Settled { change: Change::Write, outcome: Outcome::Changed, side: None, opened_at: time(now) };
        for rows in &mut self.rows {
            rows[key] = settled(rows[key], said, moment(now));
        }
    }

    fn say(&mut self, intent: OpenIntent, outcome: Outcome, now: u64) {
        let OpenIntent { key, change, mirrors, opened_at, .. } = intent;
        let said = Settled { change, outcome, side: Some(Side::Primary), opened_at: time(opened_at) };
        for (rows, _) in self.rows.iter_mut().zip(mirrors).filter(|(_, has_to_follow)| *has_to_follow) {
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

    /// Whether nothing was said of the key since it was claimed.
    pub(super) fn is_newest(&self, mirror: usize, claim: &Claim) -> bool {
        self.row(mirror, claim.key).is_some_and(|row| row.generation == claim.row.generation)
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
        Around { has_open_intents: self.has_intents_on(key), truth_is_elsewhere: false }
    }

    pub(super) fn has_intents_on(&self, key: usize) -> bool {
        self.open_on(key).next().is_some()
    }

    /// Intents that are open on the key, whoever runs them, and for whichever mirror.
    fn open_on(&self, key: usize) -> impl Iterator<Item = &OpenIntent> {
        self.intents.iter().map(|intent| &intent.open).filter(move |open| open.key == key)
    }

    // --- Readers

    /// Every mirror begins with a complete sync of nothing.
    pub(super) fn currency(&self, mirror: usize, key: usize) -> Currency {
        let opened = self.open_on(key).map(|intent| intent.opened_at);
        currency(Known {
            row: self.row(mirror, key),
            oldest_intent: opened.min().map(time),
            truth_is_elsewhere: false,
            record: self.records[mirror][key].clone(),
            is_synced: true,
        })
    }
}
