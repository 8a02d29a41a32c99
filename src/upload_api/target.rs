//! Where an object is to be: a bucket that the configuration names, or one of the caller's own.
//!
//! ```text
//! body carries credentials? ── yes ─→ allowed? ─→ endpoint allowed? ─→ the plugin binds them, for this request alone
//!            └── no ─→ `bucket` in the body, else the path's segment ─→ a configured bucket, and the caller's rights
//! ```

mod brought;
mod named;

use std::{borrow::Cow, sync::Arc};

use wharf_provider::{
    Account, PartsRequest, PresignError, PresignRequest, Presigned, Profile, Provider, Verb, cdn::CdnDomain,
};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{SigningKey, presign::Series},
};

use crate::{
    backend::{SigningKeys, upstream::Reach},
    config::checked::{Action, BucketConfig},
    error::{Code, Error},
    request::{
        authenticate::Identity,
        authorize::{authorize, authorize_brought, walks_up},
    },
};

use super::{
    body::{Text, non_empty},
    complete_token::Place,
    own_door::OwnDoor,
    rights,
};

pub(super) use named::{Named, known_bucket, unknown};

/// A bucket, the account that it belongs to, and the configuration's word on it unless the caller brought it.
pub(crate) struct Target<'a> {
    pub(super) plugin: &'static dyn Provider,
    pub(super) account: Cow<'a, Account>,
    pub(super) bucket: Cow<'a, BucketName>,
    pub(super) configured: Option<&'a BucketConfig>,
    /// Where signed URLs point, unless it is the provider.
    pub(super) own_door: Option<OwnDoor>,
    /// How far a connection to the provider may go.
    pub(super) reach: Reach,
}

/// What is to be signed.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The key as the caller calls it.
    pub(super) key: &'a str,
    /// The same as the provider knows it.
    pub(super) object: &'a ObjectKey,
    pub(super) verb: Verb<'a>,
    pub(super) expires_seconds: u32,
}

/// An upload whose parts' URLs are to be signed.
#[derive(Clone, Copy)]
pub(super) struct AskedParts<'a> {
    /// The key as the caller calls it.
    pub(super) key: &'a ObjectKey,
    /// The same as the provider knows it.
    pub(super) object: &'a ObjectKey,
    /// The provider's id of the upload.
    pub(super) upload_id: &'a str,
    pub(super) expires_seconds: u32,
}

