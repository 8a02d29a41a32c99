//! From a caller's wish to a webhook, and from an upload to what is told of it.

use std::iter;

use ring::rand::{SecureRandom, SystemRandom};
use wharf_wire::date::Timestamp;
use zeroize::Zeroizing;

use super::{
    Current, Telling, Webhooks,
    event::{Document, EventName, Facts, File, shown},
    id,
    look::{self, LookError},
    owner::Owner,
    receiver::Receiver,
    sealed::{Sealed, Upload},
    subscriptions::{SUBSCRIPTIONS_MAX, written},
    unavailable,
};
use crate::{
    config::checked::{Action, DirectUploads},
    error::{Code, Error},
    request::{authenticate::Identity, authorize::authorize},
    store::{NewDelivery, Webhook, WebhookKind, WebhookRows},
    upload_api::Place,
};

/// Bytes of a secret that anyone has reason to choose.
const SECRET_BYTES_MAX: usize = 256;
const SECRET_RANDOM_BYTES: usize = 32;
/// What the secrets that Wharf makes begin with, for people who come across one.
const SECRET_PREFIX: &str = "whsec_";

/// Before the first look for an upload that nobody confirms.
const FIRST_LOOK_SECONDS: u64 = 5;

/// Who says that an upload is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Its client, with `confirm` or `complete`.
    #[default]
    Manual,
    /// Its client, or the provider, who is asked now and then.
    Auto,
}

impl Trigger {
    /// The word that clients use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Auto => "auto",
        }
    }
}

/// A webhook for one upload.
pub struct NewUpload<'a> {
    /// Who wants it.
    pub identity: &'a Identity,
    /// Where the upload goes.
    pub place: &'a Place<'a>,
    /// Its key, as the caller calls it.
    pub key: &'a str,
    /// Where to tell of it, and with which secret.
    pub to: Address<'a>,
    /// Who says that it is there.
    pub trigger: Trigger,
    /// What it is.
    pub upload: Upload,
    /// When it is waited for no longer.
    pub ends_at: Timestamp,
    /// The time.
    pub now: Timestamp,
}

/// A webhook for what happens in a bucket.
pub struct NewSubscription<'a> {
    /// Who wants it.
    pub identity: &'a Identity,
    /// The configured bucket.
    pub bucket: &'a str,
    /// What keys begin with.
    pub prefix: &'a str,
    /// What is to be told.
    pub events: &'a [EventName],
    /// Where to tell of it, and with which secret.
    pub to: Address<'a>,
    /// The time.
    pub now: Timestamp,
}

/// Where to tell of something. Without a secret one is made.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// Where to.
    pub url: &'a str,
    /// What signs.
    pub secret: Option<&'a str>,
}

/// A webhook that stands in the database.
pub struct Registered {
    /// Its id.
    pub id: String,
    /// What its deliveries are signed with.
    pub secret: Zeroizing<String>,
}

impl Webhooks {
    /// Keeps a webhook for an upload. It is durable when this returns.
    pub async fn register(&self, new: NewUpload<'_>, current: &Current) -> Result<Registered, Error> {
        let rows = self.rows()?;
        let owner = Owner::of(new.identity)?;
        let (receiver, sealed) = address(new.to, Some(new.upload), current)?;
        let look_at = new.now.plus_seconds(FIRST_LOOK_SECONDS);
        let webhook = Webhook {
            id: id::new(new.now),
            owner: owner.as_str().to_owned(),
            kind: WebhookKind::Upload,
            bucket: place_name(new.place),
            prefix: new.key.to_owned(),
            events: written(&[EventName::UploadCompleted]),
            receiver: receiver.origin(),
            sealed: sealed.seal(&current.sealer)?,
            is_fired: false,
            looks: 0,
            due: (new.trigger == Trigger::Auto).then_some(look_at),
            created_at: new.now,
            ends_at: new.ends_at,
        };
        let id = webhook.id.clone();
        rows.register(webhook, SUBSCRIPTIONS_MAX).await.map_err(|error| unavailable(&error))?;
        Ok(Registered { id, secret: sealed.secret })
    }

