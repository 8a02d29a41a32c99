//! Webhooks and what is to be delivered to them, between the database and those who deliver.
//!
//! ```text
//! register ─→ webhook ─┬─ an upload's:    fire, once        ─┐
//!                      └─ a subscription: record, each event ─┴─→ delivery ─→ claim ─→ (POST) ─→ end: delivered, later, dead
//! ```
//!
//! What is answered is durable. A delivery goes with its webhook; one that has ended is kept for a while, to be looked at.

mod rows;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::futures::OwnedNotified;
use wharf_wire::date::Timestamp;

use super::{
    command::Command,
    error::JournalError,
    journal::Journal,
    reader::Reader,
    sql::{Columns, Sql},
    wake::Wakes,
};

pub use rows::{
    ClaimedDelivery, Delivery, DeliveryBacklog, DeliveryEnd, DeliveryState, NewDelivery, Webhook, WebhookKind,
};
pub(super) use rows::{WEBHOOK_COLUMNS, claimed, webhook};

use rows::{DELIVERY_COLUMNS, delivery};

/// Rows that one transaction retries, removes or prunes.
pub(super) const WEBHOOK_ROWS_MAX: u64 = 500;

/// What is written.
#[derive(Debug)]
pub(super) enum WebhookWrite {
    /// A webhook, while there are fewer subscriptions than that, if it is one.
    Register(Box<Webhook>, u64),
    /// What an upload's webhook has waited for, unless it was told before.
    Fire(NewDelivery),
    Record(Vec<NewDelivery>),
    End {
        id: String,
        lease: u64,
        end: DeliveryEnd,
    },
    /// Dead letters of one owner: those of a webhook, or one by itself.
    Retry {
        id: String,
        owner: String,
    },
    /// Some deliveries of a webhook; with the last one it goes as well.
    Remove {
        id: String,
        owner: String,
    },
    /// What ended before then.
    Prune(Timestamp),
}

/// Deliveries that are wanted.
#[derive(Debug)]
pub(super) struct DeliveryClaiming {
    pub(super) count_max: u32,
    pub(super) lease: Duration,
    /// Receivers that are left alone.
    pub(super) without: Vec<Arc<str>>,
}

/// The rows of webhooks. Clones are handles of the same ones.
#[derive(Debug, Clone)]
pub struct WebhookRows {
    journal: Journal,
    wakes: Arc<Wakes>,
}

impl WebhookRows {
    pub(super) fn new(journal: Journal, wakes: Arc<Wakes>) -> Self {
        Self { journal, wakes }
    }

    /// Keeps a webhook. `false`: it is a subscription, and there are `subscriptions_max` already.
    pub async fn register(&self, webhook: Webhook, subscriptions_max: u64) -> Result<bool, JournalError> {
        Ok(self.write(WebhookWrite::Register(Box::new(webhook), subscriptions_max)).await? > 0)
    }

    /// Records what the webhook of an upload has waited for. `false`: it was before, or there is no such webhook.
    pub async fn fire(&self, delivery: NewDelivery) -> Result<bool, JournalError> {
        Ok(self.write(WebhookWrite::Fire(delivery)).await? > 0)
    }

    /// Records what is to be told to subscriptions. Those that are gone get nothing.
    pub async fn record(&self, deliveries: Vec<NewDelivery>) -> Result<(), JournalError> {
        self.write(WebhookWrite::Record(deliveries)).await.map(|_count| ())
    }

    /// Takes up to `count_max` deliveries that are due and that nobody holds, the longest due first, but of receivers
    /// `without`. Each is held for `lease`.
    pub async fn claim(
        &self,
        count_max: u32,
        lease: Duration,
        without: Vec<Arc<str>>,
    ) -> Result<Vec<ClaimedDelivery>, JournalError> {
        let claiming = DeliveryClaiming { count_max, lease, without };
        self.journal.ask(Command::WebhookClaim, claiming).await
    }

