//! `[mirroring]`, and of each bucket `[[buckets.NAME.mirrors]]` and `failover`: where its objects are kept besides.
//!
//! A mirror's place is its alone. Were it another mirror's too, or a bucket's own, the keys of both would overwrite each
//! other, and a delete of the one would be a loss of the other.

use std::{collections::HashSet, num::NonZeroU32, sync::Arc, time::Duration};

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use super::{
    buckets::{self, Buckets, Home},
    checked::{
        BucketConfig, Failover, FailoverReads, FailoverWrites, MirrorConfig, MirrorMode, Mirroring,
        SweepConfig,
    },
    providers::Providers,
    raw::{self, Table},
    secret::SecretKeys,
};

const WEBHOOK: SecretKeys = SecretKeys { inline: "alert_webhook", file: "alert_webhook_file" };
const NAME_HINT: &str = "give each mirror of a bucket a name of its own: `name = \"offsite\"`";

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;

/// Reads `[mirroring]`.
pub(super) fn settings(table: &mut Table<'_>) -> Mirroring {
    Mirroring {
        copies_in_flight_max: table.count("copies_in_flight_max", 32, 1..=1000),
        tee_skew_bytes_max: table.count("tee_skew_bytes_max", 4 << 20, MEBIBYTE..=GIBIBYTE),
        tee_memory_bytes_max: table.count("tee_memory_bytes_max", 256 << 20, MEBIBYTE..=64 * GIBIBYTE),
        lag_alert: table.seconds("lag_alert_seconds", 300, 1..=86_400),
        alert_webhook: webhook(table),
        sweep: sweep(table),
    }
}

fn sweep(table: &mut Table<'_>) -> Option<SweepConfig> {
    let hours = table.number("sweep_interval_hours", 0, 0..=8760);
    let requests = table.number_u32("sweep_requests_per_second", 20, 1..=10_000);
    let requests_per_second = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
    (hours > 0).then(|| SweepConfig { interval: Duration::from_hours(hours), requests_per_second })
}

fn webhook(table: &mut Table<'_>) -> Option<SecretString> {
    let webhook = WEBHOOK.read(table)?;
    if is_url(webhook.expose_secret()) {
        return Some(webhook);
    }
    table.problem("alert_webhook", "is no URL that can be posted to", "write `https://…`");
    None
}

