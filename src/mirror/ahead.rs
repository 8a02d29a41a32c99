//! Objects of which a mirror has the newest: it took a write while the primary was down, and until that is copied back, the
//! primary has an older object, or none.

use std::sync::Arc;

use thiserror::Error;

use super::{
    Mirrors,
    state::{Currency, Side},
};
use crate::{
    config::checked::{BucketConfig, FailoverWrites, MirrorConfig},
    store::JournalError,
};

/// Why the primary is not to be asked about an object.
#[derive(Debug, Error)]
pub enum Behind {
    /// This mirror has a newer one.
    #[error("the mirror {0} has a newer object, which has not been copied back yet")]
    Mirror(Arc<str>),
    /// Nobody can say whether one has.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Mirrors {
    /// The mirror that has the newest object called `key`, if it is not the primary that has it.
    pub async fn ahead<'b>(
        &self,
        bucket: &'b BucketConfig,
        key: &str,
    ) -> Result<Option<&'b MirrorConfig>, JournalError> {
        if bucket.failover.writes == FailoverWrites::Refuse {
            return Ok(None);
        }
        let journal = self.journal().ok_or(JournalError::Closed)?;
        for mirror in &bucket.mirrors {
            let currency = journal.currency(&bucket.name, &mirror.name, key).await?;
            if matches!(currency, Currency::Dirty { truth: Side::Mirror, .. }) {
                return Ok(Some(mirror));
            }
        }
        Ok(None)
    }

    /// Makes sure that it is the primary that has it.
    pub async fn check_not_behind(&self, bucket: &BucketConfig, key: &str) -> Result<(), Behind> {
        match self.ahead(bucket, key).await? {
            Some(mirror) => Err(Behind::Mirror(Arc::clone(&mirror.name))),
            None => Ok(()),
        }
    }
}
