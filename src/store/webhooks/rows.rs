//! What is stored of webhooks and deliveries: one value for each kind of row, and how it is written to and read from its
//! columns.

use std::sync::Arc;

use sqlx::any::AnyRow;
use wharf_wire::date::Timestamp;

use crate::store::sql::{Columns, Sql, timestamp};

/// All that is stored of a webhook, in the order in which [`Sql::webhook`] binds it.
pub(in crate::store) const WEBHOOK_COLUMNS: &str = "id, owner, kind, bucket, prefix, events, receiver, sealed, is_fired, \
    looks, due, created_at, ends_at";

/// All that is shown of a delivery.
pub(super) const DELIVERY_COLUMNS: &str = "id, webhook, event, key, state, attempts, status, error, created_at, \
    attempted_at, ended_at, due";

/// What a webhook waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// One upload.
    Upload,
    /// Whatever happens to some keys.
    Subscription,
}

impl WebhookKind {
    pub(in crate::store) const fn as_str(self) -> &'static str {
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
    pub(in crate::store) const fn as_str(self) -> &'static str {
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
    pub(in crate::store) lease: u64,
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

impl Sql {
    /// Binds [`WEBHOOK_COLUMNS`].
    pub(in crate::store) fn webhook(&mut self, webhook: &Webhook) -> &mut Self {
        self.key(&webhook.id).push(", ").key(&webhook.owner).push(", ").text(webhook.kind.as_str());
        self.push(", ").key(&webhook.bucket).push(", ").key(&webhook.prefix).push(", ").text(&webhook.events);
        self.push(", ").text(&webhook.receiver).push(", ").text(&webhook.sealed).push(", ");
        self.number(webhook.is_fired.into()).push(", ").unsigned(webhook.looks.into()).push(", ");
        self.time(webhook.due.unwrap_or(NEVER)).push(", ").time(webhook.created_at).push(", ");
        self.time(webhook.ends_at)
    }

    /// A condition: none of some receivers.
    pub(in crate::store) fn without(&mut self, receivers: &[Arc<str>]) -> &mut Self {
        for receiver in receivers {
            self.push(" AND receiver <> ").text(receiver);
        }
        self
    }
}

/// A time that is none.
const NEVER: Timestamp = Timestamp::from_unix_millis(0);

/// Reads a webhook.
pub(in crate::store) fn webhook(row: &AnyRow) -> Result<Webhook, sqlx::Error> {
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

/// Reads a delivery.
pub(super) fn delivery(row: &AnyRow) -> Result<Delivery, sqlx::Error> {
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
pub(in crate::store) fn claimed(row: &AnyRow, lease: u64) -> Result<ClaimedDelivery, sqlx::Error> {
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
