//! A claimed row from its claim to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use wharf_wire::date::Timestamp;

use super::{
    Mirror,
    failure::failure,
    health::Verdict,
    sides::Sides,
    work::{Done, Work},
};
use crate::{
    mirror::{
        crash_point::{Point, reached},
        state::{Class, Failure, Finish, Finished, RowState, after_failure},
    },
    store::{CLAIM_LEASE_SECONDS, Claim},
    tenure::Tenure,
    transfer::TransferError,
};

/// A lease is renewed three times before it would run out.
const RENEW_EVERY: Duration = Duration::from_secs(CLAIM_LEASE_SECONDS / 3);
const CLAIM_LEASE: Duration = Duration::from_secs(CLAIM_LEASE_SECONDS);

/// A row that was claimed, and how it is to be worked on.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) claim: Claim,
    /// Whoever works holds one of them. Those that wait, and those whose end is being noted, do not.
    pub(super) slots: Arc<Semaphore>,
    /// The mirror may be in trouble, and this one finds out.
    pub(super) is_trial: bool,
}

/// What came of a job.
enum Outcome {
    Done(Result<Done, TransferError>),
    /// The mirror got into trouble while the job waited.
    NotBegun,
    /// The row is somebody else's by now, or its mirror is no more.
    Lost,
}

/// Works on what was claimed, and tells the journal what came of it. Returns when the row is due again, if it stays.
pub(super) async fn run(mirror: Arc<Mirror>, job: Job) -> Option<Timestamp> {
    reached(Point::Claimed);
    let Job { mut claim, slots, is_trial } = job;
    let outcome = match attempt(&mirror, &mut claim, &slots, is_trial).await {
        Outcome::Done(outcome) => outcome,
        Outcome::NotBegun => {
            let due = claim.row.due;
            // If that fails, it is free again when its lease ends.
            let _ = mirror.shared.journal.release(claim).await;
            return Some(due);
        }
        Outcome::Lost => {
            mirror.health().ended();
            return None;
        }
    };
    let (finish, error) = match outcome {
        Ok(done) => {
            let why = if let Done::Held(class) = done { why(class) } else { "" };
            (succeeded(&mirror, &claim, done), why.to_owned())
        }
        Err(error) => (failed(&mirror, &claim, &error), error.to_string()),
    };
    let key = Arc::clone(&claim.key);
    match mirror.shared.journal.finish(claim, finish, &error).await {
        Ok(Finished::Kept(row)) if row.state != RowState::Dead => Some(row.due),
        Ok(Finished::Kept(_) | Finished::Cleared | Finished::LeaseLost) => None,
        Err(error) => {
            let (bucket, mirror) = mirror.names();
            tracing::warn!(bucket, mirror, key = &*key, %error, "a copy could not be noted");
            None
        }
    }
}

