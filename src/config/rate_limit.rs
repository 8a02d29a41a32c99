//! `rate_limit = { requests_per_second = 10, burst = 20 }`

use std::num::NonZeroU32;

use super::{checked::RateLimit, raw::Table};

/// Requests; beyond it a limit is none.
const REQUESTS_MAX: u64 = 1_000_000;

/// Reads the rate limit called `key`.
pub(super) fn read(table: &mut Table<'_>, key: &'static str) -> Option<RateLimit> {
    table.table(key, |table| {
        if !table.has("requests_per_second") {
            let hint = "write { requests_per_second = 10, burst = 20 }";
            table.problem("requests_per_second", "is missing", hint);
        }
        let requests_per_second = non_zero(table, "requests_per_second");
        let burst = non_zero(table, "burst");
        Some(RateLimit { requests_per_second: requests_per_second?, burst: burst.or(requests_per_second)? })
    })
}

fn non_zero(table: &mut Table<'_>, key: &'static str) -> Option<NonZeroU32> {
    let number = table.optional_number(key, 1..=REQUESTS_MAX)?;
    NonZeroU32::new(u32::try_from(number).ok()?)
}
