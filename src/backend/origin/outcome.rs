//! What a request came to, and what follows from that for the requests to come.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};

use super::breaker::Health;
use crate::backend::upstream::{ReplyStream, UpstreamError};

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The provider answered, be it with a refusal.
    Answered,
    /// It was asked too fast.
    TooFast,
    /// It said that it cannot.
    Failed,
    /// There was no connection to it.
    Unreachable,
    /// The connection broke before there was a reply.
    Broken,
    /// It let us wait for too long.
    Late,
    /// The request itself broke off, or could not be made.
    Cut,
    /// Not sent: the provider is left alone.
    Open,
    /// Not sent: there was no place.
    Busy,
}

impl Outcome {
    /// Every outcome, for metrics.
    pub const ALL: [Self; 9] = [
        Self::Answered,
        Self::TooFast,
        Self::Failed,
        Self::Unreachable,
        Self::Broken,
        Self::Late,
        Self::Cut,
        Self::Open,
        Self::Busy,
    ];

    /// The name that metrics have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TooFast => "too_fast",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Cut => "cut",
            Self::Open => "open",
            Self::Busy => "busy",
        }
    }

    /// Of a reply; `code` is S3's, where the reply's body was looked at.
    pub(super) fn of_reply(status: StatusCode, code: Option<&str>) -> Self {
        match (status, code) {
            (StatusCode::TOO_MANY_REQUESTS, _) => Self::TooFast,
            (StatusCode::SERVICE_UNAVAILABLE, Some(code)) if is_too_fast(code) => Self::TooFast,
            (StatusCode::NOT_IMPLEMENTED, _) => Self::Answered,
            (status, _) if status.is_server_error() => Self::Failed,
            _ => Self::Answered,
        }
    }

    pub(super) const fn of_error(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Resolve(_)
            | UpstreamError::Forbidden(_)
            | UpstreamError::Connect(_)
            | UpstreamError::Tls(_) => Self::Unreachable,
            UpstreamError::Http(_) | UpstreamError::TooLarge(_) => Self::Broken,
            UpstreamError::Timeout(_) => Self::Late,
            UpstreamError::Request(_) | UpstreamError::Body(_) => Self::Cut,
            UpstreamError::Open(_) => Self::Open,
            UpstreamError::Busy(_) => Self::Busy,
        }
    }

    /// What it says about the provider. To be told to slow down is an answer.
    pub(super) const fn health(self) -> Health {
        match self {
            Self::Answered | Self::TooFast => Health::Good,
            Self::Failed | Self::Unreachable | Self::Broken | Self::Late => Health::Bad,
            Self::Cut | Self::Open | Self::Busy => Health::Unknown,
        }
    }
}

/// S3's own word, and those of stores that are like it.
fn is_too_fast(code: &str) -> bool {
    matches!(code, "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "TooManyRequests" | "RequestLimitExceeded")
}

/// Whether sending the same again can help. Waiting for a reply that does not come was long enough the first time.
pub(super) fn can_be_repeated(reply: &Result<Response<ReplyStream>, UpstreamError>) -> bool {
    match reply {
        Ok(reply) => matches!(reply.status().as_u16(), 429 | 500 | 502 | 503 | 504),
        Err(error) => {
            matches!(error, UpstreamError::Resolve(_) | UpstreamError::Connect(_) | UpstreamError::Http(_))
        }
    }
}

/// `Retry-After` in seconds; the form with a date is not used by S3.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_judged_by_what_it_says() {
        for (status, code, outcome, health) in [
            (200, None, Outcome::Answered, Health::Good),
            (404, None, Outcome::Answered, Health::Good),
            (429, None, Outcome::TooFast, Health::Good),
            (503, Some("SlowDown"), Outcome::TooFast, Health::Good),
            (503, Some("ServiceUnavailable"), Outcome::Failed, Health::Bad),
            (503, None, Outcome::Failed, Health::Bad),
            (500, Some("SlowDown"), Outcome::Failed, Health::Bad),
            (501, None, Outcome::Answered, Health::Good),
            (504, None, Outcome::Failed, Health::Bad),
        ] {
            let found = Outcome::of_reply(StatusCode::from_u16(status).unwrap(), code);
            assert_eq!((found, found.health()), (outcome, health), "{status} {code:?}");
        }
    }
}
