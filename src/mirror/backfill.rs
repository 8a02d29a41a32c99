//! Objects of a bucket that moves here from somewhere else: what it has not is read there, and kept here from then on.
//!
//! ```text
//! GET ── 404 here ── deleted since? ─┬─ yes ──▶ 404
//!                                    └─ no ── old place ──▶ client
//!                                                └─ fill: a row in the database ── PUT, If-None-Match: * ── row removed
//! DELETE ── row: deleted ── a fill under way? it is cut off, or waited for ── DELETE here ── refused? row removed
//! ```
//!
//! The old place is only read. So a delete is remembered here, for as long as the old place could bring the key back; and
//! a fill overwrites nothing, and never lands behind a delete. It has a lease ([`Tenure`]): its last byte leaves only while
//! that is held, and whoever deletes the key waits until nothing of it can come any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use thiserror::Error;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::{Instant, sleep, timeout, timeout_at},
};
use wharf_wire::names::ObjectKey;

use super::{
    Intents, Mirrors,
    burial::{Burial, Unasked},
    crash_point::{self, Point},
    resync::Place,
    state::{Change, Outcome},
};
use crate::{
    backend::Origins,
    clock::{self, Clock},
    config::{
        Config,
        checked::{BackfillConfig, BucketConfig, FailoverWrites},
    },
    server::Drain,
    store::{FILL_LEASE_SECONDS, Fill, Journal, JournalError},
    tenure::Tenure,
    transfer::{Object, Opened, Side, Source, Target, Transfer, TransferError, is_metadata, tags_header},
};

const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Fills of this process that are under way. What is read beyond that is served, and kept another time. Harm: a client that
/// walks through a bucket has Wharf read every object of it twice at once.
const FILLS_MAX: usize = 32;
/// How often a fill's lease is renewed, and so how soon it learns of a delete through another node.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// A delete that has to wait for a fill for longer is refused, and the client may try again.
const DELETE_PATIENCE: Duration = Duration::from_secs(10);
/// A request that needs the object here waits so long for its copy, and then the client may try again.
const FILL_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks of a delete that waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A bucket and a key.
type Name = (String, String);

/// The fills of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Backfills(Arc<Mutex<HashMap<Name, Arc<Running>>>>);

/// A fill that is under way.
#[derive(Debug)]
struct Running {
    tenure: Arc<Tenure>,
    /// Told when its key is deleted.
    deleted: Notify,
    /// Tells when it has ended.
    ended: Arc<Notify>,
}

/// Takes a fill off the list when it has ended, however it has.
struct Listed {
    fills: Backfills,
    name: Name,
    running: Arc<Running>,
}

/// An object that is to be kept.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Its providers.
    pub origins: Arc<Origins>,
    /// The configured bucket.
    pub bucket: String,
    /// The caller's key.
    pub key: ObjectKey,
}

/// Why an object was not kept.
#[derive(Debug, Error)]
enum FillError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("it is configured no more")]
    Unconfigured,
    #[error("it was deleted meanwhile")]
    Deleted,
}

impl Wanted {
    fn name(&self) -> Name {
        (self.bucket.clone(), self.key.as_str().to_owned())
    }
}

/// When a request that needs objects here, be it one or many, has waited for long enough.
pub fn patience_ends() -> Instant {
    clock::instant() + FILL_PATIENCE
}

/// The object called `key` where its bucket was before.
pub fn at_old_place(old: &BackfillConfig, origins: &Origins, key: &str) -> Option<Object> {
    let origin = Arc::clone(origins.get(&old.provider)?);
    Object::below(origin, old.bucket.clone(), &old.key_prefix, key).ok()
}

impl Mirrors {
    /// Whether `key`, which its bucket has not, may be where the bucket was before.
    pub async fn may_be_at_old_place(&self, bucket: &str, key: &str) -> Result<bool, JournalError> {
        let journal = self.journal().ok_or(JournalError::Closed)?;
        Ok(!journal.is_buried(bucket, key).await?)
    }

