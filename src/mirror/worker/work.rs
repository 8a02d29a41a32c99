//! One dirty key made equal: look, plan, do it, look again.

use http::{HeaderMap, HeaderName, StatusCode};
use wharf_wire::date::Timestamp;

use super::{
    Mirror,
    look::{self, Looked},
    sides::Sides,
};
use crate::{
    mirror::{
        crash_point::{Point, reached},
        state::{Class, Object, Record, Row, Seen, Side, Step, plan},
    },
    transfer::{
        self, Opened, Source, Tags, Target, Transfer, TransferError, Written, is_metadata, tags_header,
    },
};

const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");

/// Everything that is known of a key when work on it begins.
pub(super) struct Work<'a> {
    pub(super) row: &'a Row,
    pub(super) record: Option<&'a Record>,
    pub(super) sides: Sides,
    pub(super) mirror: &'a Mirror,
    pub(super) key: &'a str,
}

/// What came of it, if nothing failed.
#[derive(Debug)]
pub(super) enum Done {
    /// An object of so many bytes was copied.
    Copied(Record),
    /// Its tags were.
    Tagged(Record),
    /// The target's object was deleted.
    Deleted,
    /// Both sides were equal; this is the record of it, if they have an object.
    Nothing(Option<Record>),
    /// The source changed meanwhile.
    Overtaken,
    /// The target was left alone.
    Held(Class),
}

