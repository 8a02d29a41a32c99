//! The journal: which keys may have changed, and which mirrors have to follow.
//!
//! ```text
//! open_intents ─→ (request to the primary) ─→ settle ─→ dirty row ─→ claim ─→ (copy) ─→ finish ─→ current
//!      └─ a crash in between: the intent is found at the next start and counts as a change
//! ```
//!
//! Writes are questions to the one writer and are answered when they are durable. Reads go by themselves to a few
//! connections of their own, and see what was answered before.

use std::sync::Arc;

use tokio::sync::{futures::OwnedNotified, mpsc, oneshot};
use wharf_wire::date::Timestamp;

use crate::{
    clock::Clock,
    mirror::state::{Change, Currency, Finish, Finished, Lease, Outcome, Record},
    tenure::Tenure,
};

use super::{
    change::{Mirrors, NewIntent},
    command::{
        Asked, Claiming, Command, Finishing, Leasing, Opening, Redriven, Redriving, Saying, Sayings,
        SyncStep, Syncing,
    },
    equal::{Equal, Recording},
    error::JournalError,
    intent::Intent,
    place::{PlacePair, Placing},
    reader::Reader,
    report::{Backlog, Claim, DeadFilter, DeadLetter, SyncState, Trouble},
    rows::RowKey,
    wake::Wakes,
};

/// How long a claim lasts that is not renewed.
pub const CLAIM_LEASE_SECONDS: u64 = 60;

/// The journal of mirrored keys. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: mpsc::Sender<Command>,
    reader: Reader,
    wakes: Arc<Wakes>,
    clock: Clock,
    /// Whether this process serves, and so opens intents.
    serves: bool,
    tenure: Option<Arc<Tenure>>,
}

impl Journal {
    pub(super) fn new(
        writer: mpsc::Sender<Command>,
        reader: Reader,
        wakes: Arc<Wakes>,
        (clock, serves): (Clock, bool),
    ) -> Self {
        Self { writer, reader, wakes, clock, serves, tenure: None }
    }

    /// The same, whose intents others take over when `tenure` is over.
    pub(super) fn resting_on(self, tenure: Option<Arc<Tenure>>) -> Self {
        Self { tenure, ..self }
    }

    /// What the intents of this process rest on; none where nobody could take them over while it lives.
    pub fn tenure(&self) -> Option<&Arc<Tenure>> {
        self.tenure.as_ref()
    }

    /// Opens one intent for each key, in order. They are durable when this returns; when it fails, none is open, and
    /// nothing may be forwarded.
    pub async fn open_intents(&self, intents: &[NewIntent<'_>]) -> Result<Vec<Intent>, JournalError> {
        if !self.serves {
            return Err(JournalError::NotServing);
        }
        let opening = |intent: &NewIntent<'_>| Opening {
            bucket: intent.bucket.into(),
            key: intent.key.into(),
            change: intent.change,
            mirrors: Arc::clone(intent.mirrors),
            taken_by: intent.taken_by.map(Arc::from),
        };
        self.ask(Command::Open, intents.iter().map(opening).collect()).await
    }

    /// Makes keys dirty whose change did not come through a door: notifications, sweeps, synchronisation. Durable when it
    /// returns.
    pub async fn mark_dirty(
        &self,
        bucket: &str,
        mirrors: &Mirrors,
        keys: &[&str],
        change: Change,
    ) -> Result<(), JournalError> {
        let now = self.clock.now();
        let saying = Saying { change, outcome: Outcome::Changed, side: None, opened_at: now };
        let bucket: Arc<str> = bucket.into();
        let mut sayings = Sayings::new();
        for key in keys {
            let key: Arc<str> = (*key).into();
            for mirror in mirrors.iter() {
                let row =
                    RowKey { bucket: Arc::clone(&bucket), mirror: Arc::clone(mirror), key: Arc::clone(&key) };
                sayings.insert(row, vec![saying]);
            }
        }
        self.ask(Command::Mark, sayings).await
    }

