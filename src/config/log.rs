//! `[log]`: what is logged, and how.

use tracing_subscriber::EnvFilter;

use super::{
    checked::{Log, LogFormat},
    raw::Table,
};

/// Reads `[log]`.
pub(super) fn read(table: &mut Table<'_>) -> Log {
    let filter = table.parsed("filter", "write a level or a filter: `info`, `wharf=debug,warn`", |text| {
        EnvFilter::try_new(text).map(|_| text.to_owned())
    });
    Log {
        filter: filter.unwrap_or_else(|| "info".to_owned()),
        format: table
            .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .unwrap_or(LogFormat::Text),
        access: table.boolean("access", true),
    }
}
