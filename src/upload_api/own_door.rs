//! Signed URLs that point at Wharf's own S3 endpoint, for buckets with `direct_uploads = "wharf"`, and forms for providers that
//! take none.
//!
//! They are signed as any other, but for an account of Wharf's own: its endpoint, and a short-lived key that can do one
//! thing in one bucket. The key's session token stands in the URL, so no node keeps anything, and the bytes then come as
//! those of any S3 client do: verified, limited, mirrored.

use std::sync::Arc;

use wharf_provider::{Account, Addressing, Provider, Settings};
use wharf_wire::{date::Timestamp, endpoint::Endpoint, names::BucketName, sigv4::SigningKey};

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
        match purpose.bucket.direct_uploads {
            DirectUploads::Provider => Ok(None),
            DirectUploads::Wharf => Self::open(parts, identity, purpose).map(Some),
        }
    }

    /// The door itself, wherever the bucket's URLs point.
    pub(super) fn open(parts: &Parts, identity: &Identity, purpose: Purpose<'_>) -> Result<Self, Error> {
        let internal =
            |cause: String| Error::new(Code::SigningError, "The URL cannot be signed.").cause(cause);
        let endpoint = public_endpoint(parts)?;
        let s3 = &parts.config.s3;
        let bucket = BucketName::parse(&purpose.bucket.name).map_err(|problem| {
            no_endpoint("The bucket's name here is none of S3's.")
                .hint(format!("Rename the bucket: {problem}."))
        })?;
        let grant = Grant {
            bucket: GrantBucket::Named(purpose.bucket.name.clone()),
            prefix: String::new(),
            actions: vec![purpose.action],
        };
        let key = identity.key().map(Arc::as_ref);
        let ends = purpose.now.plus_seconds(KEY_SECONDS);
        let credentials = begin_session(&parts.sealer, key, vec![grant], ends)
            .map_err(|problem| internal(problem.to_string()))?;
        let settings = Settings {
            region: Some(s3.region.as_str().to_owned()),
            endpoint: Some(endpoint.origin()),
            addressing: Some(Addressing::Path),
            forms: Some(true),
            ..Settings::new(credentials)
        };
        let account = purpose.plugin.bind(settings).map_err(|problems| {
            internal(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
        })?;
        Ok(Self { account, bucket })
    }

    /// What its URLs are signed with. The key is new, so no cache knows it.
    pub(super) fn signing_key(&self, now: Timestamp) -> Arc<SigningKey> {
        Arc::new(SigningKey::derive(self.account.credentials(), self.account.scope(now)))
    }
}

/// Where browsers find the S3 endpoint, if there is one.
pub(super) fn public_endpoint(parts: &Parts) -> Result<&Endpoint, Error> {
    let config = &parts.config;
    let endpoint = config.s3.public_endpoint.as_ref().filter(|_| config.server.s3.is_some());
    endpoint.ok_or_else(|| {
        no_endpoint("This takes Wharf's own S3 endpoint, and browsers are not told of one.")
            .hint("Set `server.s3_listen` and `s3.public_endpoint` in the configuration.")
    })
}

fn no_endpoint(message: &'static str) -> Error {
    Error::new(Code::NoS3Endpoint, message)
}
