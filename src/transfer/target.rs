//! The side of a transfer that is written.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    date::Timestamp,
    s3::{
        Operation, Parameters,
        headers::{self, Passage},
    },
    xml::{self, ObjectResult},
};

use super::{
    Found, Object, Sending, Side, TransferError, Written, answer,
    digest::claimed,
    source::{CHECKSUM_MODE, ENABLED},
    strip_aws_chunked,
    tags::Tags,
};
use crate::{
    backend::{
        Payload,
        upstream::{ReplyStream, SendBody},
    },
    tenure::Tenure,
};

/// Asks the provider to compute a checksum where it copies by itself. A writer would have to bring one.
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");

/// What is made: an object, or a part of one.
#[derive(Debug)]
pub struct Target {
    object: Object,
    /// `PutObject` or `UploadPart`
    operation: Operation,
    parameters: Parameters,
    /// Of the object to be, and of every request.
    headers: HeaderMap,
}

/// What became of it.
#[derive(Debug)]
pub struct Stored {
    /// Its `ETag` and checksums.
    pub result: ObjectResult,
    /// What the provider says besides.
    pub headers: HeaderMap,
}

impl Target {
    /// An object that has all of `headers`.
    pub fn object(object: Object, mut headers: HeaderMap) -> Self {
        headers.remove(CHECKSUM_ALGORITHM);
        // Some stores keep how an object came as if it were what it is.
        strip_aws_chunked(&mut headers);
        Self { object, operation: Operation::PutObject, parameters: Parameters::default(), headers }
    }

    /// The part that `parameters` name.
    pub fn part(object: Object, headers: HeaderMap, parameters: &Parameters) -> Self {
        Self { object, operation: Operation::UploadPart, parameters: parameters.clone(), headers }
    }

    /// The same, which is written only while `tenure` is held, if there is one.
    #[must_use]
    pub fn while_held(self, tenure: Option<&Arc<Tenure>>) -> Self {
        Self { object: self.object.while_held(tenure), ..self }
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Object {
        &self.object
    }

    /// Whether it is an object, and not a part of one.
    pub fn is_object(&self) -> bool {
        self.operation == Operation::PutObject
    }

    /// Writes it in one request.
    pub(super) async fn store(&self, body: SendBody) -> Result<Stored, TransferError> {
        self.send(self.operation, &self.parameters, body).await
    }

    /// Holds what the provider has now against what was written, where nothing proves it yet: size, and the checksum if
    /// the provider has one of the same kind.
    pub async fn verify(&self, written: &Written) -> Result<(), TransferError> {
        if written.is_proven {
            return Ok(());
        }
        let found = self.look().await?;
        if text(&found.headers, &header::ETAG) != Some(&written.stored.result.etag) {
            return Err(senseless("somebody else has written it since"));
        }
        let damaged = |what: String| Err(TransferError::Damaged { side: Side::Target, what });
        if found.bytes != written.bytes {
            return damaged(format!("it has {} bytes of {}", found.bytes, written.bytes));
        }
        match claimed(&found.headers).filter(|found| found.algorithm() == written.checksum.algorithm()) {
            Some(found) if found != written.checksum => damaged("its checksum is another one".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    /// Asks what the provider has there.
    pub async fn look(&self) -> Result<Found, TransferError> {
        let operation = Operation::HeadObject;
        let mut headers = self.headers_of(operation);
        headers.insert(CHECKSUM_MODE, ENABLED);
        let sending = Sending::without_body(headers);
        Found::of(Side::Target, self.ask(operation, &Parameters::default(), sending).await?)
    }

    pub(super) async fn send(
        &self,
        operation: Operation,
        parameters: &Parameters,
        body: SendBody,
    ) -> Result<Stored, TransferError> {
        let sending = Sending { headers: self.headers_of(operation), payload: Payload::Unsigned, body };
        let reply = self.ask(operation, parameters, sending).await?;
        let (last_modified, headers) = (date(reply.headers()), reply.into_parts().0.headers);
        let etag = text(&headers, &header::ETAG);
        let etag = etag.ok_or_else(|| senseless("what was written has no ETag"))?.to_owned();
        let result = ObjectResult { etag, last_modified, checksums: checksums(&headers) };
        Ok(Stored { result, headers })
    }

    pub(super) async fn ask(
        &self,
        operation: Operation,
        parameters: &Parameters,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, TransferError> {
        let sent = self.object.send(operation, parameters, sending).await;
        let reply = sent.map_err(|error| TransferError::unanswered(Side::Target, error))?;
        answer::succeeded(Side::Target, reply).await
    }

    /// Gives the object these tags in place of those that it has.
    pub async fn set_tags(&self, tags: &Tags) -> Result<(), TransferError> {
        if tags.is_empty() {
            return self.order(Operation::DeleteObjectTagging).await.map(drop);
        }
        let operation = Operation::PutObjectTagging;
        let document = Bytes::from(xml::write_tagging(tags));
        let sending = Sending::document(self.headers_of(operation), document);
        self.ask(operation, &Parameters::default(), sending).await.map(drop)
    }

    /// Deletes the object, if it is there.
    pub async fn delete(&self) -> Result<(), TransferError> {
        self.order(Operation::DeleteObject).await.map(drop)
    }

    /// Asks for what needs no more than its name.
    async fn order(&self, operation: Operation) -> Result<Response<ReplyStream>, TransferError> {
        let sending = Sending::without_body(self.headers_of(operation));
        self.ask(operation, &Parameters::default(), sending).await
    }

    /// The headers that `operation` takes.
    pub(super) fn headers_of(&self, operation: Operation) -> HeaderMap {
        let is_taken = |(name, value): &(&HeaderName, &HeaderValue)| {
            matches!(headers::request(operation, name.as_str(), value.as_bytes()), Passage::Upstream(_))
        };
        let taken = self.headers.iter().filter(is_taken);
        taken.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// When the provider answered, which is when the object was made.
pub(super) fn date(headers: &HeaderMap) -> Option<String> {
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

fn senseless(what: &str) -> TransferError {
    TransferError::Senseless { side: Side::Target, what: what.to_owned() }
}
