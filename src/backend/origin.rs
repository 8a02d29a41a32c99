//! A configured provider at run time: what signs, sends, and holds back.
//!
//! ```text
//! send(outgoing) ── breaker ── slot (requests in flight) ── sign (cached key, measured skew) ── upstream ── reply
//!                      ▲                                                                          │
//!                      └───────────── what came of it: outcome, Date, SlowDown ◀──────────────────┘
//! ```
//!
//! Each provider has all of this for itself, so that one in trouble slows no other.

mod breaker;
mod concurrency;
mod gate;
mod metrics;
mod outcome;
mod retry;
mod sign;
mod skew;
mod visits;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::sleep;
use wharf_provider::Account;
use wharf_wire::{
    endpoint::Endpoint,
    names::{BucketName, ObjectKey},
    sigv4::{HexDigest, PayloadMode},
    xml,
};

use self::{
    gate::Gate,
    outcome::{can_be_repeated, retry_after},
    skew::Skew,
    visits::Visits,
};
use super::{
    SigningKeys,
    probe::Probe,
    upstream::{Reach, ReplyStream, SendBody, Upstream, UpstreamError},
};
use crate::{
    admin::Metrics,
    clock::Clock,
    config::{
        Config,
        checked::{ProviderConfig, Timeouts},
    },
};

pub use breaker::Position;
pub use gate::Slot;
pub use metrics::OriginMetrics;
pub use outcome::Outcome;
pub use retry::Jitter;
pub(super) use sign::request as sign;

/// Bytes of a refusal that are looked at for S3's code.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

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
    /// Whether the provider may take minutes: it copies or assembles an object before it answers.
    pub is_slow: bool,
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

impl From<Payload> for PayloadMode {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Sha256(digest) => Self::Sha256(digest),
            Payload::Unsigned => Self::Unsigned,
            Payload::UnsignedTrailer => Self::StreamingUnsignedTrailer,
        }
    }
}

impl Outgoing<'_> {
    /// A request for the account itself, without a body, to be sent once.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            bucket: None,
            key: None,
            query: &[],
            headers: HeaderMap::new(),
            payload: Payload::Unsigned,
            body: SendBody::Empty,
            may_repeat: false,
            is_slow: false,
        }
    }

    /// The same again, unless its body can be sent but once.
    fn again(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.again()?,
            ..*self
        })
    }
}

/// One configured provider.
pub struct Origin {
    name: String,
    account: Account,
    signing_keys: Arc<SigningKeys>,
    clock: Clock,
    reach: Reach,
    known: Arc<Known>,
}

/// What was built and learned for a provider. It outlives a reload that leaves [`Place`] as it was: new credentials change
/// nothing about the way there.
struct Known {
    place: Place,
    upstream: Upstream,
    /// The same for slow requests.
    patient: Upstream,
    gate: Arc<Gate>,
    skew: Skew,
    jitter: Jitter,
}

/// Where a provider is, and how it is dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    endpoint: Endpoint,
    timeouts: Timeouts,
    requests_in_flight_max: usize,
}

impl Origin {
    /// The provider's name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that requests are signed for.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What finds out whether the provider can be used, within `patience`. It goes the same way as requests do, but past the
    /// breaker and the slots: these would tell of themselves. Which bucket it tries, for which pages, is still to be said.
    pub fn probe(&self, patience: Duration) -> Probe<'_> {
        Probe {
            upstream: &self.known.upstream,
            reach: self.reach,
            account: &self.account,
            bucket: None,
            origins: &[],
            id: "",
            clock: self.clock,
            patience,
        }
    }

    /// Signs `outgoing`, sends it and waits for the head of the reply. Every reply is one, whatever its status.
    ///
    /// What may be repeated is sent again after failures that can pass; and whatever the provider refused because of the
    /// clock alone, once, with the time corrected.
    pub async fn send(&self, mut outgoing: Outgoing<'_>) -> Result<Response<ReplyStream>, UpstreamError> {
        self.known.gate.earn_retries();
        let mut tries = Tries::default();
        loop {
            let again = outgoing.again();
            let (reply, was_skewed) = self.send_once(outgoing).await;
            let Some(again) = again else { return reply };
            match self.pause(&reply, again.may_repeat, was_skewed, &mut tries) {
                Some(pause) => {
                    // Frees its place and its connection.
                    drop(reply);
                    sleep(pause).await;
                }
                None => return reply,
            }
            outgoing = again;
        }
    }

    /// How long to wait before the request is sent again, if it is to be.
    fn pause(
        &self,
        reply: &Result<Response<ReplyStream>, UpstreamError>,
        may_repeat: bool,
        was_skewed: bool,
        tries: &mut Tries,
    ) -> Option<Duration> {
        if was_skewed && !tries.was_corrected {
            tries.was_corrected = true;
            return Some(Duration::ZERO);
        }
        tries.made += 1;
        let wanted = reply.as_ref().ok().and_then(|reply| retry_after(reply.headers())).unwrap_or_default();
        let is_worth_it = may_repeat
            && can_be_repeated(reply)
            && tries.made < retry::TRIES_MAX
            && wanted <= retry::PAUSE_MAX
            && self.known.gate.spend_retry();
        is_worth_it.then(|| retry::pause(tries.made, self.known.jitter.next()).max(wanted))
    }

    /// Sends `outgoing` once. Returns also whether it was refused while our idea of the provider's clock was wrong.
    async fn send_once(
        &self,
        outgoing: Outgoing<'_>,
    ) -> (Result<Response<ReplyStream>, UpstreamError>, bool) {
        let mut slot = match self.known.gate.enter().await {
            Ok(slot) => slot,
            Err(refused) => return (Err(refused), false),
        };
        let now = self.known.skew.applied_to(self.clock.now());
        let key = self.signing_keys.key(&self.account, now);
        let upstream = if outgoing.is_slow { &self.known.patient } else { &self.known.upstream };
        let reply = match sign(outgoing, &self.account, &key, now) {
            Ok(request) => upstream.send(request, self.reach).await,
            Err(unmade) => Err(unmade),
        };
        match reply {
            Ok(reply) => {
                let was_skewed = self.note_time(&reply);
                let (outcome, reply) = outcome(reply).await;
                slot.report(outcome);
                (reply.map(|reply| reply.map(|body| body.holding(slot))), was_skewed)
            }
            Err(error) => {
                slot.report(Outcome::of_error(&error));
                (Err(error), false)
            }
        }
    }

    /// A refusal (S3's `RequestTimeTooSkewed` among them) makes us look at the provider's clock at once.
    fn note_time(&self, reply: &Response<ReplyStream>) -> bool {
        let (skew, now) = (&self.known.skew, self.clock.now());
        if reply.status() == StatusCode::FORBIDDEN {
            return skew.measure(reply.headers(), now);
        }
        skew.observe(reply.headers(), now, self.clock.elapsed());
        false
    }
}

