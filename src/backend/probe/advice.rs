//! What to change, by what a provider or a connection says.

use bytes::Bytes;
use http::{Response, StatusCode};
use wharf_wire::xml::{self, S3Error};

use super::report::Outcome;
use crate::backend::upstream::UpstreamError;

/// Characters of a provider's words that are passed on.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// A provider's refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: String,
    fix: String,
    /// The provider knows the credentials, and says that they have no right to this.
    pub(super) is_about_rights: bool,
}

impl Refusal {
    /// The same, with the right that is missing where it is about rights.
    pub(super) fn needing(self, right: &str) -> Outcome {
        if self.is_about_rights {
            return Outcome::failed(self.reason, format!("grant the credentials {right} on the bucket"));
        }
        self.into()
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::failed(refusal.reason, refusal.fix)
    }
}

/// What a reply that is no success says.
pub(super) fn refusal(reply: &Response<Bytes>) -> Refusal {
    let status = reply.status();
    match xml::read_error(reply.body()) {
        Ok(error) => Refusal {
            reason: printable(&format!("{}: {}", error.code, error.message)),
            is_about_rights: matches!(error.code.as_str(), "AccessDenied" | "AllAccessDisabled"),
            fix: fix_of(&error),
        },
        Err(_) => Refusal {
            reason: format!("HTTP {status} without an S3 error"),
            is_about_rights: false,
            fix: fix_of_status(status).to_owned(),
        },
    }
}

fn fix_of(error: &S3Error) -> String {
    let fix = match error.code.as_str() {
        "InvalidAccessKeyId" | "InvalidAccessKey" => "correct `access_key_id`; the provider does not know it",
        "SignatureDoesNotMatch" => {
            "correct `secret_access_key` (a space or a line break may have come along); a proxy that changes `Host` also does this"
        }
        "RequestTimeTooSkewed" => "set this machine's clock, best by NTP",
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            "bring a fresh `session_token` with its keys"
        }
        "NoSuchBucket" => "correct `bucket`, or create it",
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException" => {
            return fix_of_region(error.region.as_deref());
        }
        "AccessDenied" | "AllAccessDisabled" | "Unauthorized" => {
            "give the credentials the rights that `wharf policy` prints"
        }
        "InvalidBucketState" => "restore the object's storage class, or choose another for the bucket",
        "SlowDown" | "ServiceUnavailable" | "InternalError" => {
            "try again later; the provider is in trouble or limits you"
        }
        "NotImplemented" | "MethodNotAllowed" => "the provider does not do this; see its S3 documentation",
        _ => "see what the provider's documentation says of this code",
    };
    fix.to_owned()
}

fn fix_of_region(region: Option<&str>) -> String {
    match region {
        Some(region) => printable(&format!("set `region = \"{region}\"`")),
        None => "set `region` to the bucket's own".to_owned(),
    }
}

fn fix_of_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "correct the credentials; or something in front of the store refuses the request"
        }
        StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT => "set `region` to the bucket's own",
        _ => "see whether `endpoint` is that of the S3 API",
    }
}

/// What to change when there was no reply.
pub(super) fn fix_of_connection(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Resolve(_) => {
            "correct `endpoint`, `region` or `account_id`, or this machine's name service"
        }
        UpstreamError::Forbidden(_) => {
            "name an endpoint on the public Internet, or have it listed in [upload.callers]"
        }
        UpstreamError::Connect(_) => {
            "see whether the store is up, and whether a firewall lets this machine through"
        }
        UpstreamError::Tls(_) => {
            "give the store a certificate of a public authority for this name, or write `http://` if it speaks no TLS"
        }
        UpstreamError::Timeout(_) => {
            "see whether the store is up, and whether a firewall drops the connection"
        }
        UpstreamError::Http(_) => {
            "see whether this is the port of the S3 API, and whether it expects `https://`"
        }
        UpstreamError::Request(_) => "change the account's settings or the bucket",
        UpstreamError::Body(_) | UpstreamError::Open(_) | UpstreamError::Busy(_) => "try again later",
        UpstreamError::TooLarge(_) => "see whether `endpoint` is that of the S3 API",
    }
}

/// A provider's words on a terminal: bounded, and without what would move the cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MESSAGE_CHARACTERS_MAX).collect()
}
