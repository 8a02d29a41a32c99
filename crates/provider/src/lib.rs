//! The plugin interface: what a storage provider is, told as facts, and the verbs that follow from them.
//!
//! A plugin states a [`Profile`]; everything else is derived from it and may be overridden where a provider is truly odd.
//! No verb does IO, holds a client or reads a clock.

mod account;
mod bind;
pub mod cdn;
pub mod conformance;
pub mod cors;
mod endpoint;
pub mod event;
mod form;
mod presign;
mod profile;
mod region;
mod settings;

pub use account::{Account, Location};
pub use form::{FormError, FormRequest, SignedForm};
pub use presign::{
    GetOptions, PartsRequest, PresignError, PresignRequest, Presigned, PutOptions, Step, Unsupported, Verb,
};
pub use profile::{
    Addressing, CorsSupport, CredentialRule, Encryption, EndpointRule, Features, GlobalRegion, Limits, Link,
    Partition, PolicyRule, Profile, RefusedStorageClass, RegionRule, ReservedSuffix, StorageClass,
};

pub use settings::{SettingProblem, Settings};

use event::{Event, NoEvent};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{SigningKey, presign::Series},
};

/// A storage provider. One required method: the facts.
pub trait Provider: Send + Sync + 'static {
    /// What this provider is.
    fn profile(&self) -> &'static Profile;

    /// Checks `settings` and makes an account of them. Reports every problem, each with the setting's name.
    fn bind(&self, settings: Settings) -> Result<Account, Vec<SettingProblem>> {
        bind::bind(self.profile(), settings)
    }

    /// Signs a URL for one request. `key` must be of the scope that [`Account::scope`] names for `now`.
    fn presign(
        &self,
        account: &Account,
        request: &PresignRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        presign::presign(self.profile(), account, request, key, now)
    }

    /// Signs a form that a browser posts to a bucket. `key` must be as for [`Self::presign`].
    fn form(
        &self,
        account: &Account,
        request: &FormRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<SignedForm, FormError> {
        form::sign(self.profile(), account, request, key, now)
    }

    /// Signs the URLs that the parts of an upload are sent to, by their numbers. `key` as in [`Provider::presign`].
    fn presign_parts(
        &self,
        account: &Account,
        request: &PartsRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Series, PresignError> {
        presign::presign_parts(self.profile(), account, request, key, now)
    }

    /// The object's own address, percent-encoded, on the endpoint that it is really on.
    fn public_url(&self, account: &Account, bucket: &BucketName, key: &ObjectKey) -> String {
        account.public_url(bucket, key)
    }

    /// Reads what the provider tells of its buckets by itself.
    fn events(&self, message: &[u8]) -> Result<Vec<Event>, NoEvent> {
        event::read(message)
    }
}
