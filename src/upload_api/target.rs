//! Where an object is to be: a bucket that the configuration names, or one of the caller's own.
//!
//! ```text
//! body carries credentials? ── yes ─→ allowed? ─→ endpoint allowed? ─→ the plugin binds them, for this request alone
//!            └── no ─→ `bucket` in the body, else the path's segment ─→ a configured bucket, and the caller's rights
//! ```

use std::{borrow::Cow, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use wharf_provider::{
    Account, PartsRequest, PresignError, PresignRequest, Presigned, Profile, Provider, SettingProblem,
    Settings, Verb, cdn::CdnDomain,
};
use wharf_wire::{
    date::Timestamp,
    endpoint::Endpoint,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials, SigningKey, presign::Series},
};

use crate::{
    backend::{SigningKeys, upstream::Reach},
    config::{
        Config,
        checked::{Action, BucketConfig, Callers, ProviderConfig},
    },
    error::{Code, Error},
    request::{
        authenticate::Identity,
        authorize::{authorize, authorize_brought, may_know, walks_up},
    },
};

use super::{
    body::{BroughtFields, Name, Text, non_empty},
    complete_token::Place,
    endpoint_guard,
    own_door::OwnDoor,
    rights,
};

/// Bytes of a session token. It stands in every URL of a batch; a longer one would fit into no request line.
const SESSION_TOKEN_BYTES_MAX: usize = 8192;

/// Bytes of the address in front of public objects, which stands in every result of a batch.
const PUBLIC_URL_BYTES_MAX: usize = 2048;

/// Whom the path names: there is such a bucket, provider or plugin.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    config: &'a Config,
    name: &'a str,
    plugin: &'static dyn Provider,
}

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

impl<'a> Named<'a> {
    /// Looks `name` up among plugins, providers and buckets.
    pub(super) fn find(config: &'a Config, identity: &Identity, name: &'a str) -> Result<Self, Error> {
        let provider_plugin = |name: &str| config.providers.get(name).map(|provider| provider.plugin);
        let plugin = wharf_plugins::by_kind(name)
            .or_else(|| provider_plugin(name))
            .or_else(|| {
                known_bucket(config, identity, name).and_then(|bucket| provider_plugin(&bucket.provider))
            })
            .ok_or_else(|| unknown(config, identity, "No such provider or bucket is served."))?;
        Ok(Self { config, name, plugin })
    }

