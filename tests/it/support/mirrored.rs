//! A gateway whose bucket `photos` is mirrored, and a look into its journal.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::state::Currency,
    server::Drain,
    store::{Backlog, Store},
};

use super::{gateway::TestGateway, s3_client::in_front_of, store};

/// Nothing that a test waits for takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Mirrors of `photos` that nobody listens for, so that what is dirty stays so.
pub(crate) const DEAD_MIRRORS: &str = "
[providers.nowhere]
plugin = \"minio\"
endpoint = \"http://127.0.0.1:1\"
access_key_id = \"nobody\"
secret_access_key = \"nobodys-secret\"
[[buckets.photos.mirrors]]
provider = \"nowhere\"
bucket = \"one\"
name = \"one\"
[[buckets.photos.mirrors]]
provider = \"nowhere\"
bucket = \"two\"
name = \"two\"
";

/// The bucket `photos` at `primary`, with `mirrors`.
pub(crate) fn with_mirrors(primary: &str, keys: &str, mirrors: &str) -> String {
    [&in_front_of(primary, keys), mirrors].concat()
}

/// A mirror of `photos` in the bucket `copied-photos` at `mirror`.
pub(crate) fn mirror_at(mirror: &str) -> String {
    format!(
        "
{}
[[buckets.photos.mirrors]]
provider = \"spare\"
bucket = \"copied-photos\"
",
        store::provider("spare", mirror)
    )
}

/// The journal of a gateway, seen from beside.
pub(crate) struct Beside {
    store: Store,
    _drain: Drain,
}

impl Beside {
    pub(crate) async fn of(gateway: &TestGateway) -> Self {
        let config = from_toml_text("", &Environment::default()).unwrap();
        let drain = Drain::default();
        let store = Store::open_beside(&config.store, gateway.data(), Clock::System, &drain).await.unwrap();
        Self { store, _drain: drain }
    }

    /// Whether a change of `key` may be missing at `mirror`, be it one that is still under way.
    pub(crate) async fn is_dirty(&self, mirror: &str, key: &str) -> bool {
        let currency = self.store.journal().currency("photos", mirror, key).await.unwrap();
        matches!(currency, Currency::Dirty { .. })
    }

    /// What `mirror` has still to do.
    pub(crate) async fn backlog(&self, mirror: &str) -> Backlog {
        let backlog = self.store.journal().backlog().await.unwrap();
        let own =
            backlog.into_iter().find(|backlog| (&*backlog.bucket, &*backlog.mirror) == ("photos", mirror));
        own.unwrap_or_default()
    }

    /// Waits until `mirror` has rows for `keys` and for nothing else.
    pub(crate) async fn until_dirty(&self, mirror: &str, keys: &[&str]) {
        let waited = timeout(PATIENCE, async {
            while self.backlog(mirror).await.waiting != keys.len() as u64 {
                sleep(PAUSE).await;
            }
        });
        let is_there = waited.await.is_ok();
        assert!(is_there, "{keys:?} were to be dirty, and there is {:?}", self.backlog(mirror).await);
        for key in keys {
            assert!(self.is_dirty(mirror, key).await, "{key} is not dirty at {mirror}");
        }
    }

    /// Waits until nothing is known against `key`: no intent, no row.
    pub(crate) async fn until_clean(&self, mirror: &str, key: &str) {
        let waited = timeout(PATIENCE, async {
            while self.is_dirty(mirror, key).await {
                sleep(PAUSE).await;
            }
        });
        assert!(waited.await.is_ok(), "{key} is still dirty at {mirror}");
    }
}