    /// Takes up to `count_max` rows of `mirror` that are due and that nobody holds, the longest due first. Each is held
    /// for [`CLAIM_LEASE_SECONDS`].
    pub async fn claim(
        &self,
        bucket: &str,
        mirror: &str,
        count_max: u32,
    ) -> Result<Vec<Claim>, JournalError> {
        self.ask(Command::Claim, Claiming { bucket: bucket.into(), mirror: mirror.into(), count_max }).await
    }

    /// Holds a row for another [`CLAIM_LEASE_SECONDS`]. `false`: it was lost, and the work on it is in vain.
    pub async fn renew(&self, claim: &mut Claim) -> Result<bool, JournalError> {
        let until = self.clock.now().plus_seconds(CLAIM_LEASE_SECONDS);
        let is_held = self.ask(Command::Lease, leasing(claim, Some(until))).await?;
        if is_held {
            claim.row.lease = Some(Lease { token: claim.claimed.token, until });
        }
        Ok(is_held)
    }

    /// Gives a row back as it was.
    pub async fn release(&self, claim: Claim) -> Result<(), JournalError> {
        self.ask(Command::Lease, leasing(&claim, None)).await.map(|_was_held| ())
    }

    /// Ends a claim; `error` says what went wrong, if something did.
    pub async fn finish(&self, claim: Claim, finish: Finish, error: &str) -> Result<Finished, JournalError> {
        let finishing =
            Finishing { row: claim.place(), claimed: claim.claimed, finish, error: error.to_owned() };
        self.ask(Command::Finish, finishing).await
    }

    /// Makes dead letters due again, as if they had never failed. Returns how many.
    pub async fn redrive(&self, filter: &DeadFilter) -> Result<u64, JournalError> {
        let mut redriving = Redriving { filter: filter.clone(), after: None };
        let mut redriven = 0;
        loop {
            // The writer takes a bounded number at a time, so that nobody else waits for long.
            let Redriven { count, last } = self.ask(Command::Redrive, redriving.clone()).await?;
            redriven += count;
            match last {
                Some(last) => redriving.after = Some(last),
                None => return Ok(redriven),
            }
        }
    }

    /// What `mirror`'s copy of `key` is worth.
    pub async fn currency(&self, bucket: &str, mirror: &str, key: &str) -> Result<Currency, JournalError> {
        self.reader.currency(bucket, mirror, key).await
    }

    /// Whether nothing was said of a key at `mirror` since its row had this `generation`.
    pub async fn is_newest(
        &self,
        (bucket, mirror): (&str, &str),
        key: &str,
        generation: u64,
    ) -> Result<bool, JournalError> {
        self.reader.is_newest((bucket, mirror), key, generation).await
    }

    /// How many changes of `bucket` are intended of which nobody has said yet what came of them.
    pub async fn changes_under_way(&self, bucket: &str) -> Result<u64, JournalError> {
        self.reader.changes_under_way(bucket).await
    }

