//! One bucket on behalf of one caller, for whoever does not speak this API's JSON: Uppy's routes.

use std::{sync::Arc, time::Duration};

use wharf_provider::{Presigned, PutOptions, Step, Verb};
use wharf_wire::{
    form::SignedFields,
    sigv4::{Credentials, presign::SignedUrl},
};

use crate::{
    config::checked::{Action, Grant, GrantBucket},
    error::{Code, Error},
    request::{
        Context,
        authenticate::{Identity, begin_session},
        authorize::{grants, is_for, walks_up},
        rate_limit::Standing,
    },
};

use super::{
    Call, Operation, Parts, Request, Route, UploadApi,
    analytics::{self, Counted},
    body::{Body, BroughtFields, ExpiryFields, FileEntry, Metadata, Number, PutFields, Text},
    expiry,
    form::{self, KeyFrom},
    multipart::{Multipart, NewUpload},
    new_key::NewKeys,
    own_door, rights,
    storage::Storage,
    target::{Asked, Named, Target},
    upload::{DEFAULT_CONTENT_TYPE, Uploads},
    validation::{self, File},
};

/// What such a request would be in this API. Nothing behind the door looks at it.
static ROUTE: Route = Route { operation: Operation::Form, provider: None, webhook: None };

/// A bucket in which its caller may do something.
pub(crate) struct Bucket<'a> {
    parts: &'a Parts,
    call: Call<'a>,
    target: Target<'a>,
    started: Duration,
}

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub identity: &'a Identity,
    /// Id, client, time.
    pub context: &'a Context,
}

/// A file that is to be uploaded, as its client describes it.
pub(crate) struct NewFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) content_type: &'a str,
    /// Names and values.
    pub(crate) metadata: Vec<(&'a str, &'a str)>,
}

impl<'a> NewFile<'a> {
    fn into_body(self) -> Body<'a> {
        let metadata = self.metadata.into_iter().map(|(name, value)| (Text::from(name), Text::from(value)));
        Body {
            file: FileEntry {
                filename: Some(Text::from(self.name)),
                content_type: Some(Text::from(self.content_type)),
                ..FileEntry::default()
            },
            put: PutFields { metadata: Some(Metadata(metadata.collect())), ..PutFields::default() },
            ..Body::default()
        }
    }
}

/// How a file is uploaded in a form.
pub(crate) struct NewForm {
    pub(crate) url: String,
    pub(crate) fields: SignedFields,
    pub(crate) expires_seconds: u32,
}

/// How a file is uploaded with a PUT.
pub(crate) struct NewPut {
    pub(crate) url: SignedUrl,
    pub(crate) key: String,
    pub(crate) required_headers: Vec<(&'static str, String)>,
    pub(crate) expires_seconds: u32,
}

/// An upload in parts that was begun.
pub(crate) struct Begun {
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

/// One request of a client that speaks S3 itself, and has only the signature made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum S3Request<'a> {
    Put,
    Delete,
    CreateUpload,
    UploadPart { upload_id: &'a str, number: u16 },
    ListParts { upload_id: &'a str },
    CompleteUpload { upload_id: &'a str },
    AbortUpload { upload_id: &'a str },
}

impl<'a> S3Request<'a> {
    /// What its caller must be allowed to do.
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Delete => Action::Delete,
            Self::Put
            | Self::CreateUpload
            | Self::UploadPart { .. }
            | Self::ListParts { .. }
            | Self::CompleteUpload { .. }
            | Self::AbortUpload { .. } => Action::Write,
        }
    }

    fn verb(self, options: PutOptions<'a>) -> Verb<'a> {
        match self {
            Self::Put => Verb::Put(options),
            Self::Delete => Verb::Delete,
            Self::CreateUpload => Verb::Multipart(Step::Create(options)),
            Self::UploadPart { upload_id, number } => Verb::Multipart(Step::Part { upload_id, number }),
            Self::ListParts { upload_id } => Verb::Multipart(Step::List(upload_id)),
            Self::CompleteUpload { upload_id } => Verb::Multipart(Step::Complete(upload_id)),
            Self::AbortUpload { upload_id } => Verb::Multipart(Step::Abort(upload_id)),
        }
    }
}

impl UploadApi {
    /// The bucket called `name`, in which the caller may do `action` somewhere. It counts as a request to its provider.
    pub(crate) fn bucket<'a>(
        &'a self,
        name: &'a str,
        action: Action,
        asking: Asking<'a>,
        standing: &mut Standing,
    ) -> Result<Bucket<'a>, Error> {
        let Asking { identity, context } = asking;
        let started = self.parts.clock.elapsed();
        let call =
            Call { route: &ROUTE, identity, context, method: &http::Method::POST, query: "", body: &[] };
        let named = Named::find(&self.parts.config, identity, name)?;
        let mut target = named.target(identity, None, &BroughtFields::default())?;
        self.admit(&mut target, &call, action, standing)?;
        Ok(Bucket { parts: &self.parts, call, target, started })
    }
}

impl<'a> Bucket<'a> {
    /// Its name, as callers know it.
    pub(crate) fn name(&self) -> &str {
        self.target.bucket_name()
    }

