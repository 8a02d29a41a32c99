//! `wharf presign`: a signed URL from the configuration, without a running server.

use std::{collections::BTreeMap, io::Write};

use clap::{Args, Subcommand};
use serde::Serialize;
use wharf_provider::{GetOptions, PresignRequest, PutOptions, StorageClass, Verb};
use wharf_wire::{date::Timestamp, names::ObjectKey, sigv4::SigningKey};

use super::{CliError, configured};
use crate::config::{
    Config,
    checked::{BucketConfig, EncryptionChoice, ProviderConfig},
};

/// What `wharf presign` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// A URL that stores the object.
    Put(PutArguments),
    /// A URL that reads the object.
    Get(GetArguments),
}

#[derive(Debug, Args)]
struct PutArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// The `Content-Type` to store the object with; it is sent with the request, not signed.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The storage class, in place of the bucket's own.
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
}

#[derive(Debug, Args)]
struct GetArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// The `Content-Type` that the store is to answer with.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// One version of the object.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
}

#[derive(Debug, Args)]
struct ObjectArguments {
    /// The bucket's name in the configuration.
    bucket: String,
    /// The object's key, without the bucket's `key_prefix`.
    key: String,
    /// How long the URL lives: seconds, or a number with `s`, `m`, `h` or `d`.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_seconds)]
    expires: u32,
    /// Print method, URL, headers and expiry as JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed. It holds a signed URL, and so has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    method: &'static str,
    url: String,
    key: String,
    /// Headers that belong to the request: the signed ones, and the `Content-Type` that was asked for.
    required_headers: BTreeMap<&'static str, String>,
    expires_in: u32,
    expires_at: String,
}

/// Signs at `now`. The URL or the JSON goes to `out`; to `notes` goes what a person must know besides.
pub fn run(
    arguments: &Arguments,
    config: &Config,
    now: Timestamp,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), CliError> {
    let object = arguments.operation.object();
    let (bucket, provider) = configured(config, &object.bucket)?;
    let answer = sign(&arguments.operation, bucket, provider, now)?;
    if object.json {
        let json = serde_json::to_string_pretty(&answer).map_err(|error| CliError::Output(error.into()))?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    for (name, value) in &answer.required_headers {
        writeln!(notes, "send this header with the request: {name}: {value}")?;
    }
    writeln!(out, "{}", answer.url)?;
    Ok(())
}

impl Operation {
    const fn object(&self) -> &ObjectArguments {
        match self {
            Self::Put(put) => &put.object,
            Self::Get(get) => &get.object,
        }
    }
}

fn sign(
    operation: &Operation,
    bucket: &BucketConfig,
    provider: &ProviderConfig,
    now: Timestamp,
) -> Result<Answer, CliError> {
    let object = operation.object();
    let key = ObjectKey::parse(&object.key)
        .and_then(|key| ObjectKey::parse(&format!("{}{}", bucket.key_prefix, key.as_str())))
        .map_err(|error| CliError::Refused(format!("the key cannot be: {error}")))?;
    let (method, verb, content_type) = match operation {
        Operation::Put(put) => {
            ("PUT", Verb::Put(put_options(put, bucket, provider)?), put.content_type.as_ref())
        }
        Operation::Get(get) => ("GET", Verb::Get(get_options(get)), None),
    };
    let account = &provider.account;
    let signing_key = SigningKey::derive(account.credentials(), account.scope(now));
    let request = PresignRequest { bucket: &bucket.bucket, key: &key, verb, expires_seconds: object.expires };
    let signed = provider.plugin.presign(account, &request, &signing_key, now);
    let signed = signed.map_err(|unsupported| CliError::Refused(unsupported.to_string()))?;
    let mut required_headers: BTreeMap<_, _> = signed.required_headers.into_iter().collect();
    required_headers.extend(content_type.map(|value| ("content-type", value.clone())));
    Ok(Answer {
        method,
        url: signed.url.into_exposed(),
        key: key.as_str().to_owned(),
        required_headers,
        expires_in: object.expires,
        // The signature counts from the whole second.
        expires_at: Timestamp::from_unix_millis(now.unix_seconds() * 1000)
            .plus_seconds(object.expires.into())
            .rfc3339(),
    })
}

fn put_options<'a>(
    put: &PutArguments,
    bucket: &'a BucketConfig,
    provider: &ProviderConfig,
) -> Result<PutOptions<'a>, CliError> {
    let (sse_s3, kms_key_id) = match &bucket.encryption {
        None => (false, None),
        Some(EncryptionChoice::SseS3) => (true, None),
        Some(EncryptionChoice::SseKms { key_id }) => (false, Some(key_id.as_str())),
    };
    let storage_class = match &put.storage_class {
        Some(name) => Some(storage_class(name, provider)?),
        None => bucket.storage_class,
    };
    Ok(PutOptions { storage_class, kms_key_id, sse_s3, metadata: &[] })
}

fn storage_class(name: &str, provider: &ProviderConfig) -> Result<&'static StorageClass, CliError> {
    provider.plugin.profile().storage_class(name).map_err(|problem| CliError::Unknown {
        what: "storage class",
        name: name.to_owned(),
        known: problem.valid_options,
    })
}

fn get_options(get: &GetArguments) -> GetOptions<'_> {
    GetOptions {
        version_id: get.version_id.as_deref(),
        response_content_type: get.content_type.as_deref(),
        response_content_disposition: None,
    }
}

/// `90`, `90s`, `15m`, `1h`, `7d` in seconds. How long a URL may live is the provider's to say.
pub(super) fn parse_seconds(text: &str) -> Result<u32, String> {
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let seconds_per_unit = match text.strip_prefix(number) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        Some(_) | None => {
            return Err("write seconds, or a number with s, m, h or d: 90, 15m, 1h, 7d".to_owned());
        }
    };
    let number: u32 = number.parse().map_err(|_| "write a whole number: 90, 15m, 1h, 7d".to_owned())?;
    number.checked_mul(seconds_per_unit).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_seconds;

    #[test]
    fn times_are_read_strictly() {
        assert_eq!(
            ["90", "90s", "15m", "1h", "7d"].map(parse_seconds),
            [Ok(90), Ok(90), Ok(900), Ok(3_600), Ok(604_800)]
        );
        for text in ["", "h", "-1h", "1.5h", "1h30m", "1w", "1 h", "1e3", "99999999999", "4294967295d"] {
            assert!(parse_seconds(text).is_err(), "{text:?}");
        }
    }
}
