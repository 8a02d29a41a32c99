//! One mirror's request: begun while the client uploads, ended when the primary has spoken.
//!
//! ```text
//! request ─ all but its last byte ─┬─ Stored  ─▶ last byte ─▶ answered? Copied, Not, or nobody knows
//!                                  └─ else    ─▶ reset
//! ```

use http::{HeaderMap, Response, StatusCode, header};
use thiserror::Error;
use wharf_wire::s3::{Operation, Parameters};

use super::{
    fork::{Dropped, Hold},
    upload::UploadError,
    verdict::{Awaited, Verdict},
};
use crate::{
    backend::upstream::{ReplyStream, UpstreamError},
    mirror::crash_point::{Point, reached},
    transfer::{Object, Sending},
};

/// A request to a mirror that carries what a client uploads.
#[derive(Debug)]
pub(super) struct Branch {
    /// Where it goes.
    pub(super) object: Object,
    /// `PutObject` or `UploadPart`
    pub(super) operation: Operation,
    /// Which part.
    pub(super) parameters: Parameters,
    /// Headers and body.
    pub(super) sending: Sending,
    /// What holds the body's last byte; nothing holds a body without bytes, which is sent when the primary has it.
    pub(super) hold: Option<Hold>,
}

/// What came of it at the mirror.
#[derive(Debug)]
pub(super) enum Copied {
    /// The mirror has it.
    Yes {
        /// Under this `ETag`.
        etag: String,
    },
    /// It has not got it, and will not.
    No(Failure),
    /// It was sent all of it, and nobody knows what it makes of that, or when.
    Unsure(Failure),
}

impl Copied {
    /// What it is counted as.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Yes { .. } => "copied",
            Self::Unsure(_) => "unsure",
            Self::No(why) => match why {
                Failure::Dropped(Dropped::Behind) => "behind",
                Failure::Dropped(Dropped::Memory) => "memory",
                Failure::Dropped(Dropped::BrokeOff) => "broke_off",
                Failure::Dropped(Dropped::Unwanted) => "unwanted",
                Failure::Unanswered(_) => "unanswered",
                Failure::Refused(_) | Failure::NoETag => "refused",
                Failure::Upload(_) => "parts",
            },
        }
    }
}

/// Why a mirror does not have it.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The transfer went on without it.
    #[error(transparent)]
    Dropped(#[from] Dropped),
    /// It was not reached, or did not answer.
    #[error(transparent)]
    Unanswered(#[from] UpstreamError),
    /// It refused, or failed.
    #[error("the mirror answered {0}")]
    Refused(StatusCode),
    /// Its multipart upload came to nothing.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It said that it has it, and not under which `ETag`.
    #[error("the mirror's answer has no ETag")]
    NoETag,
}

type Reply = Result<Response<ReplyStream>, UpstreamError>;

/// What happened first.
enum First {
    Judged(Verdict),
    Ended(Copied),
}

impl Branch {
    /// Sends it. Returns when the request has ended and the primary has spoken.
    pub(super) async fn send(self, mut primary: Awaited) -> (Verdict, Copied) {
        let Self { object, operation, parameters, sending, hold } = self;
        let Some(hold) = hold else {
            let verdict = primary.verdict().await;
            if !matches!(verdict, Verdict::Stored { .. }) {
                return (verdict, unwanted());
            }
            let reply = object.send(operation, &parameters, sending).await;
            let was_sent = !reply.as_ref().is_err_and(UpstreamError::is_unsent);
            return (verdict, copied(reply, was_sent));
        };
        let mut reply = Box::pin(object.send(operation, &parameters, sending));
        let first = tokio::select! {
            biased;
            verdict = primary.verdict() => First::Judged(verdict),
            why = hold.dropped() => First::Ended(Copied::No(why.into())),
            reply = &mut reply => First::Ended(copied(reply, hold.has_left())),
        };
        match first {
            First::Judged(verdict @ Verdict::Stored { .. }) => {
                reached(Point::TeeReleasing);
                hold.release();
                let copied = tokio::select! {
                    biased;
                    reply = &mut reply => copied(reply, hold.has_left()),
                    why = hold.dropped() => Copied::No(why.into()),
                };
                reached(Point::TeeCopied);
                (verdict, copied)
            }
            First::Judged(verdict) => (verdict, unwanted()),
            First::Ended(copied) => {
                // Resets what is left of the request before the wait.
                drop(reply);
                (primary.verdict().await, copied)
            }
        }
    }
}

fn unwanted() -> Copied {
    Copied::No(Dropped::Unwanted.into())
}

/// What a mirror's reply means. `was_sent`: it may have got the last byte.
fn copied(reply: Reply, was_sent: bool) -> Copied {
    let failure = match reply {
        Ok(reply) if reply.status().is_success() => match etag(reply.headers()) {
            Some(etag) => return Copied::Yes { etag },
            None => Failure::NoETag,
        },
        Ok(reply) if !reply.status().is_server_error() => {
            return Copied::No(Failure::Refused(reply.status()));
        }
        Ok(reply) => Failure::Refused(reply.status()),
        Err(error) => error.into(),
    };
    if was_sent { Copied::Unsure(failure) } else { Copied::No(failure) }
}

pub(super) fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ETAG)?.to_str().ok().map(str::to_owned)
}
