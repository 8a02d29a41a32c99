//! A worker: claims a row, looks, does what the plan says, looks again, and says what came of it.

use wharf::mirror::{
    crash_point::Point,
    state::{Class, Failure, Finish, Finished, Object, Record, Seen, Step, after_failure, plan},
};

use super::{
    journal::{Claim, LATE, LEASE},
    stores::{Action, PRIMARY, Reply, Request, Sender, Stored, described},
    world::{Crash, World},
};

#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) node: usize,
    pub(super) mirror: usize,
    pub(super) claim: Option<Claim>,
    /// The number of the object that was copied under this claim.
    copied: Option<u32>,
    /// The number of the object that the target had when it was looked at.
    doomed: Option<u32>,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    Idle,
    /// A row is claimed; nothing has been looked at.
    Claimed,
    /// The source alone did not say what to do.
    SourceSeen(Seen),
    Planned(Step, Seen),
    /// Content and metadata have been read. Tags are read on their own, and may be newer.
    Opened(Stored),
    /// So many parts are still to be copied.
    Parts(Stored, u8),
    /// Everything is at hand but the target's last byte.
    Ready(Work),
    /// The target has been asked.
    Asked(Work, u32),
    /// It has answered that it is done.
    Done(Work),
    Finishing(Finish),
}

/// What the target is asked to do, and what the source looked like then.
#[derive(Debug, Clone)]
struct Work {
    step: Step,
    source: Seen,
    stored: Option<Stored>,
}

impl Worker {
    pub(super) fn new(node: usize, mirror: usize) -> Self {
        Self { node, mirror, claim: None, copied: None, doomed: None, stage: Stage::Idle }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    /// The request that it waits for.
    pub(super) fn request(&self) -> Option<u32> {
        if let Stage::Asked(_, request) = self.stage { Some(request) } else { None }
    }

    fn target(&self) -> usize {
        1 + self.mirror
    }

    fn claim(&self) -> &Claim {
        self.claim.as_ref().expect("a worker that is not idle has a claim")
    }

    /// Until when what it has sent can take effect if it stops now.
    pub(super) fn late_until(&self, now: u64) -> u64 {
        self.claim.as_ref().map_or(now, |claim| claim.until.min(now)) + LATE
    }
}

impl World {
    /// Takes one step of a worker.
    pub(super) fn step_worker(&mut self, index: usize) -> Result<(), Crash> {
        self.renew(index);
        let stage = std::mem::replace(&mut self.workers[index].stage, Stage::Idle);
        let node = self.workers[index].node;
        let next = match stage {
            Stage::Idle => self.claim(index)?,
            Stage::Claimed => self.look_at_source(index)?,
            Stage::SourceSeen(source) => self.look_at_target(index, source)?,
            Stage::Planned(step, source) => self.begin(index, step, source)?,
            Stage::Opened(stored) => self.read_tags(index, stored)?,
            Stage::Parts(stored, left) => self.copy_part(index, stored, left)?,
            Stage::Ready(work) => self.ask(index, work)?,
            Stage::Asked(work, request) => self.wait_for_target(index, work, request)?,
            Stage::Done(work) => {
                let stage = self.look_again(index, &work);
                self.reached(node, Point::SourceRechecked)?;
                stage
            }
            Stage::Finishing(finish) => self.finish(index, finish)?,
        };
        self.workers[index].stage = next;
        Ok(())
    }

    fn renew(&mut self, index: usize) {
        let worker = &self.workers[index];
        let (mirror, now) = (worker.mirror, self.now);
        let Some(claim) = worker.claim.clone() else { return };
        let is_due = claim.until > now && claim.until < now + LEASE / 2;
        if is_due && !self.journal.is_down && !self.has_fault(30) {
            let until = self.journal.renew(mirror, &claim, now);
            self.workers[index].claim = Some(Claim { until: until.unwrap_or(claim.until), ..claim });
        }
    }

    fn claim(&mut self, index: usize) -> Result<Stage, Crash> {
        let Worker { node, mirror, .. } = self.workers[index];
        let first = self.random.below(super::stores::KEYS);
        if self.journal.is_down {
            return Ok(Stage::Idle);
        }
        let Some(claim) = self.journal.claim(mirror, first, self.now) else { return Ok(Stage::Idle) };
        self.note(|| format!("worker {index} of mirror {mirror}: claims {:?}", claim.row));
        self.workers[index].claim = Some(claim);
        self.workers[index].copied = None;
        self.reached(node, Point::Claimed)?;
        Ok(Stage::Claimed)
    }

    /// What a store says of the claimed key, or how the look failed.
    fn look(&mut self, index: usize, store: usize) -> Result<Seen, Stage> {
        let key = self.workers[index].claim().key;
        if self.stores.is_down[store] {
            return Err(self.failed(index, Class::Unreachable, false));
        }
        if self.has_fault(2) {
            return Err(self.failed(index, Class::Transient, false));
        }
        Ok(self.stores.seen(store, key))
    }

