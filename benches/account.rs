//! What a provider's verbs cost around the signature: an account bound per request (a caller who brings credentials),
//! a place computed, a URL presigned with a warm key. `cargo bench --bench account`

#![expect(clippy::unwrap_used, reason = "a bench that cannot start has no figures")]

use divan::{Bencher, black_box};
use wharf_plugins::by_kind;
use wharf_provider::{Account, PresignRequest, Provider, PutOptions, Settings, Verb};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials, SigningKey},
};

const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);
/// Sixty bytes, as the upload API makes them.
const KEY: &str = "uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer holiday-007.jpg";

fn main() {
    divan::main();
}

fn s3() -> &'static dyn Provider {
    by_kind("s3").unwrap()
}

fn settings() -> Settings {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    Settings { region: Some("eu-west-1".to_owned()), ..Settings::new(credentials) }
}

/// An account, its key of the day, and an object in it.
struct Warm {
    account: Account,
    signing_key: SigningKey,
    bucket: BucketName,
    key: ObjectKey,
}

impl Warm {
    fn new(settings: Settings) -> Self {
        let account = s3().bind(settings).unwrap();
        Self {
            signing_key: SigningKey::derive(account.credentials(), account.scope(NOW)),
            account,
            bucket: BucketName::parse("acme-photos-prod").unwrap(),
            key: ObjectKey::parse(KEY).unwrap(),
        }
    }

    fn presign(&self, account: &Account, put: PutOptions<'_>) -> usize {
        let request = PresignRequest {
            bucket: black_box(&self.bucket),
            key: black_box(&self.key),
            verb: Verb::Put(put),
            expires_seconds: 3600,
        };
        s3().presign(account, &request, &self.signing_key, NOW).unwrap().url.expose().len()
    }
}

#[divan::bench]
fn bind(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(settings).bench_values(|settings| s3().bind(settings));
}

#[divan::bench]
fn bind_custom_endpoint(bencher: Bencher<'_, '_>) {
    let custom = || Settings { endpoint: Some("https://store.example.com:9000".to_owned()), ..settings() };
    bencher.with_inputs(custom).bench_values(|settings| s3().bind(settings));
}

#[divan::bench]
fn location(bencher: Bencher<'_, '_>) {
    let warm = Warm::new(settings());
    bencher.bench_local(|| black_box(&warm.account).location(Some(&warm.bucket), Some(&warm.key)));
}

#[divan::bench]
fn presign_put(bencher: Bencher<'_, '_>) {
    let warm = Warm::new(settings());
    bencher.bench_local(|| warm.presign(black_box(&warm.account), PutOptions::default()));
}

#[divan::bench]
fn presign_put_with_class_and_metadata(bencher: Bencher<'_, '_>) {
    let warm = Warm::new(settings());
    let metadata = [("owner".to_owned(), "jane".to_owned()), ("album".to_owned(), "summer 2026".to_owned())];
    let class = Some(s3().profile().storage_class("STANDARD_IA").unwrap());
    bencher.bench_local(|| {
        let put = PutOptions { storage_class: class, metadata: &metadata, ..PutOptions::default() };
        warm.presign(black_box(&warm.account), put)
    });
}

/// A whole request of a caller who brings credentials, but for the key that a cache holds.
#[divan::bench]
fn bind_and_presign(bencher: Bencher<'_, '_>) {
    let warm = Warm::new(settings());
    bencher.with_inputs(settings).bench_local_values(|settings| {
        let account = s3().bind(settings).unwrap();
        warm.presign(&account, PutOptions::default())
    });
}
