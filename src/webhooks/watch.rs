//! Keys that a request is about to change, for subscribers who want to know what comes of it.

use super::{EventName, Facts, Telling, Webhooks};

/// Some keys of one bucket, in order. Dropped, nobody is told anything: nobody knows what came of them.
#[derive(Debug)]
pub struct Watch {
    webhooks: Webhooks,
    bucket: String,
    keys: Vec<String>,
    event: EventName,
}

impl Webhooks {
    /// Keeps `keys` in mind, if anybody wants to know what happens in `bucket`.
    pub fn watch(&self, bucket: &str, keys: &[&str], event: EventName) -> Option<Watch> {
        if !self.are_watching(bucket) {
            return None;
        }
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Some(Watch { webhooks: self.clone(), bucket: bucket.to_owned(), keys, event })
    }
}

impl Watch {
    /// Of how many keys it is.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it is of none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes out the first `count` keys.
    #[must_use]
    pub fn take_first(&mut self, count: usize) -> Self {
        let rest = self.keys.split_off(count.min(self.keys.len()));
        let keys = std::mem::replace(&mut self.keys, rest);
        Self { webhooks: self.webhooks.clone(), bucket: self.bucket.clone(), keys, event: self.event }
    }

    /// Tells of those that `have_changed` says it of, in order, and what `ETag` the only one of them has.
    pub fn tell(self, have_changed: impl Iterator<Item = bool>, etag: Option<String>) -> Telling {
        let facts = Facts { etag, ..Facts::default() };
        let changed = self.keys.iter().zip(have_changed).filter(|(_, has_changed)| *has_changed);
        self.webhooks.tell(&self.bucket, self.event, changed.map(|(key, _)| key.as_str()), &facts)
    }
}
