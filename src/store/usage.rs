//! Usage: what each caller did on each day, as sums. A row is added to, and forgotten as a whole.

use sqlx::any::AnyRow;

use super::{command::Command, error::JournalError, journal::Journal, sql::Columns};

/// Days, events and providers of one caller that are read at once. Harm: memory.
const ROWS_READ_MAX: i64 = 50_000;

/// What one caller did of one kind, with one provider, on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Who.
    pub caller: String,
    /// Days from 1970, UTC.
    pub day: u32,
    /// With whom.
    pub provider: String,
    /// What.
    pub event: String,
    /// How often.
    pub times: u64,
    /// How many bytes it was about.
    pub bytes: u64,
}

/// What is to be added, each row once; and the first day that is not forgotten.
#[derive(Debug)]
pub(super) struct UsageWrite {
    pub(super) rows: Vec<UsageRow>,
    pub(super) first_day: u32,
}

impl Journal {
    /// Adds `rows`, of which no two are about the same, and forgets what was before `first_day`.
    pub async fn add_usage(&self, rows: Vec<UsageRow>, first_day: u32) -> Result<(), JournalError> {
        self.ask(Command::Usage, UsageWrite { rows, first_day }).await
    }

    /// What `caller` did since `first_day`, by day.
    pub async fn usage(&self, caller: &str, first_day: u32) -> Result<Vec<UsageRow>, JournalError> {
        let mut sql =
            self.reader().sql("SELECT caller, day, provider, event, times, bytes FROM usage_counts WHERE ");
        sql.push("caller = ").key(caller).push(" AND day >= ").number(first_day.into());
        sql.push(" ORDER BY day, provider, event LIMIT ").number(ROWS_READ_MAX);
        Ok(self.reader().fetch(sql).await?.iter().map(row).collect::<Result<_, _>>()?)
    }
}

fn row(row: &AnyRow) -> Result<UsageRow, sqlx::Error> {
    Ok(UsageRow {
        caller: row.key("caller")?,
        day: u32::try_from(row.number("day")?).unwrap_or_default(),
        provider: row.key("provider")?,
        event: row.key("event")?,
        times: row.unsigned("times")?,
        bytes: row.unsigned("bytes")?,
    })
}
