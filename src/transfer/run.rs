//! The transfer itself: in one request, or in parts side by side.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, header};
use tokio::time::sleep;
use wharf_wire::checksum::{Checksum, ChecksumAlgorithm};

use super::{
    Class, Opened, Range, Side, Source, Stored, Target, TransferError,
    body::Copied,
    digest::{Claim, Digest},
    range,
    upload::Upload,
};
use crate::server::Drain;

/// Up to this an object is written in one request, and keeps an `ETag` that is its MD5 where it was one. More is written
/// in parts, so that what breaks off does not begin again with the first byte.
const PUT_BYTES_MAX: u64 = 64 << 20;

/// Parts of one object that are on their way at once. More would fill the connection no better, and each holds a request
/// at either provider.
const PARTS_IN_FLIGHT_MAX: usize = 4;

/// A part of many fails now and then, and the others should not be for nothing.
const PART_TRIES_MAX: u32 = 3;
/// Before the second try; twice that before the third.
const PART_PAUSE: Duration = Duration::from_secs(1);

/// Everything that a transfer needs, for as long as it takes.
#[derive(Debug)]
pub struct Transfer {
    /// What is read.
    pub source: Source,
    /// What is written.
    pub target: Target,
    /// Joins what has to be cleaned up when it is given up.
    pub drain: Drain,
}

/// What arrived.
#[derive(Debug)]
pub struct Written {
    /// What the target's provider says of it.
    pub stored: Stored,
    /// How many bytes were sent.
    pub bytes: u64,
    /// Their checksum: by the source's own algorithm, where it has one.
    pub checksum: Checksum,
    /// Whether the provider's word proves that it has the same bytes: its `ETag`s are their MD5s.
    pub is_proven: bool,
}

impl Transfer {
    /// Transfers what was opened.
    pub async fn run(&self, opened: Opened) -> Result<Written, TransferError> {
        // Some stores send the checksum of the whole with a range of it.
        let claim = if opened.is_whole { Claim::of(&opened.headers) } else { Claim::NONE };
        if self.goes_whole(opened.bytes, claim.algorithm()) {
            return self.whole(opened, claim).await;
        }
        let claim = if claim.algorithm().can_be_combined() { claim } else { Claim::NONE };
        self.in_parts(opened, claim).await
    }

    /// Whether one request takes all of it. What has a checksum that can only be computed from the first byte to the last
    /// came in one request, so it goes in one too, if the provider takes that much at once.
    fn goes_whole(&self, bytes: u64, algorithm: ChecksumAlgorithm) -> bool {
        let limits = &self.target.place().origin().account().profile().limits;
        let whole_bytes_max = if algorithm.can_be_combined() { PUT_BYTES_MAX } else { limits.put_bytes_max };
        !self.target.is_object() || bytes <= whole_bytes_max
    }

    async fn whole(&self, opened: Opened, claim: Claim) -> Result<Written, TransferError> {
        let (body, behind) = Copied::body(opened, claim, claim.algorithm())?;
        let stored = self.target.store(body).await?;
        let digest = behind.await.map_err(|_| taken_early())?;
        let is_proven = digest.is_proven_by(&stored.result.etag);
        Ok(Written { stored, bytes: digest.bytes, checksum: digest.checksum, is_proven })
    }

    async fn in_parts(&self, opened: Opened, claim: Claim) -> Result<Written, TransferError> {
        let Opened { bytes, headers, body, .. } = opened;
        // Frees its connection: each part has one of its own.
        drop(body);
        let etag = headers.get(header::ETAG).ok_or_else(no_etag)?.clone();
        let upload = Upload::begin(&self.target, &self.drain).await?;
        let parts = (1..).zip(range::parts(bytes));
        let parts = parts.map(|(number, range)| Part {
            number,
            range,
            etag: etag.clone(),
            algorithm: claim.algorithm(),
        });
        let stored = stream::iter(parts).map(|part| self.part(&upload, part)).buffered(PARTS_IN_FLIGHT_MAX);
        let parts: Vec<StoredPart> = stored.try_collect().await?;
        let checksum = checksum_of(&parts).ok_or_else(no_parts)?;
        claim.verify(&checksum)?;
        let is_proven = parts.iter().all(|part| part.digest.is_proven_by(&part.etag));
        let listed: Vec<_> = parts.iter().map(|part| (part.number, part.etag.as_str())).collect();
        let stored = upload.complete(&listed).await?;
        Ok(Written { stored, bytes, checksum, is_proven })
    }

    /// Copies one part, again where that can help.
    async fn part(&self, upload: &Upload<'_>, part: Part) -> Result<StoredPart, TransferError> {
        let mut tries = 1;
        loop {
            match self.part_once(upload, &part).await {
                Err(error) if is_worth_another_try(&error) && tries < PART_TRIES_MAX => {
                    tracing::debug!(part = part.number, %error, "copied again");
                    sleep(PART_PAUSE * tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn part_once(&self, upload: &Upload<'_>, part: &Part) -> Result<StoredPart, TransferError> {
        let opened = self.source.reopen(part.range, &part.etag).await?;
        let (body, behind) = Copied::body(opened, Claim::NONE, part.algorithm)?;
        let etag = upload.store(part.number, body).await?;
        let digest = behind.await.map_err(|_| taken_early())?;
        Ok(StoredPart { number: part.number, etag, digest })
    }
}

/// One of the parts of a transfer.
#[derive(Debug)]
struct Part {
    number: u16,
    range: Range,
    /// The source's.
    etag: HeaderValue,
    /// Of the whole's checksum.
    algorithm: ChecksumAlgorithm,
}

/// One that arrived.
#[derive(Debug)]
struct StoredPart {
    number: u16,
    etag: String,
    digest: Digest,
}

fn is_worth_another_try(error: &TransferError) -> bool {
    *error != TransferError::Changed
        && matches!(error.class(), Class::Transient | Class::Throttled | Class::Unreachable)
}

/// The checksum of the whole, of those of its parts.
fn checksum_of(parts: &[StoredPart]) -> Option<Checksum> {
    let mut digests = parts.iter().map(|part| part.digest);
    let first = digests.next()?.checksum;
    digests.try_fold(first, |whole, next| whole.followed_by(&next.checksum, next.bytes))
}

fn no_etag() -> TransferError {
    TransferError::Senseless { side: Side::Source, what: "it has no ETag".to_owned() }
}

fn no_parts() -> TransferError {
    TransferError::Senseless {
        side: Side::Source,
        what: "it has no parts that can be put together".to_owned(),
    }
}

fn taken_early() -> TransferError {
    TransferError::Senseless {
        side: Side::Target,
        what: "it has an object before all of it was sent".to_owned(),
    }
}
