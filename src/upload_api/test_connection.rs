//! `{provider}/test-connection`: whether a bucket can be used as it is configured, or with the credentials that the caller
//! brought; one row for each check, and with each that fails, what to change. The checks are those of
//! [`crate::backend::probe`].
//!
//! It stores small objects and deletes them again. So it takes the rights to do that, counts as the requests that it makes,
//! is bounded in time, and goes on when its caller has gone: what it stored, it has to delete.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;
use uuid::{NoContext, Uuid};

use crate::{
    backend::{
        Origin,
        probe::{self, Outcome, ProbeBucket, Report, Row},
    },
    config::checked::Action,
    error::{Code, Error},
    mirror::{self, state::Change},
};

use super::{
    Answer, Request, cors,
    reply::{self, Performance},
};

/// For all checks together: a caller waits, and most proxies in front of Wharf give up after a minute.
const PATIENCE: Duration = Duration::from_secs(45);

/// What the checks ask the provider besides the one request that every operation counts as.
const MORE_REQUESTS: u32 = 13;

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 2048;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    bucket: &'a str,
    /// Whether no check failed.
    connected: bool,
    checks: &'a [Row],
    summary: Summary,
    performance: Performance<'a>,
}

#[derive(Default, JsonSchema, Serialize)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Answers the route.
pub(super) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let Request { call, target, .. } = request;
        for action in [Action::Write, Action::Read, Action::Delete] {
            target.authorize(call.identity, action, probe::FOLDER)?;
        }
        target.check_bucket()?;
        let origins = cors::pages(request)?;
        count(request)?;
        let report = run(request, origins).await?;
        let reply = Reply {
            success: true,
            provider: target.profile().kind,
            bucket: target.bucket_name(),
            connected: report.failed() == 0,
            summary: summary(&report),
            checks: &report.rows,
            performance: request.performance(),
        };
        reply::ok(&reply, REPLY_BYTES)
    })
}

fn count(request: &Request<'_>) -> Result<(), Error> {
    let limits = &request.parts.rate_limits;
    match request.target.configured {
        Some(bucket) => limits.provider(&bucket.provider, MORE_REQUESTS).map(drop),
        None => limits.callers(request.target.profile().kind, MORE_REQUESTS).map(drop),
    }
}

/// Makes the checks in a task of its own. A mirrored bucket's journal knows of the objects before they are stored.
async fn run(request: &Request<'_>, origins: Vec<String>) -> Result<Report, Error> {
    let Request { parts, call, target, .. } = request;
    let now = call.context.received;
    let time = uuid::Timestamp::from_unix(NoContext, now.unix_seconds(), 0);
    let id = Uuid::new_v7(time).simple().to_string();
    let keys = probe::keys(&id);
    let intents = request.intend(keys.iter().map(String::as_str), Change::Delete).await?;
    let remote = request.remote()?;
    let (origin, bucket) = (Arc::clone(remote.origin()), remote.bucket().clone());
    let key_prefix = target.key_prefix().to_owned();
    let (tell, told) = oneshot::channel();
    parts.drain.spawn(async move {
        let bucket = ProbeBucket { name: &bucket, key_prefix: &key_prefix };
        let report = checks(&origin, bucket, &origins, &id).await;
        intents.settle(mirror::state::Outcome::Changed);
        // Who asked may have gone.
        let _ = tell.send(report);
    });
    told.await.map_err(|_| Error::new(Code::Overloaded, "Wharf is about to stop. Try again."))
}

async fn checks(origin: &Origin, bucket: ProbeBucket<'_>, origins: &[String], id: &str) -> Report {
    let mut probe = origin.probe(PATIENCE);
    probe.bucket = Some(bucket);
    probe.origins = origins;
    probe.id = id;
    probe.run().await
}

fn summary(report: &Report) -> Summary {
    let mut summary = Summary::default();
    for row in &report.rows {
        let count = match row.outcome {
            Outcome::Passed { .. } => &mut summary.passed,
            Outcome::Failed { .. } => &mut summary.failed,
            Outcome::Skipped { .. } => &mut summary.skipped,
        };
        *count += 1;
    }
    summary
}
