//! What this process is doing at the moment, by name, so that somebody else can wait for its end: a part may come before
//! its upload has begun at a mirror, and the end of an upload while its last parts are still on their way there.
//!
//! It holds as many entries as there is work under way, and forgets what has ended.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// Work under way, by name. Clones share it.
#[derive(Debug)]
pub(super) struct Ongoing<Name>(Arc<Mutex<HashMap<Name, Entry>>>);

#[derive(Debug)]
struct Entry {
    count: usize,
    /// Dropped with the entry, which is how those who wait learn of it.
    over: watch::Sender<()>,
}

/// Work under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Work<Name: Eq + Hash> {
    ongoing: Ongoing<Name>,
    name: Name,
}

impl<Name: Eq + Hash + Clone> Ongoing<Name> {
    /// Begins work.
    pub(super) fn begin(&self, name: &Name) -> Work<Name> {
        let begin = || Entry { count: 0, over: watch::channel(()).0 };
        self.entries().entry(name.clone()).or_insert_with(begin).count += 1;
        Work { ongoing: self.clone(), name: name.clone() }
    }

    /// Waits until nothing called `name` is under way.
    pub(super) async fn over(&self, name: &Name) {
        let waiting = self.entries().get(name).map(|entry| entry.over.subscribe());
        if let Some(mut waiting) = waiting {
            while waiting.changed().await.is_ok() {}
        }
    }
}

impl<Name> Ongoing<Name> {
    fn entries(&self) -> MutexGuard<'_, HashMap<Name, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Name: Eq + Hash> Drop for Work<Name> {
    fn drop(&mut self) {
        let mut entries = self.ongoing.entries();
        if let Some(entry) = entries.get_mut(&self.name) {
            entry.count -= 1;
            if entry.count == 0 {
                entries.remove(&self.name);
            }
        }
    }
}

impl<Name> Clone for Ongoing<Name> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Name> Default for Ongoing<Name> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_when_the_last_one_is_done() {
        let ongoing = Ongoing::default();
        assert!(ongoing.over(&1).now_or_never().is_some());
        let (first, second) = (ongoing.begin(&1), ongoing.begin(&1));
        let waiting = tokio::spawn({
            let ongoing = ongoing.clone();
            async move { ongoing.over(&1).await }
        });
        assert!(ongoing.over(&2).now_or_never().is_some());
        drop(first);
        assert!(ongoing.over(&1).now_or_never().is_none());
        drop(second);
        waiting.await.unwrap();
        assert!(ongoing.entries().is_empty());
    }
}
