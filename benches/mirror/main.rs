//! What mirroring does to small objects: how fast a mirror catches up after an outage, and what a write costs its client.
//! `cargo bench --bench mirror`; with `-- catch-up`, the first of these alone
//!
//! The stores run in this process, so that whoever uses them pays for them alike.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that cannot start has no figures, and says them on the terminal"
)]

mod catch_up;
mod client;
mod writes;

use std::{
    env,
    path::{Path, PathBuf},
};

use wharf_demo::StoreOptions;

const ACCESS_KEY: &str = "AKIABENCH";
const SECRET_KEY: &str = "bench-secret-0123456789";
/// The bucket, everywhere.
const BUCKET: &str = "photos";
/// Bytes of an object.
const OBJECT_BYTES: usize = 16 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stores = [store().await, store().await];
        if !env::args().any(|argument| argument == "catch-up") {
            writes::measure(&stores).await;
        }
        catch_up::measure(&stores).await;
    });
}

/// Where the database is: what is measured is in part the disk, and `/tmp` may be none.
fn place() -> PathBuf {
    let place = env::temp_dir();
    if place == Path::new("/tmp") { Path::new(env!("CARGO_MANIFEST_DIR")).join("target") } else { place }
}

async fn store() -> wharf_demo::Store {
    let options = StoreOptions {
        address: ([127, 0, 0, 1], 0).into(),
        directory: None,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
    };
    let store = wharf_demo::Store::start(options).await.unwrap();
    store.create_bucket(BUCKET).await.unwrap();
    store
}

/// A provider of this bench, as the configuration has it.
fn provider(name: &str, endpoint: &str) -> String {
    format!(
        "[providers.{name}]\nplugin = \"minio\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{ACCESS_KEY}\"\n\
         secret_access_key = \"{SECRET_KEY}\"\n"
    )
}