impl<'a> Target<'a> {
    pub(super) fn profile(&self) -> &'static Profile {
        self.plugin.profile()
    }

    /// Whether a form that is posted to where its URLs point is taken there.
    pub(super) fn takes_forms(&self) -> bool {
        self.own_door.is_some() || self.account.takes_forms()
    }

    /// Whether keys begin with what no caller sees, where its URLs point.
    pub(super) fn hides_prefix(&self) -> bool {
        self.own_door.is_none() && !self.key_prefix().is_empty()
    }

    /// The provider as it is counted: a configured one's name, else the plugin's.
    pub(super) fn provider_name(&self) -> &str {
        self.configured.map_or(self.profile().kind, |bucket| &bucket.provider)
    }

    /// The bucket as the caller calls it.
    pub(super) fn bucket_name(&self) -> &str {
        self.configured.map_or_else(|| self.bucket.as_str(), |bucket| &bucket.name)
    }

    /// The bucket, for those who are asked about it later.
    pub(super) fn place(&self) -> Place<'_> {
        match self.configured {
            Some(bucket) => Place::Configured(Cow::Borrowed(&bucket.name)),
            None => Place::Brought(Cow::Borrowed(self.profile().kind), Cow::Borrowed(self.bucket.as_str())),
        }
    }

    /// The bucket as grants call it. Only an access token's are about a bucket of the caller's own, by plugin and name; no
    /// configured bucket can be called so.
    pub(super) fn grant_name(&self) -> Cow<'_, str> {
        match self.configured {
            Some(bucket) => Cow::Borrowed(&bucket.name),
            None => Cow::Owned(format!("{}:{}", self.profile().kind, self.bucket.as_str())),
        }
    }

    /// What stands before every key of a configured bucket, and no caller sees.
    pub(super) fn key_prefix(&self) -> &str {
        self.configured.map_or("", |bucket| &bucket.key_prefix)
    }

    /// Whether the configuration says that the bucket's objects cannot be read without a signature.
    pub(super) fn is_private(&self) -> bool {
        self.configured.is_some_and(|bucket| !bucket.public)
    }

    /// Refuses what `identity` may not do with the caller's `key`. A bucket of the caller's own is guarded by the
    /// provider, with the caller's own credentials.
    pub(super) fn authorize(&self, identity: &Identity, action: Action, key: &str) -> Result<(), Error> {
        match self.configured {
            Some(bucket) => authorize(identity, action, &bucket.name, key),
            None => authorize_brought(identity, action, &self.grant_name(), key),
        }
    }

    /// Refuses an `identity` that may do `action` nowhere in the bucket.
    pub(super) fn authorize_somewhere(&self, identity: &Identity, action: Action) -> Result<(), Error> {
        self.authorize(identity, action, rights::shortest_prefix(identity, action, &self.grant_name()))
    }

    /// Refuses a bucket that the provider cannot address: that is the caller's mistake.
    pub(super) fn check_bucket(&self) -> Result<(), Error> {
        let refused = |unsupported| Error::new(Code::InvalidBucketName, format!("{unsupported}."));
        self.account.check_bucket(&self.bucket).map_err(refused)
    }

    /// The CDN in front of the bucket: the configured one, else the one that the body names.
    pub(super) fn cdn_domain(&self, asked: Option<&Text<'_>>) -> Result<Option<Cow<'a, CdnDomain>>, Error> {
        let asked = non_empty(asked).map(CdnDomain::parse).transpose().map_err(|_| {
            Error::new(Code::InvalidCdnDomain, "`s3CloudFrontDomain` is no CDN's domain.").hint(
                "Write cdn.example.com, with http:// or https:// or without, and with neither port nor path.",
            )
        })?;
        let configured = self.configured.and_then(|bucket| bucket.cdn.as_ref());
        Ok(configured.map(|cdn| Cow::Borrowed(&cdn.domain)).or(asked.map(Cow::Owned)))
    }

    /// The object's own address, percent-encoded.
    pub(super) fn public_url(&self, key: &ObjectKey) -> String {
        self.plugin.public_url(&self.account, &self.bucket, key)
    }

    /// What URLs are signed with at `now`.
    pub(super) fn signing_key(&self, known: &SigningKeys, now: Timestamp) -> Arc<SigningKey> {
        match &self.own_door {
            Some(door) => door.signing_key(now),
            None => known.key(&self.account, now),
        }
    }

    /// Signs what `asked` says of an object. A bucket that the provider cannot address is the caller's mistake, all else
    /// is Wharf's.
    pub(super) fn presign(
        &self,
        asked: Asked<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Presigned, Error> {
        let own_key;
        let (account, bucket, object) = match &self.own_door {
            Some(door) => {
                own_key = parse_key(asked.key)?;
                (&door.account, &door.bucket, &own_key)
            }
            None => (&*self.account, &*self.bucket, asked.object),
        };
        let Asked { verb, expires_seconds, .. } = asked;
        let request = PresignRequest { bucket, key: object, verb, expires_seconds };
        self.plugin.presign(account, &request, key, now).map_err(|problem| self.unsigned(&problem))
    }

    /// Signs the URLs that the parts of an upload are sent to.
    pub(super) fn presign_parts(
        &self,
        asked: AskedParts<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Series, Error> {
        let (account, bucket, object) = match &self.own_door {
            Some(door) => (&door.account, &door.bucket, asked.key),
            None => (&*self.account, &*self.bucket, asked.object),
        };
        let AskedParts { upload_id, expires_seconds, .. } = asked;
        let request = PartsRequest { bucket, key: object, upload_id, expires_seconds };
        self.plugin.presign_parts(account, &request, key, now).map_err(|problem| self.unsigned(&problem))
    }

    fn unsigned(&self, problem: &PresignError) -> Error {
        self.check_bucket().err().unwrap_or_else(|| {
            Error::new(Code::SigningError, "The request could not be signed.")
                .hint(problem.to_string())
                .cause(problem.to_string())
        })
    }

    /// The whole key of what the caller calls `key`: it is below the bucket's prefix, whatever stands in it.
    pub(super) fn object_key(&self, key: &str) -> Result<ObjectKey, Error> {
        parse_key(&self.below_prefix(key)?)
    }

    /// The same of a `name` that stands for keys.
    pub(super) fn below_prefix(&self, name: &str) -> Result<String, Error> {
        if !self.key_prefix().is_empty() && walks_up(name) {
            let message = "`key`: in this bucket it has no part that is `..`, which could lead out of it.";
            return Err(Error::new(Code::InvalidField, message));
        }
        Ok([self.key_prefix(), name].concat())
    }
}

/// `key`, as the caller calls an object, if there can be such a key.
pub(super) fn parse_key(key: &str) -> Result<ObjectKey, Error> {
    ObjectKey::parse(key).map_err(|problem| Error::new(Code::InvalidField, format!("`key`: {problem}.")))
}