    /// Whether a form for it needs no help of Wharf's, and has the key as callers know it.
    pub(crate) fn takes_forms(&self) -> bool {
        self.target.takes_forms() && !self.target.hides_prefix()
    }

    /// Whether it takes files up to a size alone, which no signed URL can say.
    pub(crate) fn bounds_size(&self) -> bool {
        self.target.configured.is_some_and(|bucket| bucket.accept.file_bytes_max.is_some())
    }

    /// Signs a form for a new object.
    pub(crate) fn form(&self, file: NewFile<'_>) -> Result<NewForm, Error> {
        let body = file.into_body();
        let request = self.request(&body);
        let form = form::sign(&Uploads::new(&request)?, KeyFrom::Fields)?;
        let expires_seconds = form.expiry.seconds;
        Ok(NewForm { url: form.signed.url, fields: form.signed.fields, expires_seconds })
    }

    /// Signs the PUT of a new object.
    pub(crate) fn put(&self, file: NewFile<'_>) -> Result<NewPut, Error> {
        let body = file.into_body();
        let request = self.request(&body);
        let signed = Uploads::new(&request)?.sign(&body.file, None)?;
        Ok(NewPut {
            url: signed.url,
            key: signed.file.new.key,
            required_headers: signed.required_headers.0,
            expires_seconds: signed.expiry.seconds,
        })
    }

    /// Begins to upload a new object in parts.
    pub(crate) async fn begin(&self, file: NewFile<'_>) -> Result<Begun, Error> {
        let (name, content_type) = (file.name, file.content_type);
        let content_type = if content_type.is_empty() { DEFAULT_CONTENT_TYPE } else { content_type };
        let new = self.new_keys().draw(name)?;
        self.check(new.file_name(), content_type)?;
        let body = file.into_body();
        let storage = Storage::choose(&body.put, &self.target)?;
        let upload = NewUpload { key: &new.key, storage: &storage, content_type, plan: None };
        let (_, upload_id) = self.multipart().create(upload).await?;
        Ok(Begun { key: new.key, upload_id })
    }

    /// Uploads in parts that were begun.
    pub(crate) fn multipart(&self) -> Multipart<'_> {
        Multipart {
            parts: self.parts,
            target: &self.target,
            identity: self.call.identity,
            now: self.call.context.received,
        }
    }

    /// How long what is signed lives: as asked, else the default.
    pub(crate) fn expires_seconds(&self, asked: Option<f64>) -> Result<u32, Error> {
        let fields = ExpiryFields { expires_in: asked.map(Number), ..ExpiryFields::default() };
        let bounds = self.request(&Body::default()).expiry_bounds();
        Ok(expiry::choose(&fields, None, bounds)?.seconds)
    }

