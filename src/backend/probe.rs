//! Finds out whether a provider can be used as it is configured, and if not, what to change.
//!
//! The checks go from the outside in, each by itself, so that the first that fails names the cause: name service, TLS, clock,
//! credentials, bucket, objects, browsers. One that cannot tell anything because an earlier one failed is skipped. Whatever
//! the probe stores it deletes again.

mod advice;
mod call;
mod connection;
mod cors;
mod objects;
mod report;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use wharf_provider::{Account, Unsupported};
use wharf_wire::{
    names::{BucketName, NameError, ObjectKey},
    sigv4::SigningKey,
    xml,
};

use self::call::Call;
use self::{
    advice::{Refusal, refusal},
    objects::Objects,
    report::Steps,
};
use super::{
    origin,
    upstream::{Reach, Upstream, UpstreamError},
};
use crate::clock::Clock;

pub use objects::{FOLDER, keys};
pub use report::{Check, CorsRuleSchema, Outcome, Report, Row};

/// For deleting what was stored, when the time for all checks is over.
const CLEANING_PATIENCE: Duration = Duration::from_secs(15);

/// Everything that the checks need.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// What sends requests.
    pub upstream: &'a Upstream,
    /// How far they may reach.
    pub reach: Reach,
    /// What signs them.
    pub account: &'a Account,
    /// The bucket to try; with none, its checks are skipped.
    pub bucket: Option<ProbeBucket<'a>>,
    /// The origins of the pages that are to use the bucket, `https://app.example.com`; with none, or `*`, some page is tried.
    pub origins: &'a [String],
    /// Makes the probe's objects unlike any others.
    pub id: &'a str,
    /// The time, for signatures and for the provider's clock.
    pub clock: Clock,
    /// How long all checks may take together.
    pub patience: Duration,
}

/// The bucket to try.
#[derive(Debug, Clone, Copy)]
pub struct ProbeBucket<'a> {
    /// What it is called at the provider.
    pub name: &'a BucketName,
    /// What stands before every key there.
    pub key_prefix: &'a str,
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Name(#[from] NameError),
}

type Reply = Result<Response<Bytes>, ProbeError>;

