//! A bounded cache of derived signing keys: one is good for a day, so deriving it per request would be waste.
//!
//! Callers bring credentials of their own, so there is no end of keys: the cache forgets what was not asked for again.
//! No secret is kept, only a fingerprint of it that means nothing outside this process.

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use dashmap::DashMap;
use secrecy::ExposeSecret;
use wharf_provider::Account;
use wharf_wire::{
    date::Timestamp,
    sigv4::{Credentials, Scope, SigningKey},
};

/// Derived keys by credentials and scope; bounded, however many callers bring credentials of their own. `Debug` shows
/// how many.
pub struct SigningKeys {
    keys: DashMap<Fingerprint, Cached, BuildHasherDefault<OfFingerprint>>,
    keys_max: usize,
    /// Two secret hash functions of 64 bits: nobody outside can look for two secrets with one fingerprint, and by
    /// chance it takes some 2^64 of them.
    halves: [RandomState; 2],
}

/// 128 bits over everything that a key is derived from: access key id, secret, day and region.
type Fingerprint = (u64, u64);

struct Cached {
    key: Arc<SigningKey>,
    day: u64,
    /// Whether it was asked for again since it came, or since the last sweep.
    was_used: AtomicBool,
}

impl SigningKeys {
    /// A cache of about `keys_max` keys: threads that add keys at the same moment may exceed it by one each.
    pub fn new(keys_max: usize) -> Self {
        Self { keys: DashMap::default(), keys_max, halves: [RandomState::new(), RandomState::new()] }
    }

    /// The key for a request of `account` at `now`.
    pub fn key(&self, account: &Account, now: Timestamp) -> Arc<SigningKey> {
        self.find_or_derive(account.credentials(), account.region().as_str(), day(now), || account.scope(now))
    }

    /// The key of `credentials` for `scope`.
    pub fn key_of(&self, credentials: &Credentials, scope: &Scope) -> Arc<SigningKey> {
        self.find_or_derive(credentials, scope.region(), day(scope.midnight()), || scope.clone())
    }

    fn find_or_derive(
        &self,
        credentials: &Credentials,
        region: &str,
        day: u64,
        scope: impl FnOnce() -> Scope,
    ) -> Arc<SigningKey> {
        let fingerprint = self.fingerprint(credentials, region, day);
        if let Some(key) = self.find(fingerprint) {
            return key;
        }
        let key = Arc::new(SigningKey::derive(credentials, scope()));
        if self.keys.len() >= self.keys_max {
            self.sweep(day);
        }
        let was_used = AtomicBool::new(false);
        self.keys.insert(fingerprint, Cached { key: Arc::clone(&key), day, was_used });
        key
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<Arc<SigningKey>> {
        let cached = self.keys.get(&fingerprint)?;
        // Read before it is written: a key in use is read by all threads, and a write would pass its line around.
        if !cached.was_used.load(Ordering::Relaxed) {
            cached.was_used.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(&cached.key))
    }

    /// Forgets earlier days, and what was not asked for since the last sweep. Keys in steady use (those of configured
    /// accounts) outlive a flood of keys that are used once. When everything is in use, everything goes.
    fn sweep(&self, today: u64) {
        self.keys.retain(|_, cached| cached.day >= today && cached.was_used.swap(false, Ordering::Relaxed));
        if self.keys.len() >= self.keys_max {
            self.keys.clear();
        }
    }

    fn fingerprint(&self, credentials: &Credentials, region: &str, day: u64) -> Fingerprint {
        let parts =
            (credentials.access_key_id.as_str(), credentials.secret_access_key.expose_secret(), region, day);
        let [first, second] = &self.halves;
        (first.hash_one(parts), second.hash_one(parts))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

fn day(now: Timestamp) -> u64 {
    now.unix_seconds() / (24 * 60 * 60)
}

/// A fingerprint is a hash already.
#[derive(Debug, Default)]
struct OfFingerprint(u64);

impl Hasher for OfFingerprint {
    fn write_u64(&mut self, half: u64) {
        self.0 ^= half;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
