//! Ids of uploads: `upl`, then a UUID of version 7, so that ids sort by time and are never made twice.

use uuid::{NoContext, Uuid, timestamp};
use wharf_wire::date::Timestamp;

/// `upl` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UploadId(String);

/// What every id begins with.
const PREFIX: &str = "upl";

impl UploadId {
    /// A new id for an upload at `now`; its random part comes from a generator that the operating
    /// system seeds.
    pub(super) fn new(now: Timestamp) -> Self {
        let millis = now.unix_millis();
        let nanoseconds = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        let time = timestamp::Timestamp::from_unix(NoContext, millis / 1000, nanoseconds);
        let mut digits = Uuid::encode_buffer();
        let digits = Uuid::new_v7(time).simple().encode_lower(&mut digits);
        Self([PREFIX, digits].concat())
    }

    /// The id.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives up the id.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_one_form_and_sort_by_time() {
        let early = UploadId::new(Timestamp::from_unix_millis(1_795_307_826_434));
        let late = UploadId::new(Timestamp::from_unix_millis(1_795_307_826_435));
        assert!(early < late);
        let digits = early.as_str().strip_prefix("upl").unwrap();
        assert_eq!(digits.len(), 32);
        assert!(digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let millis = u64::from_str_radix(&digits[..12], 16).unwrap();
        assert_eq!(millis, 1_795_307_826_434);
    }

    #[test]
    fn ids_of_one_moment_differ() {
        let now = Timestamp::from_unix_millis(0);
        let ids: HashSet<String> = (0..1000).map(|_| UploadId::new(now).0).collect();
        assert_eq!(ids.len(), 1000);
    }
}