    fn look_at_source(&mut self, index: usize) -> Result<Stage, Crash> {
        let source = match self.look(index, PRIMARY) {
            Ok(source) => source,
            Err(stage) => return Ok(stage),
        };
        let claim = self.workers[index].claim();
        match plan(&claim.row, claim.record.as_ref(), &source, None) {
            Step::LookAtTarget => Ok(Stage::SourceSeen(source)),
            step @ (Step::Copy
            | Step::KeepThenCopy
            | Step::Retag
            | Step::Delete
            | Step::Nothing
            | Step::Hold(_)) => self.planned(index, step, source),
        }
    }

    fn look_at_target(&mut self, index: usize, source: Seen) -> Result<Stage, Crash> {
        let target = match self.look(index, self.workers[index].target()) {
            Ok(target) => target,
            Err(stage) => return Ok(stage),
        };
        let (store, key) = (self.workers[index].target(), self.workers[index].claim().key);
        self.workers[index].doomed = self.stores.object(store, key).map(|stored| stored.version);
        let claim = self.workers[index].claim();
        let step = plan(&claim.row, claim.record.as_ref(), &source, Some(&target));
        self.planned(index, step, source)
    }

    fn planned(&mut self, index: usize, step: Step, source: Seen) -> Result<Stage, Crash> {
        self.note(|| format!("worker {index}: plans {step:?} for {source:?}"));
        self.reached(self.workers[index].node, Point::Planned)?;
        self.may_stall(self.workers[index].node);
        Ok(Stage::Planned(step, source))
    }

    fn begin(&mut self, index: usize, step: Step, source: Seen) -> Result<Stage, Crash> {
        let Worker { node, .. } = self.workers[index];
        match step {
            Step::Copy => {
                let key = self.workers[index].claim().key;
                if let Err(stage) = self.look(index, PRIMARY) {
                    return Ok(stage);
                }
                let Some(stored) = self.stores.object(PRIMARY, key) else {
                    return Ok(Stage::Finishing(Finish::Again));
                };
                self.reached(node, Point::SourceOpened)?;
                Ok(Stage::Opened(stored))
            }
            Step::Delete | Step::Retag => {
                let stored = self.stores.object(PRIMARY, self.workers[index].claim().key);
                if step == Step::Delete {
                    self.reached(node, Point::TargetDeleting)?;
                }
                Ok(Stage::Ready(Work { step, source, stored }))
            }
            Step::Nothing => Ok(Stage::Finishing(Finish::Clean(self.unchanged_record(index, &source)))),
            Step::Hold(class) => Ok(self.failed(index, class, false)),
            Step::LookAtTarget | Step::KeepThenCopy => unreachable!("the primary holds the truth"),
        }
    }

    fn read_tags(&mut self, index: usize, mut stored: Stored) -> Result<Stage, Crash> {
        let Worker { node, .. } = self.workers[index];
        let Some(newest) = self.stores.object(PRIMARY, self.workers[index].claim().key) else {
            return Ok(Stage::Finishing(Finish::Again));
        };
        stored.value.tags = newest.value.tags;
        if stored.value.is_large() {
            self.reached(node, Point::UploadBegun)?;
            return Ok(Stage::Parts(stored, 2));
        }
        Ok(Stage::Ready(copy(stored)))
    }

    /// A part is read only of the object that the upload began with.
    fn copy_part(&mut self, index: usize, stored: Stored, left: u8) -> Result<Stage, Crash> {
        let Worker { node, .. } = self.workers[index];
        let newest = self.stores.object(PRIMARY, self.workers[index].claim().key);
        if newest.is_none_or(|newest| newest.value.bytes != stored.value.bytes) {
            return Ok(Stage::Finishing(Finish::Again));
        }
        if left > 0 {
            self.reached(node, Point::PartStored)?;
            return Ok(Stage::Parts(stored, left - 1));
        }
        self.reached(node, Point::UploadCompleting)?;
        Ok(Stage::Ready(copy(stored)))
    }

    /// Sends what the target can act on, if the lease still holds. A worker that lost it says so late, if at all.
    fn ask(&mut self, index: usize, work: Work) -> Result<Stage, Crash> {
        let worker = &self.workers[index];
        let (node, store, key) = (worker.node, worker.target(), worker.claim().key);
        if worker.claim().until <= self.now {
            return Ok(self.failed(index, Class::Transient, false));
        }
        if work.step == Step::Delete
            && !self.journal.is_newest(self.workers[index].mirror, self.workers[index].claim())
        {
            return Ok(Stage::Finishing(Finish::Again));
        }
        if work.step == Step::Delete {
            self.check_delete(store, key, self.workers[index].doomed);
        }
        let action = match (work.step, work.stored) {
            (Step::Copy, Some(stored)) => Action::Put(stored.value),
            (Step::Retag, Some(stored)) => Action::Tag(tags_of(&work.source, &stored)),
            _ => Action::Delete,
        };
        let version = work.stored.map_or(0, |stored| stored.version);
        self.reached(node, Point::TargetLastByte)?;
        let (sender, arrives_at) = (Sender::Worker(index), self.arrival());
        self.note(|| format!("worker {index}: asks for {action:?}"));
        let request = Request { id: 0, sender, store, key, action, version, arrives_at, reply: None };
        let request = self.stores.send(request);
        self.may_stall(node);
        Ok(Stage::Asked(work, request))
    }

