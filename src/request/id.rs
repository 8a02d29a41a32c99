//! Request ids: UUID version 7, so that they sort by time in a log.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use uuid::Builder;
use wharf_wire::date::Timestamp;

/// Makes request ids. An id is unique, not secret: its random part is a keyed hash of a counter, which costs no system
/// call per request.
#[derive(Debug, Default)]
pub struct RequestIds {
    key: RandomState,
    made: AtomicU64,
}

impl RequestIds {
    /// The next id, for a request that came in at `received`.
    pub fn next(&self, received: Timestamp) -> String {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        let (counted, hashed) = random.split_at_mut(2);
        counted.copy_from_slice(&u16::to_be_bytes((count & 0xffff) as u16));
        hashed.copy_from_slice(&self.key.hash_one(count).to_be_bytes());
        let id = Builder::from_unix_timestamp_millis(received.unix_millis(), &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        id.as_hyphenated().encode_lower(&mut text).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_sort_by_time_and_are_version_7() {
        let ids = RequestIds::default();
        let early: Vec<String> = (0..1000).map(|_| ids.next(Timestamp::from_unix_millis(1_000))).collect();
        let late = ids.next(Timestamp::from_unix_millis(2_000));
        assert_eq!(early.iter().collect::<HashSet<_>>().len(), early.len());
        assert!(early.iter().all(|id| *id < late));
        assert_eq!(uuid::Uuid::parse_str(&late).unwrap().get_version_num(), 7);
    }
}
