//! `[store]`: the database.

use secrecy::{ExposeSecret, SecretString};

use super::{checked::StoreConfig, raw::Table, secret::SecretKeys};

const URL: SecretKeys = SecretKeys { inline: "url", file: "url_file" };
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Reads `[store]`.
pub(super) fn read(table: &mut Table<'_>) -> StoreConfig {
    let url = URL.read(table);
    if url.as_ref().is_some_and(|url| !is_postgres(url)) {
        table.problem("url", "is no address of PostgreSQL", "write `postgres://user:password@host/database`");
    }
    StoreConfig {
        url,
        timeout: table.seconds("timeout_seconds", 10, 1..=300),
        lease: table.seconds("lease_seconds", 30, 5..=3600),
        late_effect: table.seconds("late_effect_seconds", 300, 1..=86_400),
    }
}

fn is_postgres(url: &SecretString) -> bool {
    SCHEMES.iter().any(|scheme| url.expose_secret().starts_with(scheme))
}