/// Waits for a slot and does the work, for as long as the row is ours.
async fn attempt(mirror: &Mirror, claim: &mut Claim, slots: &Semaphore, is_trial: bool) -> Outcome {
    let (row, record, key) = (claim.row, claim.record.clone(), Arc::clone(&claim.key));
    let tenure = Arc::new(Tenure::new(mirror.shared.clock, CLAIM_LEASE));
    extend(&tenure, claim);
    let work = async {
        let Ok(_slot) = slots.acquire().await else { return Outcome::NotBegun };
        if !is_trial && mirror.health().is_resting() {
            return Outcome::NotBegun;
        }
        mirror.metrics.attempts.inc();
        let Some(sides) = Sides::of(&mirror.current(), mirror.names(), &key, row.truth) else {
            return Outcome::Lost;
        };
        match sides.map(|sides| sides.while_held(&tenure)) {
            Ok(sides) => Outcome::Done(
                Work { row: &row, record: record.as_ref(), sides, mirror, key: &key }.run().await,
            ),
            Err(error) => Outcome::Done(Err(error)),
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = until_lost(mirror, claim, &tenure) => Outcome::Lost,
    }
}

fn extend(tenure: &Tenure, claim: &Claim) {
    if let Some(lease) = claim.row.lease {
        tenure.extend(lease.until);
    }
}

/// Renews the lease for as long as that works. Returns when the row is another worker's, or may be soon.
async fn until_lost(mirror: &Mirror, claim: &mut Claim, tenure: &Tenure) {
    let journal = &mirror.shared.journal;
    let key = Arc::clone(&claim.key);
    let key = &*key;
    loop {
        sleep(RENEW_EVERY).await;
        // Were the answer to come later than the lease ends, it would be of no use.
        match timeout(RENEW_EVERY, journal.renew(claim)).await {
            Ok(Ok(true)) => extend(tenure, claim),
            Ok(Ok(false)) => {
                break tracing::warn!(key, "a copy takes so long that another worker has begun");
            }
            Ok(Err(error)) => break tracing::warn!(key, %error, "a copy is given up with its lease"),
            Err(_) => break tracing::warn!(key, "a copy is given up: the journal does not answer"),
        }
    }
}

fn succeeded(mirror: &Mirror, claim: &Claim, done: Done) -> Finish {
    let metrics = &mirror.metrics;
    let finish = match done {
        Done::Copied(record) => {
            metrics.copied.inc();
            metrics.copied_bytes.inc_by(record.bytes);
            Finish::Clean(Some(record))
        }
        Done::Tagged(record) => Finish::Clean(Some(record)),
        Done::Deleted => {
            metrics.deleted.inc();
            Finish::Clean(None)
        }
        Done::Nothing(record) => Finish::Clean(record),
        Done::Overtaken => Finish::Again,
        Done::Held(class) => {
            let held = Failure { class, retry_after: None, is_unsure: false };
            metrics.failed(class);
            mirror.health().ended();
            return after_failure(held, claim.row.attempts, mirror.shared.jitter.next());
        }
    };
    if mirror.health().succeeded(&claim.key) {
        let (bucket, mirror) = mirror.names();
        tracing::info!(bucket, mirror, "a mirror is well again");
        metrics.is_resting.set(0);
    }
    finish
}

/// What an operator is told of a key that was left alone.
const fn why(class: Class) -> &'static str {
    match class {
        Class::Absence => "the source has no such object, and nobody deleted it through Wharf",
        Class::CustomerKey => "the object is encrypted with its owner's key",
        Class::Archived => "the object is in an archive, and has to be restored before it can be copied",
        Class::Conflict => "both sides were written while they could not see each other",
        Class::Auth
        | Class::Config
        | Class::Unreachable
        | Class::Throttled
        | Class::Transient
        | Class::Permanent => "",
    }
}

fn failed(mirror: &Mirror, claim: &Claim, error: &TransferError) -> Finish {
    let now = mirror.shared.clock.elapsed();
    let random = mirror.shared.jitter.next();
    let verdict = mirror.health().failed(&claim.key, failure(error), now, random);
    mirror.metrics.failed(verdict.failure.class);
    if verdict.rest.is_some() {
        mirror.metrics.is_resting.set(1);
    }
    note(mirror, &claim.key, &verdict, error);
    held_for(after_failure(verdict.failure, claim.row.attempts, random), verdict.pause_min)
}

fn note(mirror: &Mirror, key: &str, verdict: &Verdict, error: &TransferError) {
    let (bucket, mirror) = mirror.names();
    let class = verdict.failure.class;
    let needs_an_operator = class.needs_an_operator();
    let (class, seconds) = (class.as_str(), verdict.rest.map(|rest| rest.as_secs()));
    match seconds {
        Some(_) if needs_an_operator => {
            tracing::error!(bucket, mirror, class, seconds, %error, "a mirror needs its operator");
        }
        Some(_) => tracing::warn!(bucket, mirror, class, seconds, %error, "a mirror is left alone"),
        None if needs_an_operator => tracing::warn!(bucket, mirror, key, class, %error, "a key is refused"),
        None => tracing::debug!(bucket, mirror, key, class, %error, "a copy failed"),
    }
}

/// The same, but no sooner than in `pause_min`.
fn held_for(finish: Finish, pause_min: Duration) -> Finish {
    match finish {
        Finish::Retry { class, pause, is_unsure } => {
            Finish::Retry { class, pause: pause.max(pause_min), is_unsure }
        }
        Finish::Clean(_) | Finish::Again | Finish::Dead { .. } => finish,
    }
}
