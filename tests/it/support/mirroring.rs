//! Workers between two stores, over a journal of their own: what a door would say is said by the test.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tempfile::TempDir;
use tokio::time::sleep;
use wharf::{
    admin::Metrics,
    backend::{Origins, Shared, SigningKeys, upstream::ReplyStream},
    clock::Clock,
    config::{Config, Environment, from_toml_text},
    mirror::{
        state::{Change, Currency, Outcome, Record},
        worker::{Current, Parts, Workers},
    },
    server::Drain,
    store::{Backlog, DeadFilter, DeadLetter, Mirrors, NewIntent, Store},
    transfer::{Object, Sending},
};
use wharf_wire::{
    names::ObjectKey,
    s3::{Operation, Parameters},
};

use super::store;

/// What tests call the bucket, at both stores and in the configuration.
pub(crate) const BUCKET: &str = "photos";

/// Nothing that a test waits for takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Workers that mirror [`BUCKET`] from one endpoint to others.
pub(crate) struct Mirroring {
    pub(crate) journal: Store,
    pub(crate) workers: Workers,
    pub(crate) metrics: Arc<Metrics>,
    origins: Arc<Origins>,
    mirrors: Mirrors,
    drain: Drain,
    journal_drain: Drain,
    _data: TempDir,
}

/// A configuration: [`BUCKET`] at `primary`, with a mirror at each of the endpoints, by name.
pub(crate) fn config(primary: &str, mirrors: &[(&str, &str)], more: &str) -> Config {
    let provider = |(name, endpoint): (&str, &str)| store::provider(name, endpoint);
    let mut toml = provider(("primary", primary));
    toml.extend(mirrors.iter().copied().map(provider));
    toml.push_str("[buckets.photos]\nprovider = \"primary\"\nbucket = \"photos\"\n");
    toml.extend(mirrors.iter().map(|(name, _)| {
        format!("[[buckets.photos.mirrors]]\nprovider = \"{name}\"\nbucket = \"photos\"\n")
    }));
    toml.push_str(more);
    from_toml_text(&toml, &Environment::default()).unwrap_or_else(|error| panic!("{error}"))
}

impl Mirroring {
    /// With one mirror, called `spare`.
    pub(crate) async fn start(primary: &str, mirror: &str) -> Self {
        Self::start_with(config(primary, &[("spare", mirror)], "")).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        Self::start_at(config, Clock::System).await
    }

    /// The same, by this clock.
    pub(crate) async fn start_at(config: Config, clock: Clock) -> Self {
        let data = TempDir::new().unwrap();
        let (drain, journal_drain) = (Drain::default(), Drain::default());
        let journal = Store::open(&config.store, data.path(), clock, &journal_drain).await.unwrap();
        let metrics = Arc::new(Metrics::default());
        let mirrors = config.buckets[BUCKET].mirrors.iter().map(|mirror| Arc::clone(&mirror.name)).collect();
        let current = current(config, &metrics);
        let origins = Arc::clone(&current.origins);
        let parts = Parts {
            journal: journal.journal().clone(),
            metrics: Arc::clone(&metrics),
            clock,
            drain: drain.clone(),
        };
        let workers = Workers::start(parts, current);
        Self { journal, workers, metrics, origins, mirrors, drain, journal_drain, _data: data }
    }

    /// Puts another configuration in force.
    pub(crate) fn reload(&self, config: Config) {
        self.workers.replace(current(config, &self.metrics));
    }

    /// Says that `key` has changed.
    pub(crate) async fn changed(&self, key: &str) {
        self.dirty(key, Change::Write).await;
    }

    /// Says that `key` has been deleted.
    pub(crate) async fn deleted(&self, key: &str) {
        self.dirty(key, Change::Delete).await;
    }

    /// Says that the mirror has taken a write of `key` in the primary's place.
    pub(crate) async fn taken(&self, key: &str) {
        let intent = NewIntent {
            bucket: BUCKET,
            key,
            change: Change::Write,
            mirrors: &self.mirrors,
            taken_by: Some("spare"),
        };
        let mut intents = self.journal.journal().open_intents(&[intent]).await.unwrap();
        intents.remove(0).settle(Outcome::Changed);
    }

    async fn dirty(&self, key: &str, change: Change) {
        self.journal.journal().mark_dirty(BUCKET, &self.mirrors, &[key], change).await.unwrap();
    }

