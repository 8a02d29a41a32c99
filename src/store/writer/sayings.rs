//! What is said of keys becomes dirty rows.

use crate::{
    mirror::state::{Outcome, Settled, settled},
    store::{
        command::{Saying, Sayings},
        rows::{RowKey, Stored},
        sql::ROWS_MAX,
    },
};

use super::work::{Edit, Work};

impl Work<'_> {
    /// Puts into the rows what is said of their keys.
    pub(super) async fn say(&mut self, sayings: &Sayings) -> Result<(), sqlx::Error> {
        let sayings: Vec<_> = sayings.iter().collect();
        for chunk in sayings.chunks(ROWS_MAX) {
            self.say_some(chunk).await?;
        }
        Ok(())
    }

    async fn say_some(&mut self, sayings: &[(&RowKey, &Vec<Saying>)]) -> Result<(), sqlx::Error> {
        let makes_row = |said: &[Saying]| said.iter().any(|said| said.outcome != Outcome::Unchanged);
        let new: Vec<_> = sayings.iter().filter(|(_, said)| makes_row(said)).map(|(key, _)| *key).collect();
        self.seed(&new).await?;
        let mut locked = self.lock(sayings.iter().map(|(key, _)| *key)).await?;
        let mut edits = Vec::with_capacity(sayings.len());
        for (key, said) in sayings {
            // A row without a generation was made above.
            let before = locked.remove(*key).filter(|stored| stored.row.generation > 0);
            let after = self.said(before.clone(), said);
            if before != after {
                edits.push(Edit { key: (*key).clone(), before, after });
            }
        }
        self.write(&edits).await
    }

    fn said(&self, before: Option<Stored>, said: &[Saying]) -> Option<Stored> {
        let (mut row, error) = match before {
            Some(Stored { row, error }) => (Some(row), error),
            None => (None, String::new()),
        };
        for Saying { change, outcome, side, opened_at } in said.iter().copied() {
            row = settled(row, Settled { change, outcome, side, opened_at }, self.moment);
        }
        row.map(|row| Stored { error: if row.class.is_some() { error } else { String::new() }, row })
    }
}
