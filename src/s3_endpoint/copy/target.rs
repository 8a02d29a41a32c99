//! The side of a copy that is written.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    date::Timestamp,
    s3::{
        ErrorCode, Operation, Parameter, Parameters,
        headers::{self, Passage},
    },
    xml::{self, ObjectResult},
};

use super::{
    super::{
        forward::{Sending, strip_aws_chunked},
        reply::{self, upstream_error},
    },
    object::Object,
};
use crate::{
    backend::{Payload, upstream::ReplyStream, upstream::SendBody},
    error::{Fault, S3Error},
    server::Drain,
};

/// Asks the provider to compute a checksum where it copies by itself. A writer would have to bring one.
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");

/// Bytes of an answer to a multipart upload's requests; a slow one has some white space before it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is made: an object, or a part of one.
#[derive(Debug)]
pub(super) struct Target {
    object: Object,
    /// `PutObject` or `UploadPart`
    operation: Operation,
    parameters: Parameters,
    /// Of the object to be, and of every request.
    headers: HeaderMap,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) result: ObjectResult,
    /// What the provider says besides.
    pub(super) headers: HeaderMap,
}

impl Target {
    /// An object that has all of `headers`.
    pub(super) fn object(object: Object, mut headers: HeaderMap) -> Self {
        headers.remove(CHECKSUM_ALGORITHM);
        // Some stores keep how an object came as if it were what it is.
        strip_aws_chunked(&mut headers);
        Self { object, operation: Operation::PutObject, parameters: Parameters::default(), headers }
    }

    /// The part that `parameters` name.
    pub(super) fn part(object: Object, headers: HeaderMap, parameters: &Parameters) -> Self {
        Self { object, operation: Operation::UploadPart, parameters: parameters.clone(), headers }
    }

    pub(super) fn is_object(&self) -> bool {
        self.operation == Operation::PutObject
    }

    /// Writes it in one request.
    pub(super) async fn store(&self, body: SendBody) -> Result<Stored, S3Error> {
        self.send(self.operation, &self.parameters, body).await
    }

    async fn send(
        &self,
        operation: Operation,
        parameters: &Parameters,
        body: SendBody,
    ) -> Result<Stored, S3Error> {
        let sending = Sending { headers: self.headers_of(operation), payload: Payload::Unsigned, body };
        let reply = self.object.send(operation, parameters, sending).await?;
        let last_modified = date(reply.headers());
        let headers = reply::succeeded(reply).await?.into_parts().0.headers;
        let etag = text(&headers, &header::ETAG);
        let etag = etag.ok_or_else(|| upstream_error("what was written has no ETag"))?.to_owned();
        let result = ObjectResult { etag, last_modified, checksums: checksums(&headers) };
        Ok(Stored { result, headers })
    }

    /// The headers that `operation` takes.
    fn headers_of(&self, operation: Operation) -> HeaderMap {
        let is_taken = |(name, value): &(&HeaderName, &HeaderValue)| {
            matches!(headers::request(operation, name.as_str(), value.as_bytes()), Passage::Upstream(_))
        };
        let taken = self.headers.iter().filter(is_taken);
        taken.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Begins to write an object in parts.
    pub(super) async fn begin<'a>(&'a self, drain: &'a Drain) -> Result<Upload<'a>, S3Error> {
        let operation = Operation::CreateMultipartUpload;
        let sending = Sending::without_body(self.headers_of(operation));
        let reply = self.object.send(operation, &Parameters::default(), sending).await?;
        let answer = answer(reply::succeeded(reply).await?).await?;
        let id = xml::read_upload_id(&answer).map_err(|error| reply::no_result(&answer, error))?;
        let mut parameters = Parameters::default();
        parameters.set(Parameter::UploadId, id);
        Ok(Upload { target: self, drain, parameters, stage: Stage::Parts })
    }
}

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
pub(super) struct Upload<'a> {
    target: &'a Target,
    drain: &'a Drain,
    parameters: Parameters,
    stage: Stage,
}

impl Upload<'_> {
    /// Writes one part. Gives its `ETag`.
    pub(super) async fn store(&self, number: u16, body: SendBody) -> Result<String, S3Error> {
        let mut parameters = self.parameters.clone();
        parameters.set(Parameter::PartNumber, number.to_string());
        Ok(self.target.send(Operation::UploadPart, &parameters, body).await?.result.etag)
    }

    /// Makes the object of its parts.
    pub(super) async fn complete(mut self, parts: &[(u16, String)]) -> Result<Stored, S3Error> {
        let operation = Operation::CompleteMultipartUpload;
        let parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        let document = Bytes::from(xml::write_complete_multipart(&parts));
        let sending = Sending::document(self.target.headers_of(operation), document);
        self.stage = Stage::Completing;
        let outcome = self.completed(sending).await;
        match &outcome {
            Ok(_) => self.stage = Stage::Complete,
            Err(error) if is_refusal(error) => self.stage = Stage::Parts,
            Err(_) => {}
        }
        outcome
    }

    async fn completed(&self, sending: Sending) -> Result<Stored, S3Error> {
        let operation = Operation::CompleteMultipartUpload;
        let reply = self.target.object.send(operation, &self.parameters, sending).await?;
        let last_modified = date(reply.headers());
        let reply = reply::succeeded(reply).await?;
        let headers = reply.headers().clone();
        let answer = answer(reply).await?;
        let result = xml::read_completed(&answer).map_err(|error| reply::no_result(&answer, error))?;
        Ok(Stored { result: ObjectResult { last_modified, ..result }, headers })
    }

    fn abort(&mut self) {
        let operation = Operation::AbortMultipartUpload;
        let sending = Sending::without_body(self.target.headers_of(operation));
        let (object, parameters) = (self.target.object.clone(), std::mem::take(&mut self.parameters));
        self.drain.spawn(async move {
            if let Err(error) = object.send(operation, &parameters, sending).await {
                tracing::warn!(cause = error.cause, "parts of a copy stay at their provider: {error}");
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

/// Whether the provider did nothing of what it was asked: it says so, or was too busy to be asked.
fn is_refusal(error: &S3Error) -> bool {
    error.fault == Fault::Client || error.code == ErrorCode::SlowDown
}

async fn answer(reply: Response<ReplyStream>) -> Result<Bytes, S3Error> {
    Ok(reply::read_bounded(reply.into_body(), ANSWER_BYTES_MAX).await?)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// When the provider answered, which is when the object was made.
fn date(headers: &HeaderMap) -> Option<String> {
    text(headers, &header::DATE).and_then(Timestamp::from_http_date).map(Timestamp::rfc3339)
}

/// The checksums that the provider computed, as elements of a document.
fn checksums(headers: &HeaderMap) -> Vec<(String, String)> {
    let found = ChecksumAlgorithm::ALL.into_iter().filter_map(|algorithm| {
        let value = headers.get(algorithm.header())?.to_str().ok()?;
        Some((["Checksum", algorithm.name()].concat(), value.to_owned()))
    });
    found.collect()
}
