//! Webhooks and what is to be delivered to them, between the database and those who deliver.
//!
//! ```text
//! register ─→ webhook ─┬─ an upload's:    fire, once        ─┐
//!                      └─ a subscription: record, each event ─┴─→ delivery ─→ claim ─→ (POST) ─→ end: delivered, later, dead
//! ```
//!
//! What is answered is durable. A delivery goes with its webhook; one that has ended is kept for a while, to be looked at.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::any::AnyRow;
use tokio::sync::futures::OwnedNotified;
use wharf_wire::date::Timestamp;

use super::{
    command::Command,
    error::JournalError,
    journal::Journal,
    reader::Reader,
    sql::{Columns, Sql, timestamp},
    wake::Wakes,
};

/// All that is stored of a webhook, in the order in which [`Sql::webhook`] binds it.
pub(super) const WEBHOOK_COLUMNS: &str = "id, owner, kind, bucket, prefix, events, receiver, sealed, is_fired, \
    looks, due, created_at, ends_at";

const DELIVERY_COLUMNS: &str = "id, webhook, event, key, state, attempts, status, error, created_at, \
    attempted_at, ended_at, due";

/// Rows that one transaction retries, removes or prunes.
pub(super) const WEBHOOK_ROWS_MAX: u64 = 500;

/// What a webhook waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// One upload.
    Upload,
    /// Whatever happens to some keys.
    Subscription,
}

impl WebhookKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Subscription => "subscription",
        }
    }
}

/// Somebody who wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Who made it.
    pub owner: String,
    /// What it waits for.
    pub kind: WebhookKind,
    /// A configured bucket's name, or another word for where the upload goes.
    pub bucket: String,
    /// The upload's key; of a subscription, what keys begin with.
    pub prefix: String,
    /// Names of events, between commas.
    pub events: String,
    /// The scheme, host and port of the address.
    pub receiver: String,
    /// The address and the secret, which nobody reads here.
    pub sealed: String,
    /// Whether its upload was there, and is told of.
    pub is_fired: bool,
    /// How often the upload was looked for.
    pub looks: u32,
    /// When it is looked for next, if it is.
    pub due: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an upload is waited for no longer.
    pub ends_at: Timestamp,
}

/// Something that is to be told to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id: the same in every attempt.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// The event's name.
    pub event: String,
    /// The caller's key.
    pub key: String,
    /// What is posted.
    pub body: String,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be posted, now or later.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn parse(word: &str) -> Result<Self, sqlx::Error> {
        let known =
            [Self::Waiting, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| sqlx::Error::Decode(format!("a delivery's state says `{word}`").into()))
    }
}

/// A delivery, as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// The event's name.
    pub event: String,
    /// The caller's key.
    pub key: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was posted.
    pub attempts: u32,
    /// The status of the receiver's last reply.
    pub status: Option<u16>,
    /// What went wrong the last time.
    pub error: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was posted last.
    pub attempted_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
    /// When it is posted next, if it waits.
    pub due: Timestamp,
}

/// A delivery that whoever claimed it is to post now. Dropping it leaves it to the end of its lease.
#[derive(Debug)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// The scheme, host and port of the address.
    pub receiver: Arc<str>,
    /// The event's name.
    pub event: String,
    /// What is posted.
    pub body: String,
    /// How often it was posted before.
    pub attempts: u32,
    /// The address and the secret, sealed.
    pub sealed: String,
    pub(super) lease: u64,
}

/// What came of posting a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEnd {
    /// How it stands now.
    pub state: DeliveryState,
    /// The status of the receiver's reply.
    pub status: Option<u16>,
    /// What went wrong; empty if nothing did.
    pub error: String,
    /// When it is posted again, if it is.
    pub due: Timestamp,
}

/// What is to be delivered, all webhooks together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryBacklog {
    /// When the oldest one was recorded.
    pub oldest: Option<Timestamp>,
    /// How many were given up.
    pub dead: u64,
}

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