    /// Keeps a webhook for what happens in a bucket, if the caller may list what it is about.
    pub async fn subscribe(&self, new: NewSubscription<'_>, current: &Current) -> Result<Registered, Error> {
        let rows = self.rows()?;
        let owner = Owner::of(new.identity)?;
        authorize(new.identity, Action::List, new.bucket, new.prefix)?;
        let (receiver, sealed) = address(new.to, None, current)?;
        let webhook = Webhook {
            id: id::new(new.now),
            owner: owner.as_str().to_owned(),
            kind: WebhookKind::Subscription,
            bucket: new.bucket.to_owned(),
            prefix: new.prefix.to_owned(),
            events: written(new.events),
            receiver: receiver.origin(),
            sealed: sealed.seal(&current.sealer)?,
            is_fired: false,
            looks: 0,
            due: None,
            created_at: new.now,
            ends_at: Timestamp::from_unix_millis(0),
        };
        let id = webhook.id.clone();
        let is_kept = rows.register(webhook, SUBSCRIPTIONS_MAX).await.map_err(|error| unavailable(&error))?;
        if !is_kept {
            return Err(Error::new(
                Code::TooManyWebhooks,
                "There are as many webhooks for buckets as can be.",
            )
            .hint("Delete those that nobody needs."));
        }
        self.refresh(rows).await?;
        Ok(Registered { id, secret: sealed.secret })
    }

    /// Looks whether the upload of `id` is there, and tells of it if so. The same again changes nothing.
    pub async fn confirm(&self, identity: &Identity, id: &str, current: &Current) -> Result<Webhook, Error> {
        let owner = Owner::of(identity)?;
        let webhook = self.find(&owner, id).await?;
        if webhook.kind == WebhookKind::Subscription {
            return Err(Error::new(
                Code::InvalidField,
                "`webhookId`: only the webhook of an upload is confirmed.",
            ));
        }
        if !webhook.is_fired && !self.look_for(current, &webhook).await? {
            return Err(Error::new(Code::FileNotFound, "The upload is not there yet.")
                .hint("Confirm it when the provider has answered the upload with a success."));
        }
        Ok(Webhook { is_fired: true, ..webhook })
    }

    /// Says that the object `key` is at `place`, which the caller has seen there: whoever waits for it is told, and whoever
    /// wants to know of uploads to its bucket.
    pub async fn completed(
        &self,
        place: &Place<'_>,
        key: &str,
        facts: &Facts,
        current: &Current,
    ) -> Result<(), Error> {
        let Ok(rows) = self.rows() else { return Ok(()) };
        self.tell_of_upload(place, key, facts, current).await?;
        let waiting = rows.waiting(&place_name(place), key).await.map_err(|error| unavailable(&error))?;
        for webhook in waiting {
            let Ok(sealed) = Sealed::open(&webhook.sealed, &current.sealer) else { continue };
            let Some(upload) = sealed.upload.filter(|upload| look::check(facts, upload).is_ok()) else {
                continue;
            };
            self.fire(&webhook, &upload, facts).await?;
        }
        Ok(())
    }

    /// Asks the provider for the upload of `webhook`, and tells of it. Whether it is there.
    pub(super) async fn look_for(&self, current: &Current, webhook: &Webhook) -> Result<bool, Error> {
        let sealed = Sealed::open(&webhook.sealed, &current.sealer).map_err(|error| {
            Error::new(
                Code::WebhookNotFound,
                "The webhook was sealed with a key that this server has no more.",
            )
            .cause(error.to_string())
        })?;
        let upload = sealed.upload.ok_or_else(|| LookError::NoBucket)?;
        let Some(facts) = look::look(current, self.client()?, webhook, &upload).await? else {
            return Ok(false);
        };
        // Before it is fired: a webhook that was is not looked for again.
        if upload.head.is_none() {
            let place = Place::Configured(webhook.bucket.as_str().into());
            self.tell_of_upload(&place, &webhook.prefix, &facts, current).await?;
        }
        self.fire(webhook, &upload, &facts).await?;
        Ok(true)
    }

