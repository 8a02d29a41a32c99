//! `uploadId`: the provider's id of an upload, sealed together with whose upload it is, of which object, how large it may
//! become and until when. So no database is asked who may go on with an upload, and a caller can touch no other's.
//!
//! Who brings credentials gets the provider's own id: these credentials say what they may do.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use wharf_wire::names::ObjectKey;

use super::{Multipart, plan::Plan};
use crate::{
    config::checked::{Action, BucketConfig},
    error::{Code, Error},
    request::authenticate::Identity,
    seal::Purpose,
    upload_api::target::parse_key,
};

/// Bytes of a provider's own id. S3's have some hundred.
const ID_BYTES_MAX: usize = 1024;

/// An upload that has begun, as its caller may go on with it.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The key, as the caller calls it.
    pub(crate) key: ObjectKey,
    /// The same, as the provider knows it.
    pub(super) object: ObjectKey,
    /// The provider's id.
    pub(super) id: String,
    /// Bytes of the largest object that it may become, if there is a bound.
    pub(super) bytes_max: Option<u64>,
    /// How the file is cut, where Wharf has planned it.
    pub(super) plan: Option<Plan>,
}

/// What is sealed.
#[derive(Deserialize)]
struct Ticket<'a> {
    provider: Cow<'a, str>,
    bucket: Cow<'a, str>,
    key: Cow<'a, str>,
    id: Cow<'a, str>,
    who: Cow<'a, str>,
    bytes_max: Option<u64>,
    plan: Option<(u64, u64)>,
    /// Unix seconds.
    expires_at: u64,
}

/// As a list: clients carry it in each request, some of them in the path.
impl Serialize for Ticket<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { provider, bucket, key, id, who, bytes_max, plan, expires_at } = self;
        (provider, bucket, key, id, who, bytes_max, plan, expires_at).serialize(serializer)
    }
}

impl Multipart<'_> {
    /// What the caller is given as the id of `upload`.
    pub(super) fn seal(&self, upload: &Upload) -> Result<String, Error> {
        let Some(bucket) = self.target.configured else { return Ok(upload.id.clone()) };
        let ticket = Ticket {
            provider: Cow::Borrowed(&bucket.provider),
            bucket: Cow::Borrowed(&bucket.name),
            key: Cow::Borrowed(upload.key.as_str()),
            id: Cow::Borrowed(&upload.id),
            who: who(self.identity),
            bytes_max: upload.bytes_max,
            plan: upload.plan.map(Plan::to_be_sealed),
            expires_at: self.now.plus_seconds(self.life_seconds()).unix_seconds(),
        };
        self.parts.sealer.seal(Purpose::Upload, &ticket).map_err(|problem| {
            Error::new(Code::Internal, "The upload's id could not be sealed.").cause(problem.to_string())
        })
    }

    /// The upload that the caller calls `upload_id`, of the object that it calls `key`.
    pub(crate) fn open(&self, upload_id: &str, key: &str) -> Result<Upload, Error> {
        self.target.authorize(self.identity, Action::Write, key)?;
        let (key, object) = (parse_key(key)?, self.target.object_key(key)?);
        let Some(bucket) = self.target.configured else {
            let id = own_id(upload_id)?;
            return Ok(Upload { key, object, id, bytes_max: None, plan: None });
        };
        let ticket: Ticket<'static> = self
            .parts
            .sealer
            .open(Purpose::Upload, upload_id)
            .map_err(|_| invalid("`uploadId` is none that was given out here, or it was changed."))?;
        self.check(&ticket, bucket, key.as_str())?;
        let plan = ticket.plan.and_then(Plan::sealed);
        Ok(Upload { key, object, id: ticket.id.into_owned(), bytes_max: ticket.bytes_max, plan })
    }

    fn check(&self, ticket: &Ticket<'_>, bucket: &BucketConfig, key: &str) -> Result<(), Error> {
        if (&*ticket.provider, &*ticket.bucket) != (&bucket.provider, &bucket.name) {
            return Err(invalid("`uploadId` is of an upload to another bucket."));
        }
        if ticket.key != key {
            return Err(invalid("`uploadId` is of an upload to another key."));
        }
        if ticket.who != who(self.identity) {
            return Err(Error::new(Code::AccessDenied, "The upload was begun by another caller.")
                .hint("Who began an upload lists, completes and aborts it."));
        }
        if self.now.unix_seconds() >= ticket.expires_at {
            return Err(invalid("`uploadId` has expired.").hint("Begin a new upload."));
        }
        Ok(())
    }

    /// Seconds for which an upload may go on: no longer than until stale ones are aborted.
    fn life_seconds(&self) -> u64 {
        const DEFAULT: u64 = 7 * 24 * 60 * 60;
        self.parts.config.upload.stale_uploads_after.map_or(DEFAULT, |after| after.as_secs())
    }
}

/// The caller's name in a seal. One kind of caller cannot have the name of another.
fn who(identity: &Identity) -> Cow<'static, str> {
    match (identity.key(), identity.user()) {
        (Some(key), _) => Cow::Owned(["key:", &key.id].concat()),
        (None, Some(user)) => Cow::Owned(["user:", user].concat()),
        (None, None) => Cow::Borrowed("loopback"),
    }
}

/// A provider's own id, which goes into queries and nowhere else.
fn own_id(id: &str) -> Result<String, Error> {
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.contains(char::is_control) {
        return Err(invalid("`uploadId` cannot be the id of an upload."));
    }
    Ok(id.to_owned())
}

fn invalid(message: &'static str) -> Error {
    Error::new(Code::InvalidUploadId, message)
}
