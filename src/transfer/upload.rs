//! A large object on its way, part by part.

use bytes::Bytes;
use http::Response;
use wharf_wire::{
    s3::{Operation, Parameter, Parameters},
    xml::{self, ObjectResult},
};

use super::{Sending, Side, Stored, Target, TransferError, answer::late_error, target::date};
use crate::{
    backend::upstream::{ReplyStream, SendBody},
    mirror::crash_point::{Point, reached},
    server::Drain,
};

/// Bytes of an answer to a multipart upload's requests; a slow one has some white space before it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How far a multipart upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No request has been sent to complete it, or the provider refused that.
    Parts,
    /// One was sent, and what came of it is not known.
    Completing,
    /// The object is made.
    Complete,
}

/// A multipart upload in progress. Dropped with nothing but parts, for whatever reason, it is aborted: they would be kept,
/// and billed, until somebody finds them. Once it may be complete it is not: some stores would destroy the object.
#[derive(Debug)]
pub struct Upload<'a> {
    target: &'a Target,
    drain: &'a Drain,
    parameters: Parameters,
    stage: Stage,
}

impl<'a> Upload<'a> {
    /// Begins to write `target` in parts.
    pub async fn begin(target: &'a Target, drain: &'a Drain) -> Result<Self, TransferError> {
        let operation = Operation::CreateMultipartUpload;
        let sending = Sending::without_body(target.headers_of(operation));
        let answer = answer(target.ask(operation, &Parameters::default(), sending).await?).await?;
        let id = xml::read_upload_id(&answer).map_err(|error| late_error(Side::Target, &answer, error))?;
        reached(Point::UploadBegun);
        let mut parameters = Parameters::default();
        parameters.set(Parameter::UploadId, id);
        Ok(Self { target, drain, parameters, stage: Stage::Parts })
    }

    /// Writes one part. Gives its `ETag`.
    pub async fn store(&self, number: u16, body: SendBody) -> Result<String, TransferError> {
        let mut parameters = self.parameters.clone();
        parameters.set(Parameter::PartNumber, number.to_string());
        let stored = self.target.send(Operation::UploadPart, &parameters, body).await?;
        reached(Point::PartStored);
        Ok(stored.result.etag)
    }

    /// Makes the object of its parts.
    pub async fn complete(mut self, parts: &[(u16, &str)]) -> Result<Stored, TransferError> {
        let operation = Operation::CompleteMultipartUpload;
        let document = Bytes::from(xml::write_complete_multipart(parts));
        let sending = Sending::completion(self.target.headers_of(operation), document);
        self.stage = Stage::Completing;
        reached(Point::UploadCompleting);
        let outcome = self.completed(sending).await;
        match &outcome {
            Ok(_) => {
                self.stage = Stage::Complete;
                reached(Point::UploadCompleted);
            }
            Err(error) if error.was_refused() => self.stage = Stage::Parts,
            Err(_) => {}
        }
        outcome
    }

    async fn completed(&self, sending: Sending) -> Result<Stored, TransferError> {
        let reply = self.target.ask(Operation::CompleteMultipartUpload, &self.parameters, sending).await?;
        let (last_modified, headers) = (date(reply.headers()), reply.headers().clone());
        let answer = answer(reply).await?;
        let result =
            xml::read_completed(&answer).map_err(|error| late_error(Side::Target, &answer, error))?;
        Ok(Stored { result: ObjectResult { last_modified, ..result }, headers })
    }

    fn abort(&mut self) {
        let operation = Operation::AbortMultipartUpload;
        let sending = Sending::without_body(self.target.headers_of(operation));
        let (object, parameters) = (self.target.place().clone(), std::mem::take(&mut self.parameters));
        self.drain.spawn(async move {
            if let Err(error) = object.send(operation, &parameters, sending).await {
                tracing::warn!(%error, "parts of a copy stay at their provider");
            }
        });
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Parts => self.abort(),
            Stage::Completing => {
                let upload_id = self.parameters.get(Parameter::UploadId);
                tracing::warn!(upload_id, "whether a copy was completed is not known, so it is not aborted");
            }
            Stage::Complete => {}
        }
    }
}

async fn answer(reply: Response<ReplyStream>) -> Result<Bytes, TransferError> {
    let answer = reply.into_body().read(ANSWER_BYTES_MAX).await;
    answer.map_err(|error| TransferError::unanswered(Side::Target, error))
}
