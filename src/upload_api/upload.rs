//! Signing uploads: what holds for a whole request ([`Uploads`]), and what comes out for each of its files ([`Signed`]).

use std::{borrow::Cow, sync::Arc};

use wharf_provider::{Presigned, Verb, cdn::CdnDomain};
use wharf_wire::{
    names::ObjectKey,
    sigv4::{SigningKey, presign::SignedUrl},
};

use crate::{
    config::checked::{Accept, Action},
    error::{Code, Error},
    request::accept,
    seal::Purpose,
};

use super::{
    Request,
    body::{FileEntry, Text},
    complete_token::{self, CompleteToken, Place},
    expiry::{self, Expiry},
    file_name,
    reply::RequiredHeaders,
    rights,
    storage::Storage,
    target::Asked,
    upload_id::UploadId,
    validation::{self, File},
};

/// The type of a file whose client knows none.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Bytes of a content type that anyone has reason to send.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// What holds for every file of a request.
pub(super) struct Uploads<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) storage: Storage<'r>,
    validation: Option<validation::Asked<'r>>,
    key_prefix: &'r str,
    cdn: Option<Cow<'r, CdnDomain>>,
    signing_key: Arc<SigningKey>,
}

/// One file's upload, signed.
pub(super) struct Signed<'f> {
    pub(super) id: UploadId,
    /// `{id}_{sanitised name}`
    pub(super) name: String,
    /// The key as the caller calls it: below the caller's prefix, without the bucket's.
    pub(super) key: String,
    pub(super) url: SignedUrl,
    pub(super) required_headers: RequiredHeaders,
    pub(super) public_url: String,
    pub(super) cdn_url: Option<String>,
    pub(super) expiry: Expiry,
    pub(super) original_name: &'f str,
    pub(super) content_type: &'f str,
    pub(super) file_bytes: Option<u64>,
}

impl<'r> Uploads<'r> {
    /// Checks what the files of `request` have in common, so that a mistake there fails the request and not each file.
    pub(super) fn new(request: &'r Request<'r>) -> Result<Self, Error> {
        let Request { parts, call, target, body, .. } = request;
        let key_prefix = match target.configured {
            Some(bucket) => rights::shortest_prefix(call.identity, Action::Write, &bucket.name),
            None => "",
        };
        target.check_bucket()?;
        expiry::choose(&body.expiry, None, request.expiry_bounds())?;
        Ok(Self {
            request,
            storage: Storage::choose(&body.put, target)?,
            validation: body.validation.as_ref().map(validation::Asked::parse).transpose()?,
            key_prefix,
            cdn: target.cdn_domain(body.cdn_domain.as_ref())?,
            signing_key: target.signing_key(&parts.signing_keys, call.context.received),
        })
    }

