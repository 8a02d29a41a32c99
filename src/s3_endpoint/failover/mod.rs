//! Reads while the primary fails: a mirror answers, if it is known to have what the primary had.
//!
//! ```text
//! primary ─┬─ answers ─────────────────────────────▶ its reply ── breaks off ──▶ goes on at a mirror ([`Resumed`])
//!          └─ fails ── what does the journal say of the key at each mirror?
//!                        ├─ current: its object, if it is still the recorded one, under the primary's ETag
//!                        ├─ written there while the primary was down: its object
//!                        ├─ absent since a complete sync: 404, if it is absent there
//!                        └─ dirty, or never compared: 503, or where the bucket says so a copy that is marked as stale
//! ```
//!
//! A stale copy is never served silently, and no absence is told that nobody has made sure of.

mod backfill;
mod conditions;
mod copy;
mod lent;
mod resumed;
mod stores;
mod truth;
mod writes;

use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body_util::Full;
use wharf_wire::s3::{ErrorCode, Operation, Parameter, Parameters};

use super::{
    Content,
    forward::{Handling, Sending},
    reply,
};
use crate::{
    backend::upstream::ReplyStream,
    config::checked::{FailoverReads, MirrorConfig},
    error::{Fault, S3Error},
    mirror::{
        ReadKind,
        state::{Currency, Record, Side},
    },
};

use conditions::Verdict;
use copy::{Extent, as_the_primarys, etag_header, forget_the_store, is_of, mark, strong_etag};
use stores::Stores;

pub(super) use {
    backfill::{elsewhere, refused as refused_elsewhere},
    resumed::Resumed,
    truth::{check, check_object, check_source, is_read_elsewhere},
    writes::put,
};

const CUSTOMER_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");

/// An answer, of whatever kind; none where a mirror has none to give.
type Answer = Option<Result<Response<Content>, S3Error>>;

/// `GetObject` and `HeadObject`.
pub(super) async fn read(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    or_elsewhere(handling, here(handling).await).await
}

/// The reply that was given here, or, if it is that there is no such object, the one of where the bucket was before.
pub(super) async fn or_elsewhere(
    handling: &Handling<'_>,
    reply: Result<Response<Content>, S3Error>,
) -> Result<Response<Content>, S3Error> {
    match reply {
        Err(error) if error.code == ErrorCode::NoSuchKey && handling.place.bucket.backfill.is_some() => {
            Box::pin(backfill::answer(handling, error)).await
        }
        reply => reply,
    }
}

async fn here(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let Some(stores) = Stores::of(handling).filter(|_| is_mirrored(handling, &headers)) else {
        check(handling, &headers).await?;
        return Ok(primary(handling, headers).await?.map(Content::Stream));
    };
    let failover = Failover { handling, stores, headers };
    if let Some(answer) = failover.ahead().await {
        return answer;
    }
    if handling.place.bucket.failover.reads == FailoverReads::Off {
        return Ok(primary(handling, failover.headers).await?.map(Content::Stream));
    }
    match primary(handling, failover.headers.clone()).await {
        Ok(reply) => Ok(guard(handling, reply, failover.stores)),
        Err(failure) if is_the_primarys(&failure) => failover.answer(failure).await,
        Err(error) => Err(error),
    }
}

async fn primary(handling: &Handling<'_>, headers: HeaderMap) -> Result<Response<ReplyStream>, S3Error> {
    reply::succeeded(handling.send(Sending::without_body(headers)).await?).await
}

/// Mirrors have no older versions, no parts as they were sent, and nothing that only its client can read.
fn is_mirrored(handling: &Handling<'_>, headers: &HeaderMap) -> bool {
    let asks_for = |parameter| handling.parameters().get(parameter).is_some();
    !asks_for(Parameter::VersionId)
        && !asks_for(Parameter::PartNumber)
        && !headers.contains_key(CUSTOMER_ALGORITHM)
}

