//! What the journal and others ask of the writer.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;
use wharf_wire::date::Timestamp;

use crate::mirror::state::{Change, Claimed, Finish, Finished, Outcome, Side};

use super::{
    backfill::{Burying, Filling},
    change::Mirrors,
    equal::Recording,
    error::JournalError,
    intent::Intent,
    place::{PlacePair, Placing},
    report::{Claim, DeadFilter},
    rows::RowKey,
    tee::TeeNote,
    usage::UsageWrite,
    webhooks::{ClaimedDelivery, DeliveryClaiming, Webhook, WebhookWrite},
};

/// A question, and where its answer goes.
#[derive(Debug)]
pub(super) struct Asked<Question, Answer> {
    pub(super) question: Question,
    pub(super) reply: oneshot::Sender<Result<Answer, JournalError>>,
}

/// One write.
#[derive(Debug)]
pub(super) enum Command {
    Open(Asked<Vec<Opening>, Vec<Intent>>),
    Mark(Asked<Sayings, ()>),
    Claim(Asked<Claiming, Vec<Claim>>),
    Lease(Asked<Leasing, bool>),
    Finish(Asked<Finishing, Finished>),
    Redrive(Asked<Redriving, Redriven>),
    Record(Asked<Recording, ()>),
    Forget(Asked<PlacePair, u64>),
    Place(Asked<Placing, ()>),
    Sync(Asked<Syncing, ()>),
    Tee(Asked<TeeNote, ()>),
    Bury(Asked<Burying, bool>),
    Fill(Asked<Filling, Option<u64>>),
    Usage(Asked<UsageWrite, ()>),
    WebhookWrite(Asked<WebhookWrite, u64>),
    WebhookClaim(Asked<DeliveryClaiming, Vec<ClaimedDelivery>>),
    WebhookLook(Asked<u32, Vec<Webhook>>),
}

/// An intent without an id yet.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) bucket: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) change: Change,
    pub(super) mirrors: Mirrors,
    pub(super) taken_by: Option<Arc<str>>,
}

/// What is said of one key at one mirror.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saying {
    pub(super) change: Change,
    pub(super) outcome: Outcome,
    /// Who took the change; `None` when nobody asked Wharf.
    pub(super) side: Option<Side>,
    pub(super) opened_at: Timestamp,
}

/// What is said of many keys, in the one order in which every process locks rows.
pub(super) type Sayings = BTreeMap<RowKey, Vec<Saying>>;

/// Rows that a worker wants.
#[derive(Debug)]
pub(super) struct Claiming {
    pub(super) bucket: Arc<str>,
    pub(super) mirror: Arc<str>,
    pub(super) count_max: u32,
}

/// A lease that is to last longer, or to end now.
#[derive(Debug)]
pub(super) struct Leasing {
    pub(super) row: RowKey,
    pub(super) token: u64,
    /// Its new end; `None` gives the row back.
    pub(super) until: Option<Timestamp>,
}

/// A claim that ends.
#[derive(Debug)]
pub(super) struct Finishing {
    pub(super) row: RowKey,
    pub(super) claimed: Claimed,
    pub(super) finish: Finish,
    /// What went wrong, for the operator.
    pub(super) error: String,
}

/// Dead letters that are to be tried again: those behind a row.
#[derive(Debug, Clone)]
pub(super) struct Redriving {
    pub(super) filter: DeadFilter,
    pub(super) after: Option<RowKey>,
}

/// How many they were, and the last one.
#[derive(Debug, Default)]
pub(super) struct Redriven {
    pub(super) count: u64,
    pub(super) last: Option<RowKey>,
}

/// How a walk through a bucket goes on.
#[derive(Debug)]
pub(super) struct Syncing {
    pub(super) bucket: String,
    pub(super) mirror: String,
    pub(super) step: SyncStep,
}

/// A step of such a walk.
#[derive(Debug)]
pub(super) enum SyncStep {
    Start,
    Reached(String),
    Complete,
}