    /// Says what came of posting one. Nothing is said if its lease has ended and somebody else has it.
    pub async fn end(&self, claimed: &ClaimedDelivery, end: DeliveryEnd) -> Result<(), JournalError> {
        let write = WebhookWrite::End { id: claimed.id.clone(), lease: claimed.lease, end };
        self.write(write).await.map(|_count| ())
    }

    /// Takes up to `count_max` webhooks whose uploads are to be looked for now. Each is due again after a pause that grows.
    pub async fn claim_looks(&self, count_max: u32) -> Result<Vec<Webhook>, JournalError> {
        self.journal.ask(Command::WebhookLook, count_max).await
    }

    /// Makes dead letters of `owner` due again, as if they had never failed: those of a webhook, or a single one. How many.
    pub async fn retry(&self, id: &str, owner: &str) -> Result<u64, JournalError> {
        let retry = || WebhookWrite::Retry { id: id.to_owned(), owner: owner.to_owned() };
        self.until_done(retry).await
    }

    /// Removes a webhook of `owner`, and what is to be delivered to it. `false`: there is none.
    pub async fn remove(&self, id: &str, owner: &str) -> Result<bool, JournalError> {
        let remove = || WebhookWrite::Remove { id: id.to_owned(), owner: owner.to_owned() };
        Ok(self.until_done(remove).await? > 0)
    }

