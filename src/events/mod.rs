//! `POST /api/v1/events/{bucket}`: providers tell of objects that came to them without Wharf, so that those are mirrored too.
//!
//! ```text
//! from a topic (SNS) ── its signature, its topic ─┐
//! from anyone else   ── the bucket's token ───────┴─→ the provider's own words ─→ keys of this bucket ─→ dirty, durably
//! ```
//!
//! An event only says that a key may have changed; what it holds now, its store is asked. A removal says nothing: an absence
//! that Wharf did not cause is never mirrored.

mod sns;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, header};
use http_body_util::Full;
use schemars::{JsonSchema, json_schema};
use secrecy::ExposeSecret;
use serde::Serialize;
use subtle::ConstantTimeEq;
use wharf_provider::{Provider, event::EventChange};
use wharf_wire::{date::Timestamp, names::ObjectKey};

use crate::{
    backend::upstream::{Upstream, UpstreamError},
    config::{
        Config,
        checked::{BucketConfig, EventsConfig, Timeouts},
    },
    error::{Code, Error},
    mirror::Mirrors,
    upload_api::{
        self,
        openapi::{self, Admits, Group, Outside, Parameter},
    },
};

use sns::Topics;

/// Where events are told.
pub const BASE: &str = "/api/v1/events/";

/// What a provider is answered.
#[derive(JsonSchema, Serialize)]
struct Noted {
    success: bool,
}

/// The route, for the API's document.
pub fn describe() -> Outside {
    Outside {
        method: "POST",
        path: [BASE, "{bucket}"].concat(),
        name: "events".to_owned(),
        summary: "Take note of what a provider tells of its objects, in its own words",
        group: Group {
            name: "events",
            description: "For providers: a topic's messages bring their signature instead.",
        },
        admits: Admits::EventsToken,
        parameters: vec![Parameter::path("bucket", "A configured bucket's name.")],
        request: Some(json_schema!({ "description": "The provider's message, as it is." })),
        reply: openapi::generator().into_root_schema_for::<Noted>(),
        failure: None,
    }
}

const MESSAGE_TYPE: HeaderName = HeaderName::from_static("x-amz-sns-message-type");

/// For what a topic's host is asked. It gives up on us after 15 seconds itself.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    first_byte: Duration::from_secs(5),
    stall: Duration::from_secs(5),
};

/// Takes events over one configuration.
pub struct Events {
    config: Arc<Config>,
    mirrors: Arc<Mirrors>,
    /// None where no bucket listens to a topic: a client's trusted roots are a megabyte or so.
    topics: Option<Topics>,
}

impl Events {
    /// Over a configuration.
    pub fn new(config: Arc<Config>, mirrors: Arc<Mirrors>) -> Result<Self, UpstreamError> {
        let listens = |bucket: &BucketConfig| bucket.events.as_ref().is_some_and(|from| from.topic.is_some());
        let is_needed = config.buckets.values().any(listens);
        let topics = is_needed.then(|| Upstream::new(TIMEOUTS, &[])).transpose()?.map(Topics::new);
        Ok(Self { config, mirrors, topics })
    }

    /// Takes one message for the bucket called `name`. When it is answered, what it says is durable.
    pub async fn take(
        &self,
        name: &str,
        headers: &HeaderMap,
        message: &[u8],
        now: Timestamp,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let (bucket, events) = self.bucket(name)?;
        if headers.contains_key(MESSAGE_TYPE) {
            let both = self.topics.as_ref().zip(events.topic.as_ref());
            let (topics, topic) = both.ok_or_else(|| refused("This bucket listens to no topic."))?;
            if let Some(told) = topics.open(topic, message, now).await? {
                self.note(bucket, told.as_bytes()).await?;
            }
        } else {
            check_token(events, headers)?;
            self.note(bucket, message).await?;
        }
        upload_api::reply(&Noted { success: true })
    }

    /// A bucket without events is none to whoever asks: names are not to be probed.
    fn bucket(&self, name: &str) -> Result<(&BucketConfig, &EventsConfig), Error> {
        let bucket = self.config.buckets.get(name);
        bucket.and_then(|bucket| Some((bucket, bucket.events.as_ref()?))).ok_or_else(|| {
            Error::new(Code::NotFound, "No bucket of this name takes events.")
                .hint("Set `buckets.NAME.events` in the configuration.")
        })
    }

    /// Marks the keys that `message` says were written.
    async fn note(&self, bucket: &BucketConfig, message: &[u8]) -> Result<(), Error> {
        let provider = self.config.providers.get(&bucket.provider);
        let plugin: &dyn Provider = provider.map(|provider| provider.plugin).ok_or_else(|| {
            Error::new(Code::Internal, "The bucket has no provider.").cause(bucket.provider.clone())
        })?;
        let told = plugin.events(message).map_err(|problem| {
            Error::new(Code::InvalidJson, format!("The message {problem}."))
                .hint("Send what the provider sends, as it is.")
        })?;
        let own = told
            .iter()
            .filter(|event| event.change == EventChange::Written && event.bucket == bucket.bucket.as_str());
        let keys = own.filter_map(|event| event.key.strip_prefix(bucket.key_prefix.as_str()));
        // The prefix itself may be an object there, and has no name here.
        let keys: Vec<&str> = keys.filter(|key| ObjectKey::parse(key).is_ok()).collect();
        tracing::debug!(bucket = bucket.name, told = told.len(), written = keys.len(), "events");
        self.mirrors.note_foreign(bucket, &keys).await.map_err(|problem| {
            Error::new(Code::JournalUnavailable, "What the message says cannot be noted now.")
                .hint("Send it again later.")
                .cause(problem.to_string())
        })
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Events").finish_non_exhaustive()
    }
}

fn check_token(events: &EventsConfig, headers: &HeaderMap) -> Result<(), Error> {
    let expected =
        events.token.as_ref().ok_or_else(|| refused("This bucket takes events of a topic alone."))?;
    let sent = headers.get(header::AUTHORIZATION).map_or(b"".as_slice(), |value| value.as_bytes());
    let sent = sent.strip_prefix(b"Bearer ").unwrap_or_default();
    if bool::from(sent.ct_eq(expected.expose_secret().as_bytes())) {
        return Ok(());
    }
    Err(refused("The token is not this bucket's.").hint("Send `Authorization: Bearer TOKEN`."))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidApiKey, message.into())
}

/// The bucket whose events a path tells; `None`: it is no path of events.
pub fn bucket_of(path: &str) -> Option<&str> {
    path.strip_prefix(BASE).filter(|name| !name.is_empty() && !name.contains('/'))
}
