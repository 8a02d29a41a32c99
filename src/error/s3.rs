//! Errors as S3 clients know them: S3's codes, in S3's XML.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use thiserror::Error;
use wharf_wire::{
    chunked::ChunkError,
    form::{ClaimError, FormError, policy::PolicyError},
    s3::{ErrorCode, Refusal},
    sigv4::verify::AuthError,
    xml::{self, ErrorDocument},
};

use super::{BEHIND, Error, Fault, NOT_RECORDED};
use crate::{
    backend::upstream::UpstreamError,
    mirror::Behind,
    store::JournalError,
    tenure::TenureOver,
    transfer::{Answer, TransferError},
    webhooks::NotRecorded,
};

/// What an error says in headers: how large the object is that has no such range, and that a delete marker hides it.
const TELLING_HEADERS: [HeaderName; 4] = [
    header::CONTENT_RANGE,
    header::LAST_MODIFIED,
    HeaderName::from_static("x-amz-delete-marker"),
    HeaderName::from_static("x-amz-version-id"),
];

/// An error on its way to an S3 client.
#[derive(Debug, Clone, Error)]
#[error("{}: {message}", self.name())]
pub struct S3Error {
    /// What went wrong, which decides the status.
    pub code: ErrorCode,
    /// The code's status, or the provider's.
    pub status: StatusCode,
    /// A code of the provider's own.
    pub provider_code: Option<String>,
    /// Who is at fault.
    pub fault: Fault,
    /// For the client: what went wrong here.
    pub message: Cow<'static, str>,
    /// Further elements of the document, `Region`.
    pub details: Vec<(&'static str, String)>,
    /// When trying again can help.
    pub retry_after: Option<Duration>,
    /// Headers that the status asks for: `Allow`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone: the cause. It never holds a secret either.
    pub cause: Option<String>,
}

impl S3Error {
    /// An error with a message of its own.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let fault = if code.status().is_server_error() && code != ErrorCode::NotImplemented {
            Fault::Gateway
        } else {
            Fault::Client
        };
        Self {
            code,
            status: code.status(),
            provider_code: None,
            fault,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// S3's name for it, or the provider's where that is none of S3's that Wharf knows.
    pub fn name(&self) -> &str {
        self.provider_code.as_deref().unwrap_or(self.code.as_str())
    }

    /// What a provider answered. Its own trouble with Wharf's credentials is none of the caller's.
    pub fn of_answer(answer: &Answer) -> Self {
        let mut error = Self::of_document(answer);
        let told = TELLING_HEADERS.into_iter();
        error.headers.extend(told.filter_map(|name| Some((name.clone(), answer.headers.get(name)?.clone()))));
        error
    }

    fn of_document(answer: &Answer) -> Self {
        let Answer { status, document, .. } = answer;
        let Some(document) = document else { return Self::of_status(*status) };
        let code = ErrorCode::from_name(&document.code);
        let cause = format!("the provider answered {answer}");
        if is_about_wharf(&document.code) || status.is_redirection() {
            return Self::new(ErrorCode::InternalError, "The provider behind this bucket refuses Wharf.")
                .of_upstream()
                .cause(cause);
        }
        let message = provider_message(&document.code);
        let mut error = Self::new(code.unwrap_or(ErrorCode::InternalError), message).cause(cause);
        error.status = *status;
        error.provider_code = code.is_none().then(|| document.code.clone());
        error.retry_after = answer.retry_after();
        if status.is_server_error() { error.of_upstream() } else { error }
    }

    /// What a status alone says: a reply to `HEAD` has no document, and a proxy on the way may answer with its own.
    fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::BAD_REQUEST => ErrorCode::InvalidRequest,
            StatusCode::FORBIDDEN => ErrorCode::AccessDenied,
            StatusCode::NOT_FOUND => ErrorCode::NoSuchKey,
            StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
            // What a read does not get because it has it, a copy does not get at all.
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_MODIFIED => ErrorCode::PreconditionFailed,
            StatusCode::RANGE_NOT_SATISFIABLE => ErrorCode::InvalidRange,
            StatusCode::NOT_IMPLEMENTED => ErrorCode::NotImplemented,
            StatusCode::SERVICE_UNAVAILABLE => ErrorCode::ServiceUnavailable,
            _ => ErrorCode::InternalError,
        };
        let error = Self::from(code)
            .cause(format!("the provider answered {} without an error document", status.as_u16()));
        if status.is_server_error() { error.of_upstream() } else { error }
    }

    fn of_upstream(mut self) -> Self {
        self.fault = Fault::Upstream;
        self
    }

    /// Adds an element to the document.
    #[must_use]
    pub fn detail(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.details.push((name, text.into()));
        self
    }

    /// Tells the log why.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The document that tells a client. `resource` is the path that was asked for.
    pub fn document(&self, resource: &str, request_id: &str) -> String {
        let details: Vec<_> = self.details.iter().map(|(name, text)| (*name, text.as_str())).collect();
        xml::write_error(&ErrorDocument {
            code: self.name(),
            message: &self.message,
            resource,
            request_id,
            details: &details,
        })
    }

    /// A failure of the provider's.
    fn upstream(code: ErrorCode, message: &'static str, error: &UpstreamError) -> Self {
        Self::new(code, message).cause(error.to_string()).of_upstream()
    }
}

