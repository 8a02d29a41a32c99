//! Statements for either database.
//!
//! Both understand the same SQL but for the mark of a bound value (`?`, `$1`) and a few words, which [`Dialect`] knows.
//! A statement over many rows is one text with many marks; since hardly any two have the same number of rows, such texts
//! are not kept prepared.

use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow, query::Query};
use wharf_wire::date::Timestamp;

/// Rows in one statement. Both databases take at least 32766 values, and no row here has more than 17.
pub(super) const ROWS_MAX: usize = 500;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL, shared by several nodes.
    Postgres,
}

impl Dialect {
    /// How a transaction begins that will write. SQLite must be told, else two processes that read first and write then
    /// refuse each other.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Locks the rows that a SELECT finds. In SQLite the transaction has locked them all.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// The same, leaving out what others hold.
    pub(super) fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// A bound value.
#[derive(Debug)]
enum Value {
    Text(String),
    Number(i64),
}

/// A statement that is being written.
#[derive(Debug)]
pub(super) struct Sql {
    dialect: Dialect,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    /// Begins with `text`.
    pub(super) fn new(dialect: Dialect, text: &str) -> Self {
        Self { dialect, text: text.to_owned(), values: Vec::new() }
    }

    /// Goes on with `text`, which is ours: what comes from elsewhere is bound.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Goes on with another statement and its values.
    #[cfg(test)]
    pub(super) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        for value in &other.values {
            self.values.push(match value {
                Value::Text(text) => Value::Text(text.clone()),
                Value::Number(number) => Value::Number(*number),
            });
        }
    }

    /// Binds a text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.mark(Value::Text(text.to_owned()))
    }

    /// Binds a key, or a text that was made of one.
    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        self.mark(Value::Text(stored(key)))
    }

    /// Binds a number.
    pub(super) fn number(&mut self, number: i64) -> &mut Self {
        self.mark(Value::Number(number))
    }

    /// Binds a number that is never negative.
    pub(super) fn unsigned(&mut self, number: u64) -> &mut Self {
        self.number(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// Binds a time.
    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        self.number(millis(time))
    }

    /// `(…), (…)`: one pair of brackets for each row.
    pub(super) fn rows<Item>(
        &mut self,
        items: impl IntoIterator<Item = Item>,
        mut row: impl FnMut(&mut Self, Item),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            self.push(if index == 0 { "(" } else { ", (" });
            row(self, item);
            self.push(")");
        }
        self
    }

    /// A condition: that `columns` are those of one of `items`. A list of rows alone would make SQLite read the whole table;
    /// over a SELECT it goes by the index.
    pub(super) fn among<Item>(
        &mut self,
        columns: &[&str],
        items: impl IntoIterator<Item = Item>,
        row: impl FnMut(&mut Self, Item),
    ) -> &mut Self {
        let numbered: Vec<_> = (1..=columns.len()).map(|number| format!("column{number}")).collect();
        self.push("(").push(&columns.join(", ")).push(") IN (SELECT ").push(&numbered.join(", "));
        self.push(" FROM (VALUES ").rows(items, row).push(") AS wanted)")
    }

    fn mark(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        match self.dialect {
            Dialect::Sqlite => self.text.push('?'),
            Dialect::Postgres => {
                self.text.push('$');
                self.text.push_str(&self.values.len().to_string());
            }
        }
        self
    }

    /// Runs it; how many rows it touched.
    pub(super) async fn execute(&self, connection: &mut AnyConnection) -> Result<u64, sqlx::Error> {
        Ok(self.query().execute(connection).await?.rows_affected())
    }

    /// Runs it; the rows that it returns.
    pub(super) async fn fetch(&self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, sqlx::Error> {
        self.query().fetch_all(connection).await
    }

    fn query(&self) -> Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
        let mut query = sqlx::query(AssertSqlSafe(self.text.as_str())).persistent(false);
        for value in &self.values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Number(number) => query.bind(*number),
            };
        }
        query
    }
}

/// Reads columns of a row.
pub(super) trait Columns {
    /// A text.
    fn text(&self, column: &str) -> Result<String, sqlx::Error>;
    /// A number.
    fn number(&self, column: &str) -> Result<i64, sqlx::Error>;

    /// A key, or a text that was made of one.
    fn key(&self, column: &str) -> Result<String, sqlx::Error> {
        Ok(read_key(&self.text(column)?))
    }

    /// A time.
    fn time(&self, column: &str) -> Result<Timestamp, sqlx::Error> {
        Ok(timestamp(self.number(column)?))
    }

    /// A number that is never negative.
    fn unsigned(&self, column: &str) -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(self.number(column)?).unwrap_or_default())
    }

    /// Yes or no.
    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        Ok(self.number(column)? != 0)
    }

    /// A text that is empty when there is none.
    fn optional_text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        Ok(Some(self.text(column)?).filter(|text| !text.is_empty()))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn number(&self, column: &str) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }
}

/// A time as it is stored.
pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.unix_millis()).unwrap_or(i64::MAX)
}

/// A stored time.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or_default())
}

/// A key may hold a NUL, which PostgreSQL takes in no text.
fn stored(key: &str) -> String {
    key.replace('\\', r"\\").replace('\0', r"\0")
}

fn read_key(stored: &str) -> String {
    if !stored.contains('\\') {
        return stored.to_owned();
    }
    let mut key = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => key.extend(characters.next().map(|escaped| if escaped == '0' { '\0' } else { escaped })),
            other => key.push(other),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_the_database_s_own() {
        for (dialect, text) in
            [(Dialect::Sqlite, "x (?, ?), (?, ?)"), (Dialect::Postgres, "x ($1, $2), ($3, $4)")]
        {
            let mut sql = Sql::new(dialect, "x ");
            sql.rows([("a", 1), ("b", 2)], |sql, (text, number)| {
                sql.text(text).push(", ").number(number);
            });
            assert_eq!(sql.text, text);
        }
    }

    proptest! {
        #[test]
        fn any_key_can_be_stored_and_read(key in r"[\\0a\x00/ü]*") {
            prop_assert!(!stored(&key).contains('\0'));
            prop_assert_eq!(read_key(&stored(&key)), key);
        }
    }
}