    /// Notes that `keys` are about to be deleted. When this returns, nothing of them comes from the old place any more, unless
    /// they turn out not to have been deleted.
    pub(super) async fn bury(&self, bucket: &BucketConfig, keys: &[&str]) -> Result<Unasked, JournalError> {
        let (journal, drain) = self.journal().zip(self.drain()).ok_or(JournalError::Closed)?;
        let burial = Burial {
            journal: journal.clone(),
            drain: drain.clone(),
            bucket: bucket.name.as_str().into(),
            keys: keys.iter().copied().map(str::to_owned).collect(),
        };
        let (burial, is_filling) = burial.begin().await?;
        crash_point::reached(Point::KeyBuried);
        if !is_filling {
            return Ok(burial);
        }
        self.backfills().cut_off(&bucket.name, keys);
        let ended = async {
            while journal.is_filling(&bucket.name, keys).await? {
                sleep(LOOK_EVERY).await;
            }
            Ok(burial)
        };
        timeout(DELETE_PATIENCE, ended).await.unwrap_or(Err(JournalError::Filling))
    }

    /// Copies an object from the old place, on behalf of nobody, unless that is done already.
    pub fn keep(self: &Arc<Self>, wanted: Wanted, drain: &Drain) {
        let clock = self.journal().map(Journal::clock);
        let Some(listed) = clock.and_then(|clock| self.backfills().list(&wanted, clock)) else { return };
        let (mirrors, own) = (Arc::clone(self), drain.clone());
        drain.spawn(async move {
            let outcome = mirrors.fill(&wanted, &listed.running, &own).await;
            let (bucket, key) = (&*wanted.bucket, wanted.key.as_str());
            let counted = match outcome {
                Ok(true) => "kept",
                Ok(false) => "overtaken",
                Err(FillError::Deleted) => "deleted",
                Err(error) => {
                    tracing::warn!(bucket, key, %error, "an object was not kept here; the next read tries again");
                    "failed"
                }
            };
            mirrors.metrics().backfill(bucket, counted);
        });
    }

    /// The same, and waits for it until `by`. What came of it is to be looked for.
    pub async fn bring(self: &Arc<Self>, wanted: Wanted, drain: &Drain, by: Instant) {
        self.keep(wanted.clone(), drain);
        if let Some(ended) = self.backfills().end_of(&wanted) {
            // It goes on without the client.
            let _ = timeout_at(by, ended).await;
        }
    }

    /// Whether the object was written; if not, somebody else was first.
    async fn fill(&self, wanted: &Wanted, running: &Running, drain: &Drain) -> Result<bool, FillError> {
        let journal = self.journal().ok_or(JournalError::Closed)?;
        let begun = journal.begin_fill(&wanted.bucket, wanted.key.as_str()).await?;
        let Some(mut fill) = begun else { return Ok(false) };
        crash_point::reached(Point::FillBegun);
        running.tenure.extend(fill.held_until);
        let outcome = tokio::select! {
            biased;
            outcome = self.copy(wanted, &running.tenure, drain) => outcome,
            () = until_cut_off(journal, &mut fill, running, drain) => Err(FillError::Deleted),
        };
        // Of what never left, nothing comes later.
        let is_unsure = running.tenure.end() && outcome.as_ref().is_err_and(is_unsure);
        journal.end_fill(fill, is_unsure).await?;
        outcome
    }

    async fn copy(&self, wanted: &Wanted, tenure: &Arc<Tenure>, drain: &Drain) -> Result<bool, FillError> {
        let bucket = wanted.config.buckets.get(&wanted.bucket).ok_or(FillError::Unconfigured)?;
        let old = bucket.backfill.as_ref().ok_or(FillError::Unconfigured)?;
        let place = Place::of_primary(bucket, &wanted.origins).ok_or(FillError::Unconfigured)?;
        let key = wanted.key.as_str();
        let source = at_old_place(old, &wanted.origins, key).ok_or(FillError::Unconfigured)?;
        let source = Source::new(source);
        let opened = source.open(None).await?;
        let headers = headers(&place, &source, &opened).await?;
        let target = Target::object(place.object(Side::Target, key)?, headers).while_held(Some(tenure));
        let intents = self.intend(bucket, std::iter::once(key), Change::Write).await?;
        let transfer = Transfer { source, target, drain: drain.clone() };
        written(transfer, opened, (intents, once_written(bucket))).await
    }
}

