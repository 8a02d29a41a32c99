//! Changes of a mirrored bucket: the journal knows of each before the provider does, and is told what came of it.
//!
//! ```text
//! intend ─▶ change ─┬─ 2xx: changed          (a success that may end in an error: known with the end of its document)
//!                   ├─ 4xx, or never sent: unchanged
//!                   └─ 5xx, no answer, dropped: nobody knows, and workers have a look
//! ```

use http::{HeaderMap, Response, header};
use wharf_wire::{
    names::ObjectKey,
    s3::{ErrorCode, Operation},
};

use super::forward::{Handling, Sending};
use crate::{
    backend::upstream::{ReplyStream, UpstreamError},
    config::checked::BucketConfig,
    error::S3Error,
    mirror::{
        Intents,
        crash_point::{self, Point},
        state::{Change, Outcome},
        tee::is_encrypted_by_customer,
    },
};

impl Handling<'_> {
    /// Says that the object is about to change. Nothing of the request may be sent before this returns.
    pub(super) async fn intend(&self) -> Result<Intents, S3Error> {
        self.intend_all(self.key().into_iter().map(ObjectKey::as_str)).await
    }

    /// The same of many `keys`.
    pub(super) async fn intend_all(&self, keys: impl Iterator<Item = &str>) -> Result<Intents, S3Error> {
        match change(self.operation()) {
            Some(change) => {
                let intents = self.endpoint.mirrors.intend(self.place.bucket, keys, change).await?;
                Ok(if is_of_tags(self.operation()) { intents.unwatched() } else { intents })
            }
            None => Ok(Intents::default()),
        }
    }

    /// Sends the request, and says what the head of its reply tells.
    pub(super) async fn change(
        &self,
        intents: Intents,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, S3Error> {
        let (reply, intents) = self.change_slowly(intents, sending).await?;
        intents.settle_changed(etag(reply.headers())).await?;
        Ok(reply)
    }

    /// The same where an error may follow a success. What comes back of `intents` is still to be settled.
    pub(super) async fn change_slowly(
        &self,
        intents: Intents,
        sending: Sending,
    ) -> Result<(Response<ReplyStream>, Intents), S3Error> {
        let key = self.provider_key()?;
        let reply = self.ask(key.as_ref(), self.parameters(), intents.guarded(sending)).await;
        self.answered(intents, reply)
    }

    /// Says of a change what its `reply` tells, unless an error may follow it.
    pub(super) fn answered(
        &self,
        intents: Intents,
        reply: Result<Response<ReplyStream>, UpstreamError>,
    ) -> Result<(Response<ReplyStream>, Intents), S3Error> {
        if intents.is_empty() {
            return Ok((reply?, intents));
        }
        crash_point::reached(Point::PrimaryAnswered);
        match intents.outcome(&reply, self.operation().may_be_sent_twice()) {
            Outcome::Changed => Ok((reply?, intents)),
            known @ (Outcome::Unchanged | Outcome::Unknown) => {
                intents.settle(known);
                Ok((reply?, Intents::default()))
            }
        }
    }
}

fn is_of_tags(operation: Operation) -> bool {
    matches!(operation, Operation::PutObjectTagging | Operation::DeleteObjectTagging)
}

pub(super) fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ETAG)?.to_str().ok().map(str::to_owned)
}

/// What `operation` may do to what mirrors have of an object. Access, retention and the like they have not.
fn change(operation: Operation) -> Option<Change> {
    let deletes = matches!(operation, Operation::DeleteObject | Operation::DeleteObjects);
    let writes = matches!(
        operation,
        Operation::PutObject
            | Operation::CopyObject
            | Operation::CompleteMultipartUpload
            | Operation::PutObjectTagging
            | Operation::DeleteObjectTagging
    );
    match (deletes, writes) {
        (true, _) => Some(Change::Delete),
        (_, true) => Some(Change::Write),
        (false, false) => None,
    }
}

/// Refuses a new object that nobody but its client can read, where a worker would have to. `headers` are the object's.
pub(super) fn check_readable(handling: &Handling<'_>, headers: &HeaderMap) -> Result<(), S3Error> {
    let bucket = handling.place.bucket;
    // In one request the mirrors get the key along with the bytes. Who completes an upload has no key to look with.
    if bucket.is_teed() && handling.operation() == Operation::PutObject && handling.tees_in_secret() {
        return Ok(());
    }
    check_readable_by_workers(bucket, headers)
}

/// The same for one that no mirror is sent at the same time.
pub(super) fn check_readable_by_workers(bucket: &BucketConfig, headers: &HeaderMap) -> Result<(), S3Error> {
    if bucket.mirrors.is_empty() || !is_encrypted_by_customer(headers) {
        return Ok(());
    }
    let message = "This bucket is mirrored, and nobody could mirror an object that is encrypted with a key of your own \
                   (SSE-C): only a PutObject can be sent to the mirrors at the same time, where all of them are set up for \
                   that (`mode = \"tee\"`) and reached over TLS. Leave the x-amz-server-side-encryption-customer- headers out.";
    Err(S3Error::new(ErrorCode::InvalidRequest, message))
}
