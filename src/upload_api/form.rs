//! `{provider}/form`: a form that a browser posts with one file, for pages without a script and for clients that know forms
//! alone. What the file may be stands in the form's policy, and the store holds the browser to it.
//!
//! Where the provider takes no forms, Wharf's own S3 endpoint does: it verifies the policy and streams the file on.

use std::borrow::Cow;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_provider::{FormError, FormRequest, SignedForm};
use wharf_wire::form::{FILE_NAME, FormSignError, Match};

use crate::{
    config::checked::Action,
    error::{Code, Error},
    request::accept,
};

use super::{
    Request,
    body::non_empty,
    expiry::{self, Expiry, SmartExpiry},
    own_door::{OwnDoor, Purpose, public_endpoint},
    reply::{self, Hints, Object, Performance, Plain},
    storage::EncryptionReply,
    upload::{self, Placed, Uploads},
    validation::{self, File},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 3072;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    method: &'static str,
    url: &'a str,
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    fields: Object<'a, String>,
    upload_id: &'a str,
    key: &'a str,
    /// `null`, as the next two, where the file's name is not known yet.
    public_url: Option<Plain<String>>,
    cdn_url: Option<Plain<String>>,
    complete_token: Option<Plain<String>>,
    min_file_size: u64,
    max_file_size: u64,
    region: &'a str,
    storage_class: &'static str,
    encryption: EncryptionReply<'a>,
    expires_in: u32,
    expires_at: String,
    hint: Hints,
    smart_expiry: &'a SmartExpiry,
    performance: Performance<'a>,
}

/// Where a client reads the key of what it has posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFrom {
    /// From the reply, which calls it as the caller does.
    Reply,
    /// From the form, which calls it as whoever takes the form does. With a prefix that no caller sees, that should be Wharf.
    Fields,
}

/// A form, signed.
pub(super) struct Form<'f> {
    pub(super) file: FormFile<'f>,
    pub(super) signed: SignedForm,
    pub(super) expiry: Expiry,
}

/// The file that a form may be posted with.
pub(super) struct FormFile<'f> {
    pub(super) placed: Placed<'f>,
    /// Whether its name is its user's choice, so that its key is known but for that.
    is_open: bool,
    /// Bytes of the smallest and of the largest.
    bytes: (u64, u64),
}

impl FormFile<'_> {
    /// What is known of `key`, which is the caller's or the provider's.
    fn known<'k>(&self, key: &'k str) -> Match<'k> {
        let prefix = key.strip_suffix(self.placed.new.file_name()).filter(|_| self.is_open);
        prefix.map_or(Match::Exactly(key), Match::StartsWith)
    }

    /// The key as the caller calls it, with what stands for the file's name.
    fn key(&self) -> Cow<'_, str> {
        match self.known(&self.placed.new.key) {
            Match::Exactly(key) => Cow::Borrowed(key),
            Match::StartsWith(prefix) => Cow::Owned([prefix, FILE_NAME].concat()),
        }
    }

    /// `image/*` leaves the rest to who posts.
    fn content_type(&self) -> Match<'_> {
        let content_type = self.placed.content_type;
        match content_type.strip_suffix('*') {
            Some("*/") => Match::StartsWith(""),
            Some(prefix) if prefix.ends_with('/') => Match::StartsWith(prefix),
            Some(_) | None => Match::Exactly(content_type),
        }
    }
}

/// Answers the route.
pub(super) fn handle(request: &Request<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let target = request.target;
    let uploads = Uploads::new(request)?;
    let Form { file, signed, expiry } = sign(&uploads, KeyFrom::Reply)?;
    let fields = signed.fields.expose();
    let placed = Some(&file.placed).filter(|_| !file.is_open);
    let token = placed.map(|placed| uploads.complete_token(placed, expiry.seconds)).transpose()?;
    let takes_type = matches!(file.content_type(), Match::StartsWith(_));
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        method: "POST",
        url: &signed.url,
        fields: Object(fields),
        upload_id: file.placed.new.id.as_str(),
        key: &file.key(),
        public_url: placed.map(|placed| Plain(target.public_url(&placed.new.object))),
        cdn_url: placed.and_then(|placed| uploads.cdn_url(&placed.new.object)).map(Plain),
        complete_token: token.map(Plain),
        min_file_size: file.bytes.0,
        max_file_size: file.bytes.1,
        region: target.account.region().as_str(),
        storage_class: uploads.storage.class_name(),
        encryption: uploads.storage.encryption(),
        expires_in: expiry.seconds,
        expires_at: request.expires_at(expiry.seconds),
        hint: Hints::default()
            .when(
                true,
                "Post these fields as multipart/form-data, and behind them the file, in a field called file.",
            )
            .when(takes_type, "Add a field Content-Type with the file's own type.")
            .private(target.is_private())
            .webhook(request.body.webhook.is_some()),
        smart_expiry: &expiry.smart,
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// Signs the form that the request asks for.
pub(super) fn sign<'f>(uploads: &Uploads<'f>, key_from: KeyFrom) -> Result<Form<'f>, Error> {
    let Request { body, .. } = uploads.request;
    let file = place(uploads)?;
    let expiry = expiry::choose(&body.expiry, file.placed.bytes, uploads.request.expiry_bounds())?;
    let opened = open_door(uploads.request, key_from)?;
    let door = uploads.request.target.own_door.as_ref().or(opened.as_ref());
    let signed = post(uploads, &file, door, expiry.seconds)?;
    Ok(Form { file, signed, expiry })
}

