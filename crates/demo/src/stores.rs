//! The demo's stores: one bucket in each of them, and a switch that stops one and starts it again while all else runs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use secrecy::SecretString;
use serde::Serialize;

use crate::{Store, StoreError, StoreOptions};

/// Stores of one bucket. Each keeps its address while it is stopped.
#[derive(Debug)]
pub struct Stores {
    bucket: String,
    stores: Vec<Switched>,
}

/// One store, and what it takes to start it again.
#[derive(Debug)]
struct Switched {
    name: String,
    address: SocketAddr,
    endpoint: String,
    directory: PathBuf,
    access_key: String,
    secret_key: SecretString,
    running: Mutex<Option<Store>>,
}

/// What a store is like now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub is_running: bool,
    /// Whether it has the object that was asked about, on its disk.
    pub has_object: bool,
}

/// How a client reaches a store.
#[derive(Debug, Clone, Copy)]
pub struct StoreAccess<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its URL, without a slash at the end.
    pub endpoint: &'a str,
    /// The access key that requests are signed with.
    pub access_key: &'a str,
    /// The secret that belongs to it.
    pub secret_key: &'a SecretString,
}

impl Stores {
    /// Starts a store for each of `names`, below `directory`, each with an access key of its own.
    pub async fn start(
        directory: &Path,
        bucket: &str,
        names: impl IntoIterator<Item = (&str, SecretString)>,
    ) -> Result<Self, StoreError> {
        let mut stores = Vec::new();
        for (name, secret_key) in names {
            let directory = directory.join(name);
            let options = StoreOptions {
                address: ([127, 0, 0, 1], 0).into(),
                directory: Some(directory.clone()),
                access_key: format!("wharf-{name}"),
                secret_key: secret_key.clone(),
            };
            let store = Store::start(options).await?;
            store.create_bucket(bucket).await?;
            stores.push(Switched {
                name: name.to_owned(),
                address: store.address(),
                endpoint: store.endpoint(),
                directory,
                access_key: store.access_key().to_owned(),
                secret_key,
                running: Mutex::new(Some(store)),
            });
        }
        Ok(Self { bucket: bucket.to_owned(), stores })
    }

    /// How each of them is reached.
    pub fn access(&self) -> impl Iterator<Item = StoreAccess<'_>> {
        self.stores.iter().map(|store| StoreAccess {
            name: &store.name,
            endpoint: &store.endpoint,
            access_key: &store.access_key,
            secret_key: &store.secret_key,
        })
    }

    /// The folder in which the store called `name` keeps its bucket's objects.
    pub fn objects(&self, name: &str) -> Option<PathBuf> {
        Some(self.find(name)?.directory.join(&self.bucket))
    }

    /// Each of them, and whether it has the object called `key`.
    pub fn states(&self, key: &str) -> Vec<StoreState> {
        let state = |store: &Switched| StoreState {
            name: store.name.clone(),
            is_running: store.lock().is_some(),
            has_object: store.has(&self.bucket, key),
        };
        self.stores.iter().map(state).collect()
    }

    /// Stops the store called `name` at once, as a machine that loses its power. False: there is none of that name.
    pub fn cut(&self, name: &str) -> bool {
        self.find(name).map(|store| drop(store.lock().take())).is_some()
    }

    /// Starts it again where it was, with what it had. False: there is none of that name.
    pub async fn restore(&self, name: &str) -> Result<bool, StoreError> {
        let Some(store) = self.find(name) else { return Ok(false) };
        if store.lock().is_some() {
            return Ok(true);
        }
        let options = StoreOptions {
            address: store.address,
            directory: Some(store.directory.clone()),
            access_key: store.access_key.clone(),
            secret_key: store.secret_key.clone(),
        };
        let started = Store::start(options).await?;
        *store.lock() = Some(started);
        Ok(true)
    }

    /// Ends all of them; requests in flight may finish.
    pub async fn stop(&self) {
        for store in &self.stores {
            let running = store.lock().take();
            if let Some(running) = running {
                running.stop().await;
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Switched> {
        self.stores.iter().find(|store| store.name == name)
    }
}

impl Switched {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Store>> {
        // Nothing that holds the lock can leave the option half written.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects are files under their keys. A key that leads out of the bucket's folder names none of them.
    fn has(&self, bucket: &str, key: &str) -> bool {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        !key.is_empty() && key.split('/').all(is_plain) && self.directory.join(bucket).join(key).is_file()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_store_comes_back_where_it_was_with_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["first", "second"].map(|name| (name, SecretString::from("secret")));
        let stores = Stores::start(folder.path(), "demo", names).await.unwrap();
        std::fs::write(stores.objects("first").unwrap().join("a.txt"), "a").unwrap();
        let address = stores.stores[0].address;

        let of_first = |key| stores.states(key).remove(0);
        assert!(of_first("a.txt").is_running && of_first("a.txt").has_object);
        assert!(!stores.states("a.txt")[1].has_object);
        assert!(stores.cut("first"));
        // The task that listens ends with the next turn of the runtime.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!of_first("a.txt").is_running && of_first("a.txt").has_object);
        assert!(stores.restore("first").await.unwrap());
        assert!(TcpStream::connect(address).await.is_ok());
        assert!(!stores.cut("third") && !stores.restore("third").await.unwrap());
        stores.stop().await;
    }

    #[tokio::test]
    async fn a_key_cannot_ask_about_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::start(folder.path(), "demo", [("first", "s".into())]).await.unwrap();
        std::fs::write(folder.path().join("first/secret"), "a").unwrap();
        for key in ["../secret", "/etc/passwd", "", "a/../../secret", "."] {
            assert!(!stores.states(key)[0].has_object, "{key}");
        }
    }
}
