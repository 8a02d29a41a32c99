//! Uploads that were begun here and left: their parts would be kept, and billed, until somebody finds them.
//!
//! Nothing is kept here of what was begun, and a bucket has uploads of others. So an upload counts as Wharf's by its key
//! alone, which has the id in it that was drawn for it, and with the id the time: the provider must say that the upload
//! began then. An upload that somebody else begins to such a key has another time.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::time::sleep;
use wharf_wire::{
    date::Timestamp,
    names::ObjectKey,
    s3::{Operation, Parameter, Parameters},
    xml::{self, ListedUpload, UploadsPage},
};

use crate::{
    backend::Origins,
    clock::Clock,
    config::{Config, checked::BucketConfig},
    error::Error,
    server::Drain,
    transfer::{Sending, Side, TransferError, late_error},
    upload_api::{
        remote::{Question, Remote},
        upload_id::UploadId,
    },
};

/// Between two looks, and before the first: who starts has more urgent things to ask providers for.
const PAUSE: Duration = Duration::from_hours(1);
const FIRST_PAUSE: Duration = Duration::from_mins(10);
/// An id expires before its upload is aborted, so that no completion is under way.
const GRACE_SECONDS: u64 = 60 * 60;
/// How far a provider's clock may be from ours, with the time that an answer takes.
const SKEW_MILLIS_MAX: u64 = 20 * 60 * 1000;
/// Pages of a bucket in one look. A bucket that has more uploads than these hold costs no more requests than this.
const PAGES_MAX: usize = 100;

/// Aborts what was left behind.
#[derive(Debug, Clone)]
pub struct Janitor {
    /// The time.
    pub clock: Clock,
    /// Ends it.
    pub drain: Drain,
}

impl Janitor {
    /// Looks now and then until the drain begins. `current` says what is in force.
    pub async fn run(self, current: impl Fn() -> (Arc<Config>, Arc<Origins>) + Send) {
        let day_and_night = async {
            sleep(FIRST_PAUSE).await;
            loop {
                let (config, origins) = current();
                abort_stale_uploads(&config, &origins, self.clock.now()).await;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = self.drain.begun() => {}
            () = day_and_night => {}
        }
    }
}

/// Aborts what was left in any bucket. What cannot be aborted now is aborted later.
pub async fn abort_stale_uploads(config: &Config, origins: &Origins, now: Timestamp) {
    let Some(after) = config.upload.stale_uploads_after else { return };
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).saturating_add(GRACE_SECONDS * 1000);
    let before = Timestamp::from_unix_millis(now.unix_millis().saturating_sub(millis));
    for bucket in config.buckets.values() {
        match clean(bucket, origins, before).await {
            Ok(0) => {}
            Ok(aborted) => tracing::info!(bucket = bucket.name, aborted, "stale uploads were aborted"),
            Err(error) => {
                let error = error.cause.unwrap_or_else(|| error.message.into_owned());
                tracing::warn!(bucket = bucket.name, error, "stale uploads cannot be looked for");
            }
        }
    }
}

/// Aborts what began in a bucket `before` then. Gives how many there were.
async fn clean(bucket: &BucketConfig, origins: &Origins, before: Timestamp) -> Result<usize, Error> {
    let remote = Remote::of_bucket(bucket, origins)?;
    let mut parameters = Parameters::default();
    parameters.set(Parameter::Prefix, bucket.key_prefix.clone());
    let mut aborted = 0;
    for _ in 0..PAGES_MAX {
        let page = page(&remote, &parameters).await?;
        for upload in page.uploads.iter().filter(|upload| is_stale(upload, &bucket.key_prefix, before)) {
            match abort(&remote, upload).await {
                Ok(()) => aborted += 1,
                Err(error) => tracing::warn!(bucket = bucket.name, %error, "a stale upload is not aborted"),
            }
        }
        let (Some(key), true) = (page.next_key, page.is_truncated) else { break };
        parameters.set(Parameter::KeyMarker, key);
        parameters.remove(Parameter::UploadIdMarker);
        if let Some(id) = page.next_upload_id {
            parameters.set(Parameter::UploadIdMarker, id);
        }
    }
    Ok(aborted)
}

async fn page(remote: &Remote, parameters: &Parameters) -> Result<UploadsPage, TransferError> {
    let operation = Operation::ListMultipartUploads;
    let sending = Sending::without_body(HeaderMap::new());
    let document = remote.document(Question { operation, key: None, parameters, sending }).await?;
    xml::read_uploads(&document).map_err(|error| late_error(Side::Target, &document, error))
}

/// Whether Wharf has begun the upload, and that long ago.
fn is_stale(upload: &ListedUpload, key_prefix: &str, before: Timestamp) -> bool {
    let (Some(initiated), true) = (upload.initiated, upload.key.starts_with(key_prefix)) else {
        return false;
    };
    let is_own = |drawn: Timestamp| drawn.unix_millis().abs_diff(initiated.unix_millis()) <= SKEW_MILLIS_MAX;
    initiated < before && UploadId::in_key(&upload.key).is_some_and(is_own)
}

async fn abort(remote: &Remote, upload: &ListedUpload) -> Result<(), TransferError> {
    let Ok(key) = ObjectKey::parse(&upload.key) else { return Ok(()) };
    let mut parameters = Parameters::default();
    parameters.set(Parameter::UploadId, upload.upload_id.clone());
    let operation = Operation::AbortMultipartUpload;
    let sending = Sending::without_body(HeaderMap::new());
    let question = Question { operation, key: Some(&key), parameters: &parameters, sending };
    match remote.ask(question).await {
        // Another node, or the client itself, was faster.
        Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_begun_here_and_long_ago_is_stale() {
        let begun = Timestamp::from_unix_millis(1_795_307_826_434);
        let later = begun.plus_seconds(60);
        let own = format!("site/in/{}_a.mp4", UploadId::new(begun).as_str());
        let is_stale = |key: &str, initiated: Option<Timestamp>, before: Timestamp| {
            let upload = ListedUpload { key: key.to_owned(), upload_id: "id".to_owned(), initiated };
            is_stale(&upload, "site/", before)
        };
        assert!(is_stale(&own, Some(begun.plus_seconds(2)), later));
        assert!(!is_stale(&own, Some(begun), begun), "not long enough ago");
        assert!(!is_stale(&own, None, later), "nobody knows when");
        assert!(
            !is_stale(&own, Some(begun.plus_seconds(3600)), begun.plus_seconds(7200)),
            "begun by another"
        );
        assert!(!is_stale(&own.replace("site/", "other/"), Some(begun), later), "not of this bucket");
        assert!(!is_stale("site/in/a.mp4", Some(begun), later), "a key of somebody else's");
    }
}
