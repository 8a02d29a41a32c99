//! The other direction: a primary is made complete from one of its mirrors.
//!
//! Clients may write to the primary all the while, and what they write is newer than any copy. So nothing that the primary
//! has is overwritten, unless an operator says so, and then it is kept under another name first; what it lacks is written
//! on the condition that it still lacks it, which most providers hold. And what the journal says the mirror may have an old
//! version of stays away: the latest that happened to it may have been a delete.
//!
//! It leaves no cursor. One that is broken off is begun again, and passes over what is there by then.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, header};
use wharf_wire::date::Timestamp;

use crate::{
    clock::Clock,
    mirror::state::{Change, Currency, Record, Side},
    server::Drain,
    store::{Equal, Journal, Mirrors},
    transfer::{
        self, Class, Opened, Source, Target, Transfer, TransferError, Written, is_metadata, tags_header,
    },
};

use super::{Batch, Found, Pace, Rates, Route, Totals, Walk, WalkError, What, compare::etag, place::look};

/// Objects that are restored at once.
const IN_FLIGHT_MAX: usize = 8;

/// How it is done.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The caller's keys that begin with this.
    pub prefix: String,
    /// How fast.
    pub rates: Rates,
    /// Whether the primary's objects that differ are replaced, and kept as `{key}.conflict-{time}`.
    pub overwrites: bool,
    /// Whether that is restored, too, of which the mirror may have an old version, by the journal.
    pub takes_stale: bool,
    /// The bucket's other mirrors, which have to follow.
    pub other_mirrors: Mirrors,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What the walk has seen; `extra` is what the primary has alone, and keeps.
    #[serde(flatten)]
    pub totals: Totals,
    /// Objects that the primary lacked, and has now.
    pub restored: u64,
    /// Objects that were kept under another name and replaced.
    pub replaced: u64,
    /// Objects that differ and stayed as they are.
    pub kept: u64,
    /// Objects that the mirror may have an old version of, by the journal: they were not restored.
    pub stale: u64,
    /// Objects that cannot be read or written, whatever is tried; the log says why.
    pub failed: u64,
    /// Objects that somebody wrote to the primary while they were restored; theirs stayed.
    pub overtaken: u64,
}

/// Restores a primary. `route`'s source is the mirror.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The way from the mirror to the primary.
    pub route: &'a Route,
    /// The journal.
    pub journal: &'a Journal,
    /// The time.
    pub clock: Clock,
    /// Joins what has to be cleaned up when a copy is given up.
    pub drain: &'a Drain,
    /// How.
    pub options: &'a RestoreOptions,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Restored(Record),
    Replaced(Record),
    Kept,
    Stale,
    Overtaken,
    Failed,
}

