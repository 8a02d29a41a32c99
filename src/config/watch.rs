//! Notices that the configuration may have changed: SIGHUP, or other content in one of its files.
//!
//! Files are read again every two seconds and compared by what they hold. That also sees what events of the file system
//! miss: a symbolic link that was swapped (Kubernetes mounts secrets so), a network mount, a file replaced by a rename.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
    time::sleep,
};

use super::{
    Config, ConfigError, Environment,
    checked::{Listener, StoreConfig},
    files::{self, Fingerprint},
    load::{locate, read_sources},
};

/// How often files are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long files must stay the same before they count: half a file can be a valid configuration, without its keys.
const SETTLE_INTERVAL: Duration = Duration::from_millis(250);

/// The configuration over time.
#[derive(Debug)]
pub struct Watcher {
    path: Option<PathBuf>,
    environment: Environment,
    /// The files that were read last, as they were then.
    files: BTreeMap<PathBuf, Fingerprint>,
    hangup: Signal,
}

impl Watcher {
    /// Watches what [`load`](super::load) would load. From now on SIGHUP no longer ends the process. Must be called
    /// within the runtime.
    pub fn new(path: Option<&Path>, environment: Environment) -> io::Result<Self> {
        let path = locate(path, &environment);
        Ok(Self { path, environment, files: BTreeMap::new(), hangup: signal(SignalKind::hangup())? })
    }

    /// The config file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Loads the configuration as it is now.
    pub fn load(&mut self) -> Result<Config, ConfigError> {
        let loaded = read_sources(self.path.as_deref(), &self.environment);
        self.files = loaded.files;
        loaded.config
    }

    /// Waits until the configuration may be another than the one loaded last, and loads it. Problems leave it to the
    /// caller to go on with what was in force; the same problems are not reported again until something changes.
    ///
    /// Dropping the future may lose a SIGHUP that had just come.
    pub async fn changed(&mut self) -> Result<Config, ConfigError> {
        tokio::select! {
            _ = self.hangup.recv() => {}
            () = files_changed(self.files.clone()) => {}
        }
        self.load()
    }
}

/// Waits until the files hold something else, and have held it for a moment.
async fn files_changed(mut before: BTreeMap<PathBuf, Fingerprint>) {
    loop {
        sleep(POLL_INTERVAL).await;
        let mut now = look_again(&before).await;
        if now == before {
            continue;
        }
        while now != before {
            before = now;
            sleep(SETTLE_INTERVAL).await;
            now = look_again(&before).await;
        }
        return;
    }
}

/// The same files as they are now, read where waiting for a disk holds up nobody.
async fn look_again(files: &BTreeMap<PathBuf, Fingerprint>) -> BTreeMap<PathBuf, Fingerprint> {
    let paths: Vec<_> = files.keys().cloned().collect();
    let read = move || paths.into_iter().map(|path| (path.clone(), files::read(&path).fingerprint)).collect();
    // Reading cannot panic; should it do so all the same, nothing has changed as far as anyone can tell.
    spawn_blocking(read).await.unwrap_or_else(|_| files.clone())
}

/// The settings that differ and that a reload cannot put in force: open sockets and an open database stay as they are.
pub fn restart_needed(old: &Config, new: &Config) -> Vec<&'static str> {
    let of_store = store_changes(old, new);
    let has_tls = |listener: &Listener| listener.tls.is_some();
    let listen = |listener: Option<&Listener>| listener.map(|listener| listener.listen);
    let (old_format, new_format) = (old.log.format, new.log.format);
    let (old_tee, new_tee) = (&old.mirroring, &new.mirroring);
    let (old, new) = (&old.server, &new.server);
    let differs = [
        ("server.api_listen", old.api.listen != new.api.listen),
        ("server.api_tls", has_tls(&old.api) != has_tls(&new.api)),
        ("server.s3_listen", listen(old.s3.as_ref()) != listen(new.s3.as_ref())),
        ("server.s3_tls", old.s3.as_ref().is_some_and(has_tls) != new.s3.as_ref().is_some_and(has_tls)),
        ("server.admin_listen", old.admin.listen != new.admin.listen),
        ("server.admin_tls", has_tls(&old.admin) != has_tls(&new.admin)),
        ("log.format", old_format != new_format),
        ("mirroring.tee_skew_bytes_max", old_tee.tee_skew_bytes_max != new_tee.tee_skew_bytes_max),
        ("mirroring.tee_memory_bytes_max", old_tee.tee_memory_bytes_max != new_tee.tee_memory_bytes_max),
    ];
    let differs = differs.into_iter().chain(of_store);
    differs.filter_map(|(setting, differs)| differs.then_some(setting)).collect()
}

fn store_changes(old: &Config, new: &Config) -> [(&'static str, bool); 5] {
    let directory = ("server.data_directory", old.server.data_directory != new.server.data_directory);
    let (old, new) = (&old.store, &new.store);
    let url = |store: &StoreConfig| store.url.as_ref().map(|url| url.expose_secret().to_owned());
    [
        directory,
        ("store.url", url(old) != url(new)),
        ("store.timeout_seconds", old.timeout != new.timeout),
        ("store.lease_seconds", old.lease != new.lease),
        ("store.late_effect_seconds", old.late_effect != new.late_effect),
    ]
}
