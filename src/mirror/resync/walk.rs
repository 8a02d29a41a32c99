//! The walk: both listings side by side, and of each pair what is known of it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use http::header;
use thiserror::Error;
use tokio::time::sleep;
use wharf_wire::date::Timestamp;

use crate::{
    backend::Origins,
    config::checked::{BucketConfig, MirrorConfig},
    mirror::state::{Record, Side},
    store::{Equal, Journal, JournalError},
    transfer::{self, Class, TransferError},
};

use super::{
    Disordered, Etags, Listed, Listing, Merge, Next, Pace, Pair, Place, Verdict, by_listing, by_look,
    compare::etag, listing::Page, place::look,
};

/// Pairs that are judged together. It bounds what is held, and how many keys one statement has.
const BATCH_KEYS: usize = 500;
/// Objects that are asked about at once where the listings do not say whether they are equal.
const LOOKS_IN_FLIGHT_MAX: usize = 16;
/// A provider that fails now and then does not end a walk of hours.
const TRIES_MAX: u32 = 6;
/// Before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);

/// A bucket, one of its mirrors, and which way to go between them.
#[derive(Debug, Clone)]
pub struct Route {
    /// The configured bucket.
    pub bucket: String,
    /// The mirror's configured name.
    pub mirror: Arc<str>,
    /// Which of both is the source.
    pub truth: Side,
    /// Where objects come from.
    pub source: Place,
    /// Where they go.
    pub target: Place,
}

impl Route {
    /// From the side that holds the truth to the other one. `None` if a provider is not configured, which a checked
    /// configuration rules out.
    pub fn new(bucket: &BucketConfig, mirror: &MirrorConfig, origins: &Origins, truth: Side) -> Option<Self> {
        let (primary, copy) = (Place::of_primary(bucket, origins)?, Place::of_mirror(mirror, origins)?);
        let (source, target) = match truth {
            Side::Primary => (primary, copy),
            Side::Mirror => (copy, primary),
        };
        Some(Self { bucket: bucket.name.clone(), mirror: Arc::clone(&mirror.name), truth, source, target })
    }
}

/// Why a walk ends before its end.
#[derive(Debug, Error)]
pub enum WalkError {
    /// A provider.
    #[error(transparent)]
    Provider(#[from] TransferError),
    /// A side lists in another order than S3.
    #[error(transparent)]
    Order(#[from] Disordered),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What is the matter with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The target lacks it.
    Missing,
    /// The target's is another one, or nothing proves that it is not.
    Different,
    /// The source lacks it.
    Extra,
    /// Both are equal, and on record as such.
    Equal,
    /// Both are equal, and the journal does not know.
    NewlyEqual(Box<Equal>),
    /// It went from the source while it was looked at.
    Gone,
}

/// A key of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The caller's key.
    pub key: String,
    /// Bytes of the source's object, or of the one that the target has alone.
    pub bytes: u64,
    /// What is the matter with it.
    pub what: What,
}

/// Keys that follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order; never empty.
    pub found: Vec<Found>,
}

impl Batch {
    /// The keys that `is_wanted`.
    pub fn keys(&self, is_wanted: impl Fn(&What) -> bool) -> Vec<&str> {
        self.found.iter().filter(|found| is_wanted(&found.what)).map(|found| found.key.as_str()).collect()
    }

    /// The pairs that the journal does not know to be equal.
    pub fn newly_equal(&self) -> Vec<Equal> {
        let equal = |found: &Found| match &found.what {
            What::NewlyEqual(equal) => Some(Equal::clone(equal)),
            What::Missing | What::Different | What::Extra | What::Equal | What::Gone => None,
        };
        self.found.iter().filter_map(equal).collect()
    }

    /// The last key: everything up to it is in this batch or in one before.
    pub fn cursor(&self) -> Option<&str> {
        self.found.last().map(|found| found.key.as_str())
    }
}

/// What a walk has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Keys of either side.
    pub keys: u64,
    /// Equal pairs.
    pub equal: u64,
    /// Keys that the target lacks.
    pub missing: u64,
    /// Pairs that differ.
    pub different: u64,
    /// Keys that the target has alone.
    pub extra: u64,
    /// Bytes of what is missing or different.
    pub bytes: u64,
    /// Requests that read these.
    pub reads: u64,
    /// Requests that write them.
    pub writes: u64,
}