impl Work<'_> {
    /// Makes the target equal to the source.
    pub(super) async fn run(&self) -> Result<Done, TransferError> {
        let source = self.source();
        let known = self.record.map(|record| record.etag(self.row.truth));
        let mut looked = look::at_source(&source, known).await?;
        let mut step = plan(self.row, self.record, &looked.seen, None);
        if step == Step::LookAtTarget {
            let target = self.look_at_target(&mut looked).await?;
            step = plan(self.row, self.record, &looked.seen, Some(&target));
        }
        reached(Point::Planned);
        self.take(step, looked).await
    }

    async fn take(&self, step: Step, looked: Looked) -> Result<Done, TransferError> {
        match (step, looked.seen) {
            (Step::Copy, Seen::Present(_)) => self.copy(looked.opened, looked.tags).await,
            (Step::Retag, Seen::Present(object)) => self.retag(object, &looked.tags).await,
            (Step::Delete, _) => self.delete().await,
            (Step::Nothing, Seen::Present(object)) => Ok(Done::Nothing(self.record_of(object))),
            (Step::Nothing, _) => Ok(Done::Nothing(None)),
            (Step::Hold(class), _) => Ok(Done::Held(class)),
            (Step::KeepThenCopy, _) => {
                self.keep().await?;
                self.copy(looked.opened, looked.tags).await
            }
            // A target that was looked at is not asked for again; copied and tagged is what is there.
            (Step::LookAtTarget | Step::Copy | Step::Retag, _) => Ok(Done::Overtaken),
        }
    }

    /// Keeps the target's object under another name. That follows from the object, so that trying again keeps it once.
    async fn keep(&self) -> Result<(), TransferError> {
        let source = Source::new(self.sides.target.clone());
        let opened = source.open(None).await?;
        let object = look::object(opened.bytes, &opened.headers, None);
        let written_at = object.last_modified.unwrap_or_else(|| self.mirror.shared.clock.now());
        let kept = conflict_key(self.key, written_at, &self.mirror.name);
        let target = Target::object(self.sides.beside(&kept)?, self.headers(&opened.headers, &Tags::new())?);
        let transfer = Transfer { source, target, drain: self.mirror.shared.drain.clone() };
        let written = transfer.run(opened).await?;
        transfer.target.verify(&written).await?;
        self.mirror.note_foreign(&kept).await;
        let (bucket, mirror) = self.mirror.names();
        tracing::warn!(
            bucket,
            mirror,
            key = self.key,
            kept,
            "what the primary had was kept under another name"
        );
        Ok(())
    }

    fn source(&self) -> Source {
        Source::new(self.sides.source.clone())
    }

    /// Looks at the target, and at the tags of both sides where there is an object to compare.
    async fn look_at_target(&self, looked: &mut Looked) -> Result<Seen, TransferError> {
        let target = Target::object(self.sides.target.clone(), HeaderMap::new());
        let found = match target.look().await {
            Ok(found) => found,
            Err(error) if look::says_absent(&error) => return Ok(Seen::Absent),
            Err(error) => return Err(error),
        };
        let mut tags = None;
        if let Seen::Present(object) = &mut looked.seen {
            let own = self.sides.source.tags(transfer::Side::Source).await?;
            object.tags_digest = own.as_ref().map(look::tags_digest);
            looked.tags = own.unwrap_or_default();
            tags = self.sides.target.tags(transfer::Side::Target).await?;
        }
        Ok(Seen::Present(look::object(found.bytes, &found.headers, tags.as_ref())))
    }

    /// Copies what is `opened`, or is opened now, and looks whether it is still what the source has.
    async fn copy(&self, opened: Option<Opened>, tags: Tags) -> Result<Done, TransferError> {
        let source = self.source();
        let opened = match opened {
            Some(opened) => opened,
            None => source.open(None).await?,
        };
        reached(Point::SourceOpened);
        let object = look::object(opened.bytes, &opened.headers, Some(&tags));
        let written = match self.transfer(opened, &tags).await {
            Err(error) if knows_no_tags(&error) && !tags.is_empty() => {
                tracing::debug!(%error, "a mirror that has no tags gets the object without");
                self.transfer(source.open(None).await?, &Tags::new()).await?
            }
            written => written?,
        };
        let is_same = match source.look().await {
            Ok(found) => look::is_still(&object, &found),
            Err(error) if look::says_absent(&error) => false,
            Err(error) => return Err(error),
        };
        reached(Point::SourceRechecked);
        if !is_same {
            return Ok(Done::Overtaken);
        }
        let checksum = written.checksum;
        let checksum = [checksum.algorithm().name(), ":", &checksum.to_base64()].concat();
        Ok(Done::Copied(self.new_record(object, written.stored.result.etag, Some(checksum))))
    }

    /// Copies what is `opened`, and sees that it arrived.
    async fn transfer(&self, opened: Opened, tags: &Tags) -> Result<Written, TransferError> {
        let target = Target::object(self.sides.target.clone(), self.headers(&opened.headers, tags)?);
        let transfer = Transfer { source: self.source(), target, drain: self.mirror.shared.drain.clone() };
        let written = transfer.run(opened).await?;
        reached(Point::TargetWritten);
        transfer.target.verify(&written).await?;
        Ok(written)
    }

    /// What the object to be is told to have.
    fn headers(&self, found: &HeaderMap, tags: &Tags) -> Result<HeaderMap, TransferError> {
        let mut headers = self.sides.defaults.clone();
        for (name, value) in found.iter().filter(|(name, _)| is_metadata(name)) {
            headers.append(name.clone(), value.clone());
        }
        if let Some(tags) = tags_header(tags)? {
            headers.insert(TAGGING, tags);
        }
        Ok(headers)
    }

    async fn retag(&self, object: Object, tags: &Tags) -> Result<Done, TransferError> {
        let target = Target::object(self.sides.target.clone(), HeaderMap::new());
        target.set_tags(tags).await?;
        reached(Point::TargetTagged);
        // Only a copy that is recorded is tagged anew.
        Ok(self.record_of(object).map_or(Done::Overtaken, Done::Tagged))
    }

    /// What was seen may be long past: somebody may have written the key since, a tee have brought it here, and others have
    /// deleted it at the source. Then the delete that this row was claimed with is not why it is absent.
    async fn delete(&self) -> Result<Done, TransferError> {
        let journal = &self.mirror.shared.journal;
        let is_newest = journal.is_newest(self.mirror.names(), self.key, self.row.generation).await;
        if !is_newest.is_ok_and(|is_newest| is_newest) {
            return Ok(Done::Overtaken);
        }
        let target = Target::object(self.sides.target.clone(), HeaderMap::new());
        reached(Point::TargetDeleting);
        target.delete().await?;
        reached(Point::TargetDeleted);
        match self.source().look().await {
            Err(error) if look::says_absent(&error) => Ok(Done::Deleted),
            Ok(_) => Ok(Done::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// The record as it is now that the source is seen to be `object`, whose copy it is of.
    fn record_of(&self, object: Object) -> Option<Record> {
        let record = self.record?;
        let copy = record.etag(self.row.truth.other()).to_owned();
        Some(self.new_record(object, copy, record.checksum.clone()))
    }

    fn new_record(&self, object: Object, copy_etag: String, checksum: Option<String>) -> Record {
        let (primary_etag, mirror_etag) = match self.row.truth {
            Side::Primary => (object.etag, copy_etag),
            Side::Mirror => (copy_etag, object.etag),
        };
        Record {
            primary_etag,
            mirror_etag,
            bytes: object.bytes,
            checksum,
            last_modified: object.last_modified,
            metadata_digest: object.metadata_digest,
        }
    }
}

/// Where an object is kept that has to make room. It stands beside it in every listing.
fn conflict_key(key: &str, written_at: Timestamp, mirror: &str) -> String {
    format!("{key}.conflict-{}-{mirror}", written_at.amz_date().as_str())
}

/// Whether a target refuses an object because of its tags: its store has no such thing.
fn knows_no_tags(error: &TransferError) -> bool {
    error.side() == transfer::Side::Target && error.status() == Some(StatusCode::NOT_IMPLEMENTED)
}
