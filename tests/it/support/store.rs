//! An S3 store inside the test process: nothing to install, nothing left behind.

use wharf_demo::{Store, StoreOptions};

/// The access key of every test store.
pub(crate) const ACCESS_KEY: &str = "AKIATESTSTORE000000";

/// Its secret, which no log may show.
pub(crate) const SECRET_KEY: &str = "test-store-secret-0123456789abcdefghijkl";

/// A store with one bucket, on a free port, in a folder that goes with it.
pub(crate) async fn start(bucket: &str) -> Store {
    let options = StoreOptions {
        address: ([127, 0, 0, 1], 0).into(),
        directory: None,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
    };
    let store = Store::start(options).await.expect("an embedded store starts on a free port");
    store.create_bucket(bucket).await.expect("the bucket's name is a valid one");
    store
}
