//! How fast a mirror catches up: small objects that became dirty during an outage, beside a plain client that does the same
//! `GET`, `PUT` and `HEAD` on the same two stores, in turns, with as many requests in flight as a mirror has copies.
//!
//! Each has objects of its own: to delete what the other has copied would leave the file system work that the next one pays
//! for. What both burn of the processor, with the stores and the journal, says the same where others keep it busy.

use std::{
    fs,
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
/// As many in which the one comes first as the other.
const ROUNDS: usize = 6;
/// What a mirror has by default.
const IN_FLIGHT: usize = 32;
/// Between two looks at whether all is copied.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// The kernel's clock ticks (`getconf CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

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

    println!(
        "{:10} {:>16} {:>16} {:>8} {:>20}",
        "round", "plain client /s", "mirror /s", "ratio", "ratio by processor"
    );
    for round in 0..ROUNDS {
        let [others, its, ours] = ["none", "plain", "mirror"].map(|whose| {
            (0..OBJECTS).map(|number| format!("{round}/{whose}/{number:06}")).collect::<Vec<_>>()
        });
        for keys in [&others, &its, &ours] {
            bench.fill(keys).await;
        }
        bench.mark(&ours).await;
        // What was just filled is still being written to the disk; nobody's figure is to have that.
        bench.plain(&others).await;
        let (plain, mirror) = if round % 2 == 0 {
            let plain = Spent::in_all(bench.plain(&its)).await;
            (plain, Spent::in_all(bench.mirror(&ours)).await)
        } else {
            let mirror = Spent::in_all(bench.mirror(&ours)).await;
            (Spent::in_all(bench.plain(&its)).await, mirror)
        };
        println!(
            "{round:10} {:>16.0} {:>16.0} {:>8.2} {:>20.2}",
            OBJECTS as f64 / plain.time.as_secs_f64(),
            OBJECTS as f64 / mirror.time.as_secs_f64(),
            plain.time.as_secs_f64() / mirror.time.as_secs_f64(),
            plain.processor.as_secs_f64() / mirror.processor.as_secs_f64(),
        );
    }
    journal_drain.finish(Duration::from_secs(30)).await;
}

fn config(primary: &str, spare: &str) -> Config {
    let bucket = "[buckets.photos]\nprovider = \"primary\"\nbucket = \"photos\"\n\
        [[buckets.photos.mirrors]]\nprovider = \"spare\"\nbucket = \"photos\"\n";
    let toml = [provider("primary", primary), provider("spare", spare), bucket.to_owned()].concat();
    from_toml_text(&toml, &Environment::default()).unwrap()
}

/// What something cost.
struct Spent {
    time: Duration,
    /// Of the whole process.
    processor: Duration,
}

impl Spent {
    async fn in_all(something: impl Future<Output = ()>) -> Self {
        let (began, burnt) = (Instant::now(), processor());
        something.await;
        Self { time: began.elapsed(), processor: processor().saturating_sub(burnt) }
    }
}

/// User and system time so far (`/proc/self/stat`, fields 14 and 15).
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let ticks = behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap());
    TICK * ticks.sum::<u32>()
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

    async fn plain(self: &Arc<Self>, keys: &[String]) {
        self.all(keys, |bench, key| async move {
            let body = bench.ask(Operation::GetObject, "primary", &key, Bytes::new()).await;
            bench.ask(Operation::PutObject, "spare", &key, body).await;
            bench.ask(Operation::HeadObject, "primary", &key, Bytes::new()).await;
        })
        .await;
    }

    async fn mark(&self, keys: &[String]) {
        let mirrors: Mirrors = [Arc::from("spare")].into_iter().collect();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.journal.mark_dirty(BUCKET, &mirrors, &names, Change::Write).await.unwrap();
    }

    /// Of what is dirty.
    async fn mirror(&self, keys: &[String]) {
        let drain = Drain::default();
        let parts = Parts {
            journal: self.journal.clone(),
            metrics: Arc::clone(&self.client.metrics),
            clock: Clock::System,
            drain: drain.clone(),
        };
        let current = Current { config: Arc::clone(&self.config), origins: Arc::clone(&self.client.origins) };
        let copied = self.client.metrics.mirror(BUCKET, "spare").copied;
        let copied_then = copied.get() + keys.len() as u64;
        let _workers = Workers::start(parts, current);
        // The journal is asked at the end alone: there is no such question in an outage's end.
        while copied.get() < copied_then {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        while self.journal.backlog().await.unwrap().iter().any(|backlog| backlog.waiting > 0) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        assert!(drain.finish(Duration::from_secs(30)).await);
    }
}