    /// Forgets what ended before then.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, JournalError> {
        self.until_done(|| WebhookWrite::Prune(before)).await
    }

    /// Resolves when deliveries became due by what this process did.
    pub fn woken(&self) -> OwnedNotified {
        self.wakes.deliveries_woken()
    }

    /// When the next delivery is due, but of receivers `without`.
    pub async fn next_due(&self, without: &[Arc<str>]) -> Result<Option<Timestamp>, JournalError> {
        let reader = self.journal.reader();
        let mut sql = reader.sql("SELECT ready FROM webhook_deliveries WHERE state = 'waiting'");
        sql.without(without).push(" ORDER BY ready LIMIT 1");
        first_time(reader, sql, "ready").await
    }

    /// When the next upload is to be looked for.
    pub async fn next_look(&self) -> Result<Option<Timestamp>, JournalError> {
        let reader = self.journal.reader();
        let sql = reader.sql("SELECT due FROM webhooks WHERE due > 0 ORDER BY due LIMIT 1");
        first_time(reader, sql, "due").await
    }

    /// The webhook `id` of `owner`.
    pub async fn find(&self, id: &str, owner: &str) -> Result<Option<Webhook>, JournalError> {
        let mut sql = self.select();
        sql.push(" WHERE id = ").key(id).push(" AND owner = ").key(owner);
        Ok(self.webhooks(sql).await?.pop())
    }

    /// Webhooks of `owner`, the newest first: up to `count_max` that are older than `before`.
    pub async fn list(
        &self,
        owner: &str,
        before: Option<&str>,
        count_max: u32,
    ) -> Result<Vec<Webhook>, JournalError> {
        let mut sql = self.select();
        sql.push(" WHERE owner = ").key(owner);
        if let Some(before) = before {
            sql.push(" AND id < ").key(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").number(count_max.into());
        self.webhooks(sql).await
    }

    /// Every subscription.
    pub async fn subscriptions(&self) -> Result<Vec<Webhook>, JournalError> {
        let mut sql = self.select();
        sql.push(" WHERE kind = 'subscription' ORDER BY id");
        self.webhooks(sql).await
    }

    /// Webhooks that wait for the upload of `key` to `bucket`.
    pub async fn waiting(&self, bucket: &str, key: &str) -> Result<Vec<Webhook>, JournalError> {
        let mut sql = self.select();
        sql.push(" WHERE kind = 'upload' AND is_fired = 0 AND bucket = ").key(bucket);
        sql.push(" AND prefix = ").key(key).push(" LIMIT ").unsigned(WEBHOOK_ROWS_MAX);
        self.webhooks(sql).await
    }

    /// The delivery `id`, if its webhook is one of `owner`.
    pub async fn find_delivery(&self, id: &str, owner: &str) -> Result<Option<Delivery>, JournalError> {
        let mut sql = self.select_deliveries();
        sql.push(" WHERE id = ").key(id).push(" AND webhook IN (SELECT id FROM webhooks WHERE owner = ");
        sql.key(owner).push(")");
        Ok(self.deliveries_of(sql).await?.pop())
    }

    /// Deliveries to a webhook, the newest first: up to `count_max` in `state` that are older than `before`.
    pub async fn deliveries(
        &self,
        webhook: &str,
        state: Option<DeliveryState>,
        before: Option<&str>,
        count_max: u32,
    ) -> Result<Vec<Delivery>, JournalError> {
        let mut sql = self.select_deliveries();
        sql.push(" WHERE webhook = ").key(webhook);
        if let Some(state) = state {
            sql.push(" AND state = ").text(state.as_str());
        }
        if let Some(before) = before {
            sql.push(" AND id < ").key(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").number(count_max.into());
        self.deliveries_of(sql).await
    }

    /// How many dead letters each of some webhooks has; those with none are left out.
    pub async fn dead_letters(&self, webhooks: &[&str]) -> Result<BTreeMap<String, u64>, JournalError> {
        let reader = self.journal.reader();
        if webhooks.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut sql = reader.sql("SELECT webhook, COUNT(*) AS total FROM webhook_deliveries WHERE ");
        sql.push("state = 'dead' AND webhook IN (VALUES ").rows(webhooks, |sql, webhook| {
            sql.key(webhook);
        });
        sql.push(") GROUP BY webhook");
        let rows = reader.fetch(sql).await?;
        Ok(rows
            .iter()
            .map(|row| Ok((row.key("webhook")?, row.unsigned("total")?)))
            .collect::<Result<_, sqlx::Error>>()?)
    }

    /// How much is to be delivered.
    pub async fn backlog(&self) -> Result<DeliveryBacklog, JournalError> {
        let reader = self.journal.reader();
        let oldest = reader.sql(
            "SELECT created_at FROM webhook_deliveries WHERE state = 'waiting' ORDER BY created_at LIMIT 1",
        );
        let dead = reader.sql("SELECT COUNT(*) AS total FROM webhook_deliveries WHERE state = 'dead'");
        let dead = reader.fetch(dead).await?;
        let dead = dead.first().ok_or(sqlx::Error::RowNotFound)?.unsigned("total")?;
        Ok(DeliveryBacklog { oldest: first_time(reader, oldest, "created_at").await?, dead })
    }

    async fn write(&self, write: WebhookWrite) -> Result<u64, JournalError> {
        self.journal.ask(Command::WebhookWrite, write).await
    }

    /// The writer takes a bounded number at a time, so that nobody else waits for long.
    async fn until_done(&self, write: impl Fn() -> WebhookWrite) -> Result<u64, JournalError> {
        let mut total = 0;
        loop {
            let count = self.write(write()).await?;
            total += count;
            if count < WEBHOOK_ROWS_MAX {
                return Ok(total);
            }
        }
    }

    fn select(&self) -> Sql {
        let mut sql = self.journal.reader().sql("SELECT ");
        sql.push(WEBHOOK_COLUMNS).push(" FROM webhooks");
        sql
    }

    fn select_deliveries(&self) -> Sql {
        let mut sql = self.journal.reader().sql("SELECT ");
        sql.push(DELIVERY_COLUMNS).push(" FROM webhook_deliveries");
        sql
    }

    async fn webhooks(&self, sql: Sql) -> Result<Vec<Webhook>, JournalError> {
        let rows = self.journal.reader().fetch(sql).await?;
        Ok(rows.iter().map(webhook).collect::<Result<_, _>>()?)
    }

    async fn deliveries_of(&self, sql: Sql) -> Result<Vec<Delivery>, JournalError> {
        let rows = self.journal.reader().fetch(sql).await?;
        Ok(rows.iter().map(delivery).collect::<Result<_, _>>()?)
    }
}

async fn first_time(reader: &Reader, sql: Sql, column: &str) -> Result<Option<Timestamp>, JournalError> {
    let rows = reader.fetch(sql).await?;
    Ok(rows.first().map(|row| row.time(column)).transpose()?)
}
