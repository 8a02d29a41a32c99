//! What a presigned request says, and which part of it goes into the query, which into signed headers.
//!
//! A plain client sends `Content-Type` alone with its PUT, so a presigned PUT signs `host` alone: storage class and
//! `x-amz-meta-*` go into the query, where S3 takes them. SSE-KMS headers cannot; they are signed and named in
//! [`Presigned::required_headers`].

use http::Method;
use thiserror::Error;
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{
        SigningKey,
        presign::{self, PresignInput, Series, SignedUrl},
    },
};

use crate::{Account, Encryption, Profile, StorageClass};

const METADATA_PREFIX: &str = "x-amz-meta-";

/// One request that is to be signed into a URL.
#[derive(Debug, Clone, Copy)]
pub struct PresignRequest<'a> {
    /// The bucket, as the provider calls it.
    pub bucket: &'a BucketName,
    /// The object.
    pub key: &'a ObjectKey,
    /// What is to be done with it.
    pub verb: Verb<'a>,
    /// Seconds until the URL is dead.
    pub expires_seconds: u32,
}

/// A multipart upload whose parts are to be sent to signed URLs.
#[derive(Debug, Clone, Copy)]
pub struct PartsRequest<'a> {
    /// The bucket, as the provider calls it.
    pub bucket: &'a BucketName,
    /// The object to be.
    pub key: &'a ObjectKey,
    /// The provider's id of the upload.
    pub upload_id: &'a str,
    /// Seconds until the URLs are dead.
    pub expires_seconds: u32,
}

