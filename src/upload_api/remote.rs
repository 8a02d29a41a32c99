//! A target's bucket at its provider, to be asked: for what a signature alone does not answer.
//!
//! ```text
//! configured ─→ the provider's origin       (its breaker, slots, retries, connections)
//! brought    ─→ an origin for this request  (addresses that are not public are refused, unless the operator listed the endpoint)
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
    xml::DOCUMENT_BYTES_MAX,
};

use super::{Request, target::Target};
use crate::{
    backend::{
        Origin, Origins,
        upstream::{ReplyStream, UpstreamError},
    },
    config::checked::BucketConfig,
    error::{Code, Error},
    mirror::{
        Intents,
        state::{Change, Outcome},
    },
    transfer::{Sending, Side, TransferError, succeeded},
};

/// The bucket, and the way to it.
pub(super) struct Remote {
    origin: Arc<Origin>,
    bucket: BucketName,
}

/// What the provider is asked.
pub(super) struct Question<'a> {
    pub(super) operation: Operation,
    /// The object, as the provider knows it; with none, the bucket.
    pub(super) key: Option<&'a ObjectKey>,
    pub(super) parameters: &'a Parameters,
    pub(super) sending: Sending,
}

impl Remote {
    /// The bucket of `target`.
    pub(super) fn of(target: &Target<'_>, origins: &Origins) -> Result<Self, Error> {
        let origin = match target.configured {
            Some(bucket) => return Self::of_bucket(bucket, origins),
            None => origins.visited(target.account.clone().into_owned(), target.reach)?,
        };
        Ok(Self { origin, bucket: target.bucket.clone().into_owned() })
    }

    /// A configured bucket.
    pub(super) fn of_bucket(bucket: &BucketConfig, origins: &Origins) -> Result<Self, Error> {
        let origin = origins.get(&bucket.provider).ok_or_else(|| {
            Error::new(Code::Internal, "The bucket has no provider.").cause(bucket.provider.clone())
        })?;
        Ok(Self { origin: Arc::clone(origin), bucket: bucket.bucket.clone() })
    }

    /// The provider.
    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The bucket, as the provider calls it.
    pub(super) fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// Asks, and waits for the head of a success.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Response<ReplyStream>, TransferError> {
        replied(self.send(question).await).await
    }

    /// The same, and the document that is the answer. It may still be an error's: what reads it finds out.
    pub(super) async fn document(&self, question: Question<'_>) -> Result<Bytes, TransferError> {
        read(self.ask(question).await?).await
    }

    /// Asks for a change, and tells the mirroring if the head of the reply says that nothing came of it. What comes back of
    /// `intents` is still to be settled, and with an error they are none.
    pub(super) async fn change(
        &self,
        intents: Intents,
        question: Question<'_>,
    ) -> (Result<Response<ReplyStream>, TransferError>, Intents) {
        let may_be_sent_twice = question.operation.may_be_sent_twice();
        let sending = intents.guarded(question.sending);
        let reply = self.send(Question { sending, ..question }).await;
        let intents = match intents.outcome(&reply, may_be_sent_twice) {
            Outcome::Changed => intents,
            known @ (Outcome::Unchanged | Outcome::Unknown) => {
                intents.settle(known);
                Intents::default()
            }
        };
        (replied(reply).await, intents)
    }

    async fn send(&self, question: Question<'_>) -> Result<Response<ReplyStream>, UpstreamError> {
        let Question { operation, key, parameters, sending } = question;
        let query: Vec<_> = parameters.pairs(operation).collect();
        self.origin.send(sending.asking(operation, &self.bucket, key, &query)).await
    }
}

async fn replied(
    reply: Result<Response<ReplyStream>, UpstreamError>,
) -> Result<Response<ReplyStream>, TransferError> {
    let reply = reply.map_err(|error| TransferError::unanswered(Side::Target, error))?;
    succeeded(Side::Target, reply).await
}

/// Reads the document of a success.
pub(super) async fn read(reply: Response<ReplyStream>) -> Result<Bytes, TransferError> {
    let document = reply.into_body().read(DOCUMENT_BYTES_MAX).await;
    document.map_err(|error| TransferError::unanswered(Side::Target, error))
}

impl Request<'_> {
    /// The bucket at its provider.
    pub(super) fn remote(&self) -> Result<Remote, Error> {
        Remote::of(self.target, &self.parts.origins)
    }

    /// Notes that `keys`, as the caller calls them, are about to change. It is durable when this returns, and until then
    /// nothing may be sent. A bucket without mirrors pays nothing, and one of the caller's own has none.
    pub(super) async fn intend(
        &self,
        keys: impl Iterator<Item = &str>,
        change: Change,
    ) -> Result<Intents, Error> {
        match self.target.configured {
            Some(bucket) => Ok(self.parts.mirrors.intend(bucket, keys, change).await?),
            None => Ok(Intents::default()),
        }
    }
}
