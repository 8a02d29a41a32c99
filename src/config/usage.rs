//! `[usage]`: what is counted.

use super::{checked::UsageConfig, raw::Table};

/// Reads `[usage]`.
pub(super) fn read(table: &mut Table<'_>) -> UsageConfig {
    UsageConfig {
        enabled: table.boolean("enabled", false),
        keep_days: table.number_u32("keep_days", 400, 1..=3660),
    }
}
