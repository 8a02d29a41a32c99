//! What doors see of mirroring: they say which keys they are about to change, and what came of it.
//!
//! ```text
//! intend ─ durable ─▶ request to the primary ─▶ settle ─▶ dirty rows, workers woken
//!    └─ the journal cannot take it: the write is refused, and nothing was forwarded
//! ```
//!
//! Subscribers of webhooks are told what came of it as well, whether the bucket has mirrors or not, and doors answer their clients
//! when that is durable. A bucket with neither pays for none of it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{Response, StatusCode};

use crate::{
    admin::Metrics,
    backend::upstream::{ReplyStream, UpstreamError},
    config::{Config, checked::BucketConfig},
    server::Drain,
    store::{self, Intent, Journal, JournalError, NewIntent, SharedStore},
    tenure::Tenure,
    transfer::Sending,
    webhooks::{EventName, Telling, Watch, Webhooks},
};

use super::{
    backfill::Backfills,
    burial::{Burial, Unasked},
    crash_point::{self, Point},
    moved::{self, MoveError},
    state::{Change, Outcome},
    tee::{Judge, Memory, Tee, Verdict},
};

/// The journal of all mirrored buckets. There is one for each process, whatever the configuration becomes.
pub struct Mirrors {
    store: SharedStore,
    /// Known with the first configuration that needs it, and so is the tee.
    journal: OnceLock<Journal>,
    tee: OnceLock<Tee>,
    /// What joins what is done on behalf of clients after their requests.
    drain: OnceLock<Drain>,
    metrics: Arc<Metrics>,
    backfills: Backfills,
    /// Who is told of changes besides, of buckets with mirrors and without.
    webhooks: Option<Webhooks>,
}

impl Mirrors {
    /// Over a database that need not be open yet.
    pub fn new(store: SharedStore) -> Self {
        Self {
            store,
            journal: OnceLock::new(),
            tee: OnceLock::new(),
            drain: OnceLock::new(),
            metrics: Arc::default(),
            backfills: Backfills::default(),
            webhooks: None,
        }
    }

    /// The same, and `webhooks` are told what came of each change.
    #[must_use]
    pub fn telling(self, webhooks: Webhooks) -> Self {
        Self { webhooks: Some(webhooks), ..self }
    }

