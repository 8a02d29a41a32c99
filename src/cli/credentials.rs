//! `wharf credentials`: a short-lived key for the S3 endpoint, in the form that SDKs take from a `credential_process`.

use std::io::Write;

use clap::Args;
use secrecy::ExposeSecret;
use serde::Serialize;
use wharf_wire::{date::Timestamp, sigv4::Credentials};

use super::{CliError, configured, presign::parse_seconds};
use crate::{
    config::{
        Config,
        checked::{Action, Grant, GrantBucket, KeyConfig},
    },
    request::authenticate::begin_session,
    sealing_key,
};

/// What `wharf credentials` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The id of the configured key that the short-lived one is made for.
    key: String,
    /// How long it lives: seconds, or a number with `s`, `m`, `h` or `d`.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_seconds)]
    expires: u32,
    /// The only bucket that it is for; all of the key's, when left out.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// What its objects' keys must begin with.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Only for reading and listing.
    #[arg(long)]
    read_only: bool,
}

/// As AWS's SDKs read it from a `credential_process`. It holds secrets, and so has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

/// Prints the key's JSON to `out`.
pub fn run(
    arguments: &Arguments,
    config: &Config,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), CliError> {
    let key = find(config, &arguments.key)?;
    if let Some(bucket) = &arguments.bucket {
        configured(config, bucket)?;
    }
    let expires_at = now.plus_seconds(arguments.expires.into());
    let refused = |problem: String| CliError::Refused(problem);
    let sealer = sealing_key::sealer(&config.server).map_err(|error| refused(error.to_string()))?;
    let credentials = begin_session(&sealer, Some(key), vec![arguments.grant()], expires_at)
        .map_err(|error| refused(error.to_string()))?;
    let answer = answer(&credentials, expires_at);
    let json = serde_json::to_string_pretty(&answer).map_err(|error| CliError::Output(error.into()))?;
    writeln!(out, "{json}")?;
    Ok(())
}

fn find<'a>(config: &'a Config, id: &str) -> Result<&'a KeyConfig, CliError> {
    let known = config.keys.iter().filter(|key| key.secret.is_some());
    known.clone().find(|key| key.id == id).map(AsRef::as_ref).ok_or_else(|| CliError::Unknown {
        what: "configured key with a secret",
        name: id.to_owned(),
        known: known.map(|key| key.id.clone()).collect(),
    })
}

impl Arguments {
    /// What the key may do of that which its parent may do.
    fn grant(&self) -> Grant {
        let is_read = |action: &Action| matches!(action, Action::Read | Action::List);
        Grant {
            bucket: self.bucket.clone().map_or(GrantBucket::Any, GrantBucket::Named),
            prefix: self.prefix.clone(),
            actions: Action::ALL.into_iter().filter(|action| !self.read_only || is_read(action)).collect(),
        }
    }
}

fn answer(credentials: &Credentials, expires_at: Timestamp) -> Answer<'_> {
    Answer {
        version: 1,
        access_key_id: credentials.access_key_id.as_str(),
        secret_access_key: credentials.secret_access_key.expose_secret(),
        session_token: credentials.session_token.as_ref().map_or("", |token| token.expose_secret()),
        expiration: expires_at.rfc3339(),
    }
}