impl Sql {
    /// Binds [`WEBHOOK_COLUMNS`].
    pub(super) fn webhook(&mut self, webhook: &Webhook) -> &mut Self {
        self.key(&webhook.id).push(", ").key(&webhook.owner).push(", ").text(webhook.kind.as_str());
        self.push(", ").key(&webhook.bucket).push(", ").key(&webhook.prefix).push(", ").text(&webhook.events);
        self.push(", ").text(&webhook.receiver).push(", ").text(&webhook.sealed).push(", ");
        self.number(webhook.is_fired.into()).push(", ").unsigned(webhook.looks.into()).push(", ");
        self.time(webhook.due.unwrap_or(NEVER)).push(", ").time(webhook.created_at).push(", ");
        self.time(webhook.ends_at)
    }

    /// A condition: none of some receivers.
    pub(super) fn without(&mut self, receivers: &[Arc<str>]) -> &mut Self {
        for receiver in receivers {
            self.push(" AND receiver <> ").text(receiver);
        }
        self
    }
}

/// A time that is none.
const NEVER: Timestamp = Timestamp::from_unix_millis(0);

async fn first_time(reader: &Reader, sql: Sql, column: &str) -> Result<Option<Timestamp>, JournalError> {
    let rows = reader.fetch(sql).await?;
    Ok(rows.first().map(|row| row.time(column)).transpose()?)
}

/// Reads a webhook.
pub(super) fn webhook(row: &AnyRow) -> Result<Webhook, sqlx::Error> {
    let kind = row.text("kind")?;
    let kinds = [WebhookKind::Upload, WebhookKind::Subscription];
    let unknown = || sqlx::Error::Decode(format!("a webhook's kind says `{kind}`").into());
    Ok(Webhook {
        id: row.key("id")?,
        owner: row.key("owner")?,
        kind: kinds.into_iter().find(|known| known.as_str() == kind).ok_or_else(unknown)?,
        bucket: row.key("bucket")?,
        prefix: row.key("prefix")?,
        events: row.text("events")?,
        receiver: row.text("receiver")?,
        sealed: row.text("sealed")?,
        is_fired: row.flag("is_fired")?,
        looks: small(row, "looks")?,
        due: optional_time(row, "due")?,
        created_at: row.time("created_at")?,
        ends_at: row.time("ends_at")?,
    })
}

fn delivery(row: &AnyRow) -> Result<Delivery, sqlx::Error> {
    let status = u16::try_from(row.number("status")?).unwrap_or_default();
    Ok(Delivery {
        id: row.key("id")?,
        webhook: row.key("webhook")?,
        event: row.text("event")?,
        key: row.key("key")?,
        state: DeliveryState::parse(&row.text("state")?)?,
        attempts: small(row, "attempts")?,
        status: (status > 0).then_some(status),
        error: row.optional_text("error")?,
        created_at: row.time("created_at")?,
        attempted_at: optional_time(row, "attempted_at")?,
        ended_at: optional_time(row, "ended_at")?,
        due: row.time("due")?,
    })
}

/// Reads what a claim found; `lease` is its own.
pub(super) fn claimed(row: &AnyRow, lease: u64) -> Result<ClaimedDelivery, sqlx::Error> {
    Ok(ClaimedDelivery {
        id: row.key("id")?,
        webhook: row.key("webhook")?,
        receiver: row.text("receiver")?.into(),
        event: row.text("event")?,
        body: row.text("body")?,
        attempts: small(row, "attempts")?,
        sealed: row.text("sealed")?,
        lease,
    })
}

fn small(row: &AnyRow, column: &str) -> Result<u32, sqlx::Error> {
    Ok(u32::try_from(row.number(column)?).unwrap_or_default())
}

fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let millis = row.number(column)?;
    Ok((millis > 0).then(|| timestamp(millis)))
}
