//! Reloading: what makes the watcher look again, and what it says then.
//!
//! A SIGHUP reaches every watcher of this process, so each test waits for what it expects, whatever comes before.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::timeout;
use wharf::config::{Config, ConfigError, Environment, Watcher};

const PATIENCE: Duration = Duration::from_secs(30);

fn watcher(file: &Path) -> Watcher {
    Watcher::new(Some(file), Environment::default()).unwrap()
}

/// The first outcome that `is_expected`.
async fn next(watcher: &mut Watcher, is_expected: impl Fn(&Result<Config, ConfigError>) -> bool) {
    let wait = async { while !is_expected(&watcher.changed().await) {} };
    timeout(PATIENCE, wait).await.expect("the change was noticed");
}

fn filter_is(filter: &str) -> impl Fn(&Result<Config, ConfigError>) -> bool {
    move |outcome| outcome.as_ref().is_ok_and(|config| config.log.filter == filter)
}

#[tokio::test]
async fn a_file_that_is_replaced_is_loaded_and_a_broken_one_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (file, draft) = (directory.path().join("wharf.toml"), directory.path().join("draft"));
    fs::write(&file, "log.filter = 'warn'").unwrap();
    let mut watcher = watcher(&file);
    assert_eq!(watcher.load().unwrap().log.filter, "warn");
    fs::write(&draft, "log.filter = 'info'").unwrap();
    fs::rename(&draft, &file).unwrap();
    next(&mut watcher, filter_is("info")).await;
    fs::write(&file, "log.filter = ").unwrap();
    next(&mut watcher, Result::is_err).await;
    fs::remove_file(&file).unwrap();
    next(&mut watcher, |outcome| {
        outcome.as_ref().is_err_and(|error| error.to_string().contains("cannot be read"))
    })
    .await;
    fs::write(&file, "log.filter = 'debug'").unwrap();
    next(&mut watcher, filter_is("debug")).await;
}

#[tokio::test]
async fn a_swapped_link_to_a_secret_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, secret) in [("one", "0123456789abcdef-one"), ("two", "0123456789abcdef-two")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("secret"), secret).unwrap();
    }
    symlink("one", at("current")).unwrap();
    fs::write(at("wharf.toml"), "[[keys]]\nid = 'app'\nsecret_file = 'current/secret'").unwrap();
    let mut watcher = watcher(&at("wharf.toml"));
    let secret = |config: &Config| config.keys[0].secret.as_ref().unwrap().expose_secret().to_owned();
    assert_eq!(secret(&watcher.load().unwrap()), "0123456789abcdef-one");
    symlink("two", at("next")).unwrap();
    fs::rename(at("next"), at("current")).unwrap();
    next(&mut watcher, |outcome| {
        outcome.as_ref().is_ok_and(|config| secret(config) == "0123456789abcdef-two")
    })
    .await;
}

#[tokio::test]
async fn a_file_that_was_missing_is_noticed_when_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("wharf.toml"), "[[keys]]\nid = 'app'\nsecret_file = 'secret'").unwrap();
    let mut watcher = watcher(&at("wharf.toml"));
    assert!(watcher.load().is_err());
    fs::write(at("secret"), "0123456789abcdef").unwrap();
    next(&mut watcher, Result::is_ok).await;
}

#[tokio::test]
async fn sighup_loads_again_though_nothing_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wharf.toml");
    fs::write(&file, "log.filter = 'warn'").unwrap();
    let mut watcher = watcher(&file);
    watcher.load().unwrap();
    let process = std::process::id().to_string();
    assert!(Command::new("kill").args(["-HUP", &process]).status().unwrap().success());
    next(&mut watcher, filter_is("warn")).await;
}
