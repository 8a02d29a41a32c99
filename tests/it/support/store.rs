//! An S3 store inside the test process: nothing to install, nothing left behind.

use std::{net::SocketAddr, path::Path};

use tempfile::TempDir;
use wharf_demo::{Store, StoreOptions};

/// The access key of every test store.
pub(crate) const ACCESS_KEY: &str = "AKIATESTSTORE000000";

/// Its secret, which no log may show.
pub(crate) const SECRET_KEY: &str = "test-store-secret-0123456789abcdefghijkl";

/// `[providers.NAME]`, which is the store at `endpoint`. More of its settings may follow.
pub(crate) fn provider(name: &str, endpoint: &str) -> String {
    format!(
        "[providers.{name}]\nplugin = \"minio\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{ACCESS_KEY}\"\n\
         secret_access_key = \"{SECRET_KEY}\"\n"
    )
}

/// `[upload.callers]`, who may bring their own credentials for the store at `endpoint`.
pub(crate) fn callers(endpoint: &str) -> String {
    format!("[upload.callers]\nallowed = true\nendpoints = [\"{endpoint}\"]\n")
}

/// Such credentials for `bucket`, as fields of a body.
pub(crate) fn brought(endpoint: &str, bucket: &str) -> String {
    format!(
        r#""minioAccessKey":"{ACCESS_KEY}","minioSecretKey":"{SECRET_KEY}","minioBucket":"{bucket}","minioEndpoint":"{endpoint}""#
    )
}

/// A store that can be stopped and started again, with what it had, where it was.
pub(crate) struct Restartable {
    store: Option<Store>,
    address: SocketAddr,
    directory: TempDir,
}

impl Restartable {
    /// One that runs, with one bucket.
    pub(crate) async fn start(bucket: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut stopped = Self { store: None, address: ([127, 0, 0, 1], 0).into(), directory };
        stopped.restart().await;
        let store = stopped.store.as_ref().expect("it was just started");
        store.create_bucket(bucket).await.expect("the bucket's name is a valid one");
        let address = store.endpoint().strip_prefix("http://").and_then(|address| address.parse().ok());
        stopped.address = address.expect("an endpoint with an address");
        stopped
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its buckets are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Ends it: nobody answers any more.
    pub(crate) async fn stop(&mut self) {
        self.store.take().expect("it runs").stop().await;
    }

    pub(crate) async fn restart(&mut self) {
        let options = StoreOptions {
            address: self.address,
            directory: Some(self.directory.path().to_owned()),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.into(),
        };
        self.store = Some(Store::start(options).await.expect("its address is still free"));
    }
}

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