    /// What stands before `AccessKey`, `Bucket`, … in a body sent to it.
    pub(super) fn field_prefix(&self) -> &'static str {
        self.plugin.profile().field_prefix
    }

    /// The bucket that a body is about.
    pub(super) fn target(
        &self,
        identity: &Identity,
        bucket: Option<&Text<'_>>,
        brought: &BroughtFields<'_>,
    ) -> Result<Target<'a>, Error> {
        if brought.is_any() {
            return self.brought(brought);
        }
        let bucket = match non_empty(bucket) {
            Some(name) => known_bucket(self.config, identity, name).ok_or_else(|| {
                unknown(self.config, identity, "There is no bucket of the name in `bucket`.")
            })?,
            None => self.only_bucket(identity)?,
        };
        let provider = self.config.providers.get(&bucket.provider).ok_or_else(|| {
            Error::new(Code::Internal, "The bucket has no provider.").cause(bucket.provider.clone())
        })?;
        Ok(Target {
            plugin: provider.plugin,
            account: Cow::Borrowed(&provider.account),
            bucket: Cow::Borrowed(&bucket.bucket),
            configured: Some(bucket),
            own_door: None,
            reach: Reach::Anywhere,
        })
    }

    /// The bucket of the path's name, or the only one of the provider or plugin of that name.
    fn only_bucket(&self, identity: &Identity) -> Result<&'a BucketConfig, Error> {
        if let Some(bucket) = known_bucket(self.config, identity, self.name) {
            return Ok(bucket);
        }
        let mut own = self.config.buckets.values().filter(|bucket| self.owns(bucket));
        match (own.next(), own.next()) {
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => {
                let known = [first, second].into_iter().chain(own);
                let known = known.map(|bucket| bucket.name.as_str());
                let known = known.filter(|name| may_know(identity, name));
                Err(Error::new(Code::AmbiguousBucket, "Several buckets belong to this provider.")
                    .hint("Name one of them in `bucket` or in the path.")
                    .options(known))
            }
            (None, _) if self.config.upload.callers.allowed && self.is_plugin() => {
                Err(self.missing(&BroughtFields::default()))
            }
            (None, _) => {
                Err(unknown(self.config, identity, "No configured bucket belongs to this provider."))
            }
        }
    }

    fn is_plugin(&self) -> bool {
        self.plugin.profile().kind == self.name
    }

    /// Whether `bucket` belongs to the provider of the path's name, else to any provider of the plugin of that name.
    fn owns(&self, bucket: &BucketConfig) -> bool {
        if self.config.providers.contains_key(self.name) {
            return bucket.provider == self.name;
        }
        let kind = |provider: &ProviderConfig| provider.plugin.profile().kind;
        self.config.providers.get(&bucket.provider).is_some_and(|provider| kind(provider) == self.name)
    }

    /// The caller's own bucket. The credentials live in the target and end with it.
    fn brought(&self, fields: &BroughtFields<'_>) -> Result<Target<'a>, Error> {
        let callers = &self.config.upload.callers;
        if !callers.allowed {
            return Err(Error::new(
                Code::CallerCredentialsNotAllowed,
                "Credentials in the body are not taken here.",
            )
            .hint("Leave them out and name a configured bucket, or set `upload.callers.allowed`."));
        }
        let (bucket, mut settings) = self.settings(fields)?;
        let asked = settings.endpoint.take();
        let default = callers.default_endpoints.get(self.plugin.profile().kind);
        let given_or_default = match &asked {
            Some(asked) => self.allowed_endpoint(callers, asked, &settings)?,
            None => default.map(|default| (default.clone(), Reach::Anywhere)),
        };
        // The provider's own endpoints are never inside.
        let reach = given_or_default.as_ref().map_or(Reach::Public, |(_, reach)| *reach);
        settings.endpoint = given_or_default.map(|(endpoint, _)| endpoint.origin());
        let given = Given { account_id: settings.account_id.is_some() };
        let account =
            self.plugin.bind(settings).map_err(|problems| self.refused_setting(&problems, given))?;
        Ok(Target {
            plugin: self.plugin,
            account: Cow::Owned(account),
            bucket: Cow::Owned(bucket),
            configured: None,
            own_door: None,
            reach,
        })
    }

    fn settings(&self, fields: &BroughtFields<'_>) -> Result<(BucketName, Settings), Error> {
        let (Some(id), Some(secret), Some(bucket)) =
            (&fields.access_key_id, &fields.secret_access_key, &fields.bucket)
        else {
            return Err(self.missing(fields));
        };
        let bucket = BucketName::parse(bucket.as_str()).map_err(|problem| {
            let message = format!("`{}`: {problem}.", self.shown(Name::BroughtBucket));
            Error::new(Code::InvalidBucketName, message)
        })?;
        let access_key_id = AccessKeyId::parse(id.as_str())
            .map_err(|problem| self.invalid_credential(Name::AccessKey, &problem.to_string()))?;
        let session_token = fields.session_token.as_ref().filter(|token| !token.expose_secret().is_empty());
        let secrets = [(Name::SecretKey, Some(secret)), (Name::SessionToken, session_token)];
        if session_token.is_some_and(|token| token.expose_secret().len() > SESSION_TOKEN_BYTES_MAX) {
            let problem = format!("it must be at most {SESSION_TOKEN_BYTES_MAX} bytes");
            return Err(self.invalid_credential(Name::SessionToken, &problem));
        }
        for (name, secret) in secrets {
            if secret.is_some_and(|secret| !is_printable(secret)) {
                return Err(self.invalid_credential(name, "it must be printable ASCII without spaces"));
            }
        }
        let credentials = Credentials {
            access_key_id,
            secret_access_key: secret.clone(),
            session_token: session_token.cloned(),
        };
        if fields.public_url.as_ref().is_some_and(|url| url.as_str().len() > PUBLIC_URL_BYTES_MAX) {
            let field = self.shown(Name::PublicUrl);
            let message = format!("`{field}` must be at most {PUBLIC_URL_BYTES_MAX} bytes.");
            return Err(Error::new(Code::InvalidField, message));
        }
        let owned = |text: &Option<Text<'_>>| non_empty(text.as_ref()).map(str::to_owned);
        let settings = Settings {
            region: owned(&fields.region),
            endpoint: owned(&fields.endpoint),
            account_id: owned(&fields.account_id),
            public_url: owned(&fields.public_url),
            ..Settings::new(credentials)
        };
        Ok((bucket, settings))
    }

    /// The endpoint that the caller asked for and how far it may lead, if it is on the list; `None` if it is the provider's
    /// own.
    fn allowed_endpoint(
        &self,
        callers: &Callers,
        asked: &str,
        settings: &Settings,
    ) -> Result<Option<(Endpoint, Reach)>, Error> {
        let field = self.shown(Name::Endpoint);
        let endpoint = Endpoint::parse(asked)
            .map_err(|problem| Error::new(Code::EndpointNotAllowed, format!("`{field}`: {problem}.")))?;
        if let Some(reach) = endpoint_guard::reach(&endpoint, &callers.endpoints) {
            return Ok(Some((endpoint, reach)));
        }
        let own = self.plugin.bind(settings.clone());
        if own.is_ok_and(|own| *own.endpoint() == endpoint) {
            return Ok(None);
        }
        Err(Error::new(
            Code::EndpointNotAllowed,
            format!("`{field}` is not an endpoint that callers may name."),
        )
        .hint("The operator lists such endpoints in `upload.callers.endpoints`."))
    }

    fn shown(&self, name: Name) -> String {
        name.shown(self.field_prefix())
    }

    fn missing(&self, fields: &BroughtFields<'_>) -> Error {
        let required = [
            (Name::AccessKey, fields.access_key_id.is_none()),
            (Name::SecretKey, fields.secret_access_key.is_none()),
            (Name::BroughtBucket, fields.bucket.is_none()),
        ];
        let missing: Vec<String> = required
            .into_iter()
            .filter(|(_, is_missing)| *is_missing)
            .map(|(name, _)| format!("`{}`", self.shown(name)))
            .collect();
        Error::new(Code::MissingCredentials, format!("Missing: {}.", missing.join(", ")))
    }

    fn invalid_credential(&self, name: Name, problem: &str) -> Error {
        Error::new(Code::InvalidCredentials, format!("`{}`: {problem}.", self.shown(name)))
    }

    /// The first setting that the plugin refused, as an error of the field that it came from.
    fn refused_setting(&self, problems: &[SettingProblem], given: Given) -> Error {
        let Some(problem) = problems.first() else {
            return Error::new(Code::InvalidCredentials, "The provider's settings cannot be used.");
        };
        let (name, code) = match problem.setting {
            "region" => (Name::Region, Code::InvalidRegion),
            "endpoint" => (Name::Endpoint, Code::MissingCredentials),
            "account_id" if given.account_id => (Name::AccountId, Code::InvalidCredentials),
            "account_id" => (Name::AccountId, Code::MissingCredentials),
            "access_key_id" => (Name::AccessKey, Code::InvalidCredentials),
            "public_url" => (Name::PublicUrl, Code::InvalidField),
            _ => (Name::SecretKey, Code::InvalidCredentials),
        };
        Error::new(code, format!("`{}`: {}.", self.shown(name), problem.message))
            .options(problem.valid_options.iter().cloned())
    }
}

/// Which settings the caller gave: a missing one and a wrong one are different errors.
#[derive(Clone, Copy)]
struct Given {
    account_id: bool,
}

fn is_printable(secret: &SecretString) -> bool {
    let bytes = secret.expose_secret().as_bytes();
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

/// The bucket called `name`. To a caller whom no grant tells of it there is none: names are not to be probed.
pub(super) fn known_bucket<'a>(
    config: &'a Config,
    identity: &Identity,
    name: &str,
) -> Option<&'a BucketConfig> {
    config.buckets.get(name).filter(|_| may_know(identity, name))
}

/// 404 with the names that would be found: the caller's buckets, and the plugins if credentials may be brought.
pub(super) fn unknown(config: &Config, identity: &Identity, message: &'static str) -> Error {
    let buckets = config.buckets.keys().filter(|name| may_know(identity, name)).cloned();
    let plugins = wharf_plugins::PROVIDERS
        .iter()
        .filter(|_| config.upload.callers.allowed)
        .map(|plugin| plugin.profile().kind.to_owned());
    Error::new(Code::UnknownProvider, message).options(buckets.chain(plugins))
}