#[derive(Debug, Default)]
struct Tries {
    made: u32,
    was_corrected: bool,
}

type Replied = Result<Response<ReplyStream>, UpstreamError>;

/// What a reply says of its provider. A 503 is looked into: it may say to slow down, or that nothing works.
async fn outcome(reply: Response<ReplyStream>) -> (Outcome, Replied) {
    if reply.status() != StatusCode::SERVICE_UNAVAILABLE {
        return (Outcome::of_reply(reply.status(), None), Ok(reply));
    }
    let (head, mut body) = reply.into_parts();
    match front(&mut body).await {
        Ok(front) => {
            let code = xml::read_error(&front).ok().map(|error| error.code);
            let outcome = Outcome::of_reply(head.status, code.as_deref());
            (outcome, Ok(Response::from_parts(head, body.put_back(front))))
        }
        Err(error) => (Outcome::of_error(&error), Err(error)),
    }
}

/// The first bytes of a reply, at least as many as a refusal has.
async fn front(body: &mut ReplyStream) -> Result<Bytes, UpstreamError> {
    let mut front = BytesMut::new();
    while front.len() < REFUSAL_BYTES_MAX
        && let Some(frame) = body.frame().await
    {
        if let Ok(piece) = frame?.into_data() {
            front.extend_from_slice(&piece);
        }
    }
    Ok(front.freeze())
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Origin")
            .field("name", &self.name)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Every configured provider, by name, and the way to those that callers bring.
#[derive(Debug)]
pub struct Origins {
    origins: HashMap<String, Arc<Origin>>,
    visits: Visits,
}

/// What all providers share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Signing keys, derived once a day.
    pub signing_keys: Arc<SigningKeys>,
    /// The time.
    pub clock: Clock,
    /// Where each provider's counters are.
    pub metrics: Arc<Metrics>,
}

impl Origins {
    /// From the configuration. Connections, and what was learned of a provider, are taken over from `previous` where its
    /// place did not change.
    pub fn new(config: &Config, shared: &Shared, previous: Option<&Self>) -> Result<Self, UpstreamError> {
        let origin = |(name, provider): (&String, &ProviderConfig)| {
            let previous = previous.and_then(|previous| previous.get(name)).map(|origin| &origin.known);
            let origin = Origin {
                name: name.clone(),
                account: provider.account.clone(),
                signing_keys: Arc::clone(&shared.signing_keys),
                clock: shared.clock,
                reach: Reach::Anywhere,
                known: Known::of(provider, shared, previous)?,
            };
            Ok((name.clone(), Arc::new(origin)))
        };
        let origins = config.providers.iter().map(origin).collect::<Result<_, UpstreamError>>()?;
        Ok(Self { origins, visits: Visits::new(shared) })
    }

    /// The provider called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Origin>> {
        self.origins.get(name)
    }

    /// The provider of an `account` that a caller brought, for one request. Nothing is kept of it but connections, and
    /// nothing that fails there says anything of others.
    pub fn visited(&self, account: Account, reach: Reach) -> Result<Arc<Origin>, UpstreamError> {
        self.visits.origin(account, reach)
    }
}

impl Known {
    fn of(
        provider: &ProviderConfig,
        shared: &Shared,
        previous: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, UpstreamError> {
        let place = Place {
            endpoint: provider.account.endpoint().clone(),
            timeouts: provider.timeouts,
            requests_in_flight_max: provider.requests_in_flight_max,
        };
        if let Some(same) = previous.filter(|previous| previous.place == place) {
            return Ok(Arc::clone(same));
        }
        let metrics = shared.metrics.origin(&provider.name);
        let gate = Arc::new(Gate::new(place.requests_in_flight_max, shared.clock, metrics));
        let upstream = Upstream::new(place.timeouts, &[])?;
        let patient = upstream.patient();
        let (skew, jitter) = (Skew::default(), Jitter::default());
        Ok(Arc::new(Self { place, upstream, patient, gate, skew, jitter }))
    }
}