    /// What each mirror has still to do; one that has nothing to do may be missing. It costs the same however many keys
    /// wait.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, JournalError> {
        self.reader.backlog().await
    }

    /// Why `mirror` has not got what it lacks, if its store was at fault the last time that it was tried.
    pub async fn trouble(&self, bucket: &str, mirror: &str) -> Result<Option<Trouble>, JournalError> {
        self.reader.trouble(bucket, mirror).await
    }

    /// When the next row of `mirror` is due, if one is to be. A row that somebody holds is due when its lease ends.
    pub async fn next_due(&self, bucket: &str, mirror: &str) -> Result<Option<Timestamp>, JournalError> {
        self.reader.next_due(bucket, mirror).await
    }

    /// Up to `count_max` dead letters behind `after`, by bucket, mirror and key.
    pub async fn dead(
        &self,
        filter: &DeadFilter,
        after: Option<&DeadLetter>,
        count_max: u32,
    ) -> Result<Vec<DeadLetter>, JournalError> {
        self.reader.dead(filter, after, count_max).await
    }

    /// What is on record of those of `keys` that have a copy at `mirror`.
    pub async fn records(
        &self,
        bucket: &str,
        mirror: &str,
        keys: &[&str],
    ) -> Result<Vec<(String, Record)>, JournalError> {
        self.reader.records(bucket, mirror, keys).await
    }

    /// Keeps that pairs are equal, which a walk has found out: but of those that changed meanwhile.
    pub async fn record_equal(
        &self,
        bucket: &str,
        mirror: &str,
        equal: Vec<Equal>,
    ) -> Result<(), JournalError> {
        let recording = Recording { bucket: bucket.into(), mirror: mirror.into(), equal };
        self.ask(Command::Record, recording).await
    }

    /// Where mirrors are, as far as the journal knows of them.
    pub async fn places(&self) -> Result<Vec<PlacePair>, JournalError> {
        self.reader.places().await
    }

    /// Keeps where a mirror is. What was recorded of other places is forgotten.
    pub async fn set_place(&self, pair: &PlacePair) -> Result<(), JournalError> {
        self.place(pair, true).await
    }

    /// Forgets where a mirror was, and what was recorded of it there.
    pub async fn forget_place(&self, pair: &PlacePair) -> Result<(), JournalError> {
        self.place(pair, false).await
    }

    async fn place(&self, pair: &PlacePair, is_kept: bool) -> Result<(), JournalError> {
        while self.ask(Command::Forget, pair.clone()).await? > 0 {}
        self.ask(Command::Place, Placing { pair: pair.clone(), is_kept }).await
    }

    /// How far making `mirror` complete has come; `None` if it was never begun.
    pub async fn sync_state(&self, bucket: &str, mirror: &str) -> Result<Option<SyncState>, JournalError> {
        self.reader.sync_state(bucket, mirror).await
    }

    /// Begins to make `mirror` complete, from the first key on.
    pub async fn start_sync(&self, bucket: &str, mirror: &str) -> Result<(), JournalError> {
        self.sync(bucket, mirror, SyncStep::Start).await
    }

    /// Keeps how far it has come.
    pub async fn set_sync_cursor(
        &self,
        bucket: &str,
        mirror: &str,
        cursor: &str,
    ) -> Result<(), JournalError> {
        self.sync(bucket, mirror, SyncStep::Reached(cursor.to_owned())).await
    }

    /// Keeps that it came to its end.
    pub async fn complete_sync(&self, bucket: &str, mirror: &str) -> Result<(), JournalError> {
        self.sync(bucket, mirror, SyncStep::Complete).await
    }

    /// Resolves when rows of `mirror` became due by what this process did. It is for one worker of each mirror, which
    /// looks by itself now and then besides: rows also become due by the clock, and by other nodes.
    pub fn woken(&self, bucket: &str, mirror: &str) -> OwnedNotified {
        self.wakes.woken(bucket, mirror)
    }

    async fn sync(&self, bucket: &str, mirror: &str, step: SyncStep) -> Result<(), JournalError> {
        let syncing = Syncing { bucket: bucket.to_owned(), mirror: mirror.to_owned(), step };
        self.ask(Command::Sync, syncing).await
    }

    /// The time, as leases go by it.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) async fn ask<Question, Answer>(
        &self,
        command: impl FnOnce(Asked<Question, Answer>) -> Command,
        question: Question,
    ) -> Result<Answer, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(command(Asked { question, reply })).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }
}

impl Claim {
    fn place(&self) -> RowKey {
        RowKey {
            bucket: Arc::clone(&self.bucket),
            mirror: Arc::clone(&self.mirror),
            key: Arc::clone(&self.key),
        }
    }
}

fn leasing(claim: &Claim, until: Option<Timestamp>) -> Leasing {
    Leasing { row: claim.place(), token: claim.claimed.token, until }
}
