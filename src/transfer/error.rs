//! Why a transfer failed: what was answered, whose fault it is, and what can help.

use std::{fmt, time::Duration};

use http::StatusCode;
use thiserror::Error;

use super::Answer;
use crate::{backend::upstream::UpstreamError, tenure::TenureOver};

/// One of the two ends of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is read.
    Source,
    /// What is written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why an object did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransferError {
    /// A provider answered something else than a success.
    #[error("the {side} answered {answer}")]
    Refused {
        /// Which.
        side: Side,
        /// What it said.
        answer: Box<Answer>,
    },
    /// A provider did not answer, or not to the end.
    #[error("the {side} did not answer: {error}")]
    Unanswered {
        /// Which.
        side: Side,
        /// Why not.
        error: UpstreamError,
    },
    /// A provider answered what S3 does not answer.
    #[error("the {side} answered what makes no sense: {what}")]
    Senseless {
        /// Which.
        side: Side,
        /// What is wrong with it.
        what: String,
    },
    /// The bytes are not those that they should be.
    #[error("the {side} is damaged: {what}")]
    Damaged {
        /// Where that was found out.
        side: Side,
        /// What is wrong with them.
        what: String,
    },
    /// The source is another one than when the transfer began.
    #[error("the source changed while it was copied")]
    Changed,
    /// The source has no such range of bytes.
    #[error("the source does not have all bytes of the range; what came is {0}")]
    Range(String),
    /// What stands before every key there makes the key one that cannot be.
    #[error("the key cannot be the {side}'s: {why}")]
    Key {
        /// Whose.
        side: Side,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// What can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Other credentials, or more rights. No other object will fare better.
    Auth,
    /// Another configuration: there is no such bucket, or it takes no more. No other object will fare better.
    Config,
    /// Waiting for the provider, who cannot be reached, or is left alone because it failed too often.
    Unreachable,
    /// Fewer requests.
    Throttled,
    /// Time.
    Transient,
    /// Nothing: the same object will fail again.
    Permanent,
    /// The provider says that the source is not there.
    Absent,
    /// A customer's key has to decrypt the source, and nobody else has it.
    CustomerKey,
    /// The source has to be restored from an archive before anybody can read it.
    Archived,
}

impl TransferError {
    /// Why `side` gave no reply. The source's bytes are the body that goes to the target: what went wrong with them there
    /// went wrong here.
    pub fn unanswered(side: Side, error: UpstreamError) -> Self {
        let UpstreamError::Body(cause) = &error else { return Self::Unanswered { side, error } };
        cause.downcast_ref::<Self>().cloned().unwrap_or(Self::Unanswered { side, error })
    }

    /// What can help.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { side, answer } => class_of_answer(*side, answer),
            Self::Unanswered { error, .. } => class_of_silence(error),
            Self::Senseless { .. } | Self::Changed | Self::Range(_) => Class::Transient,
            Self::Damaged { .. } | Self::Key { .. } => Class::Permanent,
        }
    }

    /// Whose fault it is.
    pub fn side(&self) -> Side {
        match self {
            Self::Refused { side, .. }
            | Self::Unanswered { side, .. }
            | Self::Senseless { side, .. }
            | Self::Damaged { side, .. }
            | Self::Key { side, .. } => *side,
            Self::Changed | Self::Range(_) => Side::Source,
        }
    }

    /// When the provider wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { answer, .. } => answer.retry_after(),
            Self::Unanswered { error: UpstreamError::Open(wait) | UpstreamError::Busy(wait), .. } => {
                Some(*wait)
            }
            Self::Unanswered { .. }
            | Self::Senseless { .. }
            | Self::Damaged { .. }
            | Self::Changed
            | Self::Range(_)
            | Self::Key { .. } => None,
        }
    }

    /// The status that a provider answered, if one did.
    pub fn status(&self) -> Option<StatusCode> {
        self.answer().map(|answer| answer.status)
    }

    /// The code that a provider answered, if one did.
    pub fn code(&self) -> Option<&str> {
        self.answer().and_then(Answer::code)
    }

    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Refused { answer, .. } => Some(answer),
            Self::Unanswered { .. }
            | Self::Senseless { .. }
            | Self::Damaged { .. }
            | Self::Changed
            | Self::Range(_)
            | Self::Key { .. } => None,
        }
    }

    /// Whether the provider does not know what it was asked for.
    pub fn is_not_implemented(&self) -> bool {
        self.code() == Some("NotImplemented") || self.status() == Some(StatusCode::NOT_IMPLEMENTED)
    }

    /// Whether nothing was sent: the provider is left alone, or has enough to do.
    fn was_held_back(&self) -> bool {
        matches!(self, Self::Unanswered { error: UpstreamError::Open(_) | UpstreamError::Busy(_), .. })
    }

    /// Whether the request's last byte stayed here, as the right to send it had ended.
    fn was_kept_here(&self) -> bool {
        let Self::Unanswered { error: UpstreamError::Body(cause), .. } = self else { return false };
        cause.downcast_ref::<TenureOver>().is_some()
    }

    /// Whether the provider did nothing of what it was asked: it says so, was too busy to be asked, or was not asked to the
    /// end.
    pub fn was_refused(&self) -> bool {
        self.was_held_back()
            || self.was_kept_here()
            || self.code() == Some("SlowDown")
            || self.status().is_some_and(|status| status.is_client_error())
    }
}

fn class_of_silence(error: &UpstreamError) -> Class {
    match error {
        // An address that may not be reached, or a request that cannot be made, is in the configuration.
        UpstreamError::Forbidden(_) | UpstreamError::Request(_) => Class::Config,
        UpstreamError::Busy(_) => Class::Throttled,
        UpstreamError::Resolve(_)
        | UpstreamError::Connect(_)
        | UpstreamError::Tls(_)
        | UpstreamError::Open(_) => Class::Unreachable,
        UpstreamError::Timeout(_)
        | UpstreamError::Http(_)
        | UpstreamError::Body(_)
        | UpstreamError::TooLarge(_) => Class::Transient,
    }
}

