//! `[[keys]]`: who may come in, and what each may do.

use std::{collections::HashMap, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use wharf_wire::date::Timestamp;

use super::{
    buckets::Buckets,
    checked::{Action, Grant, GrantBucket, KeyConfig},
    rate_limit,
    raw::{Entry, Table, nearest, quoted},
    secret::SecretKeys,
};

const SECRET: SecretKeys = SecretKeys { inline: "secret", file: "secret_file" };
/// Bytes below which a secret can be found by trying.
const SECRET_BYTES_MIN: usize = 16;
const ID_HINT: &str = "write 1 to 128 printable ASCII characters without spaces";
const ALLOW_HINT: &str = "write allow = [{ bucket = \"*\", actions = [\"read\", \"write\"] }], or allow = [] for no configured bucket";

/// Reads `[[keys]]`.
pub(super) fn read(root: &mut Table<'_>, buckets: &Buckets) -> Vec<Arc<KeyConfig>> {
    let mut seen = HashMap::new();
    root.list("keys", |entry| {
        let path = entry.path().to_owned();
        entry.table(|table| {
            let key = key(table, buckets)?;
            if let Some(first) = seen.insert(key.id.clone(), path) {
                table.problem("id", format!("is the id of {first}"), "give each key an id of its own");
            }
            Some(Arc::new(key))
        })
    })
}

fn key(table: &mut Table<'_>, buckets: &Buckets) -> Option<KeyConfig> {
    let id = table.required("id", ID_HINT).and_then(|entry| entry.parsed(ID_HINT, check_id));
    let has_secret = table.has(SECRET.inline) || table.has(SECRET.file);
    let secret = SECRET.read(table);
    if let Some(secret) = &secret {
        refuse_weak(table, SECRET.inline, secret, SECRET_BYTES_MIN);
    }
    if let Some(id) = id.as_ref().filter(|id| !has_secret && id.len() < SECRET_BYTES_MIN) {
        let message =
            format!("has {} characters, and there is no secret: whoever guesses it is in", id.len());
        table.problem("id", message, "add a secret, or write an id of at least 16 random characters");
    }
    let expires_at = table.entry("expires_at").and_then(expiry);
    let allow = grants(table, buckets);
    let rate_limit = rate_limit::read(table, "rate_limit");
    Some(KeyConfig { id: id?, secret, expires_at, allow, rate_limit })
}

fn check_id(text: &str) -> Result<String, &'static str> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("cannot be sent as a key")
    }
}

/// Refuses a secret that is too short to be one.
pub(super) fn refuse_weak(table: &Table<'_>, key: &str, secret: &SecretString, bytes_min: usize) {
    if secret.expose_secret().len() < bytes_min {
        let hint = format!("write at least {bytes_min} random characters: `openssl rand -hex {bytes_min}`");
        table.problem(key, format!("is shorter than {bytes_min} bytes"), &hint);
    }
}

fn expiry(entry: Entry<'_>) -> Option<Timestamp> {
    entry.unquoted_date().parsed("write a time as in RFC 3339: `2027-01-31T00:00:00Z`", |text| {
        let time =
            OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "is no date and time with its offset")?;
        let millis =
            u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| "lies before 1970")?;
        Ok::<_, &str>(Timestamp::from_unix_millis(millis))
    })
}

/// Reads `allow`. Where buckets are configured it must be written: what a key may do is never a guess.
pub(super) fn grants(table: &mut Table<'_>, buckets: &Buckets) -> Vec<Grant> {
    if !buckets.is_empty() && !table.has("allow") {
        table.problem("allow", "is missing", ALLOW_HINT);
    }
    table.list("allow", |entry| entry.table(|table| grant(table, buckets)))
}

fn grant(table: &mut Table<'_>, buckets: &Buckets) -> Option<Grant> {
    let names = Action::ALL.map(|action| (action.as_str(), action));
    let bucket = grant_bucket(table, buckets);
    let prefix = table.text("prefix").unwrap_or_default();
    if !table.has("actions") {
        let known = quoted(&names.map(|(name, _)| name));
        table.problem(
            "actions",
            "is missing",
            &format!("write actions = [\"read\", \"write\"], or more of {known}"),
        );
    }
    let actions = table.list("actions", |entry| entry.choice(&names));
    Some(Grant { bucket: bucket?, prefix, actions })
}

fn grant_bucket(table: &mut Table<'_>, buckets: &Buckets) -> Option<GrantBucket> {
    let names: Vec<&str> = buckets.keys().map(String::as_str).collect();
    let hint = format!("write \"*\" for all, or one of {}", quoted(&names));
    table.required("bucket", &hint)?.parsed(&hint, |name| match name {
        "*" => Ok(GrantBucket::Any),
        name if buckets.contains_key(name) => Ok(GrantBucket::Named(name.to_owned())),
        name => Err(match nearest(name, &names) {
            Some(nearest) => format!("is no configured bucket; did you mean `{nearest}`?"),
            None => "is no configured bucket".to_owned(),
        }),
    })
}
