//! A gateway whose one bucket has a mirror that is sent what clients upload, between two recorded stores.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use wharf::{
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::{
        state::{Currency, Record},
        tee::{Memory, Tee},
        worker::Current,
    },
    server::Drain,
    store::Store,
};

use super::{
    gateway::TestGateway,
    recorder::{Recorded, Recorder},
    s3_client::{S3_KEYS, in_front_of},
    shelf::Shelf,
    store,
};

/// Where the primary keeps the bucket.
pub(crate) const PHOTOS: &str = "/stored-photos/";
/// Where the mirror keeps it.
pub(crate) const COPIES: &str = "/copied-photos/2026/";

/// Nothing that a test waits for takes this long unless it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// The gateway, and what it stands between.
pub(crate) struct Teed {
    pub(crate) gateway: TestGateway,
    pub(crate) photos: Shelf,
    pub(crate) primary: Recorder,
    pub(crate) copies: Shelf,
    pub(crate) mirror: Recorder,
    config: String,
    store: Store,
    _drain: Drain,
}

/// The bucket `photos` at `primary`, teed to `mirror`, and `more`.
pub(crate) fn config(primary: &str, mirror: &str, more: &str) -> String {
    let primary = in_front_of(primary, S3_KEYS);
    let spare = store::provider("spare", mirror);
    format!(
        "{primary}
[[buckets.photos.mirrors]]
provider = \"spare\"
bucket = \"copied-photos\"
key_prefix = \"2026/\"
storage_class = \"REDUCED_REDUNDANCY\"
mode = \"tee\"
{spare}
{more}"
    )
}

/// Waits until it is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(PAUSE).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "it never came to that");
}

impl Teed {
    /// Between two stores that do as they are told.
    pub(crate) async fn start() -> Self {
        Self::with(Shelf::start("photos").await, Shelf::start("copies").await).await
    }

    /// Between these.
    pub(crate) async fn with(
        (photos, primary): (Shelf, Recorder),
        (copies, mirror): (Shelf, Recorder),
    ) -> Self {
        let config = config(&primary.endpoint(), &mirror.endpoint(), "");
        let gateway = TestGateway::start(&config).await;
        let (drain, settings) =
            (Drain::default(), from_toml_text("", &Environment::default()).unwrap().store);
        let store = Store::open_beside(&settings, gateway.data(), Clock::System, &drain).await.unwrap();
        Self { gateway, photos, primary, copies, mirror, config, store, _drain: drain }
    }

    /// Waits until both stores have `body` under `key`.
    pub(crate) async fn both_have(&self, key: &str, body: &[u8]) {
        let (photo, copy) = ([PHOTOS, key].concat(), [COPIES, key].concat());
        let both = async {
            while self.photos.object(&photo).as_deref() != Some(body)
                || self.copies.object(&copy).as_deref() != Some(body)
            {
                sleep(PAUSE).await;
            }
        };
        assert!(timeout(PATIENCE, both).await.is_ok(), "{key} is not the same on both sides");
    }

    /// Waits until the journal says that the mirror's copy of `key` is what the primary has.
    pub(crate) async fn is_current(&self, key: &str) -> Record {
        let current = async {
            loop {
                match self.store.journal().currency("photos", "spare", key).await.unwrap() {
                    Currency::Current(record) => return record,
                    Currency::Absent | Currency::Dirty { .. } | Currency::Unknown => sleep(PAUSE).await,
                }
            }
        };
        timeout(PATIENCE, current).await.unwrap_or_else(|_| panic!("{key} is not current"))
    }

    /// Aborts at the mirror what is left there, as it will be done in a while.
    pub(crate) async fn clean_up_after(&self, while_: Duration) {
        let config = Arc::new(from_toml_text(&self.config, &Environment::default()).unwrap());
        let shared = Shared {
            signing_keys: Arc::new(SigningKeys::new(10)),
            clock: Clock::System,
            metrics: Arc::default(),
        };
        let origins = Arc::new(Origins::new(&config, &shared, None).unwrap());
        let tee = Tee::new(self.store.journal().clone(), 1 << 20, Memory::new(1 << 20), Drain::default());
        let then = Clock::System.now().plus_seconds(while_.as_secs());
        tee.abort_stale(then, &Current { config, origins }).await.unwrap();
    }

    /// The requests of this method that came to a side.
    pub(crate) fn asked(side: &Recorder, method: &str) -> Vec<Recorded> {
        side.requests().into_iter().filter(|request| request.method() == method).collect()
    }
}