    /// Where an object goes that its client calls `key`: there, if it is below where the caller may write, and else below that.
    pub(crate) fn key_of_new(&self, key: &str) -> String {
        let is_below = self.target.authorize(self.call.identity, Action::Write, key).is_ok();
        let prefix = rights::shortest_prefix(self.call.identity, Action::Write, self.name());
        if is_below { key.to_owned() } else { [prefix, key].concat() }
    }

    /// Signs one request for the object called `key`.
    pub(crate) fn presign(
        &self,
        key: &str,
        request: S3Request<'_>,
        expires_seconds: u32,
    ) -> Result<Presigned, Error> {
        check_key(key)?;
        self.target.check_bucket()?;
        self.target.authorize(self.call.identity, request.action(), key)?;
        let object = self.target.object_key(key)?;
        let unasked = PutFields::default();
        let storage = Storage::choose(&unasked, &self.target)?;
        let now = self.call.context.received;
        let asked =
            Asked { key, object: &object, verb: request.verb(storage.put_options()), expires_seconds };
        self.target.presign(asked, &self.target.signing_key(&self.parts.signing_keys, now), now)
    }

    /// Refuses a file that the bucket does not take, whatever its size.
    pub(crate) fn check(&self, name: &str, content_type: &str) -> Result<(), Error> {
        let accept = self.target.configured.map(|bucket| &bucket.accept);
        validation::check_kind(&File { name, content_type, bytes: None, magic: None }, accept)
    }

    /// A short-lived key for Wharf's S3 endpoint, that may write in this bucket where the caller may.
    pub(crate) fn credentials(&self, expires_seconds: u32) -> Result<Credentials, Error> {
        own_door::public_endpoint(self.parts)?;
        let identity = self.call.identity;
        let bucket = || GrantBucket::Named(self.name().to_owned());
        let writing = |prefix: &str| Grant {
            bucket: bucket(),
            prefix: prefix.to_owned(),
            actions: vec![Action::Write],
        };
        let allow = match grants(identity) {
            None => vec![writing("")],
            Some(grants) => {
                let own = grants.iter().filter(|grant| is_for(grant, self.name()));
                let own = own.filter(|grant| grant.actions.contains(&Action::Write));
                own.map(|grant| writing(&grant.prefix)).collect()
            }
        };
        let ends = self.call.context.received.plus_seconds(u64::from(expires_seconds));
        let key = identity.key().map(Arc::as_ref);
        begin_session(&self.parts.sealer, key, allow, ends).map_err(|problem| {
            Error::new(Code::Internal, "The key could not be sealed.").cause(problem.to_string())
        })
    }

    /// The region that Wharf's S3 endpoint is signed for.
    pub(crate) fn own_region(&self) -> &'a str {
        self.parts.config.s3.region.as_str()
    }

    /// When something ends that is made now.
    pub(crate) fn expires_at(&self, seconds: u32) -> String {
        self.call.context.received.plus_seconds(u64::from(seconds)).rfc3339()
    }

    /// Counts what was done here, under the other door's name for it.
    pub(crate) fn count(&self, operation: &'static str) {
        analytics::count(self.parts, &self.call, Counted::once(self.target.provider_name(), operation));
    }

    fn new_keys(&self) -> NewKeys<'_> {
        NewKeys::new(&self.target, self.call.identity, self.call.context.received)
    }

    fn request<'r>(&'r self, body: &'r Body<'r>) -> Request<'r> {
        Request { parts: self.parts, call: &self.call, target: &self.target, body, started: self.started }
    }
}

/// A key that a store might normalise is refused: signed as `a/../b`, a store that walks up would serve `b`.
fn check_key(key: &str) -> Result<(), Error> {
    let is_odd = key.is_empty() || walks_up(key) || key.split('/').any(|part| part == ".");
    if is_odd || key.contains(char::is_control) {
        let message =
            "`key` is empty, has `.` or `..` for one of its segments, or holds a control character.";
        return Err(Error::new(Code::InvalidField, message));
    }
    Ok(())
}
