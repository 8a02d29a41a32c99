//! `analytics` and `track`: what the caller's requests came to, and what clients tell of themselves.
//!
//! Wharf counts what it does by itself ([`crate::usage`]). What clients tell is counted beside that, under the names that
//! they give it, and believed by nobody else.

use std::collections::BTreeMap;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_wire::{date::Timestamp, encode};

use super::{
    Answer, Call, Parts,
    body::{Body, Number, Text, non_empty},
    operation::Operation,
    reply,
    target::Target,
};
use crate::{
    error::{Code, Error},
    store::{JournalError, UsageRow},
    usage::{self, Caller, Event, Use},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 2048;
/// Days that are shown unless the caller wants another number of them, and the most.
const DAYS_DEFAULT: u32 = 30;
const DAYS_MAX: u32 = 366;
/// Bytes of an event's name.
const EVENT_BYTES_MAX: usize = 64;
/// What `track` is told of.
pub(super) const TRACKED: [&str; 5] = ["initiated", "completed", "failed", "cancelled", "timeout"];
/// Bytes of a file that anyone has reason to tell of: more than any provider stores.
const FILE_BYTES_MAX: u64 = 1 << 50;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// What a client tells.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    provider: Option<Text<'a>>,
    file_size: Option<Number>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Taken {
    success: bool,
    counted: bool,
    message: &'static str,
}

/// The days that a reply is about, both included.
#[derive(Debug, Clone, Copy)]
struct Days {
    first: u32,
    last: u32,
}

/// Sums of some rows. Those of `operations` are in `count` and `bytes`; what clients tell is not.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub(super) struct Sums {
    count: u64,
    bytes: u64,
    operations: BTreeMap<String, Sum>,
    events: BTreeMap<String, Sum>,
}

#[derive(Debug, Default, JsonSchema, Serialize)]
pub(super) struct Sum {
    count: u64,
    bytes: u64,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<T: Serialize> {
    success: bool,
    from: String,
    to: String,
    #[serde(flatten)]
    shown: T,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Daily {
    days: Vec<Day>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Day {
    date: String,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Providers<'a> {
    providers: Vec<Provider<'a>>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Provider<'a> {
    provider: &'a str,
    #[serde(flatten)]
    sums: Sums,
}

/// What a request comes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    /// With whom; empty if with nobody.
    pub(super) provider: &'a str,
    pub(super) operation: &'static str,
    pub(super) times: u64,
    pub(super) bytes: u64,
}

impl<'a> Counted<'a> {
    /// One `operation`, and no bytes.
    pub(super) fn once(provider: &'a str, operation: &'static str) -> Self {
        Self { provider, operation, times: 1, bytes: 0 }
    }

    /// What a route about `target` has done: its files or keys, and the bytes that were declared, unless Wharf counts what
    /// really comes.
    pub(super) fn of(call: &Call<'_>, target: &'a Target<'_>, body: &Body<'_>) -> Self {
        let bytes =
            |size: Option<Number>| size.and_then(Number::whole).unwrap_or_default().min(FILE_BYTES_MAX);
        let files = body.files.as_ref().map(|files| &files.entries);
        let of_files = files.into_iter().flatten().map(|file| bytes(file.file_size)).sum::<u64>();
        let declared = of_files.saturating_add(bytes(body.file.file_size));
        let entries = files.map(Vec::len).or(body.keys.as_ref().map(|keys| keys.entries.len())).unwrap_or(1);
        Self {
            provider: target.provider_name(),
            operation: call.route.operation.name(),
            times: entries as u64,
            bytes: if is_counted_later(call, target) { 0 } else { declared },
        }
    }
}

/// Whether Wharf's own S3 endpoint takes what is signed (for all of the bucket's URLs, or a form for a provider that takes none)
/// and counts it for the same caller: a short-lived key counts for the one that it was made for, and else for nobody.
fn is_counted_later(call: &Call<'_>, target: &Target<'_>) -> bool {
    let is_form_for_wharf = call.route.operation == Operation::Form && !target.takes_forms();
    (target.own_door.is_some() || is_form_for_wharf) && call.identity.key().is_some()
}

/// Counts what the caller of `call` has had done, if usage is kept.
pub(super) fn count(parts: &Parts, call: &Call<'_>, counted: Counted<'_>) {
    let Counted { provider, operation, times, bytes } = counted;
    let Some(caller) = Caller::of(call.identity).filter(|_| parts.config.usage.enabled) else { return };
    let (event, at) = (Event::Operation(operation), call.context.received);
    parts.usage.count(Use { caller, provider, event, times, bytes, at });
}

/// Answers `analytics`: a `POST` tells, a `GET` asks.
pub(super) async fn handle(parts: &Parts, call: &Call<'_>) -> Answer {
    if *call.method == Method::POST {
        return tell(parts, call);
    }
    let (days, rows) = rows(parts, call).await?;
    days.reply(Sums::of(&rows))
}

/// Answers `analytics/daily`. Every day has its entry, so that a chart needs no gaps filled.
pub(super) async fn daily(parts: &Parts, call: &Call<'_>) -> Answer {
    let (days, rows) = rows(parts, call).await?;
    let of_day = |day: u32| Sums::of(rows.iter().filter(|row| row.day == day));
    let shown = (days.first..=days.last).map(|day| Day { date: date(day), sums: of_day(day) });
    days.reply(Daily { days: shown.collect() })
}

/// Answers `analytics/providers`.
pub(super) async fn providers(parts: &Parts, call: &Call<'_>) -> Answer {
    let (days, rows) = rows(parts, call).await?;
    let mut by_provider: BTreeMap<&str, Vec<&UsageRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.provider.is_empty()) {
        by_provider.entry(&row.provider).or_default().push(row);
    }
    let sums = by_provider.into_iter().map(|(provider, rows)| Provider { provider, sums: Sums::of(rows) });
    days.reply(Providers { providers: sums.collect() })
}

/// Answers `track`, and what is told to `analytics`.
pub(super) fn tell(parts: &Parts, call: &Call<'_>) -> Answer {
    let told: Told<'_> = serde_json::from_slice(call.body).map_err(|problem| {
        let place = format!("line {}, column {}", problem.line(), problem.column());
        let message = format!("The body must be one JSON object with text in `event` ({place}).");
        Error::new(Code::InvalidJson, message)
    })?;
    let event = event(&told, call.route.operation)?;
    if !parts.config.usage.enabled {
        let message = "Usage is not kept here: the operator has not set `usage.enabled`.";
        return reply::ok(&Taken { success: true, counted: false, message }, REPLY_BYTES);
    }
    let Some(caller) = Caller::of(call.identity) else {
        let message = "A short-lived key has no usage of its own.";
        return reply::ok(&Taken { success: true, counted: false, message }, REPLY_BYTES);
    };
    parts.usage.count(Use {
        caller,
        provider: known_provider(parts, non_empty(told.provider.as_ref()).unwrap_or_default()),
        event: Event::Told(event),
        times: 1,
        bytes: told.file_size.and_then(Number::whole).unwrap_or_default().min(FILE_BYTES_MAX),
        at: call.context.received,
    });
    reply::ok(&Taken { success: true, counted: true, message: "The event was counted." }, REPLY_BYTES)
}

