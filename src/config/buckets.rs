//! `[buckets.NAME]`: what apps ask for, and where it is kept.

use std::collections::BTreeMap;

use wharf_provider::{Encryption, Profile, Provider, StorageClass};
use wharf_wire::names::BucketName;

use super::{
    cdn,
    checked::{Accept, BackfillConfig, BucketConfig, DirectUploads, EncryptionChoice, EventsConfig, Topic},
    mirrors, names,
    providers::{self, NamedProvider, Providers},
    raw::{Table, nearest, quoted},
    secret::SecretKeys,
};

/// Bytes of a key prefix: the object's own name needs the rest of S3's 1,024.
const KEY_PREFIX_BYTES_MAX: usize = 512;
const KMS_KEY_HINT: &str = "write the key's id, ARN or alias";
/// Bytes of the largest object that any provider stores: 50 TB, generously.
const FILE_BYTES_MAX: u64 = 1 << 50;

const DIRECT_UPLOADS: [(&str, DirectUploads); 2] =
    [("provider", DirectUploads::Provider), ("wharf", DirectUploads::Wharf)];

/// Buckets by name. One with problems keeps its name, so that the grants on it are not reported as well.
pub(super) type Buckets = BTreeMap<String, Option<BucketConfig>>;

/// Reads `[buckets]`.
pub(super) fn read(root: &mut Table<'_>, providers: &Providers) -> Buckets {
    let mut buckets = Buckets::new();
    root.named_tables("buckets", |name, table| {
        names::refuse_route_words(name, table);
        buckets.insert(name.to_owned(), bucket(name, table, providers));
    });
    mirrors::refuse_shared_places(root, &buckets, providers);
    mirrors::refuse_backfill_from_itself(root, &buckets, providers);
    buckets
}

fn bucket(name: &str, table: &mut Table<'_>, providers: &Providers) -> Option<BucketConfig> {
    let home = home(table, providers);
    let cdn = table.table("cdn", cdn::read);
    let public = table.boolean("public", false);
    let direct_uploads = table.choice("direct_uploads", &DIRECT_UPLOADS).unwrap_or_default();
    let accept = table.section("accept", accept);
    let failover = mirrors::failover(table);
    let mirrors = mirrors::read(table, providers);
    let backfill = backfill(table, providers);
    let events = events(table, mirrors.is_empty());
    let Home { provider, bucket, key_prefix, storage_class, encryption } = home?;
    Some(BucketConfig {
        name: name.to_owned(),
        provider,
        bucket,
        key_prefix,
        storage_class,
        encryption,
        cdn,
        public,
        direct_uploads,
        accept,
        failover,
        mirrors,
        backfill,
        events,
    })
}

/// Where objects are kept and how: what a bucket and a mirror of it say in the same words.
pub(super) struct Home {
    pub(super) provider: String,
    pub(super) bucket: BucketName,
    pub(super) key_prefix: String,
    pub(super) storage_class: Option<&'static StorageClass>,
    pub(super) encryption: Option<EncryptionChoice>,
}

/// Reads it.
pub(super) fn home(table: &mut Table<'_>, providers: &Providers) -> Option<Home> {
    let Place { provider, bucket, key_prefix } = place(table, providers);
    let profile = provider.as_ref().and_then(|name| providers.get(name)?.plugin).map(Provider::profile);
    let storage_class = storage_class(table, profile);
    let encryption = table.table("encryption", |table| encryption(table, profile));
    Some(Home { provider: provider?, bucket: bucket?, key_prefix, storage_class, encryption })
}

/// Where objects are, as far as it was said.
struct Place {
    provider: Option<String>,
    bucket: Option<BucketName>,
    key_prefix: String,
}

fn place(table: &mut Table<'_>, providers: &Providers) -> Place {
    let provider = provider(table, providers);
    let hint = "write the bucket's name at the provider";
    let bucket = table.required("bucket", hint).and_then(|entry| entry.parsed(hint, BucketName::parse));
    if let (Some(bucket), Some(provider)) = (&bucket, provider.as_ref().and_then(|name| providers.get(name)))
    {
        refuse_unreachable(bucket, provider, table);
    }
    let hint = "end it with `/` and begin it without: `uploads/`";
    let key_prefix = table.parsed("key_prefix", hint, |text| check_prefix(text).map(|()| text.to_owned()));
    Place { provider, bucket, key_prefix: key_prefix.unwrap_or_default() }
}

fn backfill(table: &mut Table<'_>, providers: &Providers) -> Option<BackfillConfig> {
    table.table("backfill", |table| {
        let Place { provider, bucket, key_prefix } = place(table, providers);
        Some(BackfillConfig { provider: provider?, bucket: bucket?, key_prefix })
    })
}

/// Some names cannot stand where the account's hosts want them.
fn refuse_unreachable(bucket: &BucketName, provider: &NamedProvider, table: &Table<'_>) {
    let location = provider.config.as_ref().map(|config| config.account.location(Some(bucket), None));
    if let Some(Err(unsupported)) = location {
        table.problem("bucket", unsupported.to_string(), "name another bucket");
    }
}