fn is_url(text: &str) -> bool {
    text.parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// Reads a bucket's mirrors.
pub(super) fn read(table: &mut Table<'_>, providers: &Providers) -> Vec<MirrorConfig> {
    let mut names = HashSet::new();
    table.list("mirrors", |entry| {
        entry.table(|table| {
            let mirror = mirror(table, providers)?;
            if !names.insert(Arc::clone(&mirror.name)) {
                table.problem("name", "is that of another mirror of this bucket", NAME_HINT);
            }
            Some(mirror)
        })
    })
}

fn mirror(table: &mut Table<'_>, providers: &Providers) -> Option<MirrorConfig> {
    const MODES: [(&str, MirrorMode); 2] = [("async", MirrorMode::Async), ("tee", MirrorMode::Tee)];
    let has_name = table.has("name");
    let name = table.parsed("name", raw::NAME_HINT, |name| raw::check_name(name).map(|()| Arc::from(name)));
    let home = buckets::home(table, providers);
    let mode = table.choice("mode", &MODES).unwrap_or(MirrorMode::Async);
    let Home { provider, bucket, key_prefix, storage_class, encryption } = home?;
    let name = if has_name { name? } else { Arc::from(provider.as_str()) };
    Some(MirrorConfig { name, provider, bucket, key_prefix, mode, storage_class, encryption })
}

/// Reads a bucket's `failover`.
pub(super) fn failover(table: &mut Table<'_>) -> Failover {
    const READS: [(&str, FailoverReads); 3] =
        [("current", FailoverReads::Current), ("stale", FailoverReads::Stale), ("off", FailoverReads::Off)];
    const WRITES: [(&str, FailoverWrites); 2] =
        [("refuse", FailoverWrites::Refuse), ("accept", FailoverWrites::Accept)];
    if table.has("failover") && !table.has("mirrors") {
        table.problem(
            "failover",
            "is for a bucket with mirrors",
            "add [[buckets.NAME.mirrors]], or leave it out",
        );
    }
    table.section("failover", |table| {
        let reads = table.choice("reads", &READS).unwrap_or(FailoverReads::Current);
        let writes = table.choice("writes", &WRITES).unwrap_or(FailoverWrites::Refuse);
        Failover { reads, writes }
    })
}

/// Reports mirrors whose keys would be among those of a bucket, or of another mirror.
pub(super) fn refuse_shared_places(root: &Table<'_>, buckets: &Buckets, providers: &Providers) {
    let mut places: Vec<Place<'_>> = buckets.values().flatten().map(Place::of_bucket).collect();
    let mirrors = buckets.values().flatten().flat_map(Place::of_mirrors);
    for mirror in mirrors {
        let path = format!("buckets.{}.mirrors[{}]", mirror.bucket_name, mirror.index.unwrap_or_default());
        let shared = places.iter().find(|place| mirror.overlaps(place, providers));
        if let Some(shared) = shared.filter(|_| !root.document().is_refused(&path)) {
            let message = format!("leads to where {shared} keeps its objects");
            let hint = "name another bucket, or a `key_prefix` that is not below the other's";
            root.document().problem(&format!("{path}.bucket"), message, hint);
        }
        places.push(mirror);
    }
}

/// Reports buckets that are to be filled from where they are: what is deleted there would be deleted at the old place, too.
pub(super) fn refuse_backfill_from_itself(root: &Table<'_>, buckets: &Buckets, providers: &Providers) {
    for bucket in buckets.values().flatten() {
        let Some(old) = Place::of_backfill(bucket) else { continue };
        let mut own = Place::of_mirrors(bucket).chain([Place::of_bucket(bucket)]);
        if let Some(shared) = own.find(|own| old.overlaps(own, providers)) {
            let message = format!("leads to where {shared} keeps its objects");
            let at = format!("buckets.{}.backfill.bucket", bucket.name);
            root.document().problem(&at, message, "name the bucket that the objects were in before");
        }
    }
}

/// Where some bucket's or mirror's keys are.
struct Place<'a> {
    /// The bucket that it belongs to, as the configuration calls it.
    bucket_name: &'a str,
    /// Which of the bucket's mirrors it is; the primary is none.
    index: Option<usize>,
    provider: &'a str,
    bucket: &'a str,
    key_prefix: &'a str,
}

impl<'a> Place<'a> {
    fn of_bucket(bucket: &'a BucketConfig) -> Self {
        Self {
            bucket_name: &bucket.name,
            index: None,
            provider: &bucket.provider,
            bucket: bucket.bucket.as_str(),
            key_prefix: &bucket.key_prefix,
        }
    }

    fn of_mirrors(bucket: &'a BucketConfig) -> impl Iterator<Item = Self> {
        bucket.mirrors.iter().enumerate().map(|(index, mirror)| Self {
            bucket_name: &bucket.name,
            index: Some(index),
            provider: &mirror.provider,
            bucket: mirror.bucket.as_str(),
            key_prefix: &mirror.key_prefix,
        })
    }

    fn of_backfill(bucket: &'a BucketConfig) -> Option<Self> {
        let old = bucket.backfill.as_ref()?;
        Some(Self {
            bucket_name: &bucket.name,
            index: None,
            provider: &old.provider,
            bucket: old.bucket.as_str(),
            key_prefix: &old.key_prefix,
        })
    }

    /// Whether a key can belong to both.
    fn overlaps(&self, other: &Self, providers: &Providers) -> bool {
        self.bucket == other.bucket
            && (self.key_prefix.starts_with(other.key_prefix)
                || other.key_prefix.starts_with(self.key_prefix))
            && is_same_store(self.provider, other.provider, providers)
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            None => write!(out, "buckets.{}", self.bucket_name),
            Some(index) => write!(out, "buckets.{}.mirrors[{index}]", self.bucket_name),
        }
    }
}

/// Whether two providers are one: two accounts can reach the same bucket.
fn is_same_store(one: &str, other: &str, providers: &Providers) -> bool {
    let endpoint = |name| Some(providers.get(name)?.config.as_ref()?.account.endpoint());
    one == other || endpoint(one).is_some_and(|one| endpoint(other) == Some(one))
}