impl From<ErrorCode> for S3Error {
    /// An error with the code's standard message.
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let mut error = Self::new(refusal.code, refusal.message);
        let methods = HeaderValue::from_str(&refusal.allow.join(", ")).ok();
        if let Some(methods) = methods.filter(|methods| !methods.is_empty()) {
            error.headers.push((header::ALLOW, methods));
        }
        error
    }
}

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        let converted = Self::new(error.code(), error.to_string());
        match error.expected_region() {
            Some(region) => converted.detail("Region", region.as_str()),
            None => converted,
        }
    }
}

impl From<ChunkError> for S3Error {
    fn from(error: ChunkError) -> Self {
        Self::new(error.code(), format!("In the aws-chunked body, {error}."))
    }
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<ClaimError> for S3Error {
    fn from(error: ClaimError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<PolicyError> for S3Error {
    fn from(error: PolicyError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// What a caller is told of a provider's error that has this code. The provider's own words are for the log: they may name
/// the operator's accounts, users and buckets.
pub fn provider_message(code: &str) -> &'static str {
    ErrorCode::from_name(code)
        .map_or("The provider behind this bucket refused the request.", ErrorCode::message)
}

/// Whether a provider's error is about how Wharf signs, which the caller can do nothing about.
fn is_about_wharf(code: &str) -> bool {
    matches!(
        code,
        "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthorizationHeaderMalformed"
            | "RequestTimeTooSkewed"
            | "ExpiredToken"
            | "InvalidToken"
            | "PermanentRedirect"
            | "TemporaryRedirect"
    )
}

/// What the steps before the door's own refuse.
impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        let mut converted = Self::new(error.code.s3(), error.message);
        converted.fault = error.code.fault();
        converted.retry_after = error.retry_after;
        converted.headers = error.headers;
        converted.cause = error.cause;
        converted
    }
}

impl From<JournalError> for S3Error {
    /// A change of a mirrored bucket that could not be noted, so it was not made.
    fn from(error: JournalError) -> Self {
        let message = "This bucket is mirrored, and the journal that its changes are noted in first cannot be written. \
                       Nothing was changed. Try again.";
        let hint = match error {
            JournalError::RunOver => "the next request finds it back, if it can reach the database",
            JournalError::Filling => "it ends soon, or when its lease does",
            JournalError::Unavailable(_)
            | JournalError::TimedOut
            | JournalError::NotServing
            | JournalError::Closed => {
                "until the database can be written again, see its disk and [store], changes of mirrored buckets are refused"
            }
        };
        let cause = format!("{error}; {hint}");
        let retry_after = Some(JOURNAL_RETRY_AFTER);
        Self { retry_after, ..Self::new(ErrorCode::ServiceUnavailable, message).cause(cause) }
    }
}

impl From<Behind> for S3Error {
    /// What the provider would answer about is not the newest object.
    fn from(error: Behind) -> Self {
        match error {
            Behind::Mirror(_) => {
                Self::new(ErrorCode::ServiceUnavailable, BEHIND).cause(error.to_string()).of_upstream()
            }
            Behind::Journal(error) => error.into(),
        }
    }
}

impl From<NotRecorded> for S3Error {
    /// A change that was made, and that its subscribers may never be told of.
    fn from(error: NotRecorded) -> Self {
        let unavailable = Self::new(ErrorCode::ServiceUnavailable, NOT_RECORDED).cause(error.to_string());
        Self { retry_after: Some(JOURNAL_RETRY_AFTER), ..unavailable }
    }
}

impl From<UpstreamError> for S3Error {
    fn from(error: UpstreamError) -> Self {
        match &error {
            // The body knows best why it broke off, and that is the client's fault more often than not.
            UpstreamError::Body(cause) if cause.downcast_ref::<TenureOver>().is_some() => {
                JournalError::RunOver.into()
            }
            UpstreamError::Body(cause) => match cause.downcast_ref::<Self>() {
                Some(cause) => cause.clone(),
                None => Self::upstream(ErrorCode::InternalError, "The upload broke off.", &error),
            },
            UpstreamError::Open(wait) | UpstreamError::Busy(wait) => {
                let message = "The provider behind this bucket is overloaded. Try again.";
                let retry_after = Some(*wait);
                Self { retry_after, ..Self::upstream(ErrorCode::SlowDown, message, &error) }
            }
            UpstreamError::Request(_) => {
                let message = "The request cannot be passed on to the provider behind this bucket.";
                Self::upstream(ErrorCode::InternalError, message, &error)
            }
            UpstreamError::Resolve(_)
            | UpstreamError::Forbidden(_)
            | UpstreamError::Connect(_)
            | UpstreamError::Tls(_)
            | UpstreamError::Timeout(_)
            | UpstreamError::Http(_)
            | UpstreamError::TooLarge(_) => {
                let message = "The provider behind this bucket did not answer. Try again.";
                Self::upstream(ErrorCode::ServiceUnavailable, message, &error)
            }
        }
    }
}

/// What keeps an object from being copied between two providers.
impl From<TransferError> for S3Error {
    fn from(error: TransferError) -> Self {
        match &error {
            TransferError::Refused { answer, .. } => Self::of_answer(answer),
            TransferError::Unanswered { error, .. } => error.clone().into(),
            TransferError::Changed => {
                Self::new(ErrorCode::PreconditionFailed, "The source changed while it was copied.")
            }
            TransferError::Range(_) => {
                let message = "The source does not have all bytes of x-amz-copy-source-range.";
                Self::new(ErrorCode::InvalidArgument, message).cause(error.to_string())
            }
            TransferError::Senseless { .. } | TransferError::Damaged { .. } | TransferError::Key { .. } => {
                Self::from(ErrorCode::InternalError).cause(error.to_string()).of_upstream()
            }
        }
    }
}

/// A disk that is full or a database that restarts is not well again at once.
const JOURNAL_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What `Retry-After` says when nothing better is known.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The one place where an S3 error becomes HTTP. `resource` is the path that was asked for.
pub fn render_s3(error: &S3Error, resource: &str, request_id: &str) -> Response<Full<Bytes>> {
    let document = error.document(resource, request_id);
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let promises_retry = matches!(error.code, ErrorCode::SlowDown | ErrorCode::ServiceUnavailable);
    if let Some(after) = error.retry_after.or(promises_retry.then_some(RETRY_AFTER_DEFAULT)) {
        headers.insert(header::RETRY_AFTER, super::seconds(after));
    }
    for (name, value) in &error.headers {
        headers.append(name, value.clone());
    }
    response
}
