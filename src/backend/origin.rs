//! A configured provider at run time: what signs, sends, and holds back.
//!
//! ```text
//! send(outgoing) ── breaker ── slot (requests in flight) ── sign (cached key, measured skew) ── upstream ── reply
//!                      ▲                                                                          │
//!                      └───────────── what came of it: outcome, Date, SlowDown ◀──────────────────┘
//! ```
//!
//! Each provider has all of this for itself, so that one in trouble slows no other.

mod sign;

use std::{collections::HashMap, fmt, sync::Arc};

use http::{HeaderMap, Method, Response};
use wharf_provider::Account;
use wharf_wire::{
    names::{BucketName, ObjectKey},
    sigv4::{HexDigest, UNSIGNED_PAYLOAD},
};

use super::{
    SigningKeys,
    upstream::{Reach, ReplyStream, SendBody, Timeouts, Upstream, UpstreamError},
};
use crate::{clock::Clock, config::Config};

/// A request to a provider: what was verified, in the provider's own names. Nothing in it is encoded.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The request's method.
    pub method: Method,
    /// The bucket, as the provider calls it; with none, the account.
    pub bucket: Option<&'a BucketName>,
    /// The object, as the provider calls it; with none, the bucket.
    pub key: Option<&'a ObjectKey>,
    /// Query parameters, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers that the caller's request may bring along; all are signed. What signing and framing need comes besides:
    /// `host`, `authorization`, `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token`, `content-length`.
    pub headers: HeaderMap,
    /// What is signed of the body.
    pub payload: Payload,
    /// The body.
    pub body: SendBody,
    /// Whether the request may be sent again when nobody knows what came of it. A body that streams never is.
    pub may_repeat: bool,
}

/// `x-amz-content-sha256`: what is signed of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Its hash.
    Sha256(HexDigest),
    /// Nothing.
    Unsigned,
    /// Nothing, and the body is aws-chunked with a trailer.
    UnsignedTrailer,
}

impl Payload {
    /// The header's value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha256(digest) => digest.as_str(),
            Self::Unsigned => UNSIGNED_PAYLOAD,
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

/// One configured provider.
pub struct Origin {
    name: String,
    account: Account,
    signing_keys: Arc<SigningKeys>,
    upstream: Upstream,
    clock: Clock,
}

/// One request in flight, until this is dropped.
#[derive(Debug)]
pub struct Slot;

impl Origin {
    /// The provider's name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that requests are signed for.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Signs `outgoing`, sends it and waits for the head of the reply. Every reply is one, whatever its status.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Response<ReplyStream>, UpstreamError> {
        let now = self.clock.now();
        let key = self.signing_keys.key(&self.account, now);
        let request = sign::request(outgoing, &self.account, &key, now)?;
        let reply = self.upstream.send(request, Reach::Anywhere).await?;
        Ok(reply.map(|body| body.holding(Slot)))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Origin")
            .field("name", &self.name)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Every configured provider, by name.
#[derive(Debug, Default)]
pub struct Origins {
    origins: HashMap<String, Arc<Origin>>,
}

impl Origins {
    /// From the configuration. Connections, and what was learned of a provider, are taken over from `previous` where its
    /// settings did not change.
    pub fn new(
        config: &Config,
        signing_keys: &Arc<SigningKeys>,
        clock: Clock,
        _previous: Option<&Self>,
    ) -> Result<Self, UpstreamError> {
        let origin = |(name, provider): (&String, &crate::config::checked::ProviderConfig)| {
            let origin = Origin {
                name: name.clone(),
                account: provider.account.clone(),
                signing_keys: Arc::clone(signing_keys),
                upstream: Upstream::new(Timeouts::default(), &[])?,
                clock,
            };
            Ok((name.clone(), Arc::new(origin)))
        };
        let origins = config.providers.iter().map(origin).collect::<Result<_, UpstreamError>>()?;
        Ok(Self { origins })
    }

    /// The provider called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Origin>> {
        self.origins.get(name)
    }
}