impl Restore<'_> {
    /// Walks, and restores unless it `is_rehearsal`. `observe` is told how far it is.
    pub async fn run(
        &self,
        is_rehearsal: bool,
        mut observe: impl FnMut(&Restored, &str),
    ) -> Result<Restored, WalkError> {
        let pace = Pace::new(self.options.rates);
        let mut walk = Walk::new(self.route, self.journal, &pace, &self.options.prefix, None);
        let mut done = Restored::default();
        while let Some(batch) = walk.next().await? {
            done.totals.add(&batch);
            if !is_rehearsal {
                self.take(&batch, &pace, &mut done).await?;
            }
            observe(&done, batch.cursor().unwrap_or_default());
        }
        Ok(done)
    }

    async fn take(&self, batch: &Batch, pace: &Pace, done: &mut Restored) -> Result<(), WalkError> {
        let (bucket, mirror) = (&self.route.bucket, &self.route.mirror);
        let equal = batch.newly_equal();
        if !equal.is_empty() {
            self.journal.record_equal(bucket, mirror, equal).await?;
        }
        let differ = batch.found.iter().filter(|found| matches!(found.what, What::Missing | What::Different));
        let differ: Vec<_> = differ.map(|found| self.one(found, pace)).collect();
        let fates: Vec<(String, Option<Record>, Fate)> =
            stream::iter(differ).buffer_unordered(IN_FLIGHT_MAX).try_collect().await?;
        let mut written = Vec::new();
        for (key, was, fate) in fates {
            match fate {
                Fate::Restored(record) => {
                    done.restored += 1;
                    written.push(Equal { key, was, record });
                }
                Fate::Replaced(record) => {
                    done.replaced += 1;
                    written.push(Equal { key, was, record });
                }
                Fate::Kept => done.kept += 1,
                Fate::Stale => done.stale += 1,
                Fate::Overtaken => done.overtaken += 1,
                Fate::Failed => done.failed += 1,
            }
        }
        self.tell(written).await
    }

    /// Tells the journal what was written: the mirror it came from is equal, and the others have to follow.
    async fn tell(&self, written: Vec<Equal>) -> Result<(), WalkError> {
        if written.is_empty() {
            return Ok(());
        }
        let (bucket, others) = (&self.route.bucket, &self.options.other_mirrors);
        if !others.is_empty() {
            let keys: Vec<_> = written.iter().map(|equal| equal.key.as_str()).collect();
            self.journal.mark_dirty(bucket, others, &keys, Change::Write).await?;
        }
        Ok(self.journal.record_equal(bucket, &self.route.mirror, written).await?)
    }

    async fn one(&self, found: &Found, pace: &Pace) -> Result<(String, Option<Record>, Fate), WalkError> {
        let key = found.key.clone();
        let was = match self.journal.currency(&self.route.bucket, &self.route.mirror, &key).await? {
            Currency::Dirty { truth: Side::Primary, .. } if !self.options.takes_stale => {
                return Ok((key, None, Fate::Stale));
            }
            Currency::Current(record) => Some(record),
            Currency::Dirty { .. } | Currency::Absent | Currency::Unknown => None,
        };
        match self.decided(found, pace).await {
            Ok(fate) => Ok((key, was, fate)),
            Err(error) if is_of_the_object(&error) => {
                tracing::warn!(key, %error, "an object cannot be restored");
                Ok((key, was, Fate::Failed))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn decided(&self, found: &Found, pace: &Pace) -> Result<Fate, TransferError> {
        let key = &found.key;
        match found.what {
            What::Different if !self.options.overwrites => Ok(Fate::Kept),
            What::Different => {
                pace.copy(found.bytes).await;
                self.keep(key, pace).await?;
                Ok(self.write(key, true).await?.map_or(Fate::Overtaken, Fate::Replaced))
            }
            What::Missing | What::Extra | What::Equal | What::NewlyEqual(_) | What::Gone => {
                pace.copy(found.bytes).await;
                self.restore(key, pace).await
            }
        }
    }

    /// Writes what the primary lacks. Not every provider holds conditions, so it is asked just before.
    async fn restore(&self, key: &str, pace: &Pace) -> Result<Fate, TransferError> {
        let target = self.route.target.object(transfer::Side::Target, key)?;
        if look(transfer::Side::Target, target, pace).await?.is_some() {
            return Ok(Fate::Overtaken);
        }
        Ok(self.write(key, false).await?.map_or(Fate::Overtaken, Fate::Restored))
    }

    /// Copies the mirror's object; `None` if the primary has one by now and it is not to be overwritten.
    async fn write(&self, key: &str, overwrites: bool) -> Result<Option<Record>, TransferError> {
        let source = Source::new(self.route.source.object(transfer::Side::Source, key)?);
        let opened = source.open(None).await?;
        let mirror_etag = etag(&opened.headers).unwrap_or_default().to_owned();
        let target = self.target(key, &source, &opened, overwrites).await?;
        let transfer = Transfer { source, target, drain: self.drain.clone() };
        match transfer.run(opened).await {
            Ok(written) => {
                transfer.target.verify(&written).await?;
                Ok(Some(self.record(mirror_etag, written)))
            }
            Err(error) if is_overtaken(&error) && !overwrites => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn target(
        &self,
        key: &str,
        source: &Source,
        opened: &Opened,
        overwrites: bool,
    ) -> Result<Target, TransferError> {
        let object = self.route.target.object(transfer::Side::Target, key)?;
        let metadata = opened.headers.iter().filter(|(name, _)| is_metadata(name));
        let mut headers = self.route.target.stored_as.clone();
        headers.extend(metadata.map(|(name, value)| (name.clone(), value.clone())));
        if let Some(tags) = tags_header(&source.tags(&opened.headers).await?)? {
            headers.insert("x-amz-tagging", tags);
        }
        if !overwrites {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Ok(Target::object(object, headers))
    }

    /// Keeps the primary's object under another name.
    async fn keep(&self, key: &str, pace: &Pace) -> Result<(), TransferError> {
        let target = &self.route.target;
        let kept = conflict_key(key, self.clock.now());
        let (here, there) = (transfer::Side::Target, transfer::Side::Target);
        let source = target.object(here, key)?;
        if look(here, source.clone(), pace).await?.is_none() {
            return Ok(());
        }
        let source = Source::new(source);
        let opened = source.open(None).await?;
        let object = target.object(there, &kept)?;
        let metadata = opened.headers.iter().filter(|(name, _)| is_metadata(name));
        let mut headers = target.stored_as.clone();
        headers.extend(metadata.map(|(name, value)| (name.clone(), value.clone())));
        let transfer =
            Transfer { source, target: Target::object(object, headers), drain: self.drain.clone() };
        let written = transfer.run(opened).await?;
        transfer.target.verify(&written).await?;
        Ok(())
    }

    fn record(&self, mirror_etag: String, written: Written) -> Record {
        Record {
            primary_etag: written.stored.result.etag,
            mirror_etag,
            bytes: written.bytes,
            checksum: None,
            last_modified: Some(self.clock.now()),
            metadata_digest: String::new(),
        }
    }
}

/// Whether the others may fare better.
fn is_of_the_object(error: &TransferError) -> bool {
    match error.class() {
        Class::Permanent | Class::CustomerKey | Class::Archived | Class::Absent => true,
        Class::Auth | Class::Config | Class::Unreachable | Class::Throttled | Class::Transient => false,
    }
}

fn is_overtaken(error: &TransferError) -> bool {
    error.status() == Some(http::StatusCode::PRECONDITION_FAILED)
}

/// Where an object is kept that has to make room. It stands beside it in every listing.
fn conflict_key(key: &str, now: Timestamp) -> String {
    format!("{key}.conflict-{}", now.amz_date().as_str())
}

/// The mirrors of a bucket but `mirror`.
pub fn other_mirrors(mirrors: impl Iterator<Item = Arc<str>>, mirror: &str) -> Mirrors {
    mirrors.filter(|name| **name != *mirror).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_room_stands_beside_what_took_it() {
        let now = Timestamp::from_unix_millis(1_369_353_600_000);
        assert_eq!(conflict_key("a/b.jpg", now), "a/b.jpg.conflict-20130524T000000Z");
    }

    #[test]
    fn the_other_mirrors_are_all_but_one() {
        let mirrors = ["a", "b", "c"].map(Arc::<str>::from);
        assert_eq!(other_mirrors(mirrors.into_iter(), "b")[..], ["a", "c"].map(Arc::<str>::from));
    }
}
