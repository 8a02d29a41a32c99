//! What an object has besides its bytes, as headers.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, InvalidHeaderValue},
};
use wharf_provider::{Profile, StorageClass};
use wharf_wire::s3::headers;

use crate::config::checked::EncryptionChoice;

const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const CUSTOMER_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");

/// What the configuration wants of every new object of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// Its class.
    pub storage_class: Option<&'static StorageClass>,
    /// Its encryption.
    pub encryption: Option<&'a EncryptionChoice>,
}

impl Defaults<'_> {
    /// Adds what `headers` do not say otherwise, for a bucket of the provider that `profile` is of.
    pub fn add_to(self, headers: &mut HeaderMap, profile: &Profile) -> Result<(), InvalidHeaderValue> {
        if let Some(class) = self.storage_class
            && !headers.contains_key(STORAGE_CLASS)
        {
            headers.insert(STORAGE_CLASS, HeaderValue::from_static(class.name));
        }
        let is_encrypted = headers.contains_key(ENCRYPTION) || headers.contains_key(CUSTOMER_ALGORITHM);
        match self.encryption {
            None => {}
            Some(_) if is_encrypted => {}
            Some(EncryptionChoice::SseS3) if profile.encrypts_unasked => {}
            Some(EncryptionChoice::SseS3) => {
                headers.insert(ENCRYPTION, HeaderValue::from_static("AES256"));
            }
            Some(EncryptionChoice::SseKms { key_id }) => {
                headers.insert(KMS_KEY, HeaderValue::from_str(key_id)?);
                headers.insert(ENCRYPTION, HeaderValue::from_static("aws:kms"));
            }
        }
        Ok(())
    }
}

/// Whether a header is the object's own: what its writer said of it, and every reader is told.
pub fn is_metadata(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "cache-control"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-type"
            | "expires"
    ) || name.as_str().starts_with("x-amz-meta-")
}

/// `Content-Encoding` as it is stored.
pub fn strip_aws_chunked(headers: &mut HeaderMap) {
    let values: Vec<&[u8]> =
        headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return;
    }
    let whole = values.join(b", ".as_slice());
    let stored = headers::stored_content_encoding(&whole).map(|stored| HeaderValue::from_bytes(&stored));
    headers.remove(header::CONTENT_ENCODING);
    if let Some(Ok(stored)) = stored {
        headers.insert(header::CONTENT_ENCODING, stored);
    }
}
