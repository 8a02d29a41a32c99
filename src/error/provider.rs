//! What a provider's refusal or silence is in the upload API.
//!
//! S3's code is told as a hint; the provider's own words are for the log: they may name the operator's accounts and users.

use http::StatusCode;

use super::{BEHIND, Code, Error, NOT_RECORDED};
use crate::{
    backend::upstream::UpstreamError,
    mirror::Behind,
    store::JournalError,
    transfer::{Answer, TransferError},
    webhooks::NotRecorded,
};

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        match &error {
            TransferError::Refused { answer, .. } => refused(answer).cause(error.to_string()),
            TransferError::Unanswered { error, .. } => Self::from(error.clone()),
            TransferError::Senseless { .. }
            | TransferError::Damaged { .. }
            | TransferError::Changed
            | TransferError::Range(_)
            | TransferError::Key { .. } => {
                let message = "The provider's answer makes no sense.";
                Self::new(Code::UpstreamError, message).cause(error.to_string())
            }
        }
    }
}

/// By the code where there is one. A reply to `HEAD` has none: that there is nothing is then said of what was asked for.
fn refused(answer: &Answer) -> Error {
    let code = answer.code().unwrap_or_default();
    let error = match (code, answer.status) {
        ("NoSuchBucket", _) => Error::new(Code::BucketNotFound, "The provider has no such bucket."),
        ("NoSuchUpload", _) => {
            let message = "The provider has no such upload: it was completed or aborted, or never begun.";
            Error::new(Code::UploadNotFound, message)
        }
        ("SlowDown" | "TooManyRequests", _) | (_, StatusCode::TOO_MANY_REQUESTS) => {
            Error::new(Code::UpstreamBusy, "The provider takes no more requests for now.")
        }
        ("NoSuchKey" | "NoSuchVersion", _) | ("", StatusCode::NOT_FOUND) => {
            Error::new(Code::FileNotFound, "There is no such object.")
        }
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Error::new(Code::AccessDenied, "The provider refuses this to the credentials in use.")
        }
        _ => Error::new(Code::UpstreamError, "The provider did not do it."),
    };
    let error = match answer.retry_after() {
        Some(after) => error.retry_after(after),
        None => error,
    };
    if code.is_empty() {
        return error.hint(format!("The provider answered {}.", answer.status.as_u16()));
    }
    error.hint(format!("The provider answered {} {}.", answer.status.as_u16(), shown(code)))
}

/// A provider's code, or nothing of it where it is no plain word.
fn shown(code: &str) -> &str {
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if is_word { code } else { "with a code that is none of S3's" }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        let cause = error.to_string();
        match error {
            UpstreamError::Forbidden(_) => Self::new(
                Code::EndpointNotAllowed,
                "The endpoint's name leads to an address that is not of the public Internet.",
            )
            .hint("The operator lists endpoints that callers may name in `upload.callers.endpoints`."),
            UpstreamError::Open(wait) | UpstreamError::Busy(wait) => {
                Self::new(Code::UpstreamBusy, "The provider takes no more requests for now.")
                    .retry_after(wait)
            }
            UpstreamError::Timeout(_) => {
                Self::new(Code::UpstreamTimeout, "The provider did not answer in time.")
            }
            UpstreamError::Resolve(_) => {
                Self::new(Code::UpstreamError, "The provider's endpoint has no address.")
            }
            UpstreamError::Connect(_) | UpstreamError::Tls(_) => {
                Self::new(Code::UpstreamError, "There is no connection to the provider.")
            }
            UpstreamError::Http(_)
            | UpstreamError::Request(_)
            | UpstreamError::Body(_)
            | UpstreamError::TooLarge(_) => {
                Self::new(Code::UpstreamError, "The provider gave no sound reply.")
            }
        }
        .cause(cause)
    }
}

impl From<JournalError> for Error {
    /// A change of a mirrored bucket that could not be noted, so it was not made.
    fn from(error: JournalError) -> Self {
        let message =
            "This bucket is mirrored, and its changes cannot be noted now. Nothing was changed. Try again.";
        let cause = format!("{error}; until the database can be written again, see its disk and [store]");
        Self::new(Code::JournalUnavailable, message).cause(cause)
    }
}

impl From<Behind> for Error {
    /// What the provider would answer about is not the newest object.
    fn from(error: Behind) -> Self {
        match error {
            Behind::Mirror(_) => Self::new(Code::UpstreamBusy, BEHIND).cause(error.to_string()),
            Behind::Journal(error) => error.into(),
        }
    }
}

impl From<NotRecorded> for Error {
    /// A change that was made, and that its subscribers may never be told of.
    fn from(error: NotRecorded) -> Self {
        Self::new(Code::JournalUnavailable, NOT_RECORDED).cause(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use wharf_wire::xml;

    use super::*;

    fn answer(status: u16, code: Option<&str>) -> Answer {
        let document = code.map(|code| xml::S3Error { code: code.to_owned(), ..xml::S3Error::default() });
        Answer { status: StatusCode::from_u16(status).unwrap(), document, headers: HeaderMap::new() }
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_the_provider_s_words_stay_here() {
        for (status, code, expected) in [
            (404, Some("NoSuchKey"), Code::FileNotFound),
            (404, None, Code::FileNotFound),
            (404, Some("NoSuchBucket"), Code::BucketNotFound),
            (404, Some("NoSuchUpload"), Code::UploadNotFound),
            (404, Some("NoSuchThing"), Code::UpstreamError),
            (403, Some("AccessDenied"), Code::AccessDenied),
            (403, None, Code::AccessDenied),
            (503, Some("SlowDown"), Code::UpstreamBusy),
            (500, Some("InternalError"), Code::UpstreamError),
        ] {
            assert_eq!(refused(&answer(status, code)).code, expected, "{status} {code:?}");
        }
        let strange = refused(&answer(500, Some("<b>arn:aws:iam::1</b>")));
        assert!(!format!("{strange:?}").contains("arn"), "{strange:?}");
    }
}