    /// Waits until nothing waits at `mirror` any more.
    pub(crate) async fn settled_at(&self, mirror: &str) {
        self.until("nothing waits", || async { self.backlog(mirror).await.waiting == 0 }).await;
    }

    /// The same at the only mirror.
    pub(crate) async fn settled(&self) {
        self.settled_at("spare").await;
    }

    pub(crate) async fn backlog(&self, mirror: &str) -> Backlog {
        let backlogs = self.journal.journal().backlog().await.unwrap();
        backlogs.into_iter().find(|backlog| backlog.mirror == mirror).unwrap_or_default()
    }

    /// The record of a key that is known to be current.
    pub(crate) async fn record(&self, key: &str) -> Record {
        let currency = self.journal.journal().currency(BUCKET, "spare", key).await.unwrap();
        let Currency::Current(record) = currency else { panic!("{key} is not current: {currency:?}") };
        record
    }

    /// Keys that were given up, with what is said of each.
    pub(crate) async fn dead(&self) -> Vec<DeadLetter> {
        self.journal.journal().dead(&DeadFilter::default(), None, 100).await.unwrap()
    }

    /// Waits until there is a dead letter.
    pub(crate) async fn one_dead(&self) -> DeadLetter {
        self.until("a dead letter", || async { !self.dead().await.is_empty() }).await;
        self.dead().await.remove(0)
    }

    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let wait = async {
            while !is_so().await {
                sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        let (backlog, dead) = (self.backlog("spare").await, self.dead().await);
        assert!(waited.is_ok(), "never came: {what}; {backlog:?}, {dead:?}");
    }

    /// Whether `/metrics` has this line.
    pub(crate) fn shows(&self, line: &str) -> bool {
        self.metrics.encode().unwrap().lines().any(|found| found == line)
    }

    /// Ends the workers, and then the journal.
    pub(crate) async fn end(self) {
        assert!(self.drain.finish(PATIENCE).await, "the workers end by themselves");
        assert!(self.journal_drain.finish(PATIENCE).await, "the journal ends by itself");
    }

    /// The object called `key` at one of the providers.
    pub(crate) fn at(&self, provider: &str, key: &str) -> Stored {
        let origin = Arc::clone(self.origins.get(provider).unwrap());
        let bucket = wharf_wire::names::BucketName::parse(BUCKET).unwrap();
        Stored(Object::new(origin, bucket, ObjectKey::parse(key).unwrap()))
    }
}

fn current(config: Config, metrics: &Arc<Metrics>) -> Current {
    let shared = Shared {
        signing_keys: Arc::new(SigningKeys::new(10)),
        clock: Clock::System,
        metrics: Arc::clone(metrics),
    };
    let origins = Arc::new(Origins::new(&config, &shared, None).unwrap());
    Current { config: Arc::new(config), origins }
}

/// An object at a store, reached without any gateway.
pub(crate) struct Stored(Object);

impl Stored {
    async fn ask(
        &self,
        operation: Operation,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<ReplyStream> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
            })
            .collect();
        let sending = Sending::document(headers, body);
        self.0.send(operation, &Parameters::default(), sending).await.unwrap()
    }

    pub(crate) async fn put(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) {
        let reply = self.ask(Operation::PutObject, headers, body.into()).await;
        assert_eq!(reply.status(), StatusCode::OK, "{reply:?}");
    }

    pub(crate) async fn delete(&self) {
        let reply = self.ask(Operation::DeleteObject, &[], Bytes::new()).await;
        assert!(reply.status().is_success(), "{reply:?}");
    }

    /// What is there: headers and body.
    pub(crate) async fn get(&self) -> Option<(HeaderMap, Bytes)> {
        let reply = self.ask(Operation::GetObject, &[], Bytes::new()).await;
        if reply.status() == StatusCode::NOT_FOUND {
            return None;
        }
        assert_eq!(reply.status(), StatusCode::OK, "{reply:?}");
        let (head, body) = reply.into_parts();
        Some((head.headers, body.read(usize::MAX).await.unwrap()))
    }
}

/// The keys that a store has, by its files: each key here is a file's name.
pub(crate) fn keys_of(store: &wharf_demo::Store) -> Vec<String> {
    let files = std::fs::read_dir(store.directory().join(BUCKET)).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// An address where nobody listens now.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