impl Totals {
    /// Adds a batch.
    pub fn add(&mut self, batch: &Batch) {
        for found in &batch.found {
            self.keys += 1;
            match found.what {
                What::Equal | What::NewlyEqual(_) => self.equal += 1,
                What::Missing => self.missing += 1,
                What::Different => self.different += 1,
                What::Extra => self.extra += 1,
                What::Gone => {}
            }
            if matches!(found.what, What::Missing | What::Different) {
                self.copy(found.bytes);
            }
        }
    }

    fn copy(&mut self, bytes: u64) {
        let parts = transfer::part_count(bytes);
        self.bytes += bytes;
        // Looked at before and behind, and read in parts; and a target that is written in parts is begun and ended.
        self.reads += parts + 2;
        self.writes += if parts > 1 { parts + 2 } else { 1 };
    }

    /// Keys of the target.
    pub const fn of_target(&self) -> u64 {
        self.equal + self.different + self.extra
    }
}

/// A walk through both sides of a route.
#[derive(Debug)]
pub struct Walk<'a> {
    route: &'a Route,
    journal: &'a Journal,
    pace: &'a Pace,
    source: Listing<'a>,
    target: Listing<'a>,
    merge: Merge,
}

impl<'a> Walk<'a> {
    /// Over the keys below `prefix`, behind `cursor`.
    pub fn new(
        route: &'a Route,
        journal: &'a Journal,
        pace: &'a Pace,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Self {
        Self {
            route,
            journal,
            pace,
            source: Listing::new(transfer::Side::Source, &route.source, prefix, cursor, pace),
            target: Listing::new(transfer::Side::Target, &route.target, prefix, cursor, pace),
            merge: Merge::behind(cursor),
        }
    }

    /// The next keys; none at the end.
    pub async fn next(&mut self) -> Result<Option<Batch>, WalkError> {
        let pairs = self.pairs().await?;
        if pairs.is_empty() {
            return Ok(None);
        }
        let keys: Vec<_> =
            pairs.iter().filter(|pair| pair.is_on_both()).map(|pair| pair.key.as_str()).collect();
        let route = self.route;
        let mut records: HashMap<String, Record> =
            self.journal.records(&route.bucket, &route.mirror, &keys).await?.into_iter().collect();
        drop(keys);
        let judged = pairs.into_iter().map(|pair| {
            let record = records.remove(&pair.key);
            Judge { route, pace: self.pace, record }.judge(pair)
        });
        let judged: Vec<_> = judged.collect();
        let found = stream::iter(judged).buffered(LOOKS_IN_FLIGHT_MAX).try_collect().await?;
        Ok(Some(Batch { found }))
    }

    async fn pairs(&mut self) -> Result<Vec<Pair>, WalkError> {
        let mut pairs = Vec::new();
        while pairs.len() < BATCH_KEYS {
            match self.merge.step() {
                Next::Pair(pair) => pairs.push(pair),
                Next::End => break,
                // What is there is dealt with before more is asked for.
                Next::Need(_) if !pairs.is_empty() => break,
                Next::Need(side) => {
                    let listing = match side {
                        transfer::Side::Source => &mut self.source,
                        transfer::Side::Target => &mut self.target,
                    };
                    let Page { listed, is_last } = patiently(listing).await?;
                    self.merge.push(side, listed, is_last)?;
                }
            }
        }
        Ok(pairs)
    }
}

