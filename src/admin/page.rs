//! `/mirrors` and `/mirrors/dead`: what `wharf mirror status --json` and `wharf mirror dead --json` print.

use std::{fmt, sync::Arc};

use serde::Serialize;
use wharf_wire::encode;

use crate::{
    clock::Clock,
    mirror::{
        Mirrors,
        report::{self, DeadStatus, MirrorStatus},
    },
    pipeline::Pipeline,
    store::{DeadFilter, JournalError},
};

/// Keys of one answer. Whoever wants more names a bucket, a mirror or a class, or takes the command.
const DEAD_MAX: u32 = 1000;

/// What answers them.
pub struct MirrorPage {
    /// The journal, if there is one.
    pub mirrors: Arc<Mirrors>,
    /// The configuration in force.
    pub pipeline: Arc<Pipeline>,
    /// The time.
    pub clock: Clock,
}

impl MirrorPage {
    /// How every mirror stands.
    pub(super) async fn status(&self) -> Result<String, JournalError> {
        let config = Arc::clone(&self.pipeline.snapshot().config);
        let status: Vec<MirrorStatus> = match self.mirrors.journal() {
            Some(journal) => report::status(&config, journal, self.clock.now()).await?,
            None => Vec::new(),
        };
        Ok(json(&status))
    }

    /// Keys that were given up: of a bucket, a mirror or a class, if `query` says so.
    pub(super) async fn dead(&self, query: &str) -> Result<String, JournalError> {
        let dead: Vec<DeadStatus> = match self.mirrors.journal() {
            Some(journal) => report::dead(journal, &filter(query), None, DEAD_MAX).await?.0,
            None => Vec::new(),
        };
        Ok(json(&dead))
    }
}

impl fmt::Debug for MirrorPage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MirrorPage").finish_non_exhaustive()
    }
}

fn filter(query: &str) -> DeadFilter {
    let mut filter = DeadFilter::default();
    for (name, value) in encode::query_pairs(query) {
        let value = String::from_utf8_lossy(&encode::decode_query(value)).into_owned();
        match name {
            "bucket" => filter.bucket = Some(value),
            "mirror" => filter.mirror = Some(value),
            "key" => filter.key = Some(value),
            "class" => filter.class = Some(value),
            _ => {}
        }
    }
    filter
}

/// Strings and numbers, which always can be written.
fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_what_is_wanted() {
        let expected = DeadFilter {
            bucket: Some("photos".to_owned()),
            mirror: None,
            key: Some("a b/\u{fc}".to_owned()),
            class: Some("auth".to_owned()),
        };
        assert_eq!(filter("bucket=photos&class=auth&key=a+b%2F%C3%BC&unknown=1"), expected);
        assert_eq!(filter(""), DeadFilter::default());
    }
}
