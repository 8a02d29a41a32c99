//! A write while the primary is down: a mirror takes it, if the bucket says so, and workers copy it back.
//!
//! ```text
//! PutObject ── primary: certainly not reached? ── intent that names the mirror ── mirror ── the key's truth is there now
//!                 └─ anything else: its answer
//! ```
//!
//! Only a request that the primary certainly has nothing of may go elsewhere: it could take effect there later. And only
//! one of which the mirror has all: what conditions are about, who may read an object and what protects it are the
//! primary's alone.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use wharf_wire::{
    names::ObjectKey,
    s3::{Operation, Parameters},
};

use super::{
    super::{forward::Handling, mirrored::etag, reply},
    copy::forget_the_store,
    lent::lend,
    stores::Stores,
    unserved,
};
use crate::{
    backend::{
        Payload,
        upstream::{ReplyStream, SendBody, UpstreamError},
    },
    config::checked::{FailoverWrites, MirrorConfig},
    error::S3Error,
    mirror::{Intents, state::Outcome},
    transfer::{Defaults, Sending, is_metadata},
};

const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");
/// What the headers about encryption begin with.
const ENCRYPTION: &str = "x-amz-server-side-encryption";
/// What those begin with that bring a client's own key, which is no place's matter: a mirror would store the object without it.
const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-";
const STORED_AT: HeaderName = HeaderName::from_static("x-wharf-stored-at");

/// Sends a new object to the primary, or where that is certainly down to a mirror that may take it. Gives a success, with
/// the headers that clients may see.
pub(in super::super) async fn put(
    handling: &Handling<'_>,
    intents: Intents,
    sending: Sending,
) -> Result<Response<ReplyStream>, S3Error> {
    let bucket = handling.place.bucket;
    let is_accepted = handling.operation() == Operation::PutObject
        && bucket.failover.writes == FailoverWrites::Accept
        && sending.headers.keys().all(can_be_mirrored);
    let Some(stores) = Stores::of(handling).filter(|_| is_accepted) else {
        return reply::succeeded(handling.change(intents, sending).await?).await;
    };
    let Sending { headers, payload, body } = sending;
    let (lent, loan) = lend(body);
    let key = handling.provider_key()?;
    let sent = intents.guarded(Sending { headers: headers.clone(), payload, body: lent });
    let reply = handling.ask(key.as_ref(), handling.parameters(), sent).await;
    match (reply, loan) {
        (Err(down), loan) if is_certainly_down(&down) => {
            intents.settle(Outcome::Unchanged);
            let down = S3Error::from(down);
            let body = loan.back().ok_or_else(|| unserved(&down))?;
            Write { handling, stores, headers, payload }.at_a_mirror(body, &down).await
        }
        (reply, _) => {
            let (reply, intents) = handling.answered(intents, reply)?;
            intents.settle_changed(etag(reply.headers())).await?;
            reply::succeeded(reply).await
        }
    }
}

/// Whether the primary has nothing of a request, because nobody is there.
fn is_certainly_down(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Resolve(_) | UpstreamError::Connect(_) | UpstreamError::Open(_))
}

/// A write that the primary has not got.
struct Write<'a> {
    handling: &'a Handling<'a>,
    stores: Stores,
    headers: HeaderMap,
    payload: Payload,
}