/// The next page, again where that can help.
async fn patiently(listing: &mut Listing<'_>) -> Result<Page, TransferError> {
    let mut tries = 1;
    loop {
        match listing.page().await {
            Err(error) if is_passing(&error) && tries < TRIES_MAX => {
                let pause = error.retry_after().unwrap_or_default().max(PAUSE * 2_u32.pow(tries - 1));
                tracing::warn!(%error, "a page of a listing is asked for again in {} seconds", pause.as_secs());
                sleep(pause).await;
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

fn is_passing(error: &TransferError) -> bool {
    matches!(error.class(), Class::Transient | Class::Throttled | Class::Unreachable)
        && !matches!(error, TransferError::Senseless { .. })
}

/// Judges one pair.
struct Judge<'a> {
    route: &'a Route,
    pace: &'a Pace,
    record: Option<Record>,
}

impl Judge<'_> {
    async fn judge(self, pair: Pair) -> Result<Found, WalkError> {
        let Pair { key, source, target } = pair;
        let bytes = source.as_ref().or(target.as_ref()).map_or(0, |listed| listed.bytes);
        let what = match (source, target) {
            (Some(_), None) => What::Missing,
            (None, _) => What::Extra,
            (Some(source), Some(target)) => match by_listing(&source, &target, self.etags()) {
                Verdict::Different => What::Different,
                Verdict::Equal => self.equal(&key, Sight::of(source), Sight::of(target)),
                Verdict::Unknown => self.look(&key).await?,
            },
        };
        Ok(Found { key, bytes, what })
    }

    /// Asks both sides.
    async fn look(&self, key: &str) -> Result<What, WalkError> {
        let (source_side, target_side) = (transfer::Side::Source, transfer::Side::Target);
        let source = self.route.source.listed(source_side, key)?;
        let target = self.route.target.listed(target_side, key)?;
        let (source, target) =
            tokio::try_join!(look(source_side, source, self.pace), look(target_side, target, self.pace))?;
        Ok(match (source, target) {
            (None, _) => What::Gone,
            (Some(_), None) => What::Missing,
            (Some(source), Some(target)) => match by_look(&source, &target, self.etags()) {
                Verdict::Equal => self.equal(key, Sight::at(&source), Sight::at(&target)),
                Verdict::Different | Verdict::Unknown => What::Different,
            },
        })
    }

    fn etags(&self) -> Option<Etags<'_>> {
        let truth = self.route.truth;
        self.record
            .as_ref()
            .map(|record| Etags { source: record.etag(truth), target: record.etag(truth.other()) })
    }

    /// An equal pair. Its bytes were compared, and its metadata were not; and a store that tells no `ETag` cannot be held
    /// to a record.
    fn equal(&self, key: &str, source: Sight, target: Sight) -> What {
        let (primary, mirror) = match self.route.truth {
            Side::Primary => (source, target),
            Side::Mirror => (target, source),
        };
        let (Some(primary_etag), Some(mirror_etag)) = (primary.etag, mirror.etag) else { return What::Equal };
        let was = self.record.as_ref();
        if was.is_some_and(|was| was.primary_etag == primary_etag && was.mirror_etag == mirror_etag) {
            return What::Equal;
        }
        let record = Record {
            primary_etag,
            mirror_etag,
            bytes: primary.bytes,
            checksum: None,
            last_modified: primary.last_modified,
            metadata_digest: String::new(),
        };
        What::NewlyEqual(Box::new(Equal { key: key.to_owned(), was: self.record.clone(), record }))
    }
}

/// What goes into a record of one side.
struct Sight {
    etag: Option<String>,
    bytes: u64,
    last_modified: Option<Timestamp>,
}

impl Sight {
    fn of(listed: Listed) -> Self {
        // Clients compare it with what `HEAD` says, which has quotes.
        let etag = listed.etag.map(|etag| if etag.starts_with('"') { etag } else { format!("\"{etag}\"") });
        Self { etag, bytes: listed.bytes, last_modified: listed.last_modified }
    }

    fn at(found: &transfer::Found) -> Self {
        let date = found.headers.get(header::LAST_MODIFIED).and_then(|date| date.to_str().ok());
        Self {
            etag: etag(&found.headers).map(str::to_owned),
            bytes: found.bytes,
            last_modified: date.and_then(Timestamp::from_http_date),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(what: What, bytes: u64) -> Found {
        Found { key: "k".to_owned(), bytes, what }
    }

    #[test]
    fn totals_count_what_has_to_be_done() {
        let found = vec![
            found(What::Missing, 10),
            found(What::Different, 5),
            found(What::Extra, 1000),
            found(What::Equal, 7),
            found(What::Gone, 9),
        ];
        let mut totals = Totals::default();
        totals.add(&Batch { found });
        assert_eq!(
            (totals.keys, totals.missing, totals.different, totals.extra, totals.equal),
            (5, 1, 1, 1, 1)
        );
        assert_eq!((totals.bytes, totals.reads, totals.writes, totals.of_target()), (15, 6, 2, 3));
    }
}
