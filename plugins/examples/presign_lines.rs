//! Presigns requests from a pipe: one JSON object a line in, one line out.
//!
//! `tests/interop/presign_botocore.py` feeds it, so that an independent signer can be held against Wharf's.

use std::{
    error::Error,
    io::{BufRead, Write, stdin, stdout},
};

use serde::Deserialize;
use serde_json::json;
use wharf_plugins::by_kind;
use wharf_provider::{Addressing, GetOptions, PresignRequest, Presigned, PutOptions, Settings, Verb};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials, SigningKey},
};

#[derive(Deserialize)]
struct Line {
    provider: String,
    account: Owner,
    bucket: String,
    key: String,
    expires_seconds: u32,
    unix_millis: u64,
    put: Option<Put>,
    get: Option<Get>,
}

/// Whose object it is, and where.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Owner {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    account_id: Option<String>,
    jurisdiction: Option<String>,
    path_style: Option<bool>,
    switches: Vec<String>,
}

#[derive(Deserialize)]
struct Put {
    storage_class: Option<String>,
    kms_key_id: Option<String>,
    sse_s3: bool,
    metadata: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Get {
    version_id: Option<String>,
    response_content_type: Option<String>,
    response_content_disposition: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let answer = match presign(&serde_json::from_str(&line?)?) {
            Ok(presigned) => {
                json!({ "url": presigned.url.expose(), "required_headers": presigned.required_headers })
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn presign(line: &Line) -> Result<Presigned, Box<dyn Error>> {
    let provider = by_kind(&line.provider).ok_or("no such provider")?;
    let account = provider.bind(settings(&line.account)?).map_err(|problems| format!("{problems:?}"))?;
    let verb = match (&line.put, &line.get) {
        (Some(put), None) => Verb::Put(PutOptions {
            storage_class: put
                .storage_class
                .as_deref()
                .map(|name| provider.profile().storage_class(name))
                .transpose()
                .map_err(|problem| problem.message)?,
            kms_key_id: put.kms_key_id.as_deref(),
            sse_s3: put.sse_s3,
            metadata: &put.metadata,
        }),
        (None, Some(get)) => Verb::Get(GetOptions {
            version_id: get.version_id.as_deref(),
            response_content_type: get.response_content_type.as_deref(),
            response_content_disposition: get.response_content_disposition.as_deref(),
        }),
        (None, None) | (Some(_), Some(_)) => return Err("a line holds one of put and get".into()),
    };
    let (bucket, key) = (BucketName::parse(&line.bucket)?, ObjectKey::parse(&line.key)?);
    let request = PresignRequest { bucket: &bucket, key: &key, verb, expires_seconds: line.expires_seconds };
    let now = Timestamp::from_unix_millis(line.unix_millis);
    let signing_key = SigningKey::derive(account.credentials(), account.scope(now));
    Ok(provider.presign(&account, &request, &signing_key, now)?)
}

fn settings(owner: &Owner) -> Result<Settings, Box<dyn Error>> {
    let is_on = |switch: &str| owner.switches.iter().any(|on| on == switch);
    Ok(Settings {
        region: owner.region.clone(),
        endpoint: owner.endpoint.clone(),
        account_id: owner.account_id.clone(),
        jurisdiction: owner.jurisdiction.clone(),
        dualstack: is_on("dualstack"),
        fips: is_on("fips"),
        accelerate: is_on("accelerate"),
        addressing: owner
            .path_style
            .map(|path| if path { Addressing::Path } else { Addressing::VirtualHost }),
        ..Settings::new(Credentials {
            access_key_id: AccessKeyId::parse(&owner.access_key_id)?,
            secret_access_key: owner.secret_access_key.clone().into(),
            session_token: owner.session_token.clone().map(Into::into),
        })
    })
}