impl Write<'_> {
    /// Has the first mirror take it that can be reached.
    async fn at_a_mirror(self, mut body: SendBody, down: &S3Error) -> Result<Response<ReplyStream>, S3Error> {
        for mirror in &self.handling.place.bucket.mirrors {
            let (Some(object), Some(headers)) = (self.stores.at_mirror(mirror), self.headers_at(mirror))
            else {
                continue;
            };
            let intents = self.intend(mirror).await?;
            let (lent, loan) = lend(body);
            let sending = intents.guarded(Sending { headers, payload: self.payload, body: lent });
            let reply = object.send(Operation::PutObject, &Parameters::default(), sending).await;
            if !reply.as_ref().is_err_and(is_certainly_down) {
                return self.taken(mirror, intents, reply).await;
            }
            intents.settle(Outcome::Unchanged);
            body = loan.back().ok_or_else(|| unserved(down))?;
        }
        Err(unserved(down))
    }

    /// Notes that `mirror` is about to have the newest object.
    async fn intend(&self, mirror: &MirrorConfig) -> Result<Intents, S3Error> {
        let (mirrors, bucket) = (&self.handling.endpoint.mirrors, self.handling.place.bucket);
        Ok(mirrors.intend_at(bucket, self.key(), &mirror.name).await?)
    }

    /// A mirror's answer, without what is true there alone. A success is told when the journal has it: the primary may be
    /// back the moment after, and would be asked for its older object.
    async fn taken(
        &self,
        mirror: &MirrorConfig,
        intents: Intents,
        reply: Result<Response<ReplyStream>, UpstreamError>,
    ) -> Result<Response<ReplyStream>, S3Error> {
        let outcome = intents.outcome(&reply, false);
        if outcome != Outcome::Changed {
            intents.settle(outcome);
            return reply::succeeded(reply?).await;
        }
        let (mirrors, bucket) = (&self.handling.endpoint.mirrors, self.handling.place.bucket);
        mirrors.note_taken(intents, bucket, self.key(), &mirror.name).await?.await?;
        let mut reply = reply::succeeded(reply?).await?;
        forget_the_store(reply.headers_mut());
        if let Ok(mirror) = HeaderValue::from_str(&mirror.name) {
            reply.headers_mut().insert(STORED_AT, mirror);
        }
        Ok(reply)
    }

    fn key(&self) -> &str {
        self.handling.key().map(ObjectKey::as_str).unwrap_or_default()
    }

    /// The headers of the object as `mirror` keeps it; none where it takes no checksum behind a body.
    fn headers_at(&self, mirror: &MirrorConfig) -> Option<HeaderMap> {
        let account = self.handling.endpoint.origins.get(&mirror.provider)?.account();
        if self.payload == Payload::UnsignedTrailer && !account.takes_trailers() {
            return None;
        }
        let is_of_the_place = |name: &&HeaderName| is_of_the_place(name);
        let mut headers = self.headers.clone();
        for name in self.headers.keys().filter(is_of_the_place) {
            headers.remove(name);
        }
        let defaults =
            Defaults { storage_class: mirror.storage_class, encryption: mirror.encryption.as_ref() };
        defaults.add_to(&mut headers, account.profile()).ok()?;
        Some(headers)
    }
}

/// Whether a header says how its place keeps an object.
fn is_of_the_place(name: &HeaderName) -> bool {
    let is_of_encryption = name.as_str().starts_with(ENCRYPTION) && !name.as_str().starts_with(CUSTOMER_KEY);
    *name == STORAGE_CLASS || is_of_encryption
}

/// Whether a mirror can do all that a header asks for, and the primary later.
fn can_be_mirrored(name: &HeaderName) -> bool {
    let is_of_the_request =
        matches!(name.as_str(), "content-md5" | "x-amz-trailer" | "x-amz-decoded-content-length")
            || name.as_str().starts_with("x-amz-checksum-");
    is_of_the_request || is_of_the_place(name) || is_metadata(name) || *name == TAGGING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_takes_nothing_that_a_client_wants_encrypted_with_its_own_key() {
        let can_be = |name: &'static str| can_be_mirrored(&HeaderName::from_static(name));
        assert!(can_be("x-amz-server-side-encryption") && can_be("x-amz-storage-class"));
        for part in ["algorithm", "key", "key-md5"] {
            let name = format!("x-amz-server-side-encryption-customer-{part}");
            assert!(!can_be_mirrored(&HeaderName::try_from(name).unwrap()), "{part}");
        }
    }
}
