//! What an operator sees of mirrors, in one form for the command line and the admin listener.

use std::collections::BTreeMap;

use serde::Serialize;
use wharf_wire::date::Timestamp;

use crate::{
    config::Config,
    store::{Backlog, DeadFilter, DeadLetter, Journal, JournalError, SyncState, Trouble},
};

/// How one mirror of a bucket stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorStatus {
    /// The configured bucket.
    pub bucket: String,
    /// The mirror's name.
    pub mirror: String,
    /// The mirror's provider; none if the configuration has no such mirror any more, and its rows are left.
    pub provider: Option<String>,
    /// Keys that it may lack something of.
    pub dirty: u64,
    /// Age of the oldest change among them.
    pub lag_seconds: u64,
    /// Keys that are equal, and are being changed.
    pub held: u64,
    /// Keys that were given up, by the class of their failure.
    pub dead: BTreeMap<String, u64>,
    /// Why it is left alone, if it is.
    pub trouble: Option<TroubleStatus>,
    /// The walk that makes it complete.
    pub sync: SyncStatus,
}

/// Why a mirror is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TroubleStatus {
    /// `auth` and `config` wait for an operator, `throttled` and `unreachable` for time.
    pub class: &'static str,
    /// What the store said, or did.
    pub error: String,
    /// When it is tried again.
    pub next_try: String,
}

impl From<Trouble> for TroubleStatus {
    fn from(trouble: Trouble) -> Self {
        let Trouble { class, error, next_try } = trouble;
        Self { class: class.as_str(), error, next_try: next_try.rfc3339() }
    }
}

/// How far a mirror is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// When the last walk that came to its end did so: what was there before is there, and what changed since through Wharf
    /// is in the journal.
    pub completed_at: Option<String>,
    /// When the walk began that has not come to its end.
    pub under_way_since: Option<String>,
    /// The key that it has come to.
    pub key: Option<String>,
}

/// Every mirror that is configured, and every one that has rows.
pub async fn status(
    config: &Config,
    journal: &Journal,
    now: Timestamp,
) -> Result<Vec<MirrorStatus>, JournalError> {
    let mut backlogs: BTreeMap<(String, String), Backlog> = BTreeMap::new();
    for bucket in config.buckets.values() {
        for mirror in &bucket.mirrors {
            backlogs.insert((bucket.name.clone(), mirror.name.to_string()), Backlog::default());
        }
    }
    for backlog in journal.backlog().await? {
        backlogs.insert((backlog.bucket.clone(), backlog.mirror.clone()), backlog);
    }
    let mut status = Vec::with_capacity(backlogs.len());
    for ((bucket, mirror), backlog) in backlogs {
        let sync = journal.sync_state(&bucket, &mirror).await?;
        let provider = provider(config, &bucket, &mirror);
        let trouble = if backlog.waiting > 0 { journal.trouble(&bucket, &mirror).await? } else { None };
        status.push(MirrorStatus {
            provider,
            dirty: backlog.waiting,
            lag_seconds: backlog.oldest.map_or(0, |oldest| seconds_between(oldest, now)),
            held: backlog.held,
            dead: backlog.dead,
            trouble: trouble.map(TroubleStatus::from),
            sync: sync.map_or_else(SyncStatus::default, SyncStatus::from),
            bucket,
            mirror,
        });
    }
    Ok(status)
}

fn provider(config: &Config, bucket: &str, mirror: &str) -> Option<String> {
    let mut mirrors = config.buckets.get(bucket)?.mirrors.iter();
    mirrors.find(|configured| *configured.name == *mirror).map(|configured| configured.provider.clone())
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    to.unix_seconds().saturating_sub(from.unix_seconds())
}

impl From<SyncState> for SyncStatus {
    fn from(state: SyncState) -> Self {
        let is_under_way = state.is_under_way();
        Self {
            completed_at: state.completed_at.map(Timestamp::rfc3339),
            under_way_since: is_under_way.then(|| state.started_at.rfc3339()),
            key: state.cursor.filter(|_| is_under_way),
        }
    }
}

/// A key that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadStatus {
    /// The configured bucket.
    pub bucket: String,
    /// The mirror's name.
    pub mirror: String,
    /// The caller's key.
    pub key: String,
    /// The kind of its last failure.
    pub class: &'static str,
    /// Its last failure.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the oldest change was made that the mirror lacks.
    pub since: String,
}

impl From<&DeadLetter> for DeadStatus {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            bucket: letter.bucket.to_string(),
            mirror: letter.mirror.to_string(),
            key: letter.key.to_string(),
            class: letter.row.class.map_or("", crate::mirror::state::Class::as_str),
            error: letter.error.clone(),
            attempts: letter.row.attempts,
            since: letter.row.since.rfc3339(),
        }
    }
}

/// Keys that were given up, by bucket, mirror and key: `count_max` behind `after`.
pub async fn dead(
    journal: &Journal,
    filter: &DeadFilter,
    after: Option<&DeadLetter>,
    count_max: u32,
) -> Result<(Vec<DeadStatus>, Option<DeadLetter>), JournalError> {
    let letters = journal.dead(filter, after, count_max).await?;
    let status = letters.iter().map(DeadStatus::from).collect();
    Ok((status, letters.into_iter().next_back()))
}
