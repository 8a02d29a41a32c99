//! Ids of webhooks and deliveries: UUIDs of version 7, which sort by time and are never made twice.

use uuid::{NoContext, Uuid, timestamp};
use wharf_wire::date::Timestamp;

/// A new id. Its random part comes from a generator that the operating system seeds.
pub(super) fn new(now: Timestamp) -> String {
    let millis = now.unix_millis();
    let nanoseconds = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(timestamp::Timestamp::from_unix(NoContext, millis / 1000, nanoseconds)).to_string()
}
