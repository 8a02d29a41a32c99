//! `/mirrors` and `/mirrors/dead`: what `wharf mirror status --json` and `wharf mirror dead --json` print.

use std::{fmt, sync::Arc};

use serde::Serialize;
use thiserror::Error;
use wharf_wire::encode;

use crate::{
    clock::Clock,
    mirror::{
        Mirrors,
        report::{self, DeadStatus, MirrorStatus},
        state::Class,
    },
    pipeline::Pipeline,
    store::{DeadFilter, JournalError},
};

/// Keys of one answer. Whoever wants more names a bucket, a mirror or a class, or takes the command.
const DEAD_MAX: u32 = 1000;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum PageError {
    /// Under a mistyped name nothing was ever given up, which would look as if all were well.
    #[error("there is no class `{0}`; the classes are {list}", list = Class::ALL.map(Class::as_str).join(", "))]
    Class(String),
    /// The database.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

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
    pub(super) async fn status(&self) -> Result<String, PageError> {
        let config = Arc::clone(&self.pipeline.snapshot().config);
        let status: Vec<MirrorStatus> = match self.mirrors.journal() {
            Some(journal) => report::status(&config, journal, self.clock.now()).await?,
            None => Vec::new(),
        };
        Ok(json(&status))
    }

    /// Keys that were given up: of a bucket, a mirror or a class, if `query` says so.
    pub(super) async fn dead(&self, query: &str) -> Result<String, PageError> {
        let filter = filter(query)?;
        let dead: Vec<DeadStatus> = match self.mirrors.journal() {
            Some(journal) => report::dead(journal, &filter, None, DEAD_MAX).await?.0,
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

fn filter(query: &str) -> Result<DeadFilter, PageError> {
    let mut filter = DeadFilter::default();
    for (name, value) in encode::query_pairs(query) {
        let value = String::from_utf8_lossy(&encode::decode_query(value)).into_owned();
        match name {
            "bucket" => filter.bucket = Some(value),
            "mirror" => filter.mirror = Some(value),
            "key" => filter.key = Some(value),
            "class" => filter.class = Some(Class::parse(&value).ok_or(PageError::Class(value))?),
            _ => {}
        }
    }
    Ok(filter)
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
            class: Some(Class::Auth),
        };
        assert_eq!(filter("bucket=photos&class=auth&key=a+b%2F%C3%BC&unknown=1").unwrap(), expected);
        assert_eq!(filter("").unwrap(), DeadFilter::default());
    }

    #[test]
    fn a_class_that_is_none_is_told_with_those_that_are() {
        for query in ["class=typo", "class=", "class=auth&class=typo"] {
            let refused = filter(query).unwrap_err().to_string();
            assert!(
                refused.ends_with(
                    "the classes are auth, config, unreachable, throttled, transient, permanent, \
                absence, customer-key, archived, conflict"
                ),
                "{refused}"
            );
        }
    }
}
