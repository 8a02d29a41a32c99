//! Rate limits: per client address, per key or user, per provider. Memory is bounded however many clients come.
//!
//! Where no limit is configured a request pays one comparison. A limit is its own atomic counter, so a busy one slows no
//! other; only the limits per address and per user look a count up in a sharded map.

mod limit;
mod standing;
mod store;

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{
    clock::Clock,
    config::{Config, checked::RateLimit},
    error::Error,
};

use self::{
    limit::{Limit, LimitPerKey},
    standing::Policy,
};
use super::authenticate::Identity;

pub use standing::Standing;

/// Every limiter of the process. A reload keeps the counts of limits that did not change.
pub struct RateLimits {
    clients: Option<Arc<LimitPerKey<IpAddr>>>,
    users: Option<Arc<LimitPerKey<UserDigest>>>,
    keys: Limits,
    providers: Limits,
    callers: Limits,
}

/// Limits by name: of a key, a provider or a plugin.
type Limits = HashMap<String, Arc<Limit>>;

/// A user's id can be long, and a count is kept for each: they are counted by the first half of its SHA-256.
type UserDigest = [u8; 16];

impl RateLimits {
    /// From the configuration, taking over from `previous` what did not change.
    pub fn new(config: &Config, clock: Clock, previous: Option<&Self>) -> Self {
        let upload = &config.upload;
        let keys_max = upload.rate_limit_clients_max;
        let users = config.jwt.as_ref().and_then(|jwt| jwt.rate_limit);
        let keys = config.keys.iter().map(|key| (key.id.as_str(), key.rate_limit));
        let providers = config.providers.iter().map(|(name, provider)| (name.as_str(), provider.rate_limit));
        let callers =
            wharf_plugins::PROVIDERS.iter().map(|plugin| (plugin.profile().kind, upload.rate_limit_callers));
        let maker = Maker { clock, keys_max };
        Self {
            clients: maker.per_key(
                "client",
                upload.rate_limit_per_ip,
                previous.and_then(|old| old.clients.as_ref()),
            ),
            users: maker.per_key("user", users, previous.and_then(|old| old.users.as_ref())),
            keys: maker.by_name("key", keys, previous.map(|old| &old.keys)),
            providers: maker.by_name("provider", providers, previous.map(|old| &old.providers)),
            callers: maker.by_name("callers", callers, previous.map(|old| &old.callers)),
        }
    }

    /// Counts a request of a client address. An IPv6 client is its /64: that much, one customer gets.
    pub fn client(&self, address: IpAddr) -> Result<Standing, Error> {
        match &self.clients {
            None => Ok(Standing::default()),
            Some(limit) => limit.count(&client_network(address)),
        }
    }

    /// Counts a request of a key or user.
    pub fn identity(&self, identity: &Identity) -> Result<Standing, Error> {
        match (identity.key(), identity.user(), &self.users) {
            (Some(key), _, _) => count(&self.keys, &key.id, 1),
            (None, Some(user), Some(limit)) => limit.count(&user_digest(user)),
            (None, Some(_), None) | (None, None, _) => Ok(Standing::default()),
        }
    }

    /// Counts `requests` to a configured provider.
    pub fn provider(&self, name: &str, requests: u32) -> Result<Standing, Error> {
        count(&self.providers, name, requests)
    }

    /// Counts `requests` to a plugin's provider with credentials that a caller brought.
    pub fn callers(&self, plugin_kind: &str, requests: u32) -> Result<Standing, Error> {
        count(&self.callers, plugin_kind, requests)
    }
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RateLimits")
            .field("clients", &self.clients.is_some())
            .field("users", &self.users.is_some())
            .field("keys", &self.keys.len())
            .field("providers", &self.providers.len())
            .field("callers", &self.callers.len())
            .finish()
    }
}

/// Makes limits, or keeps those that are already there.
#[derive(Clone, Copy)]
struct Maker {
    clock: Clock,
    keys_max: usize,
}

impl Maker {
    fn per_key<K: Hash + Eq + Clone>(
        self,
        name: &'static str,
        limit: Option<RateLimit>,
        previous: Option<&Arc<LimitPerKey<K>>>,
    ) -> Option<Arc<LimitPerKey<K>>> {
        let limit = limit?;
        let same = previous.filter(|old| old.is_of(limit, self.keys_max)).cloned();
        let make = || Arc::new(LimitPerKey::new(Policy { name, limit }, self.keys_max, self.clock));
        Some(same.unwrap_or_else(make))
    }

    fn by_name<'a>(
        self,
        name: &'static str,
        limits: impl Iterator<Item = (&'a str, Option<RateLimit>)>,
        previous: Option<&Limits>,
    ) -> Limits {
        let limit_of = |(owner, limit): (&'a str, Option<RateLimit>)| {
            let limit = limit?;
            let same = previous.and_then(|old| old.get(owner)).filter(|old| old.is_of(limit)).cloned();
            let make = || Arc::new(Limit::new(Policy { name, limit }, self.clock));
            Some((owner.to_owned(), same.unwrap_or_else(make)))
        };
        limits.filter_map(limit_of).collect()
    }
}

fn count(limits: &Limits, name: &str, requests: u32) -> Result<Standing, Error> {
    match (limits.get(name), NonZeroU32::new(requests)) {
        (Some(limit), Some(requests)) => limit.count(requests),
        (None, _) | (_, None) => Ok(Standing::default()),
    }
}

fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn user_digest(subject: &str) -> UserDigest {
    let digest: [u8; 32] = Sha256::digest(subject).into();
    let mut half = UserDigest::default();
    half.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = byte);
    half
}

#[cfg(test)]
mod tests;
