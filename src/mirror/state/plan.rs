//! What to do about a dirty key, from what its two sides hold.

use super::{Class, Object, Record, Row, Seen, Side};

/// What a worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Look at the target, too, and ask again: the source alone does not say what to do.
    LookAtTarget,
    /// Make the target's object the source's.
    Copy,
    /// The same, but first keep what the target holds under another name: nobody has it anywhere else.
    KeepThenCopy,
    /// Write the source's tags to the target; all else is equal.
    Retag,
    /// Delete the target's object.
    Delete,
    /// Both sides are equal.
    Nothing,
    /// Leave the target alone, and tell the operator why.
    Hold(Class),
}

/// Plans for a key whose source and target are [`Row::truth`] and its other side. A target that was not looked at yet is
/// `None`: in the common case, an object that is new at the source, that saves a request.
pub fn plan(row: &Row, record: Option<&Record>, source: &Seen, target: Option<&Seen>) -> Step {
    match source {
        Seen::Unreadable(why) => Step::Hold((*why).into()),
        Seen::Absent => target.map_or(Step::LookAtTarget, |target| plan_absence(row, record, target)),
        Seen::Present(object) => match row.truth {
            Side::Primary => plan_copy(record, object, target),
            Side::Mirror => plan_copy_back(record, object, target),
        },
    }
}

fn plan_absence(row: &Row, record: Option<&Record>, target: &Seen) -> Step {
    match target {
        Seen::Absent => Step::Nothing,
        Seen::Present(_) | Seen::Unreadable(_) if !row.may_delete() => Step::Hold(Class::Absence),
        Seen::Present(object) if has_diverged(row, record, object) => Step::Hold(Class::Conflict),
        Seen::Present(_) | Seen::Unreadable(_) => Step::Delete,
    }
}

fn plan_copy(record: Option<&Record>, object: &Object, target: Option<&Seen>) -> Step {
    let Some(record) = record.filter(|record| record.is_of(object, Side::Primary)) else {
        return Step::Copy;
    };
    match target {
        None => Step::LookAtTarget,
        Some(Seen::Present(copy)) => compare(record, object, copy, Side::Primary),
        Some(Seen::Absent | Seen::Unreadable(_)) => Step::Copy,
    }
}

fn plan_copy_back(record: Option<&Record>, object: &Object, target: Option<&Seen>) -> Step {
    match target {
        None => Step::LookAtTarget,
        Some(Seen::Absent) => Step::Copy,
        Some(Seen::Unreadable(_)) => Step::Hold(Class::Conflict),
        Some(Seen::Present(kept)) => match record {
            Some(record) if record.is_of(object, Side::Mirror) => compare(record, object, kept, Side::Mirror),
            Some(record) if record.etag(Side::Primary) == kept.etag => Step::Copy,
            _ => Step::KeepThenCopy,
        },
    }
}

/// Holds a copy against the object that `record` says it is of. Requests that nobody waited for any more may have written
/// it since: an older object, or the same content with older metadata, which leaves the `ETag` as it is.
fn compare(record: &Record, object: &Object, copy: &Object, source: Side) -> Step {
    let is_copy = copy.etag == record.etag(source.other())
        && copy.bytes == record.bytes
        && copy.metadata_digest == object.metadata_digest;
    let has_tags = match (&object.tags_digest, &copy.tags_digest) {
        (Some(tags), Some(copied)) => tags == copied,
        // A store that has no tags may take a request for them for one that writes the object.
        (None, _) | (Some(_), None) => true,
    };
    match (is_copy, has_tags) {
        (false, _) => Step::Copy,
        (true, false) => Step::Retag,
        (true, true) => Step::Nothing,
    }
}

/// Whether the primary, as a target, holds something that was never mirrored.
fn has_diverged(row: &Row, record: Option<&Record>, primary: &Object) -> bool {
    row.truth == Side::Mirror && record.is_none_or(|record| record.etag(Side::Primary) != primary.etag)
}