/// Whether the primary is in trouble, rather than the caller.
fn is_the_primarys(failure: &S3Error) -> bool {
    failure.fault == Fault::Upstream && failure.code != ErrorCode::NotImplemented
}

/// Lets a download go on elsewhere when its store breaks off. It must say what it is of.
fn guard(handling: &Handling<'_>, reply: Response<ReplyStream>, stores: Stores) -> Response<Content> {
    let is_download = handling.operation() == Operation::GetObject;
    let etag = strong_etag(reply.headers()).map(str::to_owned).filter(|_| is_download);
    match (etag, Extent::of(&reply)) {
        (Some(etag), Some(extent)) => {
            reply.map(|body| Content::Resumed(Box::new(Resumed::new(body, stores, etag, extent))))
        }
        (None, _) | (_, None) => reply.map(Content::Stream),
    }
}

/// A read that the primary has failed.
struct Failover<'a> {
    handling: &'a Handling<'a>,
    stores: Stores,
    /// Those of the caller's that may pass.
    headers: HeaderMap,
}

impl Failover<'_> {
    /// Has the mirror answer that took a write while the primary was down: until that is copied back, the primary has an
    /// older object, even if it serves again. None where there is no such mirror.
    async fn ahead(&self) -> Answer {
        let (bucket, key) = (self.handling.place.bucket, self.handling.key()?);
        match self.handling.endpoint.mirrors.ahead(bucket, key.as_str()).await {
            Ok(None) => None,
            Ok(Some(mirror)) => {
                let answer = self.counted(mirror, self.as_it_is(mirror, false).await);
                answer.or_else(|| Some(Err(unserved(&ErrorCode::ServiceUnavailable.into()))))
            }
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Has the first mirror answer that can.
    async fn answer(&self, failure: S3Error) -> Result<Response<Content>, S3Error> {
        let bucket = self.handling.place.bucket;
        for mirror in &bucket.mirrors {
            let answer = match self.stores.currency(mirror).await {
                Currency::Current(record) => self.current(mirror, &record).await,
                Currency::Absent => self.absent(mirror).await,
                Currency::Dirty { truth: Side::Mirror, .. } => self.as_it_is(mirror, false).await,
                Currency::Dirty { truth: Side::Primary, .. } | Currency::Unknown => None,
            };
            if let Some(answer) = self.counted(mirror, answer) {
                return answer;
            }
        }
        if bucket.failover.reads == FailoverReads::Stale && !self.wants_a_certain_one() {
            for mirror in &bucket.mirrors {
                if let Some(answer) = self.as_it_is(mirror, true).await {
                    self.stores.count(mirror, ReadKind::Stale);
                    return answer;
                }
            }
        }
        Err(unserved(&failure))
    }

    fn counted(&self, mirror: &MirrorConfig, answer: Answer) -> Answer {
        answer.inspect(|_| self.stores.count(mirror, ReadKind::Current))
    }

    /// The object of a mirror that has the primary's.
    async fn current(&self, mirror: &MirrorConfig, record: &Record) -> Answer {
        match conditions::judge(&self.headers, &record.primary_etag, record.last_modified) {
            Verdict::Read => {}
            Verdict::NotModified => return Some(Ok(not_modified(mirror, record))),
            Verdict::Failed => return Some(Err(told_by(mirror, ErrorCode::PreconditionFailed.into()))),
            Verdict::Unknown => return None,
        }
        let mut headers = self.headers_but_conditions();
        headers.insert(header::IF_MATCH, etag_header(&record.mirror_etag)?);
        let mut reply = self.ask(mirror, headers).await?;
        if reply.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Some(refused(mirror, reply).await);
        }
        if !is_of(&reply, record) {
            tracing::warn!(mirror = &*mirror.name, "a mirror has another object than the recorded one");
            return None;
        }
        as_the_primarys(reply.headers_mut(), record);
        mark(reply.headers_mut(), &mirror.name, false);
        Some(Ok(guard(self.handling, reply, self.stores.clone())))
    }

    /// The object of a mirror as it is called there.
    async fn as_it_is(&self, mirror: &MirrorConfig, is_stale: bool) -> Answer {
        let mut headers = self.headers_but_conditions();
        for name in conditions::NAMES {
            headers.extend(self.headers.get(&name).map(|value| (name, value.clone())));
        }
        let mut reply = self.ask(mirror, headers).await?;
        match reply.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                forget_the_store(reply.headers_mut());
                mark(reply.headers_mut(), &mirror.name, is_stale);
                Some(Ok(reply.map(Content::Stream)))
            }
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE if !is_stale => {
                Some(refused(mirror, reply).await)
            }
            _ => None,
        }
    }

    /// That there is no such object, if the mirror has none either.
    async fn absent(&self, mirror: &MirrorConfig) -> Answer {
        let object = self.stores.at_mirror(mirror)?;
        let sending = Sending::without_body(HeaderMap::new());
        let reply = object.send(Operation::HeadObject, &Parameters::default(), sending).await.ok()?;
        let is_absent = reply.status() == StatusCode::NOT_FOUND;
        is_absent.then(|| Err(told_by(mirror, ErrorCode::NoSuchKey.into())))
    }

    /// Whether a copy that may be another object than the caller wants would be a wrong answer.
    fn wants_a_certain_one(&self) -> bool {
        [header::IF_MATCH, header::IF_UNMODIFIED_SINCE].iter().any(|name| self.headers.contains_key(name))
    }

    /// What the caller says of the bytes, without what it knows of the primary.
    fn headers_but_conditions(&self) -> HeaderMap {
        let passed = [header::RANGE, CHECKSUM_MODE];
        passed.into_iter().filter_map(|name| Some((name.clone(), self.headers.get(&name)?.clone()))).collect()
    }

    /// A reply of the mirror's, with the headers that clients may see; none where it fails, or has no request left.
    async fn ask(&self, mirror: &MirrorConfig, headers: HeaderMap) -> Option<Response<ReplyStream>> {
        self.handling.endpoint.rate_limits.provider(&mirror.provider, 1).ok()?;
        let object = self.stores.at_mirror(mirror)?;
        let (operation, parameters) = (self.handling.operation(), self.handling.parameters());
        let reply = object.send(operation, parameters, Sending::without_body(headers)).await;
        let mut reply = reply
            .inspect_err(|error| tracing::debug!(mirror = &*mirror.name, %error, "a mirror fails as well"))
            .ok()?;
        if reply.status().is_success() || reply.status() == StatusCode::NOT_MODIFIED {
            reply::keep_allowed(reply.headers_mut());
        }
        Some(reply)
    }
}