fn provider(table: &mut Table<'_>, providers: &Providers) -> Option<String> {
    let names: Vec<&str> = providers.keys().map(String::as_str).collect();
    let hint = match names.as_slice() {
        [] => "write a [providers.NAME] first".to_owned(),
        names => format!("write one of {}", quoted(names)),
    };
    table.required("provider", &hint)?.parsed(&hint, |name| {
        if providers.contains_key(name) {
            return Ok(name.to_owned());
        }
        Err(match nearest(name, &names) {
            Some(nearest) => format!("is no configured provider; did you mean `{nearest}`?"),
            None => "is no configured provider".to_owned(),
        })
    })
}

/// A prefix is a folder: were it to end within a name, `up` would also hold what begins with `upstairs/`.
fn check_prefix(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Ok(());
    }
    if text.len() > KEY_PREFIX_BYTES_MAX {
        return Err("is longer than 512 bytes");
    }
    if !text.ends_with('/') || text.starts_with('/') {
        return Err("is no folder");
    }
    if text.chars().any(char::is_control) || text.split('/').any(|part| part == "." || part == "..") {
        return Err("has characters or parts that keys should not have");
    }
    Ok(())
}

fn storage_class(table: &mut Table<'_>, profile: Option<&'static Profile>) -> Option<&'static StorageClass> {
    let name = table.text("storage_class")?;
    profile?.storage_class(&name).map_err(|problem| providers::report(table, &problem, Some(&name))).ok()
}

fn encryption(table: &mut Table<'_>, profile: Option<&'static Profile>) -> Option<EncryptionChoice> {
    const OPTIONS: [(&str, Encryption); 3] =
        [("SSE-S3", Encryption::SseS3), ("SSE-KMS", Encryption::SseKms), ("AES256", Encryption::SseS3)];
    let kind =
        table.required("type", "write \"SSE-S3\" or \"SSE-KMS\"").and_then(|entry| entry.choice(&OPTIONS));
    let has_key_id = table.has("key_id");
    let key_id = table.parsed("key_id", KMS_KEY_HINT, check_kms_key);
    let kind = kind?;
    if let Some(profile) = profile.filter(|profile| !profile.encryption.contains(&kind)) {
        let message = format!("{} has no such encryption", profile.title);
        let options: Vec<_> = profile.encryption.iter().map(|encryption| encryption.name()).collect();
        let hint = match options.as_slice() {
            [] => "leave `encryption` out".to_owned(),
            options => format!("write one of {}", quoted(options)),
        };
        table.problem("type", message, &hint);
    }
    match (kind, key_id) {
        (Encryption::SseS3, None) => Some(EncryptionChoice::SseS3),
        (Encryption::SseKms, Some(key_id)) => Some(EncryptionChoice::SseKms { key_id }),
        (Encryption::SseS3, Some(_)) => {
            table.problem("key_id", "goes with SSE-KMS alone", "leave it out, or write type = \"SSE-KMS\"");
            None
        }
        (Encryption::SseKms, None) => {
            if !has_key_id {
                table.problem("key_id", "is missing", KMS_KEY_HINT);
            }
            None
        }
    }
}

fn check_kms_key(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("is no id, ARN or alias of a key")
    }
}

fn accept(table: &mut Table<'_>) -> Accept {
    Accept {
        file_bytes_max: table.optional_number("file_bytes_max", 1..=FILE_BYTES_MAX),
        content_types: table.list("content_types", |entry| {
            entry.parsed("write `image/png`, or `image/*` for all of a kind", content_type)
        }),
        extensions: table
            .list("extensions", |entry| entry.parsed("write it without the dot: `png`", extension)),
    }
}

const EVENT_TOKEN: SecretKeys = SecretKeys { inline: "token", file: "token_file" };

fn events(table: &mut Table<'_>, is_unmirrored: bool) -> Option<EventsConfig> {
    if table.has("events") && is_unmirrored {
        table.problem(
            "events",
            "is for a bucket with mirrors",
            "add [[buckets.NAME.mirrors]], or leave it out",
        );
    }
    table.table("events", |table| {
        let hint = "write the topic's ARN: `arn:aws:sns:eu-west-1:123456789012:uploads`";
        let (token, topic) = (EVENT_TOKEN.read(table), table.parsed("sns_topic", hint, Topic::parse));
        if token.is_none() && topic.is_none() {
            table.problem_here("says nobody who may tell of events", "write `token`, or `sns_topic`");
            return None;
        }
        Some(EventsConfig { token, topic })
    })
}

fn content_type(text: &str) -> Result<String, &'static str> {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && (subtype == "*" || is_token(subtype)) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err("is no media type"),
    }
}

fn extension(text: &str) -> Result<String, &'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("is no file name extension")
    }
}
