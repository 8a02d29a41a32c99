//! The places where a crash would hurt most, by name, so that tests can crash there.
//!
//! A mirrored write is a row of small steps, and what has to hold is that it may end after any of them. Each step has a
//! [`Point`]; the code says [`reached`] when it is there. Outside tests no hook is installed, and that costs one load.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// A named place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// A write wants an intent, and nothing of that is on disk.
    IntentWanted,
    /// The intents are durable; nothing has gone to the primary.
    IntentDurable,
    /// The primary has answered, and the journal has not been told.
    PrimaryAnswered,
    /// What came of it waits for the journal's writer; the client has not been answered.
    SettleQueued,
    /// The client's answer has been handed over, and may be on its way before the journal's next commit.
    Acknowledged,
    /// The rows are dirty in a transaction that has not been committed.
    SettleCommitting,
    /// The intent is gone and the rows are dirty.
    Settled,
    /// A worker has leased a row.
    Claimed,
    /// The worker knows what source and target hold, and has decided what to do.
    Planned,
    /// The source's object is being read, and nothing of it is at the target.
    SourceOpened,
    /// All but the last byte has been handed to the target.
    TargetLastByte,
    /// The target has answered that it has the object.
    TargetWritten,
    /// The source has been looked at again after the copy.
    SourceRechecked,
    /// A multipart upload at the target has begun.
    UploadBegun,
    /// One part of it is stored.
    PartStored,
    /// The target is about to be asked to put the parts together.
    UploadCompleting,
    /// It has done so.
    UploadCompleted,
    /// The target is about to be asked to delete.
    TargetDeleting,
    /// It has deleted.
    TargetDeleted,
    /// The tags alone have been written.
    TargetTagged,
    /// The copy is recorded and the row cleared in a transaction that has not been committed.
    FinishCommitting,
    /// The transaction is durable.
    Finished,
    /// Intents of an ended run are dirty rows in a transaction that has not been committed.
    PromotionCommitting,
    /// They are dirty rows.
    Promoted,
    /// The primary has a teed upload, and the mirror is about to get its last byte.
    TeeReleasing,
    /// The mirror has answered, and nothing is recorded of that.
    TeeCopied,
    /// A mirror has begun a teed upload that nobody has written down.
    TeeUploadBegun,
    /// A mirror has a part of it that nobody has written down.
    TeePartCopied,
    /// The mirror is about to be asked to put the parts together.
    TeeCompleting,
    /// A delete of what may still be where its bucket was before is written down; the primary has not been asked.
    KeyBuried,
    /// A copy from there has its lease, and nothing of it has been read.
    FillBegun,
    /// The primary has it, and nobody has noted that it has ended.
    FillWritten,
}

impl Point {
    /// Every point. A harness that does not hit one of them has not tested it.
    pub const ALL: [Self; 32] = [
        Self::IntentWanted,
        Self::IntentDurable,
        Self::PrimaryAnswered,
        Self::SettleQueued,
        Self::Acknowledged,
        Self::SettleCommitting,
        Self::Settled,
        Self::Claimed,
        Self::Planned,
        Self::SourceOpened,
        Self::TargetLastByte,
        Self::TargetWritten,
        Self::SourceRechecked,
        Self::UploadBegun,
        Self::PartStored,
        Self::UploadCompleting,
        Self::UploadCompleted,
        Self::TargetDeleting,
        Self::TargetDeleted,
        Self::TargetTagged,
        Self::FinishCommitting,
        Self::Finished,
        Self::PromotionCommitting,
        Self::Promoted,
        Self::TeeReleasing,
        Self::TeeCopied,
        Self::TeeUploadBegun,
        Self::TeePartCopied,
        Self::TeeCompleting,
        Self::KeyBuried,
        Self::FillBegun,
        Self::FillWritten,
    ];

    /// Its name, for harnesses that are told on a command line where to crash.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IntentWanted => "intent-wanted",
            Self::IntentDurable => "intent-durable",
            Self::PrimaryAnswered => "primary-answered",
            Self::SettleQueued => "settle-queued",
            Self::Acknowledged => "acknowledged",
            Self::SettleCommitting => "settle-committing",
            Self::Settled => "settled",
            Self::Claimed => "claimed",
            Self::Planned => "planned",
            Self::SourceOpened => "source-opened",
            Self::TargetLastByte => "target-last-byte",
            Self::TargetWritten => "target-written",
            Self::SourceRechecked => "source-rechecked",
            Self::UploadBegun => "upload-begun",
            Self::PartStored => "part-stored",
            Self::UploadCompleting => "upload-completing",
            Self::UploadCompleted => "upload-completed",
            Self::TargetDeleting => "target-deleting",
            Self::TargetDeleted => "target-deleted",
            Self::TargetTagged => "target-tagged",
            Self::FinishCommitting => "finish-committing",
            Self::Finished => "finished",
            Self::PromotionCommitting => "promotion-committing",
            Self::Promoted => "promoted",
            Self::TeeReleasing => "tee-releasing",
            Self::TeeCopied => "tee-copied",
            Self::TeeUploadBegun => "tee-upload-begun",
            Self::TeePartCopied => "tee-part-copied",
            Self::TeeCompleting => "tee-completing",
            Self::KeyBuried => "key-buried",
            Self::FillBegun => "fill-begun",
            Self::FillWritten => "fill-written",
        }
    }

    /// The point called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.as_str() == name)
    }
}

/// What a test wants to happen at a point.
pub type Hook = fn(Point);

static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
static HOOK: OnceLock<Hook> = OnceLock::new();

/// Says that the code is at `point`.
pub fn reached(point: Point) {
    if IS_INSTALLED.load(Ordering::Relaxed)
        && let Some(hook) = HOOK.get()
    {
        hook(point);
    }
}

/// Has `hook` called at every point, for as long as the process lives. Only the first one counts.
pub fn install(hook: Hook) {
    if HOOK.set(hook).is_ok() {
        IS_INSTALLED.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own_and_is_listed_once() {
        let names: HashSet<_> = Point::ALL.iter().map(|point| point.as_str()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        for (index, point) in Point::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, index, "listed in their order, and none left out");
            assert_eq!(Point::parse(point.as_str()), Some(point));
        }
        assert_eq!(Point::parse("elsewhere"), None);
    }
}
