//! Uploads that clients, or a crash, have left at the mirrors: their parts would be kept, and billed, until somebody finds
//! them. Only those that Wharf has begun there itself are touched.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::sleep;
use wharf_wire::{date::Timestamp, names::ObjectKey, s3::Operation};

use super::{
    Target, Tee,
    upload::{UploadError, ask, named},
};
use crate::{
    clock::Clock,
    mirror::worker::Current,
    store::{JournalError, StaleTee},
    transfer::{Object, Sending},
};

/// How old an upload is before it counts as left behind. A client that goes on with an older one loses only the tee.
const STALE_AFTER: Duration = Duration::from_hours(7 * 24);
/// Between two looks.
const PAUSE: Duration = Duration::from_hours(1);
/// Uploads that are dealt with at a time.
const UPLOADS_MAX: u32 = 1000;

impl Tee {
    /// Aborts now and then what was left behind, until the drain begins.
    pub async fn keep_clean(self, clock: Clock, current: impl Fn() -> Current) {
        let day_and_night = async {
            loop {
                if let Err(error) = self.abort_stale(clock.now(), &current()).await {
                    tracing::warn!(%error, "uploads that were left at mirrors cannot be looked for");
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = self.drain.begun() => {}
            () = day_and_night => {}
        }
    }

    /// Aborts what was left behind.
    pub async fn abort_stale(&self, now: Timestamp, current: &Current) -> Result<(), JournalError> {
        let before = now.unix_millis().saturating_sub(millis(STALE_AFTER));
        for stale in self.journal.stale_tees(Timestamp::from_unix_millis(before), UPLOADS_MAX).await? {
            match self.clean_up(&stale, current).await {
                Ok(()) => {}
                Err(UploadError::Journal(error)) => return Err(error),
                Err(error) => {
                    let (bucket, mirror) = (&*stale.name.bucket, &*stale.name.mirror);
                    tracing::warn!(bucket, mirror, %error, "an upload stays at a mirror, and is aborted later");
                }
            }
        }
        Ok(())
    }

    async fn clean_up(&self, stale: &StaleTee, current: &Current) -> Result<(), UploadError> {
        let StaleTee { name, mirror_upload, is_ending } = stale;
        let Some(object) = place(stale, current) else {
            tracing::warn!(
                bucket = &*name.bucket,
                mirror = &*name.mirror,
                "an upload stays at what is no mirror any more"
            );
            return Ok(self.journal.forget_tee(name).await?);
        };
        // Some stores destroy an object when the upload is aborted that it was made of.
        if *is_ending && !is_there(&object, mirror_upload).await? {
            return Ok(self.journal.forget_tee(name).await?);
        }
        self.abort_and_forget(name, &object, mirror_upload).await
    }
}

fn place(stale: &StaleTee, Current { config, origins }: &Current) -> Option<Object> {
    let bucket = config.buckets.get(&*stale.name.bucket)?;
    let mirror = bucket.mirrors.iter().find(|mirror| mirror.name == stale.name.mirror)?;
    let key = ObjectKey::parse(&stale.name.key).ok()?;
    Target::new(mirror, origins, &key).map(|target| target.object)
}

/// Whether an upload is still one, and not an object.
async fn is_there(object: &Object, id: &str) -> Result<bool, UploadError> {
    let sending = Sending::without_body(HeaderMap::new());
    match ask(object, Operation::ListParts, &named(id), sending).await {
        Ok(_) => Ok(true),
        Err(UploadError::Mirror(error)) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