fn not_modified(mirror: &MirrorConfig, record: &Record) -> Response<Content> {
    let mut reply = Response::new(Content::Whole(Full::default()));
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    as_the_primarys(reply.headers_mut(), record);
    mark(reply.headers_mut(), &mirror.name, false);
    reply
}

/// A mirror's refusal, which would have been the primary's.
async fn refused(mirror: &MirrorConfig, reply: Response<ReplyStream>) -> Result<Response<Content>, S3Error> {
    let refused = reply::succeeded(reply).await;
    refused.map(|reply| reply.map(Content::Stream)).map_err(|error| told_by(mirror, error))
}

fn told_by(mirror: &MirrorConfig, mut error: S3Error) -> S3Error {
    let mut headers = HeaderMap::new();
    mark(&mut headers, &mirror.name, false);
    error.headers.retain(|(name, _)| *name != header::LAST_MODIFIED);
    error.headers.extend(headers.into_iter().filter_map(|(name, value)| Some((name?, value))));
    error
}

/// What a caller is told when nobody can answer for the primary.
fn unserved(failure: &S3Error) -> S3Error {
    let message = "The provider behind this bucket fails, and no mirror is known to have what was asked for. Try again.";
    let mut error = S3Error::new(ErrorCode::ServiceUnavailable, message);
    error.fault = Fault::Upstream;
    error.retry_after = failure.retry_after;
    error.cause.clone_from(&failure.cause);
    error
}
