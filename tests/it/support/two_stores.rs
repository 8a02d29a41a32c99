//! A bucket, its mirror and the journal, with two stores in memory: what `wharf sync` and `wharf restore` work on.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use tempfile::TempDir;
use wharf::{
    admin::Metrics,
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::{Config, Environment, from_toml_text},
    mirror::{
        resync::{Options, Place, Rates, Route},
        state::{Finish, Record, Side},
    },
    server::Drain,
    store::{Journal, Store},
};

use super::{
    memory_store::{MemoryStore, Stored},
    store,
};

/// The bucket's name in the configuration; at the stores it is called `stored-photos`.
pub(crate) const BUCKET: &str = "photos";
/// The mirror's.
pub(crate) const MIRROR: &str = "spare";

/// Both stores, and what connects them.
pub(crate) struct TwoStores {
    pub(crate) primary: MemoryStore,
    pub(crate) mirror: MemoryStore,
    pub(crate) config: Arc<Config>,
    pub(crate) drain: Drain,
    _data: TempDir,
    store: Store,
    origins: Origins,
}

impl TwoStores {
    pub(crate) async fn start() -> Self {
        let (primary, mirror) = (MemoryStore::start().await, MemoryStore::start().await);
        let data = TempDir::new().expect("a temporary directory");
        let config = Arc::new(config(&primary, &mirror, &data));
        let drain = Drain::default();
        let directory = &config.server.data_directory;
        let store = Store::open(&config.store, directory, Clock::System, &drain).await.expect("a database");
        let signing_keys = Arc::new(SigningKeys::new(100));
        let shared = Shared { signing_keys, clock: Clock::System, metrics: Arc::new(Metrics::default()) };
        let origins = Origins::new(&config, &shared, None).expect("two providers");
        Self { primary, mirror, config, drain, _data: data, store, origins }
    }

    pub(crate) fn journal(&self) -> &Journal {
        self.store.journal()
    }

    /// The way from one to the other, `truth` first.
    pub(crate) fn route(&self, truth: Side) -> Route {
        let bucket = &self.config.buckets[BUCKET];
        let primary = Place::of_primary(bucket, &self.origins).unwrap();
        let mirror = Place::of_mirror(&bucket.mirrors[0], &self.origins).unwrap();
        let (source, target) = match truth {
            Side::Primary => (primary, mirror),
            Side::Mirror => (mirror, primary),
        };
        Route { bucket: BUCKET.to_owned(), mirror: MIRROR.into(), truth, source, target }
    }

    /// What the primary holds, under the caller's keys.
    pub(crate) fn at_primary(&self) -> BTreeMap<String, Bytes> {
        below(&self.primary, "stored-photos/")
    }

    /// What the mirror holds, under the caller's keys.
    pub(crate) fn at_mirror(&self) -> BTreeMap<String, Bytes> {
        below(&self.mirror, "stored-photos/copies/")
    }

    pub(crate) fn put_primary(&self, key: &str, bytes: impl Into<Bytes>) {
        self.primary.put(&format!("stored-photos/{key}"), bytes);
    }

    pub(crate) fn put_mirror(&self, key: &str, bytes: impl Into<Bytes>) {
        self.mirror.put(&format!("stored-photos/copies/{key}"), bytes);
    }

    /// Does what a worker does, in one step and without looking twice, until nothing is due.
    pub(crate) async fn work(&self) {
        loop {
            let claims = self.journal().claim(BUCKET, MIRROR, 500).await.unwrap();
            if claims.is_empty() {
                return;
            }
            let finish = claims.into_iter().map(|claim| {
                let source = self.primary.objects().get(&format!("stored-photos/{}", claim.key)).cloned();
                let place = format!("stored-photos/copies/{}", claim.key);
                let record = source.as_ref().map(record);
                match source {
                    Some(source) => drop(self.mirror.objects().insert(place, source)),
                    None if claim.row.may_delete() => drop(self.mirror.objects().remove(&place)),
                    None => {}
                }
                self.journal().finish(claim, Finish::Clean(record), "")
            });
            for finished in join_all(finish).await {
                finished.unwrap();
            }
        }
    }
}

fn record(stored: &Stored) -> Record {
    Record {
        primary_etag: stored.etag.clone(),
        mirror_etag: stored.etag.clone(),
        bytes: stored.bytes.len() as u64,
        checksum: None,
        last_modified: None,
        metadata_digest: String::new(),
    }
}

fn below(store: &MemoryStore, prefix: &str) -> BTreeMap<String, Bytes> {
    let objects = store.objects();
    let below = objects.iter().filter_map(|(key, stored)| Some((key.strip_prefix(prefix)?, stored)));
    below.map(|(key, stored)| (key.to_owned(), stored.bytes.clone())).collect()
}

/// Options of a sync of everything, as fast as it goes.
pub(crate) fn options() -> Options {
    Options { prefix: String::new(), rates: Rates::default(), waiting_max: 5000, deletions: None }
}

fn config(primary: &MemoryStore, mirror: &MemoryStore, data: &TempDir) -> Config {
    let toml = toml(primary, mirror);
    let directory = data.path().to_str().expect("a path of UTF-8");
    let environment: Environment = [("WHARF_SERVER__DATA_DIRECTORY", directory)].into_iter().collect();
    from_toml_text(&toml, &environment).unwrap_or_else(|error| panic!("{error}"))
}

/// The bucket and its mirror, which has its keys below `copies/`.
pub(crate) fn toml(primary: &MemoryStore, mirror: &MemoryStore) -> String {
    format!(
        r#"
{}
{}
[buckets.photos]
provider = "main"
bucket = "stored-photos"
[[buckets.photos.mirrors]]
provider = "spare"
bucket = "stored-photos"
key_prefix = "copies/"
"#,
        store::provider("main", &primary.endpoint()),
        store::provider("spare", &mirror.endpoint()),
    )
}
