//! A delete that may come to nothing. Its key is buried before the provider is asked, so that nothing of it comes from the old
//! place meanwhile; where the provider certainly deleted nothing, the key is dug up again, or nobody would see its object any
//! more.

use std::{collections::BTreeSet, sync::Arc};

use super::state::Outcome;
use crate::{server::Drain, store::Journal};

/// Keys of one request that were buried.
#[derive(Debug)]
pub(super) struct Burial {
    pub(super) journal: Journal,
    pub(super) drain: Drain,
    pub(super) bucket: Arc<str>,
    pub(super) keys: Vec<String>,
    /// By which those are known that were not buried before.
    pub(super) token: u64,
}

impl Burial {
    /// Of how many keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes out those of the first `count` keys.
    pub(super) fn take_first(&mut self, count: usize) -> Self {
        let rest = self.keys.split_off(count.min(self.keys.len()));
        let keys = std::mem::replace(&mut self.keys, rest);
        let (journal, drain) = (self.journal.clone(), self.drain.clone());
        Self { journal, drain, bucket: Arc::clone(&self.bucket), keys, token: self.token }
    }

    /// Digs up what was not deleted. `outcomes` are those of the keys, in their order.
    pub(super) fn end(self, outcomes: &[Outcome]) {
        let Self { journal, drain, bucket, keys, token } = self;
        let of = |is_kept: bool| {
            let told = keys.iter().zip(outcomes);
            let own = told.filter(move |(_, outcome)| (**outcome == Outcome::Unchanged) == is_kept);
            own.map(|(key, _)| key.clone()).collect::<BTreeSet<_>>()
        };
        // A request may name a key twice.
        let kept: Vec<_> = of(true).difference(&of(false)).cloned().collect();
        if kept.is_empty() {
            return;
        }
        drain.spawn(async move {
            for key in kept {
                if let Err(error) = journal.exhume(&bucket, &key, token).await {
                    let bucket = &*bucket;
                    tracing::warn!(bucket, key, %error, "an object that was not deleted is not read at the old place any more");
                }
            }
        });
    }
}
