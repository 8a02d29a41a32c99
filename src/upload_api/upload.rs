//! Signing uploads: what holds for a whole request ([`Uploads`]), and what comes out for each of its files ([`Signed`]).

use std::{borrow::Cow, sync::Arc};

use wharf_provider::{Presigned, Verb, cdn::CdnDomain};
use wharf_wire::{
    names::ObjectKey,
    sigv4::{SigningKey, presign::SignedUrl},
};

use crate::{
    config::checked::Accept,
    error::{Code, Error},
    request::accept,
    seal::Purpose,
};

use super::{
    Request,
    body::{FileEntry, Text},
    complete_token::{self, CompleteToken},
    expiry::{self, Expiry},
    new_key::{NewKey, NewKeys},
    reply::RequiredHeaders,
    storage::Storage,
    target::Asked,
    validation::{self, File},
};

/// The type of a file whose client knows none.
pub(super) const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Bytes of a content type that anyone has reason to send.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// What holds for every file of a request.
pub(super) struct Uploads<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) storage: Storage<'r>,
    pub(super) validation: Option<validation::Asked<'r>>,
    pub(super) keys: NewKeys<'r>,
    cdn: Option<Cow<'r, CdnDomain>>,
    signing_key: Arc<SigningKey>,
}

/// A file that may be uploaded, and where it will be.
pub(super) struct Placed<'f> {
    pub(super) new: NewKey,
    pub(super) original_name: &'f str,
    pub(super) content_type: &'f str,
    pub(super) bytes: Option<u64>,
}

/// One file's upload, signed.
pub(super) struct Signed<'f> {
    pub(super) file: Placed<'f>,
    pub(super) url: SignedUrl,
    pub(super) required_headers: RequiredHeaders,
    pub(super) public_url: String,
    pub(super) cdn_url: Option<String>,
    pub(super) expiry: Expiry,
}

impl<'r> Uploads<'r> {
    /// Checks what the files of `request` have in common, so that a mistake there fails the request and not each file.
    pub(super) fn new(request: &'r Request<'r>) -> Result<Self, Error> {
        let Request { parts, call, target, body, .. } = request;
        target.check_bucket()?;
        expiry::choose(&body.expiry, None, request.expiry_bounds())?;
        Ok(Self {
            request,
            storage: Storage::choose(&body.put, target)?,
            validation: body.validation.as_ref().map(validation::Asked::parse).transpose()?,
            keys: NewKeys::new(target, call.identity, call.context.received),
            cdn: target.cdn_domain(body.cdn_domain.as_ref())?,
            signing_key: target.signing_key(&parts.signing_keys, call.context.received),
        })
    }

    /// Finds a place for `entry`, if it may be uploaded: the provider takes up to `bytes_max` in this way.
    pub(super) fn place<'f>(&self, entry: &'f FileEntry<'_>, bytes_max: u64) -> Result<Placed<'f>, Error> {
        let file = describe(entry)?;
        let new = self.keys.draw(file.name)?;
        self.check(&File { name: new.file_name(), ..file }, bytes_max)?;
        let File { name: original_name, content_type, bytes, .. } = file;
        Ok(Placed { new, original_name, content_type, bytes })
    }

