//! Ids of uploads: `upl`, then a UUID of version 7, so that ids sort by time and are never made twice.

use uuid::{NoContext, Uuid, timestamp};
use wharf_wire::date::Timestamp;

/// `upl` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UploadId(String);

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

    /// When the id in the last name of `key` was drawn: `…/{id}_{name}`, as keys of uploads are. None is in any other key.
    pub(super) fn in_key(key: &str) -> Option<Timestamp> {
        let name = key.rsplit('/').next()?;
        let (digits, _) = name.strip_prefix(PREFIX)?.split_once('_')?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        // A UUID's version is its thirteenth digit, and its time the twelve before it.
        let (millis, rest) = digits.split_at_checked(12)?;
        let is_id = digits.len() == 32 && digits.bytes().all(is_digit) && rest.starts_with('7');
        let millis = u64::from_str_radix(millis, 16).ok().filter(|_| is_id)?;
        Some(Timestamp::from_unix_millis(millis))
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
    fn an_id_is_known_again_in_a_key_and_says_when_it_was_drawn() {
        let now = Timestamp::from_unix_millis(1_795_307_826_434);
        let id = UploadId::new(now);
        let id = id.as_str();
        for key in [format!("{id}_a.txt"), format!("in/{id}_"), format!("{id}_x/../in/{id}_a_b")] {
            assert_eq!(UploadId::in_key(&key), Some(now), "{key}");
        }
        for key in [
            id.to_owned(),
            String::new(),
            format!("{id}/a_b"),
            format!("x{id}_a"),
            format!("{}_a", id.to_uppercase()),
            format!("{id}0_a"),
            format!("{}_a", id.replace("upl", "up")),
            "upl_a".to_owned(),
            "upl0123456789ab4def0123456789abcdef_a".to_owned(),
            "uplüüüüüü7890123456789012345678_a".to_owned(),
        ] {
            assert_eq!(UploadId::in_key(&key), None, "{key}");
        }
    }

    #[test]
    fn ids_of_one_moment_differ() {
        let now = Timestamp::from_unix_millis(0);
        let ids: HashSet<String> = (0..1000).map(|_| UploadId::new(now).0).collect();
        assert_eq!(ids.len(), 1000);
    }
}