impl Probe<'_> {
    /// Makes every check, in order.
    pub async fn run(&self) -> Report {
        use Check::{
            Bucket, ClockSkew, Cors, Credentials, Delete, ListBuckets, Multipart, ReadBack, Resolve, Tls,
            Write,
        };

        let mut steps = Steps::within(self.patience);
        let mut clock = Some(self.clock);
        steps.step(Resolve, &[], self.resolve()).await;
        steps.step(Tls, &[Resolve], self.tls()).await;
        steps.step(ClockSkew, &[Resolve, Tls], self.clock_skew(&mut clock)).await;
        match clock {
            Some(clock) => Probe { clock, ..*self }.signed(&mut steps).await,
            // The cause was told once.
            None => steps.skip(
                &[Credentials, ListBuckets, Bucket, Write, ReadBack, Multipart, Delete, Cors],
                "there is no connection",
            ),
        }
        steps.report
    }

    /// Makes the checks that sign something.
    async fn signed(&self, steps: &mut Steps) {
        use Check::{
            Bucket, Cors, Credentials, Delete, ListBuckets, Multipart, ReadBack, Resolve, Tls, Write,
        };

        steps.step(Credentials, &[Resolve, Tls], self.credentials()).await;
        steps.step(ListBuckets, &[Resolve, Tls, Credentials], self.list_buckets()).await;
        let Some(bucket) = self.bucket else {
            steps.skip(&[Bucket, Write, ReadBack, Multipart, Delete, Cors], "no bucket was named");
            return;
        };
        steps.step(Bucket, &[Resolve, Tls, Credentials], self.bucket(bucket)).await;
        match Objects::new(self, bucket) {
            Ok(mut objects) => {
                steps.step(Write, &[Resolve, Tls, Credentials, Bucket], objects.write()).await;
                steps.step(ReadBack, &[Resolve, Tls, Credentials, Bucket, Write], objects.read_back()).await;
                steps.step(Multipart, &[Resolve, Tls, Credentials, Bucket], objects.multipart()).await;
                // Even where a write failed: it may have failed on its way back.
                steps.last(Delete, CLEANING_PATIENCE, objects.delete()).await;
            }
            Err(reason) => steps.skip(&[Write, ReadBack, Multipart, Delete], &reason),
        }
        steps.step(Cors, &[Resolve, Tls, Bucket], self.cors(bucket)).await;
    }

    /// Any answer that names a right in place of the credentials says that these are known.
    async fn credentials(&self) -> Outcome {
        match self.call(Call::default()).await {
            Err(error) => error.into(),
            Ok(reply) if reply.status().is_success() => match xml::read_bucket_names(reply.body()) {
                Ok(_) => Outcome::passed("the provider knows them"),
                Err(_) => Outcome::failed(
                    "the endpoint does not answer as S3 does",
                    "`endpoint` must be that of the S3 API, not of a console or a web page",
                ),
            },
            Ok(reply) => match refusal(&reply) {
                refusal @ Refusal { is_about_rights: false, .. } => refusal.into(),
                Refusal { .. } => Outcome::passed("the provider knows them"),
            },
        }
    }

    async fn list_buckets(&self) -> Outcome {
        match self.call(Call::default()).await {
            Err(error) => error.into(),
            Ok(reply) if reply.status().is_success() => match xml::read_bucket_names(reply.body()) {
                Ok(names) => Outcome::passed(format!("{} of them", names.len())),
                Err(error) => {
                    Outcome::failed(error.to_string(), "see whether the endpoint is that of an S3 API")
                }
            },
            Ok(_) => Outcome::skipped("the credentials may not list buckets, and Wharf does not need it"),
        }
    }

    async fn bucket(&self, bucket: ProbeBucket<'_>) -> Outcome {
        let query = [("list-type", "2"), ("max-keys", "1")];
        let call = Call { bucket: Some(bucket.name), query: &query, ..Call::default() };
        match self.call(call).await {
            Err(error) => error.into(),
            Ok(reply) if reply.status().is_success() => Outcome::passed("it is there, and can be listed"),
            Ok(reply) => match refusal(&reply) {
                refusal @ Refusal { is_about_rights: false, .. } => refusal.into(),
                Refusal { .. } => {
                    Outcome::passed("it is there; the credentials may not list it (s3:ListBucket)")
                }
            },
        }
    }

    async fn call(&self, call: Call<'_>) -> Reply {
        let now = self.clock.now();
        let key = SigningKey::derive(self.account.credentials(), self.account.scope(now));
        let request = origin::sign(call.outgoing(), self.account, &key, now)?;
        let response = self.upstream.send(request, self.reach).await?;
        Ok(self.upstream.read(response, xml::DOCUMENT_BYTES_MAX).await?)
    }
}

impl From<ProbeError> for Outcome {
    fn from(error: ProbeError) -> Self {
        let fix = match &error {
            ProbeError::Upstream(error) => advice::fix_of_connection(error),
            ProbeError::Unsupported(_) | ProbeError::Name(_) => "change the account's settings or the bucket",
        };
        Self::failed(error.to_string(), fix)
    }
}

/// A call about an object.
fn object_call<'a>(method: Method, bucket: ProbeBucket<'a>, key: &'a ObjectKey) -> Call<'a> {
    Call { method, bucket: Some(bucket.name), key: Some(key), ..Call::default() }
}

/// Whether a reply says that something was done: S3 answers some operations 200 and then an error in the body.
fn is_done(reply: &Response<Bytes>) -> bool {
    reply.status().is_success() && xml::read_error(reply.body()).is_err()
}

fn is_denied(reply: &Response<Bytes>) -> bool {
    reply.status() == StatusCode::FORBIDDEN
}
