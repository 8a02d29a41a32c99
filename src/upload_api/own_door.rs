//! Signed URLs that point at Wharf's own S3 endpoint, for buckets with `direct_uploads = "wharf"`.
//!
//! They are signed as any other, but for an account of Wharf's own: its endpoint, and a short-lived key that can do one
//! thing in one bucket. The key's session token stands in the URL, so no node keeps anything, and the bytes then come as
//! those of any S3 client do: verified, limited, mirrored.

use std::sync::Arc;

use wharf_provider::{Account, Addressing, Provider, Settings};
use wharf_wire::{date::Timestamp, names::BucketName, sigv4::SigningKey};

use crate::{
    config::checked::{Action, BucketConfig, DirectUploads, Grant, GrantBucket},
    error::{Code, Error},
    request::authenticate::{Identity, begin_session},
};

use super::Parts;

/// The longest that a URL lives. The URL says itself when it ends; the key in it only has to outlive that.
const KEY_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Wharf's S3 endpoint, as an account there is.
pub(super) struct OwnDoor {
    pub(super) account: Account,
    /// The bucket as callers know it.
    pub(super) bucket: BucketName,
}

/// What the URLs of one request are for.
#[derive(Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) plugin: &'static dyn Provider,
    pub(super) bucket: &'a BucketConfig,
    pub(super) action: Action,
    pub(super) now: Timestamp,
}

impl OwnDoor {
    /// The door that URLs for `identity` point at; none where they point at the provider.
    pub(super) fn of(
        parts: &Parts,
        identity: &Identity,
        purpose: Purpose<'_>,
    ) -> Result<Option<Self>, Error> {
        if purpose.bucket.direct_uploads == DirectUploads::Provider {
            return Ok(None);
        }
        let internal =
            |cause: String| Error::new(Code::SigningError, "The URL cannot be signed.").cause(cause);
        let s3 = &parts.config.s3;
        let endpoint = s3.public_endpoint.as_ref().ok_or_else(|| internal("no s3.public_endpoint".into()))?;
        let bucket =
            BucketName::parse(&purpose.bucket.name).map_err(|problem| internal(problem.to_string()))?;
        let grant = Grant {
            bucket: GrantBucket::Named(purpose.bucket.name.clone()),
            prefix: String::new(),
            actions: vec![purpose.action],
        };
        let key = match identity {
            Identity::Key(key) => Some(key),
            Identity::Session(session) => session.key.as_ref(),
            Identity::User { .. } | Identity::Loopback => None,
        };
        let ends = purpose.now.plus_seconds(KEY_SECONDS);
        let credentials = begin_session(&parts.sealer, key.map(Arc::as_ref), vec![grant], ends)
            .map_err(|problem| internal(problem.to_string()))?;
        let settings = Settings {
            region: Some(s3.region.as_str().to_owned()),
            endpoint: Some(endpoint.origin()),
            addressing: Some(Addressing::Path),
            ..Settings::new(credentials)
        };
        let account = purpose.plugin.bind(settings).map_err(|problems| {
            internal(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
        })?;
        Ok(Some(Self { account, bucket }))
    }

    /// What its URLs are signed with. The key is new, so no cache knows it.
    pub(super) fn signing_key(&self, now: Timestamp) -> Arc<SigningKey> {
        Arc::new(SigningKey::derive(self.account.credentials(), self.account.scope(now)))
    }
}
