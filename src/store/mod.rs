//! The database: SQLite in the data directory by default, PostgreSQL by URL where several nodes share it.
//!
//! It holds what has to outlive a crash: the [`Journal`] of mirrored keys, and [`WebhookRows`]. Nothing is kept in memory that grows with the
//! number of keys.
//!
//! ```text
//! Journal ─ writes ─→ channel ─→ writer (one task, one connection, group commit) ─┐
//!         └ reads ──→ reader (a few connections) ────────────────────────────────┴─→ database
//! ```
//!
//! Of the processes of one data directory only one may serve; another may look in beside it (a command line), and sees
//! and writes the same.

mod backfill;
mod change;
mod command;
mod database;
mod dead;
mod equal;
mod error;
mod identity;
mod intent;
mod journal;
mod migrate;
mod place;
mod reader;
mod report;
mod revocations;
mod rows;
mod shared;
mod sql;
mod tee;
mod usage;
mod wake;
mod webhooks;
mod writer;

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{clock::Clock, config::checked::StoreConfig, server::Drain, tenure::Tenure};

pub use self::{
    backfill::{FILL_LEASE_SECONDS, Fill},
    change::{Mirrors, NewIntent},
    equal::Equal,
    error::{JournalError, StoreError},
    intent::Intent,
    journal::{CLAIM_LEASE_SECONDS, Journal},
    place::PlacePair,
    report::{Backlog, Claim, DeadFilter, DeadLetter, SyncState, Trouble},
    revocations::Revocations,
    shared::SharedStore,
    tee::{StaleTee, TeeName, TeePart},
    usage::UsageRow,
    webhooks::{
        ClaimedDelivery, Delivery, DeliveryBacklog, DeliveryEnd, DeliveryState, NewDelivery, Webhook,
        WebhookKind, WebhookRows,
    },
};

use self::{
    database::Database,
    identity::Identity,
    reader::Reader,
    sql::Dialect,
    wake::Wakes,
    writer::{Parts, Writer},
};

/// Questions that wait for the writer. Whoever comes when it is full waits to ask.
const QUESTIONS_MAX: usize = 1024;

/// The open database. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Store {
    journal: Journal,
    webhooks: WebhookRows,
    revocations: Revocations,
}

impl Store {
    /// Opens the database for the process that serves from `data_directory`, brings its tables up to date, and takes over
    /// what a crash has left.
    ///
    /// `drain` is the store's own: finish it after that of the doors and workers, since it ends the writer.
    pub async fn open(
        config: &StoreConfig,
        data_directory: &Path,
        clock: Clock,
        drain: &Drain,
    ) -> Result<Self, StoreError> {
        let lock = identity::lock(data_directory)?;
        let opened = Opened::new(config, data_directory, clock).await?.serving(config.lease);
        let mut writer = opened.writer(Some(config.lease));
        writer.start().await?;
        Ok(opened.spawn(writer, Some(lock), drain))
    }

    /// Opens the database beside the process that serves, if there is one: for everything but opening intents.
    pub async fn open_beside(
        config: &StoreConfig,
        data_directory: &Path,
        clock: Clock,
        drain: &Drain,
    ) -> Result<Self, StoreError> {
        let opened = Opened::new(config, data_directory, clock).await?;
        let writer = opened.writer(None);
        Ok(opened.spawn(writer, None, drain))
    }

    /// Access tokens that were taken back.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The journal of mirrored keys.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Webhooks, and what is to be delivered to them.
    pub fn webhooks(&self) -> &WebhookRows {
        &self.webhooks
    }
}

/// What reader and writer have in common.
struct Opened {
    database: Database,
    identity: Identity,
    reader: Reader,
    wakes: Arc<Wakes>,
    late_effect: Duration,
    clock: Clock,
    /// What this process's intents rest on, if it has any and others could take them over.
    tenure: Option<Arc<Tenure>>,
}

impl Opened {
    async fn new(config: &StoreConfig, data_directory: &Path, clock: Clock) -> Result<Self, StoreError> {
        let identity = Identity::of(data_directory)?;
        let database = Database::new(config, data_directory)?;
        migrate::migrate(&database, clock.now()).await?;
        identity::sync(data_directory)?;
        let reader = Reader::new(database.readers()?, database.dialect, database.patience);
        let (wakes, late_effect) = (Arc::default(), config.late_effect);
        Ok(Self { database, identity, reader, wakes, late_effect, clock, tenure: None })
    }

    /// For a process that has intents. SQLite's has its directory locked, so that nobody takes over while it lives.
    fn serving(self, lease: Duration) -> Self {
        let is_shared = self.database.dialect == Dialect::Postgres;
        let tenure = is_shared.then(|| Arc::new(Tenure::new(self.clock, lease)));
        Self { tenure, ..self }
    }

    fn writer(&self, lease: Option<Duration>) -> Writer {
        Writer::new(Parts {
            database: self.database.clone(),
            identity: self.identity.clone(),
            lease,
            late_effect: self.late_effect,
            clock: self.clock,
            wakes: Arc::clone(&self.wakes),
            tenure: self.tenure.clone(),
        })
    }

    /// The lock ends with the writer, not before.
    fn spawn(self, writer: Writer, lock: Option<File>, drain: &Drain) -> Store {
        let serves = lock.is_some();
        let (sender, receiver) = mpsc::channel(QUESTIONS_MAX);
        let (reader, own) = (self.reader.clone(), drain.clone());
        drain.spawn(async move {
            writer.run(receiver, own).await;
            reader.close().await;
            drop(lock);
        });
        let revocations = Revocations::new(self.database, self.reader.clone());
        let journal = Journal::new(sender, self.reader, Arc::clone(&self.wakes), (self.clock, serves));
        let journal = journal.resting_on(self.tenure);
        Store { webhooks: WebhookRows::new(journal.clone(), self.wakes), journal, revocations }
    }
}
