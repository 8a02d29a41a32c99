//! Waking the workers of a mirror whose rows became due, and those who deliver to webhooks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, futures::OwnedNotified};

/// One [`Notify`] for each bucket and mirror that has a worker, as many as are configured, and one for deliveries.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    mirrors: Mutex<HashMap<(String, String), Arc<Notify>>>,
    deliveries: Arc<Notify>,
}

impl Wakes {
    /// Resolves when rows of `mirror` became due after the last time it resolved.
    pub(super) fn woken(&self, bucket: &str, mirror: &str) -> OwnedNotified {
        let mut notifies = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(notifies.entry((bucket.to_owned(), mirror.to_owned())).or_default()).notified_owned()
    }

    /// Wakes the worker of `mirror`, or lets it not sleep the next time.
    pub(super) fn wake(&self, bucket: &str, mirror: &str) {
        let notifies = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = notifies.get(&(bucket.to_owned(), mirror.to_owned())) {
            notify.notify_one();
        }
    }

    /// Resolves when deliveries became due after the last time it resolved.
    pub(super) fn deliveries_woken(&self) -> OwnedNotified {
        Arc::clone(&self.deliveries).notified_owned()
    }

    /// Wakes the one who delivers.
    pub(super) fn wake_deliveries(&self) {
        self.deliveries.notify_one();
    }
}