    fn wait_for_target(&mut self, index: usize, work: Work, request: u32) -> Result<Stage, Crash> {
        let Worker { node, .. } = self.workers[index];
        match self.stores.take_reply(request) {
            Some(Reply::Done) => {
                let is_large =
                    work.step == Step::Copy && work.stored.is_some_and(|stored| stored.value.is_large());
                let point = if work.step == Step::Delete {
                    Point::TargetDeleted
                } else if work.step == Step::Retag {
                    Point::TargetTagged
                } else if is_large {
                    Point::UploadCompleted
                } else {
                    Point::TargetWritten
                };
                self.reached(node, point)?;
                Ok(Stage::Done(work))
            }
            Some(Reply::Refused) => Ok(self.failed(index, Class::Permanent, false)),
            Some(Reply::Unreachable) => Ok(self.failed(index, Class::Unreachable, false)),
            Some(Reply::Failed) => Ok(self.failed(index, Class::Transient, true)),
            None if self.has_fault(10) || !self.stores.is_on_its_way(request) => {
                self.stores.give_up(request, self.workers[index].late_until(self.now));
                Ok(self.failed(index, Class::Transient, true))
            }
            None => Ok(Stage::Asked(work, request)),
        }
    }

    fn look_again(&mut self, index: usize, work: &Work) -> Stage {
        let again = match self.look(index, PRIMARY) {
            Ok(again) => again,
            Err(stage) => return stage,
        };
        if again != work.source {
            return Stage::Finishing(Finish::Again);
        }
        let (store, key) = (self.workers[index].target(), self.workers[index].claim().key);
        if !self.stores.may_change(store, key) && !self.stores.may_change(PRIMARY, key) {
            self.check_mirrored(index, store, key);
        }
        self.workers[index].copied = work.stored.map(|stored| stored.version);
        let record = match (&again, work.stored) {
            (Seen::Present(source), Some(stored)) => {
                Some(record(source, &described(self.workers[index].target(), &stored)))
            }
            _ => None,
        };
        Stage::Finishing(Finish::Clean(record))
    }

    fn unchanged_record(&self, index: usize, source: &Seen) -> Option<Record> {
        let record = self.workers[index].claim().record.clone();
        record.filter(|_| matches!(source, Seen::Present(_)))
    }

    fn failed(&mut self, index: usize, class: Class, is_unsure: bool) -> Stage {
        let failure = Failure { class, retry_after: None, is_unsure };
        let attempts = self.workers[index].claim().row.attempts;
        // The pauses are the product's; ours only have to be shorter than a run.
        let finish = match after_failure(failure, attempts, self.random.next()) {
            Finish::Retry { class, pause, is_unsure } => {
                Finish::Retry { class, pause: pause / 20, is_unsure }
            }
            dead @ (Finish::Clean(_) | Finish::Again | Finish::Dead { .. }) => dead,
        };
        Stage::Finishing(finish)
    }

    fn finish(&mut self, index: usize, finish: Finish) -> Result<Stage, Crash> {
        if self.journal.is_down {
            return Ok(Stage::Finishing(finish));
        }
        let Worker { node, mirror, .. } = self.workers[index];
        self.reached(node, Point::FinishCommitting)?;
        let claim = self.workers[index].claim().clone();
        let finished = self.journal.finish(mirror, &claim, &finish, self.now);
        self.note(|| format!("worker {index}: finishes {finish:?}: {finished:?}"));
        self.touched[claim.key] = true;
        if finished == Finished::Cleared {
            self.check_cleared(mirror, claim.key);
        }
        if let (Finish::Clean(Some(_)), Some(version)) = (&finish, self.workers[index].copied)
            && finished != Finished::LeaseLost
        {
            // A look at an object in the very millisecond of a delete says nothing.
            self.deletes.safe(1 + mirror, version, claim.claimed.at.unix_millis().saturating_sub(1));
        }
        self.reached(node, Point::Finished)?;
        self.workers[index].claim = None;
        Ok(Stage::Idle)
    }
}

/// A copy of what was read. Its source has to look just so afterwards.
fn copy(stored: Stored) -> Work {
    Work { step: Step::Copy, source: Seen::Present(described(PRIMARY, &stored)), stored: Some(stored) }
}

/// The tags that the plan was made for.
fn tags_of(source: &Seen, stored: &Stored) -> u32 {
    match source {
        Seen::Present(Object { tags_digest: Some(tags), .. }) => tags.parse().expect("a number"),
        Seen::Present(_) | Seen::Absent | Seen::Unreadable(_) => stored.value.tags,
    }
}

/// What is kept of a copy.
pub(super) fn record(source: &Object, copy: &Object) -> Record {
    Record {
        primary_etag: source.etag.clone(),
        mirror_etag: copy.etag.clone(),
        bytes: source.bytes,
        checksum: None,
        last_modified: source.last_modified,
        metadata_digest: source.metadata_digest.clone(),
    }
}
