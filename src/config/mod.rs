//! The configuration: one TOML file, then the environment, read as raw tables and checked into [`checked`].
//!
//! ```text
//! file ────┐
//!          ├─ figment ─→ raw::Table ─→ server, log, upload, companion, s3, store, usage, webhooks, upstream, mirroring, providers → buckets → keys, jwt ─→ Config
//! WHARF_… ─┘                └─ every problem, with its key path ─→ ConfigError
//! ```
//!
//! This is the only folder that reads the environment, and it does so once, into an [`Environment`].

mod buckets;
mod cdn;
pub mod checked;
mod companion;
mod environment;
#[cfg(test)]
mod example;
mod expand;
mod files;
mod jwt;
mod keys;
mod lines;
mod load;
mod log;
mod mirrors;
mod names;
mod notes;
mod problem;
mod providers;
mod rate_limit;
mod raw;
mod s3;
mod secret;
mod server;
mod store;
mod tls;
mod upload;
mod upstream;
mod usage;
mod watch;
mod webhooks;

pub use checked::Config;
pub use environment::Environment;
pub use load::{from_toml_text, load, locate};
pub use notes::notes;
pub use problem::{ConfigError, Origin, Problem};
pub use watch::{Watcher, restart_needed};
