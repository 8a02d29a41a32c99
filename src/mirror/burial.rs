//! A delete that may come to nothing. Its key is buried before the provider is asked, so that nothing of it comes from the old
//! place meanwhile; where the provider certainly deleted nothing, the key is dug up again, or nobody would see its object any
//! more.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::state::Outcome;
use crate::{
    server::Drain,
    store::{Journal, JournalError},
};

/// Keys of one request that were buried.
#[derive(Debug)]
pub(super) struct Burial {
    pub(super) journal: Journal,
    pub(super) drain: Drain,
    pub(super) bucket: Arc<str>,
    pub(super) keys: Vec<String>,
}

/// A burial of which the provider knows nothing yet. Dropped, be it that the delete had to wait for too long, or that its client
/// has gone, the keys are dug up again.
#[derive(Debug)]
pub(super) struct Unasked(Option<Burial>);

impl From<Burial> for Unasked {
    fn from(burial: Burial) -> Self {
        Self(Some(burial))
    }
}

impl Unasked {
    /// The provider is about to be asked: from now on what comes of it decides.
    pub(super) fn asking(mut self) -> Option<Burial> {
        self.0.take()
    }
}

impl Drop for Unasked {
    fn drop(&mut self) {
        if let Some(burial) = self.0.take() {
            let outcomes = vec![Outcome::Unchanged; burial.len()];
            burial.end(&outcomes);
        }
    }
}

impl Burial {
    /// Buries the keys, and says whether one of them may still be written as it was at the old place. It is done although
    /// whoever asks may go meanwhile: then they are dug up again.
    pub(super) async fn begin(self) -> Result<(Unasked, bool), JournalError> {
        let (reply, answer) = oneshot::channel();
        let drain = self.drain.clone();
        drain.spawn(async move {
            let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
            let buried = self.journal.bury(&self.bucket, &keys).await;
            // What nobody takes is dropped.
            let _ = reply.send(buried.map(|is_filling| (Unasked::from(self), is_filling)));
        });
        answer.await.map_err(|_| JournalError::Closed)?
    }

    /// Of how many keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes out those of the first `count` keys.
    pub(super) fn take_first(&mut self, count: usize) -> Self {
        let rest = self.keys.split_off(count.min(self.keys.len()));
        let keys = std::mem::replace(&mut self.keys, rest);
        let (journal, drain) = (self.journal.clone(), self.drain.clone());
        Self { journal, drain, bucket: Arc::clone(&self.bucket), keys }
    }

    /// Digs up what was not deleted. `outcomes` are those of the keys, in their order.
    pub(super) fn end(self, outcomes: &[Outcome]) {
        let Self { journal, drain, bucket, keys } = self;
        // A request may name a key more than once.
        let mut kept = BTreeMap::<String, u64>::new();
        for (key, outcome) in keys.into_iter().zip(outcomes) {
            if *outcome == Outcome::Unchanged {
                *kept.entry(key).or_default() += 1;
            }
        }
        if kept.is_empty() {
            return;
        }
        drain.spawn(async move {
            for (key, count) in kept {
                if let Err(error) = journal.exhume(&bucket, &key, count).await {
                    let bucket = &*bucket;
                    tracing::warn!(bucket, key, %error, "an object that was not deleted is not read at the old place any more");
                }
            }
        });
    }
}
