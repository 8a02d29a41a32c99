//! A provider's answer that is not what was asked for.

use std::{fmt, time::Duration};

use http::{HeaderMap, Response, StatusCode, header};
use wharf_wire::{
    s3::ErrorCode,
    xml::{self, XmlError},
};

use super::{Side, TransferError};
use crate::backend::upstream::ReplyStream;

/// Bytes of a provider's error document. A larger one is no error of S3's.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// What a provider answered that did not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer's status; of an error below a 200, the one that its code has.
    pub status: StatusCode,
    /// The error document, if one came. A reply to `HEAD` has none, and a proxy on the way may answer with its own.
    pub document: Option<xml::S3Error>,
    /// All headers, as they came.
    pub headers: HeaderMap,
}

impl Answer {
    /// Reads a reply that is no success.
    pub async fn read(reply: Response<ReplyStream>) -> Self {
        let (head, body) = reply.into_parts();
        let document = body.read(ERROR_BYTES_MAX).await;
        let document = document.ok().and_then(|document| xml::read_error(&document).ok());
        Self { status: head.status, document, headers: head.headers }
    }

    /// S3's code for what went wrong, or the provider's own.
    pub fn code(&self) -> Option<&str> {
        self.document.as_ref().map(|document| document.code.as_str())
    }

    /// `Retry-After` in seconds; S3 does not use the form with a date.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.document {
            Some(xml::S3Error { code, message, .. }) => {
                write!(out, "{} {code}: {message}", self.status.as_u16())
            }
            None => write!(out, "{} without an error document", self.status.as_u16()),
        }
    }
}

/// A reply that did as it was asked, or the answer that it is instead.
pub async fn succeeded(
    side: Side,
    reply: Response<ReplyStream>,
) -> Result<Response<ReplyStream>, TransferError> {
    if reply.status().is_success() {
        return Ok(reply);
    }
    Err(TransferError::Refused { side, answer: Box::new(Answer::read(reply).await) })
}

/// What an answer of 200 is that is no result: the error that came late, or nothing of S3's.
pub fn late_error(side: Side, answer: &[u8], why: XmlError) -> TransferError {
    let Ok(document) = xml::read_error(answer) else {
        return TransferError::Senseless { side, what: why.to_string() };
    };
    let code = ErrorCode::from_name(&document.code).unwrap_or(ErrorCode::InternalError);
    let answer = Answer { status: code.status(), document: Some(document), headers: HeaderMap::new() };
    TransferError::Refused { side, answer: Box::new(answer) }
}
