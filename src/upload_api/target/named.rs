//! Whom a path names, and which bucket its request is about.

use std::borrow::Cow;

use wharf_provider::Provider;

use crate::{
    backend::upstream::Reach,
    config::{
        Config,
        checked::{BucketConfig, ProviderConfig},
    },
    error::{Code, Error},
    request::{authenticate::Identity, authorize::may_know},
};

use super::{
    super::body::{BroughtFields, Text, non_empty},
    Target,
};

/// Whom the path names: there is such a bucket, provider or plugin.
#[derive(Clone, Copy)]
pub(in crate::upload_api) struct Named<'a> {
    pub(super) config: &'a Config,
    name: &'a str,
    pub(super) plugin: &'static dyn Provider,
}

impl<'a> Named<'a> {
    /// Looks `name` up among plugins, providers and buckets.
    pub(in crate::upload_api) fn find(
        config: &'a Config,
        identity: &Identity,
        name: &'a str,
    ) -> Result<Self, Error> {
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
    pub(in crate::upload_api) fn field_prefix(&self) -> &'static str {
        self.plugin.profile().field_prefix
    }

    /// The bucket that a body is about.
    pub(in crate::upload_api) fn target(
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
}

/// The bucket called `name`. To a caller whom no grant tells of it there is none: names are not to be probed.
pub(in crate::upload_api) fn known_bucket<'a>(
    config: &'a Config,
    identity: &Identity,
    name: &str,
) -> Option<&'a BucketConfig> {
    config.buckets.get(name).filter(|_| may_know(identity, name))
}

/// 404 with the names that would be found: the caller's buckets, and the plugins if credentials may be brought.
pub(in crate::upload_api) fn unknown(config: &Config, identity: &Identity, message: &'static str) -> Error {
    let buckets = config.buckets.keys().filter(|name| may_know(identity, name)).cloned();
    let plugins = wharf_plugins::PROVIDERS
        .iter()
        .filter(|_| config.upload.callers.allowed)
        .map(|plugin| plugin.profile().kind.to_owned());
    Error::new(Code::UnknownProvider, message).options(buckets.chain(plugins))
}