/// What mirrors are told of an object that was written. It is older than whatever a mirror has taken from a client meanwhile,
/// and so must not claim the truth where one may: then they look, and the truth stays where it is.
fn once_written(bucket: &BucketConfig) -> Outcome {
    match bucket.failover.writes {
        FailoverWrites::Accept => Outcome::Unknown,
        FailoverWrites::Refuse => Outcome::Changed,
    }
}

/// Writes the object, and says what came of it.
async fn written(
    transfer: Transfer,
    opened: Opened,
    (intents, once_written): (Intents, Outcome),
) -> Result<bool, FillError> {
    match transfer.run(opened).await {
        Ok(written) => {
            crash_point::reached(Point::FillWritten);
            intents.settle(once_written);
            transfer.target.verify(&written).await?;
            Ok(true)
        }
        Err(error) if was_first(&error) => {
            intents.settle(Outcome::Unchanged);
            Ok(false)
        }
        // What is not settled counts as unknown.
        Err(error) => Err(error.into()),
    }
}

/// What the object to be is told to have: and to be new.
async fn headers(place: &Place, source: &Source, opened: &Opened) -> Result<HeaderMap, TransferError> {
    let mut headers = place.stored_as.clone();
    let metadata = opened.headers.iter().filter(|(name, _)| is_metadata(name));
    headers.extend(metadata.map(|(name, value)| (name.clone(), value.clone())));
    if let Some(tags) = tags_header(&source.tags(&opened.headers).await?)? {
        headers.insert(TAGGING, tags);
    }
    headers.insert(header::IF_NONE_MATCH, ANY);
    Ok(headers)
}

/// Whether the store says that there is an object, or is being one.
fn was_first(error: &TransferError) -> bool {
    error.side() == Side::Target
        && matches!(error.status(), Some(StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT))
}

/// Whether the primary may write it yet, although nobody waits for that any more.
fn is_unsure(error: &FillError) -> bool {
    match error {
        FillError::Transfer(error) => !(error.side() == Side::Target && error.was_refused()),
        FillError::Journal(_) | FillError::Deleted => true,
        FillError::Unconfigured => false,
    }
}

/// Renews a fill's lease. Returns when its key was deleted, or the lease is lost, and nothing of it has left; if it may have,
/// the answer has to be waited for.
async fn until_cut_off(journal: &Journal, fill: &mut Fill, running: &Running, drain: &Drain) {
    loop {
        let is_held = tokio::select! {
            () = running.deleted.notified() => false,
            () = drain.begun() => false,
            () = sleep(RENEW_EVERY) => matches!(journal.renew_fill(fill).await, Ok(true)),
        };
        if is_held {
            running.tenure.extend(fill.held_until);
        } else if !running.tenure.end() {
            return;
        } else {
            return std::future::pending().await;
        }
    }
}

impl Backfills {
    /// Lists a fill; none if the key is being filled, or there are too many.
    fn list(&self, wanted: &Wanted, clock: Clock) -> Option<Listed> {
        let name = wanted.name();
        let mut fills = self.fills();
        if fills.len() >= FILLS_MAX || fills.contains_key(&name) {
            return None;
        }
        let tenure = Arc::new(Tenure::new(clock, Duration::from_secs(FILL_LEASE_SECONDS)));
        let running = Arc::new(Running { tenure, deleted: Notify::new(), ended: Arc::default() });
        fills.insert(name.clone(), Arc::clone(&running));
        Some(Listed { fills: self.clone(), name, running })
    }

    /// The end of the fill of this object, if it is under way.
    fn end_of(&self, wanted: &Wanted) -> Option<OwnedNotified> {
        let fills = self.fills();
        fills.get(&wanted.name()).map(|running| Arc::clone(&running.ended).notified_owned())
    }

    fn cut_off(&self, bucket: &str, keys: &[&str]) {
        let fills = self.fills();
        for key in keys {
            if let Some(running) = fills.get(&(bucket.to_owned(), (*key).to_owned())) {
                running.deleted.notify_one();
            }
        }
    }

    fn fills(&self) -> MutexGuard<'_, HashMap<Name, Arc<Running>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.fills.fills().remove(&self.name);
        self.running.ended.notify_waiters();
    }
}
