//! Which dead letters a filter means, in SQL.

use super::{report::DeadFilter, rows::RowKey, sql::Sql};

impl Sql {
    /// Chooses dead rows: those of `filter`, up to `count_max` of them behind a row, by bucket, mirror and key.
    pub(super) fn dead_letters(
        &mut self,
        filter: &DeadFilter,
        after: Option<&RowKey>,
        count_max: u64,
    ) -> &mut Self {
        self.push(" WHERE state = 'dead'");
        if let Some(bucket) = &filter.bucket {
            self.push(" AND bucket = ").text(bucket);
        }
        if let Some(mirror) = &filter.mirror {
            self.push(" AND mirror = ").text(mirror);
        }
        if let Some(key) = &filter.key {
            self.push(" AND key = ").key(key);
        }
        if let Some(class) = filter.class {
            self.push(" AND class = ").text(class.as_str());
        }
        if let Some(after) = after {
            self.push(" AND (bucket, mirror, key) > (").row_key(after).push(")");
        }
        self.push(" ORDER BY bucket, mirror, key LIMIT ").unsigned(count_max)
    }
}