fn event<'t>(told: &'t Told<'_>, operation: Operation) -> Result<&'t str, Error> {
    let event =
        non_empty(told.event.as_ref()).ok_or_else(|| Error::new(Code::MissingFields, "Missing: `event`."))?;
    if operation == Operation::Track && !TRACKED.contains(&event) {
        return Err(Error::new(Code::InvalidField, "`event` is none that is tracked.").options(TRACKED));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/ ".contains(&byte);
    if event.len() > EVENT_BYTES_MAX || !event.bytes().all(is_plain) {
        let message = format!("`event` must be at most {EVENT_BYTES_MAX} letters, digits, spaces and _-.:/");
        return Err(Error::new(Code::InvalidField, message));
    }
    Ok(event)
}

/// The provider or plugin that a client means: the names are a closed set, since each makes rows.
fn known_provider<'p>(parts: &'p Parts, told: &str) -> &'p str {
    let configured = parts.config.providers.keys().map(String::as_str);
    let plugins = wharf_plugins::PROVIDERS.iter().map(|plugin| plugin.profile().kind);
    configured.chain(plugins).find(|known| known.eq_ignore_ascii_case(told)).unwrap_or_default()
}

/// The days that are asked for, and what the caller did in them.
async fn rows(parts: &Parts, call: &Call<'_>) -> Result<(Days, Vec<UsageRow>), Error> {
    if !parts.config.usage.enabled {
        return Err(Error::new(Code::NotFound, "Usage is not kept here.")
            .hint("The operator switches it on with `usage.enabled`."));
    }
    let Some(caller) = Caller::of(call.identity) else {
        return Err(Error::new(Code::AccessDenied, "A short-lived key has no usage of its own.")
            .hint("Use the key or token behind it."));
    };
    let days = Days::of(call)?;
    let unreadable = |error: JournalError| {
        Error::new(Code::JournalUnavailable, "The database cannot be read now. Try again.")
            .cause(error.to_string())
    };
    parts.usage.write(&parts.config, call.context.received).await.map_err(unreadable)?;
    let rows = parts.usage.read(&caller, days.first).await.map_err(unreadable)?;
    Ok((days, rows))
}

impl Days {
    /// The last days that the query asks for: `days=7`.
    fn of(call: &Call<'_>) -> Result<Self, Error> {
        let asked = encode::query_pairs(call.query).find(|(name, _)| *name == "days");
        let count = match asked {
            None => Some(DAYS_DEFAULT),
            Some((_, count)) => count.parse().ok().filter(|count| (1..=DAYS_MAX).contains(count)),
        };
        let count = count.ok_or_else(|| {
            Error::new(Code::InvalidField, format!("`days` must be a number from 1 to {DAYS_MAX}."))
        })?;
        let last = usage::day(call.context.received);
        Ok(Self { first: last.saturating_sub(count - 1), last })
    }

    fn reply<T: Serialize>(self, shown: T) -> Answer {
        let reply = Reply { success: true, from: date(self.first), to: date(self.last), shown };
        reply::ok(&reply, REPLY_BYTES)
    }
}

fn date(day: u32) -> String {
    let mut date = Timestamp::from_unix_millis(u64::from(day) * DAY_MILLIS).rfc3339();
    date.truncate("0000-00-00".len());
    date
}

impl Sums {
    fn of<'r>(rows: impl IntoIterator<Item = &'r UsageRow>) -> Self {
        let mut sums = Self::default();
        for row in rows {
            let sum = if let Some(name) = usage::told(&row.event) {
                sums.events.entry(name.to_owned()).or_default()
            } else {
                sums.count = sums.count.saturating_add(row.times);
                sums.bytes = sums.bytes.saturating_add(row.bytes);
                sums.operations.entry(row.event.clone()).or_default()
            };
            sum.count = sum.count.saturating_add(row.times);
            sum.bytes = sum.bytes.saturating_add(row.bytes);
        }
        sums
    }
}