/// What a presigned URL lets its holder do.
#[derive(Debug, Clone, Copy)]
pub enum Verb<'a> {
    /// Store the object.
    Put(PutOptions<'a>),
    /// Read the object.
    Get(GetOptions<'a>),
    /// Ask what the object is, and no more.
    Head,
    /// Delete the object.
    Delete,
    /// Take one step of an upload in parts, as S3's clients do.
    Multipart(Step<'a>),
}

/// One step of an upload in parts.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// Begin it.
    Create(PutOptions<'a>),
    /// Send a part.
    Part {
        /// The provider's id of the upload.
        upload_id: &'a str,
        /// From 1 to 10,000.
        number: u16,
    },
    /// List the parts that are stored, of the upload with this id.
    List(&'a str),
    /// Put the parts together.
    Complete(&'a str),
    /// Give it up.
    Abort(&'a str),
}

impl Verb<'_> {
    fn metadata_names(&self) -> Vec<String> {
        match self {
            Self::Put(options) | Self::Multipart(Step::Create(options)) => options.metadata_names(),
            Self::Get(_) | Self::Head | Self::Delete | Self::Multipart(_) => Vec::new(),
        }
    }

    /// A part's number as it stands in the query.
    fn number(&self) -> String {
        match self {
            Self::Multipart(Step::Part { number, .. }) => number.to_string(),
            Self::Put(_) | Self::Get(_) | Self::Head | Self::Delete | Self::Multipart(_) => String::new(),
        }
    }
}

/// How an object is to be stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct PutOptions<'a> {
    /// The class, from the provider's profile.
    pub storage_class: Option<&'static StorageClass>,
    /// The KMS key's id or ARN, when SSE-KMS is asked for; `Some("")` is the account's default key.
    pub kms_key_id: Option<&'a str>,
    /// SSE-S3 is asked for. Signed as a header only where the provider does not encrypt unasked.
    pub sse_s3: bool,
    /// User metadata: names without `x-amz-meta-`, lower case.
    pub metadata: &'a [(String, String)],
}

impl PutOptions<'_> {
    /// What the metadata is called on the wire.
    pub(crate) fn metadata_names(&self) -> Vec<String> {
        self.metadata.iter().map(|(name, _)| [METADATA_PREFIX, name].concat()).collect()
    }

    /// The headers that say so of an object that is made without a signed URL.
    pub fn headers(&self, profile: &Profile) -> Result<Vec<(String, String)>, Unsupported> {
        let metadata_names = self.metadata_names();
        let stored = put_query(profile, self, &metadata_names)?.into_iter();
        let stored = stored.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let encrypted = put_headers(profile, self)?.into_iter();
        Ok(stored.chain(encrypted.map(|(name, value)| (name.to_owned(), value))).collect())
    }
}

/// How an object is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetOptions<'a> {
    /// One version of the object.
    pub version_id: Option<&'a str>,
    /// `Content-Type` of the answer.
    pub response_content_type: Option<&'a str>,
    /// `Content-Disposition` of the answer.
    pub response_content_disposition: Option<&'a str>,
}

/// A signed URL and what must be sent with it.
#[derive(Debug)]
pub struct Presigned {
    /// The URL.
    pub url: SignedUrl,
    /// Headers that were signed besides `host`, and so must be sent as they stand here.
    pub required_headers: Vec<(&'static str, String)>,
}

/// What a provider cannot do, by name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{provider} has no {feature}")]
pub struct Unsupported {
    /// The provider's name for people.
    pub provider: &'static str,
    /// What it lacks.
    pub feature: String,
}

/// Why a request was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PresignError {
    /// The provider cannot do what is asked.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// No store would take such a signature: the caller's key or time is wrong, or a value cannot stand in a header.
    #[error(transparent)]
    Signing(#[from] presign::PresignError),
}

pub(crate) fn presign(
    profile: &'static Profile,
    account: &Account,
    request: &PresignRequest<'_>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Presigned, PresignError> {
    check_expiry(profile, request.expires_seconds)?;
    let location = account.location(Some(request.bucket), Some(request.key))?;
    let (metadata_names, number) = (request.verb.metadata_names(), request.verb.number());
    let (method, query, required_headers) = match &request.verb {
        Verb::Put(options) => {
            (Method::PUT, put_query(profile, options, &metadata_names)?, put_headers(profile, options)?)
        }
        Verb::Multipart(Step::Create(options)) => {
            let mut query = put_query(profile, options, &metadata_names)?;
            query.push(("uploads", ""));
            (Method::POST, query, put_headers(profile, options)?)
        }
        Verb::Get(options) => (Method::GET, get_query(options), Vec::new()),
        Verb::Head => (Method::HEAD, Vec::new(), Vec::new()),
        Verb::Delete => (Method::DELETE, Vec::new(), Vec::new()),
        Verb::Multipart(Step::Part { upload_id, .. }) => {
            (Method::PUT, vec![("partNumber", number.as_str()), ("uploadId", upload_id)], Vec::new())
        }
        Verb::Multipart(Step::List(upload_id)) => (Method::GET, vec![("uploadId", *upload_id)], Vec::new()),
        Verb::Multipart(Step::Complete(upload_id)) => {
            (Method::POST, vec![("uploadId", *upload_id)], Vec::new())
        }
        Verb::Multipart(Step::Abort(upload_id)) => {
            (Method::DELETE, vec![("uploadId", *upload_id)], Vec::new())
        }
    };
    let headers: Vec<(&str, &str)> =
        required_headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let input = PresignInput {
        method: &method,
        scheme: location.scheme,
        authority: &location.authority,
        path: &location.path,
        query: &query,
        headers: &headers,
        expires_seconds: request.expires_seconds,
        now,
    };
    let url = presign::presign(&input, account.credentials(), key)?;
    Ok(Presigned { url, required_headers })
}

pub(crate) fn presign_parts(
    profile: &'static Profile,
    account: &Account,
    request: &PartsRequest<'_>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Series, PresignError> {
    check_expiry(profile, request.expires_seconds)?;
    let location = account.location(Some(request.bucket), Some(request.key))?;
    let input = PresignInput {
        method: &Method::PUT,
        scheme: location.scheme,
        authority: &location.authority,
        path: &location.path,
        query: &[("uploadId", request.upload_id)],
        headers: &[],
        expires_seconds: request.expires_seconds,
        now,
    };
    Ok(presign::series(&input, "partNumber", account.credentials(), key)?)
}

fn check_expiry(profile: &Profile, expires_seconds: u32) -> Result<(), Unsupported> {
    let longest = profile.limits.presign_seconds_max;
    if (1..=longest).contains(&expires_seconds) {
        return Ok(());
    }
    Err(unsupported(profile, format!("presigned URLs for other than 1 to {longest} seconds")))
}

pub(crate) fn put_query<'a>(
    profile: &Profile,
    options: &PutOptions<'a>,
    metadata_names: &'a [String],
) -> Result<Vec<(&'a str, &'a str)>, Unsupported> {
    let values = options.metadata.iter().map(|(_, value)| value.as_str());
    let mut query: Vec<_> = metadata_names.iter().map(String::as_str).zip(values).collect();
    if let Some(class) = options.storage_class {
        if !profile.storage_classes.contains(class) {
            return Err(unsupported(profile, format!("storage class {}", class.name)));
        }
        query.push(("x-amz-storage-class", class.name));
    }
    Ok(query)
}

pub(crate) fn put_headers(
    profile: &Profile,
    options: &PutOptions<'_>,
) -> Result<Vec<(&'static str, String)>, Unsupported> {
    let asked = match (options.kms_key_id, options.sse_s3) {
        (Some(_), _) => Encryption::SseKms,
        (None, true) => Encryption::SseS3,
        (None, false) => return Ok(Vec::new()),
    };
    if !profile.encryption.contains(&asked) {
        return Err(unsupported(profile, format!("encryption of the kind {}", asked.name())));
    }
    let header = |value: &str| ("x-amz-server-side-encryption", value.to_owned());
    Ok(match options.kms_key_id {
        Some("") => vec![header("aws:kms")],
        Some(id) => vec![header("aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", id.to_owned())],
        None if profile.encrypts_unasked => Vec::new(),
        None => vec![header("AES256")],
    })
}

fn get_query<'a>(options: &GetOptions<'a>) -> Vec<(&'a str, &'a str)> {
    let all = [
        ("versionId", options.version_id),
        ("response-content-type", options.response_content_type),
        ("response-content-disposition", options.response_content_disposition),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

fn unsupported(profile: &Profile, feature: String) -> Unsupported {
    Unsupported { provider: profile.title, feature }
}
