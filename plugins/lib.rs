//! The providers that Wharf knows: one folder each, registered here.
//!
//! To add one, write a folder with its profile (each fact below a link to the vendor's page that states it), a `mod`
//! line, and its name in [`PROVIDERS`]. `cargo test -p wharf-plugins` then holds it against the conformance suite. What
//! a profile cannot say is a verb of `Provider` to be overridden.
//!
//! ```
//! use wharf_plugins::by_kind;
//! use wharf_provider::{PresignRequest, PutOptions, Settings, Verb};
//! use wharf_wire::date::Timestamp;
//! use wharf_wire::names::{BucketName, ObjectKey};
//! use wharf_wire::sigv4::{AccessKeyId, Credentials, SigningKey};
//!
//! let provider = by_kind("wasabi").unwrap();
//! let credentials = Credentials {
//!     access_key_id: AccessKeyId::parse("EXAMPLEKEY").unwrap(),
//!     secret_access_key: "example secret".into(),
//!     session_token: None,
//! };
//! let settings = Settings { region: Some("eu-central-1".into()), ..Settings::new(credentials) };
//! let account = provider.bind(settings).unwrap();
//!
//! let now = Timestamp::from_unix_millis(1_369_353_600_000);
//! let key = SigningKey::derive(account.credentials(), account.scope(now)); // good for a day: keep it
//! let request = PresignRequest {
//!     bucket: &BucketName::parse("photos").unwrap(),
//!     key: &ObjectKey::parse("2026/a b.jpg").unwrap(),
//!     verb: Verb::Put(PutOptions::default()),
//!     expires_seconds: 3600,
//! };
//! let presigned = provider.presign(&account, &request, &key, now).unwrap();
//! assert!(presigned.url.expose().starts_with("https://s3.eu-central-1.wasabisys.com/photos/2026/a%20b.jpg?"));
//! ```

use wharf_provider::Provider;

mod b2;
mod minio;
mod r2;
mod s3;
mod wasabi;

/// Every provider, in the order in which people are shown them.
pub const PROVIDERS: &[&dyn Provider] = &[&s3::S3, &r2::R2, &minio::Minio, &wasabi::Wasabi, &b2::B2];

/// The provider whose profile has this `kind`.
pub fn by_kind(kind: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.profile().kind == kind)
}
