//! `/api/v1/webhooks/…`: what a caller can do with webhooks, all of them its own.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;
use wharf_wire::{date::Timestamp, encode};
use zeroize::Zeroizing;

use crate::{
    error::{Code, Error},
    request::authorize::may_know,
    store::{Delivery, DeliveryState, Webhook, WebhookKind},
    webhooks::{Address, EventName, NewSubscription, Shown},
};

use super::{
    Answer, Call, Parts,
    body::{Body, non_empty},
    reply,
};

/// No field of these routes begins with a provider's prefix.
const NO_PREFIX: &str = "-";

/// Webhooks, or deliveries of one, in a reply.
const ENTRIES_DEFAULT: u32 = 50;
const ENTRIES_MAX: u32 = 200;
/// Bytes of a usual reply.
const REPLY_BYTES: usize = 1024;

/// How a webhook or a delivery stands, in the published clients' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// A webhook for what happens in a bucket.
    Active,
    /// The upload is not there yet, or the delivery was not tried yet.
    Pending,
    /// It was tried, and is tried again.
    Delivering,
    /// The receiver has it.
    Completed,
    /// The upload never came.
    Failed,
    /// It was given up, and can be retried.
    DeadLetter,
}

impl Standing {
    fn of(delivery: &Delivery) -> Self {
        match delivery.state {
            DeliveryState::Waiting if delivery.attempts == 0 => Self::Pending,
            DeliveryState::Waiting => Self::Delivering,
            DeliveryState::Delivered => Self::Completed,
            DeliveryState::Dead => Self::DeadLetter,
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookEntry {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: Standing,
    bucket: String,
    key: Option<String>,
    prefix: Option<String>,
    events: Vec<String>,
    provider: Option<String>,
    filename: Option<String>,
    #[schemars(with = "Option<String>")]
    webhook_url: Option<Zeroizing<String>>,
    created_at: String,
    ends_at: Option<String>,
    dead_letters: u64,
    #[serde(flatten)]
    tries: Tries,
}

/// What is known of a delivery's tries; of a webhook, of its last delivery.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tries {
    attempt_count: u32,
    last_attempt_at: Option<String>,
    next_retry_at: Option<String>,
    delivered_at: Option<String>,
    failed_at: Option<String>,
    response_status: Option<u16>,
    error_message: Option<String>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryEntry {
    id: String,
    webhook_id: String,
    event: String,
    key: String,
    status: Standing,
    created_at: String,
    #[serde(flatten)]
    tries: Tries,
}

/// A webhook with its deliveries, a page of them.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Confirmed {
    success: bool,
    #[serde(flatten)]
    webhook: WebhookEntry,
    deliveries: Vec<DeliveryEntry>,
    next_cursor: Option<String>,
}

/// A single delivery.
#[derive(JsonSchema, Serialize)]
pub(super) struct Delivered {
    success: bool,
    #[serde(flatten)]
    delivery: DeliveryEntry,
}

/// What an id is the id of.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(super) enum Status {
    Webhook(Box<Confirmed>),
    Delivery(Box<Delivered>),
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created<'a> {
    success: bool,
    webhook_id: &'a str,
    #[schemars(with = "String")]
    webhook_secret: Zeroizing<String>,
    bucket: &'a str,
    prefix: &'a str,
    events: Vec<&'static str>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    success: bool,
    count: usize,
    webhooks: Vec<WebhookEntry>,
    next_cursor: Option<String>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Retried {
    success: bool,
    retried: u64,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Deleted<'a> {
    success: bool,
    deleted: &'a str,
}

/// Makes a webhook for what happens in a bucket.
pub(super) async fn create(parts: &Parts, call: &Call<'_>) -> Answer {
    parts.webhooks.check_enabled()?;
    let body = Body::parse(call.body, NO_PREFIX)?;
    let (Some(url), Some(bucket)) = (non_empty(body.hook.url.as_ref()), non_empty(body.bucket.as_ref()))
    else {
        return Err(Error::new(Code::MissingFields, "A webhook needs `url` and `bucket`.")
            .hint("Besides, it takes `prefix`, `events` and `secret`."));
    };
    if !parts.config.buckets.contains_key(bucket) || !may_know(call.identity, bucket) {
        return Err(Error::new(Code::UnknownProvider, "No such bucket is served.")
            .hint("`bucket` is the name of a configured bucket."));
    }
    let events = events(&body)?;
    let prefix = non_empty(body.listing.prefix.as_ref()).unwrap_or_default();
    let new = NewSubscription {
        identity: call.identity,
        bucket,
        prefix,
        events: &events,
        to: Address { url, secret: body.hook.secret.as_ref().map(ExposeSecret::expose_secret) },
        now: call.context.received,
    };
    let made = parts.webhooks.subscribe(new, &parts.current()).await?;
    let events = events.iter().map(|event| event.as_str()).collect();
    let reply =
        Created { success: true, webhook_id: &made.id, webhook_secret: made.secret, bucket, prefix, events };
    reply::ok(&reply, REPLY_BYTES)
}

/// The events that a caller wants; without any, all.
fn events(body: &Body<'_>) -> Result<Vec<EventName>, Error> {
    let Some(asked) = &body.hook.events else { return Ok(EventName::ALL.to_vec()) };
    let mut events = Vec::with_capacity(EventName::ALL.len());
    for name in &asked.entries {
        let event = EventName::parse(name.as_str()).ok_or_else(|| {
            Error::new(Code::InvalidField, "`events` names an event that is not told.")
                .options(EventName::ALL.map(EventName::as_str))
        })?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(Error::new(Code::InvalidField, "`events` is empty.")
            .options(EventName::ALL.map(EventName::as_str)));
    }
    Ok(events)
}

/// Looks whether a webhook's upload is there.
pub(super) async fn confirm(parts: &Parts, call: &Call<'_>) -> Answer {
    parts.webhooks.check_enabled()?;
    let body = Body::parse(call.body, NO_PREFIX)?;
    let id = non_empty(body.hook.id.as_ref())
        .ok_or_else(|| Error::new(Code::MissingFields, "Missing: `webhookId`."))?;
    let webhook = parts.webhooks.confirm(call.identity, id, &parts.current()).await?;
    if let Some(bucket) = parts.config.buckets.get(&webhook.bucket) {
        parts.mirrors.note_foreign(bucket, &[&webhook.prefix]).await?;
    }
    reply::ok(&one(parts, call, webhook).await?, REPLY_BYTES)
}

/// Lists the caller's webhooks, the newest first.
pub(super) async fn list(parts: &Parts, call: &Call<'_>) -> Answer {
    let page = Page::of(call.query)?;
    let (found, next_cursor) = page
        .cut(parts.webhooks.list(call.identity, page.cursor.as_deref(), page.limit + 1).await?, |webhook| {
            &webhook.id
        });
    let mut webhooks = Vec::with_capacity(found.len());
    let ids: Vec<&str> = found.iter().map(|webhook| webhook.id.as_str()).collect();
    let dead = parts.webhooks.dead_letters(&ids).await?;
    for webhook in found {
        let dead_letters = dead.get(&webhook.id).copied().unwrap_or_default();
        let last = parts.webhooks.deliveries(&webhook.id, None, None, 1).await?.pop();
        webhooks.push(entry(parts, webhook, last.as_ref(), (dead_letters, call.context.received)));
    }
    reply::ok(&Listed { success: true, count: webhooks.len(), webhooks, next_cursor }, REPLY_BYTES)
}

/// Tells how a webhook or a delivery stands.
pub(super) async fn status(parts: &Parts, call: &Call<'_>) -> Answer {
    let id = call.route.webhook.as_deref().unwrap_or_default();
    let status = match parts.webhooks.show(call.identity, id).await? {
        Shown::Webhook(webhook) => Status::Webhook(Box::new(one(parts, call, webhook).await?)),
        Shown::Delivery(delivery) => {
            Status::Delivery(Box::new(Delivered { success: true, delivery: delivery_entry(delivery) }))
        }
    };
    reply::ok(&status, REPLY_BYTES)
}

/// Makes dead letters due again: those of a webhook, or a single one.
pub(super) async fn retry(parts: &Parts, call: &Call<'_>) -> Answer {
    let id = call.route.webhook.as_deref().unwrap_or_default();
    let retried = parts.webhooks.retry(call.identity, id).await?;
    reply::ok(&Retried { success: true, retried }, REPLY_BYTES)
}

/// Deletes a webhook, and what is to be delivered to it.
pub(super) async fn delete(parts: &Parts, call: &Call<'_>) -> Answer {
    let id = call.route.webhook.as_deref().unwrap_or_default();
    parts.webhooks.delete(call.identity, id).await?;
    reply::ok(&Deleted { success: true, deleted: id }, REPLY_BYTES)
}

/// A webhook with its deliveries, a page of them.
async fn one(parts: &Parts, call: &Call<'_>, webhook: Webhook) -> Result<Confirmed, Error> {
    let page = Page::of(call.query)?;
    let found =
        parts.webhooks.deliveries(&webhook.id, page.state, page.cursor.as_deref(), page.limit + 1).await?;
    let (found, next_cursor) = page.cut(found, |delivery| &delivery.id);
    let last = parts.webhooks.deliveries(&webhook.id, None, None, 1).await?.pop();
    let dead = parts.webhooks.dead_letters(&[&webhook.id]).await?;
    let dead_letters = dead.get(&webhook.id).copied().unwrap_or_default();
    let webhook = entry(parts, webhook, last.as_ref(), (dead_letters, call.context.received));
    let deliveries = found.into_iter().map(delivery_entry).collect();
    Ok(Confirmed { success: true, webhook, deliveries, next_cursor })
}

fn entry(
    parts: &Parts,
    webhook: Webhook,
    last: Option<&Delivery>,
    (dead_letters, now): (u64, Timestamp),
) -> WebhookEntry {
    let opened = parts.webhooks.open(&webhook, &parts.sealer);
    let is_upload = webhook.kind == WebhookKind::Upload;
    let status = match (webhook.kind, last) {
        (WebhookKind::Subscription, _) => Standing::Active,
        (WebhookKind::Upload, Some(delivery)) => Standing::of(delivery),
        (WebhookKind::Upload, None) if now > webhook.ends_at => Standing::Failed,
        (WebhookKind::Upload, None) => Standing::Pending,
    };
    let mut tries = last.filter(|_| is_upload).map(tries).unwrap_or_default();
    if status == Standing::Failed {
        tries.failed_at = Some(webhook.ends_at.rfc3339());
        tries.error_message = Some("nobody confirmed the upload, and it was not seen".to_owned());
    }
    let (url, upload) = opened.map_or((None, None), |(url, upload)| (Some(url), upload));
    let (filename, provider, bucket) = upload.map_or((None, None, None), |upload| {
        (Some(upload.filename), Some(upload.provider), Some(upload.bucket))
    });
    WebhookEntry {
        id: webhook.id,
        kind: if is_upload { "upload" } else { "subscription" },
        status,
        bucket: bucket.unwrap_or(webhook.bucket),
        key: is_upload.then(|| webhook.prefix.clone()),
        prefix: (!is_upload).then_some(webhook.prefix),
        events: webhook.events.split(',').map(str::to_owned).collect(),
        provider,
        filename,
        webhook_url: url,
        created_at: webhook.created_at.rfc3339(),
        ends_at: is_upload.then(|| webhook.ends_at.rfc3339()),
        dead_letters,
        tries,
    }
}

fn delivery_entry(delivery: Delivery) -> DeliveryEntry {
    DeliveryEntry {
        status: Standing::of(&delivery),
        tries: tries(&delivery),
        created_at: delivery.created_at.rfc3339(),
        id: delivery.id,
        webhook_id: delivery.webhook,
        event: delivery.event,
        key: delivery.key,
    }
}

fn tries(delivery: &Delivery) -> Tries {
    let ended = |state| delivery.ended_at.filter(|_| delivery.state == state).map(Timestamp::rfc3339);
    let is_waiting = delivery.state == DeliveryState::Waiting;
    Tries {
        attempt_count: delivery.attempts,
        last_attempt_at: delivery.attempted_at.map(Timestamp::rfc3339),
        next_retry_at: is_waiting.then(|| delivery.due.rfc3339()),
        delivered_at: ended(DeliveryState::Delivered),
        failed_at: ended(DeliveryState::Dead),
        response_status: delivery.status,
        error_message: delivery.error.clone(),
    }
}

/// Which part of a list is wanted.
struct Page {
    limit: u32,
    cursor: Option<String>,
    /// Deliveries that stand so.
    state: Option<DeliveryState>,
}

impl Page {
    fn of(query: &str) -> Result<Self, Error> {
        let mut page = Self { limit: ENTRIES_DEFAULT, cursor: None, state: None };
        for (name, value) in encode::query_pairs(query) {
            let value = String::from_utf8_lossy(&encode::decode_query(value)).into_owned();
            match name {
                "limit" => page.limit = limit(&value)?,
                "cursor" => page.cursor = Some(value).filter(|cursor| !cursor.is_empty()),
                "status" => page.state = Some(state(&value)?),
                _ => {}
            }
        }
        Ok(page)
    }

    /// Of one entry more than fit, those that do, and where the next page begins.
    fn cut<T>(&self, mut found: Vec<T>, id: impl Fn(&T) -> &String) -> (Vec<T>, Option<String>) {
        let has_more = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        let next = found.last().filter(|_| has_more).map(|last| id(last).clone());
        (found, next)
    }
}

fn limit(text: &str) -> Result<u32, Error> {
    let limit = text.parse().ok().filter(|limit| (1..=ENTRIES_MAX).contains(limit));
    limit.ok_or_else(|| Error::new(Code::InvalidField, "`limit` is a whole number from 1 to 200."))
}

fn state(word: &str) -> Result<DeliveryState, Error> {
    match word {
        "pending" | "delivering" => Ok(DeliveryState::Waiting),
        "completed" => Ok(DeliveryState::Delivered),
        "dead_letter" => Ok(DeliveryState::Dead),
        _ => Err(Error::new(Code::InvalidField, "`status` is none that a delivery can have.").options([
            "pending",
            "delivering",
            "completed",
            "dead_letter",
        ])),
    }
}
