//! What an operator sees of mirrors that fall behind: gauges always, and an event when a limit is passed, and when that is over.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::{sync::watch, time::sleep};

use super::{Current, Shared};
use crate::{
    backend::upstream::{Reach, SendBody, Upstream, UpstreamError},
    config::checked::Timeouts,
    mirror::{MirrorMetrics, state::Class},
    store::Backlog,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A webhook that takes longer is tried again at the next look.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(10),
    stall: Duration::from_secs(10),
};

/// Looks at all mirrors now and then.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    current: watch::Receiver<Arc<Current>>,
    /// Carries the alerts.
    upstream: Result<Upstream, UpstreamError>,
    mirrors: HashMap<(String, String), Watched>,
}

/// One mirror that is looked at.
#[derive(Debug)]
struct Watched {
    metrics: MirrorMetrics,
    is_late: bool,
    /// What the webhook was told last.
    is_told_late: bool,
}

/// An event, as the webhook gets it.
#[derive(Debug, Serialize)]
struct Event<'a> {
    #[serde(rename = "event")]
    what: &'static str,
    bucket: &'a str,
    mirror: &'a str,
    lag_seconds: u64,
    dirty_keys: u64,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, current: watch::Receiver<Arc<Current>>) -> Self {
        Self { shared, current, upstream: Upstream::new(TIMEOUTS, &[]), mirrors: HashMap::new() }
    }

    /// Looks until the drain begins.
    pub(super) async fn run(mut self) {
        let drain = self.shared.drain.clone();
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = sleep(LOOK_EVERY) => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let current = Arc::clone(&self.current.borrow());
        let buckets = current.config.buckets.values();
        let names =
            buckets.flat_map(|bucket| bucket.mirrors.iter().map(|mirror| (&*bucket.name, &*mirror.name)));
        let names: Vec<(&str, &str)> = names.collect();
        self.mirrors.retain(|(bucket, mirror), _| names.contains(&(bucket.as_str(), mirror.as_str())));
        if names.is_empty() {
            return;
        }
        let backlogs = match self.shared.journal.backlog().await {
            Ok(backlogs) => backlogs,
            Err(error) => return tracing::warn!(%error, "how far mirrors are behind is not known"),
        };
        let mut backlogs: BTreeMap<_, _> = backlogs
            .into_iter()
            .map(|backlog| ((backlog.bucket.clone(), backlog.mirror.clone()), backlog))
            .collect();
        for (bucket, mirror) in names {
            let backlog = backlogs.remove(&(bucket.to_owned(), mirror.to_owned())).unwrap_or_else(|| {
                Backlog { bucket: bucket.to_owned(), mirror: mirror.to_owned(), ..Backlog::default() }
            });
            self.look_at(&current, &backlog).await;
        }
    }

    async fn look_at(&mut self, current: &Current, backlog: &Backlog) {
        let now = self.shared.clock.now().unix_millis();
        let lag = backlog.oldest.map_or(0, |oldest| now.saturating_sub(oldest.unix_millis())) / 1000;
        let settings = &current.config.mirroring;
        let watched = self.watched(backlog);
        watched.show(backlog, lag);
        let is_late = lag > settings.lag_alert.as_secs();
        if is_late != watched.is_late {
            watched.is_late = is_late;
            note(backlog, lag, is_late);
        }
        let Some(webhook) = settings.alert_webhook.as_ref().filter(|_| watched.is_told_late != is_late)
        else {
            return;
        };
        match tell(&self.upstream, webhook, &Event::new(backlog, lag, is_late)).await {
            Ok(()) => self.watched(backlog).is_told_late = is_late,
            Err(error) => tracing::warn!(%error, "the webhook for alerts failed, and is tried again"),
        }
    }

    fn watched(&mut self, backlog: &Backlog) -> &mut Watched {
        let name = (backlog.bucket.clone(), backlog.mirror.clone());
        self.mirrors.entry(name).or_insert_with_key(|(bucket, mirror)| Watched {
            metrics: self.shared.metrics.mirror(bucket, mirror),
            is_late: false,
            is_told_late: false,
        })
    }
}

impl Watched {
    fn show(&self, backlog: &Backlog, lag_seconds: u64) {
        let metrics = &self.metrics;
        metrics.dirty.set(number(backlog.waiting));
        metrics.lag_seconds.set(number(lag_seconds));
        for (class, gauge) in Class::ALL.iter().zip(&metrics.dead) {
            gauge.set(number(backlog.dead.get(class.as_str()).copied().unwrap_or_default()));
        }
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn note(backlog: &Backlog, lag_seconds: u64, is_late: bool) {
    let Backlog { bucket, mirror, waiting, .. } = backlog;
    if is_late {
        tracing::warn!(bucket, mirror, lag_seconds, dirty_keys = waiting, "a mirror has fallen behind");
    } else {
        tracing::info!(bucket, mirror, lag_seconds, dirty_keys = waiting, "a mirror has caught up");
    }
}

impl<'a> Event<'a> {
    fn new(backlog: &'a Backlog, lag_seconds: u64, is_late: bool) -> Self {
        Self {
            what: if is_late { "mirror_fell_behind" } else { "mirror_caught_up" },
            bucket: &backlog.bucket,
            mirror: &backlog.mirror,
            lag_seconds,
            dirty_keys: backlog.waiting,
        }
    }
}

/// Posts `event`. Its address may be a secret, and stands in no error.
async fn tell(
    upstream: &Result<Upstream, UpstreamError>,
    webhook: &SecretString,
    event: &Event<'_>,
) -> Result<(), UpstreamError> {
    let upstream = upstream.as_ref().map_err(Clone::clone)?;
    let unmade = || UpstreamError::Request("the webhook's address or its event".to_owned());
    let uri: Uri = webhook.expose_secret().parse().map_err(|_| unmade())?;
    let document = serde_json::to_vec(event).map_err(|_| unmade())?;
    let mut request = Request::new(SendBody::from(Bytes::from(document)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let reply = upstream.send(request, Reach::Anywhere).await?;
    if reply.status().is_success() {
        return Ok(());
    }
    Err(UpstreamError::Http(format!("the webhook answered {}", reply.status().as_u16())))
}
