//! The one task that writes. What was asked while a transaction ran makes up the next one, so that all who wait share the
//! price of one commit; each is answered when the commit has reached the disk.
//!
//! ```text
//! questions ─→ channel (bounded) ─┐
//! outcomes of intents ─→ queue ───┴─→ batch ─→ BEGIN … COMMIT ─→ answers, workers woken
//!                          ↑                        └─ failed ─→ errors; the outcomes wait for the next try
//!                          └────────────────────────────────────────┘
//! ```

mod backfills;
mod batch;
mod claims;
mod equals;
mod intents;
mod places;
mod redrive;
mod runs;
mod sayings;
mod syncs;
mod tees;
mod usage;
mod webhooks;
mod work;

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use sqlx::{AnyConnection, Connection};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use wharf_wire::date::Timestamp;

use crate::{
    clock::Clock,
    mirror::{crash_point::Point, state::Moment},
    server::Drain,
    tenure::Tenure,
};

use self::{
    batch::{Answers, Author, Batch, Promotion},
    work::Work,
};

use super::{
    command::Command,
    database::Database,
    error::JournalError,
    identity::Identity,
    intent::{OpenIntent, Settlements},
    sql::Dialect,
    wake::Wakes,
};

/// How long outcomes wait for a command to share a commit with. Until then a crash only means work in vain.
const SETTLE_PAUSE: Duration = Duration::from_millis(2);
/// How long outcomes wait that could not be committed, when nobody asks for anything.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Tries of one transaction. The first may meet a connection that has died, or another node's locks.
const ATTEMPTS: usize = 2;

/// What the writer is made of.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) identity: Identity,
    /// How long a run lasts that is not renewed; `None` for a process without intents of its own.
    pub(super) lease: Option<Duration>,
    /// How long a provider may work on a request that was given up.
    pub(super) late_effect: Duration,
    pub(super) clock: Clock,
    pub(super) wakes: Arc<Wakes>,
    /// Told how long this process's run lasts.
    pub(super) tenure: Option<Arc<Tenure>>,
}

/// The writer.
pub(super) struct Writer {
    parts: Parts,
    connection: Option<AnyConnection>,
    settlements: Arc<Settlements>,
    /// Intents that stand in the database, as far as this process has opened them.
    open: HashMap<i64, Arc<OpenIntent>>,
    next_intent: i64,
    /// The first intent of which nobody knows whether it stands there: its transaction failed.
    unsure_from: Option<i64>,
    /// Runs that this process has begun. Another one begins when the last was found to be over.
    runs: u32,
    is_registered: bool,
    claims: u64,
    is_failing: bool,
}

/// What the writer wakes up for.
enum Woken {
    Command(Box<Command>),
    Settled,
    Due,
    DrainBegun,
    End,
}

