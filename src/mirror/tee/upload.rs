//! Multipart uploads, part by part.
//!
//! ```text
//! Create    primary ── id ──▶ client             mirror ── its own id ──▶ database
//! part      Fork ─▶ primary, mirror               both ETags ──▶ database
//! Complete  primary ── ETag ──▶ client            every listed part at the mirror? Complete there : abort, worker copies
//! Abort     primary ──▶ client                    abort there
//! ```
//!
//! The client waits for none of the right side. A part of the mirror's is kept under the `ETag` that the primary gave the
//! same bytes, so a part that was sent twice, or to the primary alone, is noticed.

mod completion;
mod part;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use thiserror::Error;
use wharf_wire::{
    s3::{Operation, Parameter, Parameters},
    xml,
};

use super::{Target, Tee};
use crate::{
    backend::upstream::UpstreamError,
    mirror::crash_point::{Point, reached},
    store::{JournalError, TeeName},
    transfer::{Answer, Object, Sending, Side, TransferError, late_error},
};

pub use completion::{Listed, quoted};

/// Bytes of an answer to a request about an upload.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A client's upload, as the primary calls it.
#[derive(Debug, Clone)]
pub struct UploadName {
    /// The configured bucket.
    pub bucket: Arc<str>,
    /// The caller's key.
    pub key: Arc<str>,
    /// The primary's id of it.
    pub upload: Arc<str>,
}

impl UploadName {
    fn at(&self, mirror: &Arc<str>) -> TeeName {
        let Self { bucket, key, upload } = self.clone();
        TeeName { bucket, key, upload, mirror: Arc::clone(mirror) }
    }
}

/// Why a mirror's upload could not be begun or ended.
#[derive(Debug, Error)]
pub(super) enum UploadError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Mirror(#[from] TransferError),
    #[error("no upload was begun there")]
    NotBegun,
    #[error("the primary does not have it")]
    Unwanted,
    #[error("part {0} is missing there, or is another one")]
    Part(u16),
}

impl From<UpstreamError> for UploadError {
    fn from(error: UpstreamError) -> Self {
        Self::Mirror(TransferError::unanswered(Side::Target, error))
    }
}

impl Tee {
    /// The primary has begun an upload: begins one at each mirror, too.
    pub fn begin_upload(&self, upload: &UploadName, targets: Vec<Target<'_>>, described: &HeaderMap) {
        for target in targets {
            let name = upload.at(&target.config.name);
            let (begin, tee) = (self.begins.begin(&name), self.clone());
            let (headers, object) = (target.headers(described), target.object);
            self.drain.spawn(async move {
                if let Err(error) = tee.begin_at(&name, &object, headers).await {
                    tracing::debug!(mirror = &*name.mirror, %error, "an upload is not teed");
                }
                drop(begin);
            });
        }
    }

    async fn begin_at(&self, name: &TeeName, object: &Object, headers: HeaderMap) -> Result<(), UploadError> {
        let operation = Operation::CreateMultipartUpload;
        let sending = Sending::without_body(headers);
        let answer = ask(object, operation, &Parameters::default(), sending).await?;
        let id = xml::read_upload_id(&answer).map_err(|error| late_error(Side::Target, &answer, error))?;
        reached(Point::TeeUploadBegun);
        let begun = self.journal.begin_tee(name, &id).await;
        if begun.is_err() {
            abort_at(object, &id).await?;
        }
        Ok(begun?)
    }

    /// The primary has aborted an upload: aborts what was begun of it at the mirrors.
    pub fn abort_upload(&self, upload: &UploadName, targets: Vec<Target<'_>>) {
        for target in targets {
            let (name, object, tee) = (upload.at(&target.config.name), target.object, self.clone());
            self.drain.spawn(async move {
                tee.settled(&name).await;
                let aborted = match tee.journal.tee_id(&name).await {
                    Ok(Some(id)) => tee.abort_and_forget(&name, &object, &id).await,
                    Ok(None) => Ok(()),
                    Err(error) => Err(error.into()),
                };
                if let Err(error) = aborted {
                    tracing::debug!(mirror = &*name.mirror, %error, "an upload is aborted later");
                }
            });
        }
    }

    /// Waits until nothing is on its way to a mirror's upload from here.
    async fn settled(&self, name: &TeeName) {
        self.begins.over(name).await;
        self.parts.over(name).await;
    }

    /// Aborts a mirror's upload. What could not be aborted is not forgotten, and aborted later.
    pub(super) async fn abort_and_forget(
        &self,
        name: &TeeName,
        object: &Object,
        id: &str,
    ) -> Result<(), UploadError> {
        abort_at(object, id).await?;
        Ok(self.journal.forget_tee(name).await?)
    }
}

/// Aborts a mirror's upload, if it is still there.
async fn abort_at(object: &Object, id: &str) -> Result<(), UploadError> {
    let sending = Sending::without_body(HeaderMap::new());
    match ask(object, Operation::AbortMultipartUpload, &named(id), sending).await {
        Err(UploadError::Mirror(error)) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// The parameters of a request about the upload `id`.
pub(super) fn named(id: &str) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.set(Parameter::UploadId, id.to_owned());
    parameters
}

/// Asks for something about an upload, and reads the answer.
pub(super) async fn ask(
    object: &Object,
    operation: Operation,
    parameters: &Parameters,
    sending: Sending,
) -> Result<Bytes, UploadError> {
    let reply = object.send(operation, parameters, sending).await?;
    if reply.status().is_success() {
        return Ok(reply.into_body().read(ANSWER_BYTES_MAX).await?);
    }
    let answer = Box::new(Answer::read(reply).await);
    Err(TransferError::Refused { side: Side::Target, answer }.into())
}