    /// Records what an upload's webhook has waited for, once. Whether this was the time.
    async fn fire(&self, webhook: &Webhook, upload: &Upload, facts: &Facts) -> Result<bool, Error> {
        let now = self.0.clock.now();
        let id = id::new(now);
        let event = EventName::UploadCompleted.as_str();
        let document = Document {
            id: &id,
            event,
            webhook_id: &webhook.id,
            timestamp: shown(now),
            file: File::new(&webhook.prefix, facts).named(&upload.filename, &upload.public_url),
            provider: &upload.provider,
            bucket: &upload.bucket,
            metadata: upload.metadata.as_deref(),
        };
        let body = document.to_text();
        let (webhook, key) = (webhook.id.clone(), webhook.prefix.clone());
        let delivery = NewDelivery { id, webhook, event: event.to_owned(), key, body };
        self.rows()?.fire(delivery).await.map_err(|error| unavailable(&error))
    }

    /// Tells subscribers of an object that came straight to the provider. What came through Wharf's own door was told there.
    fn tell_of_upload(&self, place: &Place<'_>, key: &str, facts: &Facts, current: &Current) -> Telling {
        let Place::Configured(name) = place else { return Telling::default() };
        match current.config.buckets.get(&**name).map(|bucket| bucket.direct_uploads) {
            Some(DirectUploads::Provider) => {
                self.tell(name, EventName::UploadCompleted, iter::once(key), facts)
            }
            Some(DirectUploads::Wharf) | None => Telling::default(),
        }
    }

    pub(super) async fn find(&self, owner: &Owner, id: &str) -> Result<Webhook, Error> {
        let found = self.rows()?.find(id, owner.as_str()).await.map_err(|error| unavailable(&error))?;
        found.ok_or_else(not_found)
    }

    /// Lets doors know what changed.
    pub(super) async fn refresh(&self, rows: &WebhookRows) -> Result<(), Error> {
        self.0.subscriptions.refresh(rows).await.map_err(|error| unavailable(&error))
    }
}

pub(super) fn not_found() -> Error {
    Error::new(Code::WebhookNotFound, "There is no such webhook.")
        .hint("A webhook is seen by the key or user that made it, until it is deleted or long over.")
}

/// A place by the name under which it is stored. No configured bucket has a slash in its name.
fn place_name(place: &Place<'_>) -> String {
    match place {
        Place::Configured(name) => name.to_string(),
        Place::Brought(kind, bucket) => [kind, "/", bucket].concat(),
    }
}

/// Checks where to tell of something, and makes a secret if there is none.
fn address(to: Address<'_>, upload: Option<Upload>, current: &Current) -> Result<(Receiver, Sealed), Error> {
    let receiver = Receiver::parse(to.url)?;
    receiver.check(&current.config.webhooks.endpoints)?;
    let secret = match to.secret.filter(|secret| !secret.is_empty()) {
        Some(secret) if secret.len() > SECRET_BYTES_MAX => {
            let message = "The webhook's `secret` is longer than 256 bytes.";
            return Err(Error::new(Code::InvalidField, message));
        }
        Some(secret) => Zeroizing::new(secret.to_owned()),
        None => new_secret()?,
    };
    Ok((receiver, Sealed { url: Zeroizing::new(to.url.to_owned()), secret, upload }))
}

fn new_secret() -> Result<Zeroizing<String>, Error> {
    let mut random = Zeroizing::new([0; SECRET_RANDOM_BYTES]);
    let none =
        |_| Error::new(Code::Internal, "No secret could be made.").cause("the system gives no randomness");
    SystemRandom::new().fill(&mut *random).map_err(none)?;
    Ok(Zeroizing::new([SECRET_PREFIX, &hex::encode(*random)].concat()))
}
