//! The least that a provider can be asked with: settings, an account, a bucket, a key, a time.

use wharf_wire::{
    date::Timestamp,
    form::Match,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials, SigningKey, presign::Series},
};

use crate::{
    Account, EndpointRule, FormError, FormRequest, PartsRequest, PresignError, PresignRequest, Presigned,
    Profile, Provider, PutOptions, RegionRule, Settings, SignedForm, Verb,
};

pub(super) const BUCKET: &str = "photos";
pub(super) const KEY: &str = "2026/a b+ü.txt";
pub(super) const CONTENT_TYPE: &str = "text/plain";
pub(super) const UPLOAD_ID: &str = "an id/7=";
pub(super) const CUSTOM_ENDPOINT: &str = "https://store.example.com";
const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);
/// Lengths that no rule refuses.
const KEY_BYTES: (usize, usize) = (20, 40);

/// Settings with which the provider must bind: on its own hosts, where it has any.
pub(super) fn settings(profile: &Profile) -> Result<Settings, String> {
    let mut settings = Settings::new(credentials(KEY_BYTES.0, KEY_BYTES.1)?);
    if let RegionRule::Closed { names, default: None, .. } = profile.regions {
        settings.region = names.first().map(|name| (*name).to_owned());
    }
    match profile.endpoint {
        EndpointRule::AccountHost { account_id_hex_digits, .. } => {
            settings.account_id = Some("a".repeat(account_id_hex_digits));
        }
        EndpointRule::CustomOnly => settings.endpoint = Some(CUSTOM_ENDPOINT.to_owned()),
        EndpointRule::Partitions(_) | EndpointRule::RegionHost { .. } => {}
    }
    Ok(settings)
}

pub(super) fn credentials(id_bytes: usize, secret_bytes: usize) -> Result<Credentials, String> {
    Ok(Credentials {
        access_key_id: AccessKeyId::parse(&"A".repeat(id_bytes)).map_err(|error| error.to_string())?,
        secret_access_key: "s".repeat(secret_bytes).into(),
        session_token: None,
    })
}

pub(super) fn bind(provider: &dyn Provider, settings: Settings) -> Result<Account, String> {
    provider.bind(settings).map_err(|problems| format!("does not bind: {problems:?}"))
}

pub(super) fn bucket() -> Result<BucketName, String> {
    BucketName::parse(BUCKET).map_err(|error| error.to_string())
}

pub(super) fn key() -> Result<ObjectKey, String> {
    ObjectKey::parse(KEY).map_err(|error| error.to_string())
}

/// Signs a form for the sample object.
pub(super) fn form(
    provider: &dyn Provider,
    options: PutOptions<'_>,
) -> Result<Result<SignedForm, FormError>, String> {
    let account = bind(provider, settings(provider.profile())?)?;
    let request = FormRequest {
        bucket: &bucket()?,
        key: Match::Exactly(KEY),
        content_type: Match::Exactly(CONTENT_TYPE),
        options,
        file_bytes: (0, 1),
        expires_seconds: 60,
    };
    let signing_key = SigningKey::derive(account.credentials(), account.scope(NOW));
    Ok(provider.form(&account, &request, &signing_key, NOW))
}

/// Signs the URLs of an upload's parts on `account`, with a key of the right day.
pub(super) fn presign_parts(
    provider: &dyn Provider,
    account: &Account,
    expires_seconds: u32,
) -> Result<Result<Series, PresignError>, String> {
    let (bucket, key) = (bucket()?, key()?);
    let request = PartsRequest { bucket: &bucket, key: &key, upload_id: UPLOAD_ID, expires_seconds };
    let signing_key = SigningKey::derive(account.credentials(), account.scope(NOW));
    Ok(provider.presign_parts(account, &request, &signing_key, NOW))
}

/// Signs a request for the sample object on `account`, with a key of the right day.
pub(super) fn presign(
    provider: &dyn Provider,
    account: &Account,
    verb: Verb<'_>,
    expires_seconds: u32,
) -> Result<Result<Presigned, PresignError>, String> {
    let (bucket, key) = (bucket()?, key()?);
    let request = PresignRequest { bucket: &bucket, key: &key, verb, expires_seconds };
    let signing_key = SigningKey::derive(account.credentials(), account.scope(NOW));
    Ok(provider.presign(account, &request, &signing_key, NOW))
}