    /// Signs the upload of `entry`. `batch_bytes` is the size of all files that may be uploaded before this one's URL is
    /// used up; an estimate counts them.
    pub(super) fn sign<'f>(
        &self,
        entry: &'f FileEntry<'_>,
        batch_bytes: Option<u64>,
    ) -> Result<Signed<'f>, Error> {
        let Request { target, body, .. } = self.request;
        let file = self.place(entry, target.profile().limits.put_bytes_max)?;
        let file_bytes = batch_bytes.or(file.bytes);
        let expiry = expiry::choose(&body.expiry, file_bytes, self.request.expiry_bounds())?;
        let presigned = self.presign(&file.new, expiry.seconds)?;
        Ok(Signed {
            url: presigned.url,
            required_headers: RequiredHeaders(presigned.required_headers),
            public_url: target.public_url(&file.new.object),
            cdn_url: self.cdn_url(&file.new.object),
            expiry,
            file,
        })
    }

    /// The object's address on the CDN, if there is one.
    pub(super) fn cdn_url(&self, object: &ObjectKey) -> Option<String> {
        self.cdn.as_ref().map(|domain| domain.url(object))
    }

    /// The token that a later `complete` holds the object against.
    pub(super) fn complete_token(&self, file: &Placed<'_>, expires_seconds: u32) -> Result<String, Error> {
        let Request { parts, call, target, .. } = self.request;
        let token = CompleteToken {
            place: target.place(),
            upload_id: Cow::Borrowed(file.new.id.as_str()),
            key: Cow::Borrowed(&file.new.key),
            content_type: Cow::Borrowed(file.content_type),
            file_bytes: file.bytes,
            file_bytes_max: self.file_bytes_max(),
            expires_at: complete_token::expires_at(call.context.received, expires_seconds),
        };
        parts.sealer.seal(Purpose::Complete, &token).map_err(|problem| {
            Error::new(Code::Internal, "The upload's token could not be sealed.").cause(problem.to_string())
        })
    }

    /// Bytes of the largest object that will do.
    pub(super) fn file_bytes_max(&self) -> u64 {
        accept::file_bytes_max(self.request.target.profile().limits.put_bytes_max, self.accept())
    }

    /// A URL that says for `expires_seconds` whether the object is there, and what it is.
    pub(super) fn head_url(&self, signed: &Signed<'_>, expires_seconds: u32) -> Result<SignedUrl, Error> {
        let Request { call, target, .. } = self.request;
        let NewKey { key, object, .. } = &signed.file.new;
        let asked = Asked { key, object, verb: Verb::Head, expires_seconds };
        Ok(target.presign(asked, &self.signing_key, call.context.received)?.url)
    }

    /// What the bucket takes.
    pub(super) fn accept(&self) -> Option<&'r Accept> {
        self.request.target.configured.map(|bucket| &bucket.accept)
    }

    /// Holds `file` against the provider's and the bucket's bounds, and the caller's own rules.
    fn check(&self, file: &File<'_>, bytes_max: u64) -> Result<(), Error> {
        validation::check_accepted(file, bytes_max, self.accept())?;
        self.validation.as_ref().map_or(Ok(()), |asked| asked.check(file))
    }

    fn presign(&self, new: &NewKey, expires_seconds: u32) -> Result<Presigned, Error> {
        let Request { call, target, .. } = self.request;
        let verb = Verb::Put(self.storage.put_options());
        let asked = Asked { key: &new.key, object: &new.object, verb, expires_seconds };
        target.presign(asked, &self.signing_key, call.context.received)
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
    Ok(File {
        name,
        content_type: content_type(entry)?,
        bytes: file_bytes(entry)?,
        magic: entry.magic_bytes.as_ref(),
    })
}

/// The file's type. One that is not said is not known.
pub(super) fn content_type<'f>(entry: &'f FileEntry<'_>) -> Result<&'f str, Error> {
    let content_type = entry.content_type.as_ref().map_or("", |text| text.as_str().trim());
    if content_type.len() > CONTENT_TYPE_BYTES_MAX
        || !content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        let message = "`contentType` must be at most 255 printable ASCII characters.";
        return Err(Error::new(Code::InvalidField, message));
    }
    Ok(if content_type.is_empty() { DEFAULT_CONTENT_TYPE } else { content_type })
}

/// The file's size, if it was said.
pub(super) fn file_bytes(entry: &FileEntry<'_>) -> Result<Option<u64>, Error> {
    let bytes = entry.file_size.map(|size| {
        size.whole().ok_or_else(|| {
            if size.is_huge() {
                return Error::new(Code::FileTooLarge, "`fileSize` is more than any provider stores.");
            }
            Error::new(Code::InvalidField, "`fileSize` must be a whole number of bytes.")
        })
    });
    bytes.transpose()
}

fn missing(message: &'static str) -> Error {
    Error::new(Code::MissingFields, message)
}