impl Writer {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            connection: None,
            settlements: Arc::default(),
            open: HashMap::new(),
            next_intent: 1,
            unsure_from: None,
            runs: 0,
            is_registered: false,
            claims: 0,
            is_failing: false,
        }
    }

    /// Takes over what earlier runs have left: their intents count as changes.
    pub(super) async fn start(&mut self) -> Result<(), JournalError> {
        let mut has_more = true;
        while has_more {
            let batch = Batch::of_promotion(Promotion::OwnNode);
            has_more = self.attempts(&batch).await?.has_more;
        }
        Ok(())
    }

    /// Writes until the drain begins and everything is written that was asked before.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, drain: Drain) {
        loop {
            match self.woken(&mut commands, &drain).await {
                Woken::Command(command) => self.commit_with(Some(*command), &mut commands).await,
                Woken::Settled => {
                    let command = timeout(SETTLE_PAUSE, commands.recv()).await.ok().flatten();
                    self.commit_with(command, &mut commands).await;
                }
                Woken::Due => self.keep_up(&mut commands).await,
                Woken::DrainBegun => commands.close(),
                Woken::End => break,
            }
        }
        self.commit_with(None, &mut commands).await;
        self.end().await;
    }

    async fn woken(&mut self, commands: &mut mpsc::Receiver<Command>, drain: &Drain) -> Woken {
        let pause = self.pause();
        let due = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => pending().await,
            }
        };
        let is_closed = commands.is_closed();
        let drain_begun = async { if is_closed { pending().await } else { drain.begun().await } };
        tokio::select! {
            biased;
            () = drain_begun => Woken::DrainBegun,
            command = commands.recv() => command.map_or(Woken::End, |command| Woken::Command(Box::new(command))),
            () = self.settlements.arrived() => Woken::Settled,
            () = due => Woken::Due,
        }
    }

    /// How long the writer may sleep.
    fn pause(&self) -> Option<Duration> {
        match self.parts.lease {
            _ if self.is_failing => Some(RETRY_PAUSE),
            // One process has the database for itself: nobody else waits for a sign of life.
            _ if self.parts.database.dialect == Dialect::Sqlite => None,
            lease => lease.map(|lease| lease / 3),
        }
    }

    async fn commit_with(&mut self, command: Option<Command>, commands: &mut mpsc::Receiver<Command>) {
        let mut batch = Batch::default();
        if let Some(command) = command {
            batch.add(command);
        }
        while !batch.is_full()
            && let Ok(command) = commands.try_recv()
        {
            batch.add(command);
        }
        let settlements = self.settlements.take();
        self.next_intent = batch.complete(settlements, self.next_intent, self.parts.clock.now());
        if !batch.is_empty() {
            self.commit(batch).await;
        }
    }

    /// Renews this process's run, and takes over what others have left.
    async fn keep_up(&mut self, commands: &mut mpsc::Receiver<Command>) {
        if self.parts.database.dialect == Dialect::Sqlite || self.parts.lease.is_none() {
            return self.commit_with(None, commands).await;
        }
        let mut has_more = true;
        while has_more {
            let mut batch = Batch::of_promotion(Promotion::RunOut);
            batch.complete(self.settlements.take(), self.next_intent, self.parts.clock.now());
            has_more = self.commit(batch).await;
        }
    }

    /// Whether there is more to promote.
    async fn commit(&mut self, batch: Batch) -> bool {
        match self.attempts(&batch).await {
            Ok(answers) => {
                self.note_success();
                self.open.extend(batch.opened.iter().map(|open| (open.id, Arc::clone(open))));
                for id in batch.settled_ids() {
                    self.open.remove(&id);
                }
                for (bucket, mirror) in &answers.woken {
                    self.parts.wakes.wake(bucket, mirror);
                }
                if answers.webhooks.has_work {
                    self.parts.wakes.wake_deliveries();
                }
                let has_more = answers.has_more;
                batch.answer(answers, &self.settlements);
                has_more
            }
            Err(error) => {
                self.note_failure(&error);
                self.settlements.put_back(batch.refuse(&error));
                false
            }
        }
    }

    async fn attempts(&mut self, batch: &Batch) -> Result<Answers, JournalError> {
        let mut attempt = 1;
        loop {
            let (patience, was_registered) = (self.parts.database.patience, self.is_registered);
            let done = timeout(patience, self.attempt(batch)).await.unwrap_or(Err(JournalError::TimedOut));
            let error = match done {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            self.is_registered = was_registered;
            // The commit itself may have failed, and then the intents may be there or not.
            self.unsure_from = self.unsure_from.or(batch.opened.first().map(|open| open.id));
            if attempt == ATTEMPTS || matches!(error, JournalError::TimedOut) {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// One transaction. A connection on which one has failed is not used again.
    async fn attempt(&mut self, batch: &Batch) -> Result<Answers, JournalError> {
        let mut connection = self.connection().await?;
        let answers = self.transact(&mut connection, batch).await?;
        self.connection = Some(connection);
        self.unsure_from = None;
        Ok(answers)
    }

    async fn transact(
        &mut self,
        connection: &mut AnyConnection,
        batch: &Batch,
    ) -> Result<Answers, JournalError> {
        let dialect = self.parts.database.dialect;
        let mut transaction = connection.begin_with(dialect.begin()).await?;
        let mut work = Work::new(&mut transaction, dialect, self.moment());
        let held_until = self.hold_run(&mut work).await?;
        let run = self.run_name();
        if let Some(first) = self.unsure_from {
            work.delete_intents_from(&run, first).await?;
        }
        let (claims, base) = (&mut self.claims, self.parts.identity.tokens_from);
        let token = || {
            *claims += 1;
            // Below 2^63, so that the database can hold it; never 0, which stands for none.
            (base.wrapping_add(*claims) & i64::MAX.unsigned_abs()).max(1)
        };
        let author = Author { run: &run, node: &self.parts.identity.node };
        let mut answers = batch.apply(&mut work, &author, token).await?;
        answers.woken = work.end(&self.parts.identity.node).await?;
        batch.reached(
            &answers,
            [Point::SettleCommitting, Point::FinishCommitting, Point::PromotionCommitting],
        );
        transaction.commit().await?;
        if let (Some(tenure), Some(until)) = (&self.parts.tenure, held_until) {
            tenure.extend(until);
        }
        batch.reached(&answers, [Point::Settled, Point::Finished, Point::Promoted]);
        Ok(answers)
    }

    /// Sees to it that this process's run is known, and until when. One that was taken for dead begins anew, with what it has
    /// open.
    async fn hold_run(&mut self, work: &mut Work<'_>) -> Result<Option<Timestamp>, sqlx::Error> {
        let Some(lease) = self.parts.lease else { return Ok(None) };
        let until = work.now().plus_seconds(lease.as_secs());
        let is_known = match work.dialect {
            _ if !self.is_registered => false,
            Dialect::Sqlite => true,
            Dialect::Postgres => work.renew_run(&self.run_name(), until).await?,
        };
        if !is_known {
            self.runs += 1;
            self.is_registered = true;
            let run = self.run_name();
            work.register(&run, &self.parts.identity.node, until).await?;
            let open: Vec<_> = self.open.values().cloned().collect();
            work.insert_intents(&run, &open).await?;
        }
        Ok(Some(until))
    }

    async fn connection(&mut self) -> Result<AnyConnection, JournalError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.parts.database.connect().await?),
        }
    }

    fn run_name(&self) -> String {
        format!("{}.{}", self.parts.identity.process, self.runs)
    }

    fn moment(&self) -> Moment {
        Moment { now: self.parts.clock.now(), late_effect: self.parts.late_effect }
    }

    /// With nothing open the run ends, and leaves nothing to promote.
    async fn end(mut self) {
        if !self.open.is_empty() || !self.is_registered {
            return;
        }
        let (run, dialect, patience) =
            (self.run_name(), self.parts.database.dialect, self.parts.database.patience);
        let end = async {
            let mut connection = self.connection().await?;
            let moment = self.moment();
            Work::new(&mut connection, dialect, moment).end_run(&run).await?;
            connection.close().await?;
            Ok::<_, JournalError>(())
        };
        if !matches!(timeout(patience, end).await, Ok(Ok(()))) {
            tracing::warn!(
                "the journal could not be told that this process ends: the next start looks once more"
            );
        }
    }

    fn note_success(&mut self) {
        if self.is_failing {
            self.is_failing = false;
            tracing::info!("the journal can be written again");
        }
    }

    fn note_failure(&mut self, error: &JournalError) {
        if !self.is_failing {
            self.is_failing = true;
            tracing::error!(%error, "the journal cannot be written: writes to mirrored buckets are refused");
        }
    }
}