/// Finds a place for the file. Neither its name nor its size need be known: the policy bounds them.
fn place<'f>(uploads: &Uploads<'f>) -> Result<FormFile<'f>, Error> {
    let entry = &uploads.request.body.file;
    let name = non_empty(entry.filename.as_ref());
    let new = uploads.keys.draw(name.unwrap_or_default())?;
    let (content_type, bytes) = (upload::content_type(entry)?, upload::file_bytes(entry)?);
    let known_name = if name.is_some() { new.file_name() } else { "" };
    let file = File { name: known_name, content_type, bytes, magic: entry.magic_bytes.as_ref() };
    let put_bytes_max = uploads.request.target.profile().limits.put_bytes_max;
    let accept = uploads.accept();
    let asked = uploads.validation.as_ref();
    validation::check_kind(&file, accept)?;
    asked.map_or(Ok(()), |asked| asked.check(&file))?;
    let (asked_min, asked_max) = asked.map_or((0, u64::MAX), validation::Asked::bytes);
    let bytes_max = accept::file_bytes_max(put_bytes_max, accept).min(asked_max);
    let range = bytes.map_or((asked_min, bytes_max), |bytes| (bytes, bytes));
    if range.1 > bytes_max || range.0 > range.1 {
        let message = format!("The file must be at most {bytes_max} bytes here.");
        return Err(Error::new(Code::FileTooLarge, message));
    }
    let placed = Placed { new, original_name: name.unwrap_or_default(), content_type, bytes };
    Ok(FormFile { placed, is_open: name.is_none(), bytes: range })
}

/// Signs the form for whoever takes it: Wharf's own door, or the provider.
fn post(
    uploads: &Uploads<'_>,
    file: &FormFile<'_>,
    door: Option<&OwnDoor>,
    expires_seconds: u32,
) -> Result<SignedForm, Error> {
    let Request { parts, call, target, .. } = uploads.request;
    let now = call.context.received;
    let new = &file.placed.new;
    let signing_key =
        door.map_or_else(|| parts.signing_keys.key(&target.account, now), |door| door.signing_key(now));
    let (account, bucket, key) = door.map_or_else(
        || (&*target.account, &*target.bucket, new.object.as_str()),
        |door| (&door.account, &door.bucket, new.key.as_str()),
    );
    let form = FormRequest {
        bucket,
        key: file.known(key),
        content_type: file.content_type(),
        options: uploads.storage.put_options(),
        file_bytes: file.bytes,
        expires_seconds,
    };
    target.plugin.form(account, &form, &signing_key, now).map_err(|problem| refused(&problem))
}

/// Wharf's own door, where the provider takes no forms, or does not call the object as the caller does.
fn open_door(request: &Request<'_>, key_from: KeyFrom) -> Result<Option<OwnDoor>, Error> {
    let Request { parts, call, target, .. } = request;
    let is_better = key_from == KeyFrom::Fields && target.hides_prefix() && public_endpoint(parts).is_ok();
    if target.takes_forms() && !is_better {
        return Ok(None);
    }
    let Some(bucket) = target.configured else {
        let message = format!("{} takes no forms.", target.profile().title);
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("Ask for a signed URL instead. Wharf's own S3 endpoint serves configured buckets alone."));
    };
    let now = call.context.received;
    let purpose = Purpose { plugin: target.plugin, bucket, action: Action::Write, now };
    OwnDoor::open(parts, call.identity, purpose).map(Some)
}

fn refused(problem: &FormError) -> Error {
    let code = match problem {
        FormError::Signing(FormSignError::TooManyFields | FormSignError::FileNameInKey) => Code::InvalidField,
        FormError::Signing(_) | FormError::Unsupported(_) => Code::SigningError,
    };
    Error::new(code, "The form could not be signed.").hint(problem.to_string()).cause(problem.to_string())
}