    /// Signs the upload of `entry`. `batch_bytes` is the size of all files that may be uploaded before this one's URL is
    /// used up; an estimate counts them.
    pub(super) fn sign<'f>(
        &self,
        entry: &'f FileEntry<'_>,
        batch_bytes: Option<u64>,
    ) -> Result<Signed<'f>, Error> {
        let Request { call, target, body, .. } = self.request;
        let file = describe(entry)?;
        let id = UploadId::new(call.context.received);
        let clean = self.clean_name(&id, file.name);
        self.check(&File { name: &clean, ..file })?;
        let file_bytes = batch_bytes.or(file.bytes);
        let expiry = expiry::choose(&body.expiry, file_bytes, self.request.expiry_bounds())?;
        let name = [id.as_str(), "_", &clean].concat();
        let (key, object) = self.key(&name)?;
        let presigned = self.presign(&key, &object, expiry.seconds)?;
        Ok(Signed {
            id,
            name,
            key,
            url: presigned.url,
            required_headers: RequiredHeaders(presigned.required_headers),
            public_url: target.public_url(&object),
            cdn_url: self.cdn.as_ref().map(|domain| domain.url(&object)),
            expiry,
            original_name: file.name,
            content_type: file.content_type,
            file_bytes: file.bytes,
        })
    }

    /// The token that a later `complete` holds the object against.
    pub(super) fn complete_token(&self, signed: &Signed<'_>) -> Result<String, Error> {
        let Request { parts, call, target, .. } = self.request;
        let place = match target.configured {
            Some(bucket) => Place::Configured(Cow::Borrowed(&bucket.name)),
            None => {
                Place::Brought(Cow::Borrowed(target.profile().kind), Cow::Borrowed(target.bucket.as_str()))
            }
        };
        let put_bytes_max = target.profile().limits.put_bytes_max;
        let token = CompleteToken {
            place,
            upload_id: Cow::Borrowed(signed.id.as_str()),
            key: Cow::Borrowed(&signed.key),
            content_type: Cow::Borrowed(signed.content_type),
            file_bytes: signed.file_bytes,
            file_bytes_max: accept::file_bytes_max(put_bytes_max, self.accept()),
            expires_at: complete_token::expires_at(call.context.received, signed.expiry.seconds),
        };
        parts.sealer.seal(Purpose::Complete, &token).map_err(|problem| {
            Error::new(Code::Internal, "The upload's token could not be sealed.").cause(problem.to_string())
        })
    }

    fn accept(&self) -> Option<&'r Accept> {
        self.request.target.configured.map(|bucket| &bucket.accept)
    }

    /// Holds `file` against the provider's and the bucket's bounds, and the caller's own rules.
    fn check(&self, file: &File<'_>) -> Result<(), Error> {
        let put_bytes_max = self.request.target.profile().limits.put_bytes_max;
        validation::check_accepted(file, put_bytes_max, self.accept())?;
        self.validation.as_ref().map_or(Ok(()), |asked| asked.check(file))
    }

    /// What follows `id` in the key of a file called `original`.
    fn clean_name(&self, id: &UploadId, original: &str) -> String {
        let target = self.request.target;
        let before = target.key_prefix().len() + self.key_prefix.len() + id.as_str().len() + "_".len();
        let name_bytes_max = ObjectKey::BYTES_MAX.saturating_sub(before).max(1);
        file_name::sanitise(original, name_bytes_max)
    }

    /// The caller's key and the whole key of a file that is to be stored as `name`.
    fn key(&self, name: &str) -> Result<(String, ObjectKey), Error> {
        let Request { call, target, .. } = self.request;
        let key = [self.key_prefix, name].concat();
        target.authorize(call.identity, Action::Write, &key)?;
        let object = target.object_key(&key)?;
        Ok((key, object))
    }

    fn presign(&self, key: &str, object: &ObjectKey, expires_seconds: u32) -> Result<Presigned, Error> {
        let Request { call, target, .. } = self.request;
        let verb = Verb::Put(self.storage.put_options());
        target.presign(Asked { key, object, verb, expires_seconds }, &self.signing_key, call.context.received)
    }
}

/// What the client says of a file, with what it left out filled in.
fn describe<'f>(entry: &'f FileEntry<'_>) -> Result<File<'f>, Error> {
    let name = entry.filename.as_ref().map_or("", Text::as_str);
    match (name.is_empty(), entry.content_type.is_none()) {
        (true, true) => return Err(missing("Missing: `filename`, `contentType`.")),
        (true, false) => return Err(missing("Missing: `filename`.")),
        (false, true) => return Err(missing("Missing: `contentType`.")),
        (false, false) => {}
    }
    let content_type = entry.content_type.as_ref().map_or("", |text| text.as_str().trim());
    if content_type.len() > CONTENT_TYPE_BYTES_MAX
        || !content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        let message = "`contentType` must be at most 255 printable ASCII characters.";
        return Err(Error::new(Code::InvalidField, message));
    }
    let bytes = entry.file_size.map(|size| {
        size.whole().ok_or_else(|| {
            if size.is_huge() {
                return Error::new(Code::FileTooLarge, "`fileSize` is more than any provider stores.");
            }
            Error::new(Code::InvalidField, "`fileSize` must be a whole number of bytes.")
        })
    });
    Ok(File {
        name,
        content_type: if content_type.is_empty() { DEFAULT_CONTENT_TYPE } else { content_type },
        bytes: bytes.transpose()?,
        magic: entry.magic_bytes.as_ref(),
    })
}

fn missing(message: &'static str) -> Error {
    Error::new(Code::MissingFields, message)
}
