//! What the journal knows, it knows of places: this bucket at this provider, and that one. When the configuration puts
//! others in their stead, under the same names, nothing of it is true any more.
//!
//! ```text
//! place as the journal has it ≠ place as configured
//!    changes under way to a primary that is elsewhere now ─→ refused: they would end where nobody looks any more
//!    rows that wait, or were given up ─→ refused: they are about the old place, and what they say would be lost
//!    a mirror that becomes the primary, and was never complete ─→ refused: what it lacks would be gone for clients
//!    else ─→ records and completeness are forgotten; the next sync finds out anew, without copying what is equal
//! ```
//!
//! So a bucket moves to another provider by a reload: add the new provider as a mirror, `wharf sync`, let the two change
//! places in the configuration. Refused, the old configuration stays in force.

use std::sync::Arc;

use thiserror::Error;
use wharf_wire::names::BucketName;

use crate::{
    config::{
        Config,
        checked::{BucketConfig, MirrorConfig},
    },
    store::{Backlog, Journal, JournalError, PlacePair},
};

/// Why a configuration cannot be put in force.
#[derive(Debug, Error)]
pub enum MoveError {
    /// Rows are left of the places that were.
    #[error(
        "buckets.{bucket}: the journal still has {rows} keys for its mirror `{mirror}` as it was, {from}. Let them be mirrored \
         first, with the old configuration: `wharf mirror status` and `wharf mirror dead` show what is left"
    )]
    Undone {
        /// The configured bucket.
        bucket: String,
        /// The mirror.
        mirror: String,
        /// Keys that wait or were given up.
        rows: u64,
        /// Where both were.
        from: String,
    },
    /// Changes are under way to the primary that was, and would end there.
    #[error(
        "buckets.{bucket}: {changes} changes are under way to its primary as it was, {primary}. Try again when they have ended"
    )]
    UnderWay {
        /// The configured bucket.
        bucket: String,
        /// How many.
        changes: u64,
        /// Where it was.
        primary: String,
    },
    /// A mirror is to be the primary that may lack something.
    #[error(
        "buckets.{bucket}: what was its mirror `{mirror}` is to be its primary, and was never complete. With the old \
         configuration, `wharf sync {bucket} --mirror {mirror}` makes it so"
    )]
    Incomplete {
        /// The configured bucket.
        bucket: String,
        /// The mirror.
        mirror: String,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Makes the journal fit `config`, or says why it does not. Nothing is changed unless everything fits.
pub async fn settle(config: &Config, journal: &Journal) -> Result<(), MoveError> {
    let (known, configured) = (journal.places().await?, configured(config));
    let left: Vec<_> = known.iter().filter(|known| !configured.contains(known)).collect();
    if !left.is_empty() {
        // First: what ends meanwhile is among the rows.
        for before in &left {
            check_settled(config, before, journal).await?;
        }
        let backlogs = journal.backlog().await?;
        left.iter().try_for_each(|before| check_undone(config, before, &configured, &backlogs))?;
        for before in &left {
            check_complete(config, before, journal).await?;
        }
    }
    for before in &left {
        let (bucket, mirror) = (&*before.bucket, &*before.mirror);
        tracing::warn!(bucket, mirror, "what is known of a mirror where it was is forgotten");
        journal.forget_place(before).await?;
    }
    for new in configured.iter().filter(|pair| !known.contains(pair)) {
        journal.set_place(new).await?;
    }
    Ok(())
}

/// Whether changes are under way to a primary that is elsewhere now.
async fn check_settled(config: &Config, before: &PlacePair, journal: &Journal) -> Result<(), MoveError> {
    if !has_new_primary(config, before) {
        return Ok(());
    }
    match journal.changes_under_way(&before.bucket).await? {
        0 => Ok(()),
        changes => {
            let (bucket, primary) = (before.bucket.to_string(), before.primary.clone());
            Err(MoveError::UnderWay { bucket, changes, primary })
        }
    }
}

fn has_new_primary(config: &Config, before: &PlacePair) -> bool {
    let bucket = config.buckets.get(&*before.bucket);
    bucket.is_some_and(|bucket| place_of_primary(config, bucket) != before.primary)
}

/// Whether rows are left of a mirror that is elsewhere now, or whose primary is. A mirror that is configured no more may
/// leave some: nobody asks after them.
fn check_undone(
    config: &Config,
    before: &PlacePair,
    configured: &[PlacePair],
    backlogs: &[Backlog],
) -> Result<(), MoveError> {
    let is_there = configured.iter().any(|pair| pair.is_of_same_mirror(before));
    let is_it = |backlog: &&Backlog| backlog.bucket == *before.bucket && backlog.mirror == *before.mirror;
    let rows = backlogs.iter().find(is_it).map_or(0, rows);
    if rows == 0 || !(is_there || has_new_primary(config, before)) {
        return Ok(());
    }
    Err(MoveError::Undone {
        bucket: before.bucket.to_string(),
        mirror: before.mirror.to_string(),
        rows,
        from: format!("from {} to {}", before.primary, before.place),
    })
}

fn rows(backlog: &Backlog) -> u64 {
    backlog.waiting + backlog.held + backlog.dead.values().sum::<u64>()
}

/// Whether a mirror that is to be the primary of its bucket has been complete.
async fn check_complete(config: &Config, before: &PlacePair, journal: &Journal) -> Result<(), MoveError> {
    let Some(bucket) = config.buckets.get(&*before.bucket) else { return Ok(()) };
    if place_of_primary(config, bucket) != before.place {
        return Ok(());
    }
    let state = journal.sync_state(&before.bucket, &before.mirror).await?;
    if state.is_some_and(|state| state.completed_at.is_some()) {
        return Ok(());
    }
    Err(MoveError::Incomplete { bucket: before.bucket.to_string(), mirror: before.mirror.to_string() })
}

fn configured(config: &Config) -> Vec<PlacePair> {
    let of_bucket = |bucket: &BucketConfig| -> Vec<PlacePair> {
        let primary = place_of_primary(config, bucket);
        let pair = |mirror: &MirrorConfig| PlacePair {
            bucket: bucket.name.as_str().into(),
            mirror: Arc::clone(&mirror.name),
            primary: primary.clone(),
            place: place(config, &mirror.provider, &mirror.bucket, &mirror.key_prefix),
        };
        bucket.mirrors.iter().map(pair).collect()
    };
    config.buckets.values().flat_map(of_bucket).collect()
}

fn place_of_primary(config: &Config, bucket: &BucketConfig) -> String {
    place(config, &bucket.provider, &bucket.bucket, &bucket.key_prefix)
}

/// A bucket's URL and a prefix. A provider that is called something else now, or has other credentials, is where it was.
fn place(config: &Config, provider: &str, bucket: &BucketName, key_prefix: &str) -> String {
    let account = config.providers.get(provider).map(|provider| &provider.account);
    let location = account.and_then(|account| account.location(Some(bucket), None).ok());
    let url = location.map(|location| location.url()).unwrap_or_default();
    format!("{url} {key_prefix}").trim_end().to_owned()
}