/// By the code where there is one, else by the status. That an object is not there is believed by its code alone: a bucket
/// that is gone, and a proxy that is lost, have the same status.
fn class_of_answer(side: Side, answer: &Answer) -> Class {
    let status = answer.status;
    answer.code().and_then(|code| class_of_code(side, code)).unwrap_or(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Auth,
        StatusCode::TOO_MANY_REQUESTS => Class::Throttled,
        StatusCode::SERVICE_UNAVAILABLE if answer.retry_after().is_some() => Class::Throttled,
        // To `HEAD` of an object that a customer's key encrypts; nothing else about it can be wrong.
        StatusCode::BAD_REQUEST if side == Side::Source && answer.document.is_none() => Class::CustomerKey,
        StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => {
            Class::Permanent
        }
        _ if status.is_redirection() && status != StatusCode::NOT_MODIFIED => Class::Config,
        _ => Class::Transient,
    })
}

/// What S3's codes say, and those of stores that are like it; `None` where the status says as much.
fn class_of_code(side: Side, code: &str) -> Option<Class> {
    Some(match code {
        "AccountProblem"
        | "AllAccessDisabled"
        | "AuthorizationHeaderMalformed"
        | "ExpiredToken"
        | "InvalidToken"
        | "RequestTimeTooSkewed"
        | "TokenRefreshRequired" => Class::Auth,
        "NoSuchBucket" | "InvalidBucketName" | "InvalidBucketState" | "InvalidStorageClass" => Class::Config,
        _ if code.starts_with("KMS.") => Class::Config,
        // Each store has a word of its own before these.
        _ if code.ends_with("QuotaExceeded") || code.ends_with("StorageFull") => Class::Config,
        "NoSuchKey" | "NoSuchVersion" if side == Side::Source => Class::Absent,
        "InvalidObjectState" if side == Side::Source => Class::Archived,
        "InvalidRequest" if side == Side::Source => Class::CustomerKey,
        "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "TooManyRequests" | "RequestLimitExceeded" => {
            Class::Throttled
        }
        "BadDigest" | "IncompleteBody" | "InvalidPart" | "RequestTimeout" | "XAmzContentSHA256Mismatch" => {
            Class::Transient
        }
        "EntityTooLarge" | "KeyTooLongError" | "MetadataTooLarge" => Class::Permanent,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};
    use wharf_wire::xml;

    use super::*;

    fn refused(side: Side, status: u16, code: Option<&str>) -> TransferError {
        let document = code.map(|code| xml::S3Error { code: code.to_owned(), ..xml::S3Error::default() });
        let status = StatusCode::from_u16(status).unwrap();
        TransferError::Refused {
            side,
            answer: Box::new(Answer { status, document, headers: HeaderMap::new() }),
        }
    }

    #[test]
    fn a_class_is_what_can_help() {
        let [source, target] = [Side::Source, Side::Target];
        for (side, status, code, class) in [
            (target, 403, Some("AccessDenied"), Class::Auth),
            (target, 403, Some("SignatureDoesNotMatch"), Class::Auth),
            (target, 400, Some("ExpiredToken"), Class::Auth),
            (source, 403, None, Class::Auth),
            (source, 403, Some("InvalidObjectState"), Class::Archived),
            (source, 400, Some("InvalidRequest"), Class::CustomerKey),
            (source, 400, None, Class::CustomerKey),
            (source, 400, Some("InvalidArgument"), Class::Permanent),
            (target, 400, Some("InvalidRequest"), Class::Permanent),
            (target, 404, Some("NoSuchBucket"), Class::Config),
            (source, 404, Some("NoSuchBucket"), Class::Config),
            (source, 404, Some("NoSuchKey"), Class::Absent),
            (source, 404, None, Class::Transient),
            (target, 404, Some("NoSuchUpload"), Class::Transient),
            (target, 301, Some("PermanentRedirect"), Class::Config),
            (target, 503, Some("SlowDown"), Class::Throttled),
            (target, 429, None, Class::Throttled),
            (target, 503, Some("ServiceUnavailable"), Class::Transient),
            (target, 500, Some("InternalError"), Class::Transient),
            (target, 507, Some("XMinioStorageFull"), Class::Config),
            (target, 400, Some("BadDigest"), Class::Transient),
            (target, 400, Some("EntityTooLarge"), Class::Permanent),
            (target, 501, Some("NotImplemented"), Class::Permanent),
        ] {
            assert_eq!(refused(side, status, code).class(), class, "{side} {status} {code:?}");
        }
    }

    #[test]
    fn a_503_that_says_when_to_come_back_is_no_failure() {
        let mut error = refused(Side::Target, 503, Some("ServiceUnavailable"));
        let TransferError::Refused { answer, .. } = &mut error else { unreachable!() };
        answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!((error.class(), error.retry_after()), (Class::Throttled, Some(Duration::from_secs(7))));
    }

    #[test]
    fn what_breaks_the_body_off_is_the_sources_fault() {
        let cause = TransferError::Damaged { side: Side::Source, what: "its checksum".to_owned() };
        let body = UpstreamError::Body(crate::backend::upstream::SendError::new(cause.clone()));
        assert_eq!(TransferError::unanswered(Side::Target, body), cause);
        let busy = TransferError::unanswered(Side::Target, UpstreamError::Busy(Duration::from_secs(1)));
        assert!(busy.was_held_back() && busy.was_refused());
    }
}