    /// The database that the journal is in, once it is open.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The same, with what doors do counted there.
    #[must_use]
    pub fn counted_in(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    pub(super) fn drain(&self) -> Option<&Drain> {
        self.drain.get()
    }

    pub(super) fn backfills(&self) -> &Backfills {
        &self.backfills
    }

    /// Where that is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes the journal of the open database if `config` has something to say there. What is done on behalf of clients after
    /// their requests is joined by `doors`.
    pub fn prepare(&self, config: &Config, doors: &Drain) {
        if !config.has_mirrors() && !config.has_backfills() {
            return;
        }
        let Some(store) = self.store.get() else { return };
        let journal = self.journal.get_or_init(|| store.journal().clone());
        self.drain.get_or_init(|| doors.clone());
        self.tee.get_or_init(|| {
            let memory = Memory::new(config.mirroring.tee_memory_bytes_max);
            let tee = Tee::new(journal.clone(), config.mirroring.tee_skew_bytes_max, memory, doors.clone());
            tee.counted_in(Arc::clone(&self.metrics))
        });
    }

    /// What sends clients' uploads to mirrors as well, if there are any.
    pub fn tee(&self) -> Option<&Tee> {
        self.tee.get()
    }

    /// Makes the journal fit `config`, which is about to be in force, or says why it does not.
    pub async fn settle(&self, config: &Config) -> Result<(), MoveError> {
        match self.journal() {
            Some(journal) => moved::settle(config, journal).await,
            None => Ok(()),
        }
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// Notes that `keys` of `bucket` are about to change. It is durable when this returns; when it fails, nothing may be
    /// forwarded.
    pub async fn intend(
        &self,
        bucket: &BucketConfig,
        keys: impl Iterator<Item = &str>,
        change: Change,
    ) -> Result<Intents, JournalError> {
        let is_watched = self.webhooks.as_ref().is_some_and(|webhooks| webhooks.are_watching(&bucket.name));
        if bucket.mirrors.is_empty() && bucket.backfill.is_none() && !is_watched {
            return Ok(Intents::default());
        }
        let keys: Vec<&str> = keys.collect();
        let is_buried = bucket.backfill.is_some() && change == Change::Delete;
        let burial = if is_buried { Some(self.bury(bucket, &keys).await?) } else { None };
        let watch = self.watch(bucket, &keys, change);
        let mirrors = names(bucket);
        let intent = |key| NewIntent { bucket: &bucket.name, key, change, mirrors: &mirrors, taken_by: None };
        let intents = keys.into_iter().map(intent).filter(|intent| !intent.mirrors.is_empty());
        let own = self.open(&intents.collect::<Vec<_>>()).await?;
        Ok(Intents { watch, burial: burial.and_then(Unasked::asking), ..self.intents(own) })
    }

    /// Whoever wants to know what becomes of `keys`.
    fn watch(&self, bucket: &BucketConfig, keys: &[&str], change: Change) -> Option<Watch> {
        let event = match change {
            Change::Write => EventName::UploadCompleted,
            Change::Delete => EventName::ObjectDeleted,
        };
        self.webhooks.as_ref()?.watch(&bucket.name, keys, event)
    }

    /// The same of a write to one key of which the mirrors called `teed` are sent the bytes. Each of those has an intent of
    /// its own, in order, so that nobody waits for a slow one; the others share one.
    pub async fn intend_teed(
        &self,
        bucket: &BucketConfig,
        key: &str,
        teed: &[Arc<str>],
    ) -> Result<(Intents, Vec<Intent>), JournalError> {
        let others: store::Mirrors =
            names(bucket).iter().filter(|name| !teed.contains(name)).cloned().collect();
        let groups: Vec<store::Mirrors> = teed.iter().map(|name| Arc::from([Arc::clone(name)])).collect();
        let groups = groups.iter().chain((!others.is_empty()).then_some(&others));
        let intent =
            |mirrors| NewIntent { bucket: &bucket.name, key, change: Change::Write, mirrors, taken_by: None };
        let mut teed_intents = self.open(&groups.map(intent).collect::<Vec<_>>()).await?;
        let own = teed_intents.split_off(teed.len().min(teed_intents.len()));
        let watch = self.watch(bucket, &[key], Change::Write);
        Ok((Intents { watch, ..self.intents(own) }, teed_intents))
    }

    /// Notes that `mirror` is about to take a new object in the primary's place, and has the truth about `key` then.
    pub async fn intend_at(
        &self,
        bucket: &BucketConfig,
        key: &str,
        mirror: &str,
    ) -> Result<Intents, JournalError> {
        let mirrors = names(bucket);
        let watch = self.watch(bucket, &[key], Change::Write);
        let (bucket, change) = (&bucket.name, Change::Write);
        let intent = NewIntent { bucket, key, change, mirrors: &mirrors, taken_by: Some(mirror) };
        Ok(Intents { watch, ..self.intents(self.open(&[intent]).await?) })
    }

    /// Notes that `mirror` has taken what was intended. When this returns, every reader knows where the truth is.
    pub async fn note_taken(
        &self,
        intents: Intents,
        bucket: &BucketConfig,
        key: &str,
        mirror: &Arc<str>,
    ) -> Result<Telling, JournalError> {
        let telling = intents.settle_changed(None);
        // A commit has with it whatever was settled before it was asked for.
        let journal = self.journal().ok_or(JournalError::Closed)?;
        let own: store::Mirrors = [Arc::clone(mirror)].into();
        journal.mark_dirty(&bucket.name, &own, &[key], Change::Write).await?;
        Ok(telling)
    }

    fn intents(&self, own: Vec<Intent>) -> Intents {
        let tenure = self.tenure().filter(|_| !own.is_empty()).cloned();
        Intents { own, tenure, ..Intents::default() }
    }

    /// What intents of `bucket` rest on, where others could take over.
    pub fn tenure_of(&self, bucket: &BucketConfig) -> Option<&Arc<Tenure>> {
        self.tenure().filter(|_| !bucket.mirrors.is_empty())
    }

    fn tenure(&self) -> Option<&Arc<Tenure>> {
        self.journal().and_then(Journal::tenure)
    }

    async fn open(&self, intents: &[NewIntent<'_>]) -> Result<Vec<Intent>, JournalError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        crash_point::reached(Point::IntentWanted);
        let journal = self.journal().ok_or(JournalError::Closed)?;
        let opened = journal.open_intents(intents).await?;
        crash_point::reached(Point::IntentDurable);
        Ok(opened)
    }

    /// Notes that `keys` of `bucket` were changed by somebody who did not come through a door: a browser that has sent an
    /// object straight to the provider. Their absence is not mirrored.
    pub async fn note_foreign(&self, bucket: &BucketConfig, keys: &[&str]) -> Result<(), JournalError> {
        if bucket.mirrors.is_empty() || keys.is_empty() {
            return Ok(());
        }
        let journal = self.journal().ok_or(JournalError::Closed)?;
        journal.mark_dirty(&bucket.name, &names(bucket), keys, Change::Write).await
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mirrors")
            .field("has_journal", &self.journal.get().is_some())
            .finish_non_exhaustive()
    }
}

/// What is known of a change when the head of its reply has come, or will not come.
fn outcome(reply: &Result<Response<ReplyStream>, UpstreamError>, may_be_sent_twice: bool) -> Outcome {
    match reply {
        Ok(reply) if reply.status().is_success() => Outcome::Changed,
        // The one before may have done what this one was refused for.
        Ok(_) | Err(_) if may_be_sent_twice => Outcome::Unknown,
        Ok(reply) if reply.status().is_client_error() => Outcome::Unchanged,
        Err(error) if error.is_unsent() => Outcome::Unchanged,
        Ok(_) | Err(_) => Outcome::Unknown,
    }
}

fn names(bucket: &BucketConfig) -> store::Mirrors {
    bucket.mirrors.iter().map(|mirror| Arc::clone(&mirror.name)).collect()
}

/// The intents of one request, one for each key that it changes. A bucket without mirrors has none. Dropped, they count as
/// [`Outcome::Unknown`].
#[derive(Debug, Default)]
#[must_use = "dropped, they say that nobody knows what came of the request"]
pub struct Intents {
    own: Vec<Intent>,
    /// Who tells the mirrors that are sent the same bytes; their intents are with what is sent to them.
    judge: Option<Judge>,
    /// What they rest on, where others could take over.
    tenure: Option<Arc<Tenure>>,
    /// Who tells subscribers.
    watch: Option<Watch>,
    /// What comes from the old place no more, unless nothing comes of the delete.
    burial: Option<Burial>,
}

impl Intents {
    /// The same, and `judge` is told what came of the request.
    pub fn judged(self, judge: Option<Judge>) -> Self {
        Self { judge, ..self }
    }

    /// The request that they are about: it does not end unless they are still this process's.
    pub fn guarded(&self, sending: Sending) -> Sending {
        match &self.tenure {
            Some(tenure) => Sending { body: sending.body.while_held(tenure), ..sending },
            None => sending,
        }
    }

    /// What they rest on, where others could take over what this process has begun.
    pub fn tenure(&self) -> Option<&Arc<Tenure>> {
        self.tenure.as_ref()
    }

    /// The same, and no subscriber is told: what is about to change is no upload and no delete.
    pub fn unwatched(self) -> Self {
        Self { watch: None, ..self }
    }

    /// Says the same of every key. A change that somebody is waiting to hear of is settled with [`Self::settle_changed`].
    pub fn settle(self, outcome: Outcome) {
        drop(self.settle_each(std::iter::repeat(outcome)));
    }

    /// Says of each key what came of it, in the order in which they were intended.
    pub fn settle_each(self, outcomes: impl IntoIterator<Item = Outcome>) -> Telling {
        let mut outcomes = outcomes.into_iter();
        let first = outcomes.next();
        let verdict = match first {
            Some(Outcome::Unchanged) => Verdict::Refused,
            // Without an `ETag` nobody can say later what a mirror's copy is a copy of.
            Some(Outcome::Unknown | Outcome::Changed) | None => Verdict::Unknown,
        };
        self.say(first.into_iter().chain(outcomes), verdict, None)
    }

    /// Says that everything was changed, and the `ETag` of what the primary has now. The change is acknowledged when what
    /// this returns has come.
    pub fn settle_changed(self, etag: Option<String>) -> Telling {
        let verdict = etag.clone().map_or(Verdict::Unknown, |etag| Verdict::Stored { etag });
        self.say(std::iter::repeat(Outcome::Changed), verdict, etag)
    }

    fn say(self, outcomes: impl Iterator<Item = Outcome>, verdict: Verdict, etag: Option<String>) -> Telling {
        if self.is_empty() {
            return Telling::default();
        }
        let others = [self.watch.as_ref().map_or(0, Watch::len), self.burial.as_ref().map_or(0, Burial::len)];
        let count = others.into_iter().fold(self.own.len(), usize::max);
        let outcomes: Vec<Outcome> = outcomes.take(count).collect();
        for (intent, outcome) in self.own.into_iter().zip(&outcomes) {
            intent.settle(*outcome);
        }
        if let Some(burial) = self.burial {
            burial.end(&outcomes);
        }
        let have_changed = outcomes.into_iter().map(|outcome| outcome == Outcome::Changed);
        let telling = self.watch.map(|watch| watch.tell(have_changed, etag)).unwrap_or_default();
        if let Some(judge) = self.judge {
            judge.pass(verdict);
        }
        crash_point::reached(Point::SettleQueued);
        telling
    }

    /// Whether there is nothing to settle.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.judge.is_none() && self.watch.is_none() && self.burial.is_none()
    }

    /// Whether mirrors wait for the primary's `ETag`.
    pub fn are_judged(&self) -> bool {
        self.judge.is_some()
    }

    /// What is known of the change when the head of its reply has come, or will not come.
    pub fn outcome(
        &self,
        reply: &Result<Response<ReplyStream>, UpstreamError>,
        may_be_sent_twice: bool,
    ) -> Outcome {
        let is_missing = matches!(reply, Ok(reply) if reply.status() == StatusCode::NOT_FOUND);
        match outcome(reply, may_be_sent_twice) {
            // Some providers say so of an object that is to be deleted, and it stays deleted at the old place.
            Outcome::Unchanged if is_missing && self.burial.is_some() => Outcome::Unknown,
            known @ (Outcome::Changed | Outcome::Unchanged | Outcome::Unknown) => known,
        }
    }

    /// Takes out those of the first `count` keys.
    pub fn take_first(&mut self, count: usize) -> Self {
        let rest = self.own.split_off(count.min(self.own.len()));
        let watch = self.watch.as_mut().map(|watch| watch.take_first(count));
        let own = std::mem::replace(&mut self.own, rest);
        let burial = self.burial.as_mut().map(|burial| burial.take_first(count));
        Self { own, judge: None, tenure: self.tenure.clone(), watch, burial }
    }
}
