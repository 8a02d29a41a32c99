//! How fast a mirror catches up: small objects that became dirty during an outage, beside a plain client that does the same
//! `GET`, `PUT` and `HEAD` on the same two stores, in turns, with as many requests in flight as a mirror has copies.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::task::JoinSet;
use wharf::{
    clock::Clock,
    config::{Config, Environment, checked::StoreConfig, from_toml_text},
    mirror::{
        state::Change,
        worker::{Current, Parts, Workers},
    },
    server::Drain,
    store::{Journal, Mirrors, Store},
};
use wharf_wire::s3::Operation;

use super::{BUCKET, OBJECT_BYTES, client::Client, place, provider};

const OBJECTS: usize = 2_000;
const ROUNDS: usize = 5;
/// What a mirror has by default.
const IN_FLIGHT: usize = 32;

pub(crate) async fn measure(stores: &[wharf_demo::Store; 2]) {
    let config = Arc::new(config(&stores[0].endpoint(), &stores[1].endpoint()));
    let folder = tempfile::tempdir_in(place()).unwrap();
    let journal_drain = Drain::default();
    let settings = StoreConfig {
        url: None,
        timeout: Duration::from_secs(10),
        lease: Duration::from_secs(30),
        late_effect: Duration::from_mins(5),
    };
    let journal = Store::open(&settings, folder.path(), Clock::System, &journal_drain).await.unwrap();
    let bench = Arc::new(Bench::new(config, journal.journal().clone()));

    println!("{:10} {:>16} {:>16} {:>8}", "round", "plain client /s", "mirror /s", "ratio");
    for round in 0..ROUNDS {
        // Neither finds what the other left.
        let keys: Vec<String> = (0..OBJECTS).map(|number| format!("{round}/{number:06}")).collect();
        bench.fill(&keys).await;
        let plain = bench.plain(&keys).await;
        bench.empty(&keys).await;
        let mirror = bench.mirror(&keys).await;
        println!("{round:10} {plain:>16.0} {mirror:>16.0} {:>8.2}", mirror / plain);
    }
    journal_drain.finish(Duration::from_secs(30)).await;
}

fn config(primary: &str, spare: &str) -> Config {
    let bucket = "[buckets.photos]\nprovider = \"primary\"\nbucket = \"photos\"\n\
        [[buckets.photos.mirrors]]\nprovider = \"spare\"\nbucket = \"photos\"\n";
    let toml = [provider("primary", primary), provider("spare", spare), bucket.to_owned()].concat();
    from_toml_text(&toml, &Environment::default()).unwrap()
}

struct Bench {
    config: Arc<Config>,
    client: Client,
    journal: Journal,
}

impl Bench {
    fn new(config: Arc<Config>, journal: Journal) -> Self {
        Self { client: Client::new(&config), config, journal }
    }

    async fn ask(&self, operation: Operation, provider: &str, key: &str, body: Bytes) -> Bytes {
        self.client.ask(operation, (provider, BUCKET), key, body).await
    }

    /// Does something with all keys, as many at once as a mirror has copies.
    async fn all<F>(self: &Arc<Self>, keys: &[String], each: impl Fn(Arc<Self>, String) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for key in keys {
            if tasks.len() == IN_FLIGHT {
                tasks.join_next().await.unwrap().unwrap();
            }
            tasks.spawn(each(Arc::clone(self), key.clone()));
        }
        tasks.join_all().await;
    }

    async fn fill(self: &Arc<Self>, keys: &[String]) {
        self.all(keys, |bench, key| async move {
            let body = Bytes::from(vec![7; OBJECT_BYTES]);
            bench.ask(Operation::PutObject, "primary", &key, body).await;
        })
        .await;
    }

    async fn empty(self: &Arc<Self>, keys: &[String]) {
        self.all(keys, |bench, key| async move {
            bench.ask(Operation::DeleteObject, "spare", &key, Bytes::new()).await;
        })
        .await;
    }

    async fn plain(self: &Arc<Self>, keys: &[String]) -> f64 {
        let began = Instant::now();
        self.all(keys, |bench, key| async move {
            let body = bench.ask(Operation::GetObject, "primary", &key, Bytes::new()).await;
            bench.ask(Operation::PutObject, "spare", &key, body).await;
            bench.ask(Operation::HeadObject, "primary", &key, Bytes::new()).await;
        })
        .await;
        keys.len() as f64 / began.elapsed().as_secs_f64()
    }

    /// The keys are dirty, and then the workers begin.
    async fn mirror(&self, keys: &[String]) -> f64 {
        let mirrors: Mirrors = [Arc::from("spare")].into_iter().collect();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.journal.mark_dirty(BUCKET, &mirrors, &names, Change::Write).await.unwrap();
        let drain = Drain::default();
        let parts = Parts {
            journal: self.journal.clone(),
            metrics: Arc::clone(&self.client.metrics),
            clock: Clock::System,
            drain: drain.clone(),
        };
        let current = Current { config: Arc::clone(&self.config), origins: Arc::clone(&self.client.origins) };
        let began = Instant::now();
        let _workers = Workers::start(parts, current);
        while self.journal.backlog().await.unwrap().iter().any(|backlog| backlog.waiting > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rate = keys.len() as f64 / began.elapsed().as_secs_f64();
        assert!(drain.finish(Duration::from_secs(30)).await);
        rate
    }
}
