//! How an object is to be stored: class, encryption and metadata, from the body, else from the bucket's configuration.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Serialize;
use wharf_provider::{Encryption, Profile, PutOptions, StorageClass};

use crate::{
    config::checked::EncryptionChoice,
    error::{Code, Error},
};

use super::{
    body::{PutFields, non_empty},
    metadata,
    target::Target,
};

/// Class, encryption and metadata, checked.
#[derive(Debug)]
pub(crate) struct Storage<'a> {
    class: Option<&'static StorageClass>,
    /// What was asked for. Without it the provider does as it does unasked.
    asked: Option<Asked<'a>>,
    profile: &'static Profile,
    metadata: Vec<(String, String)>,
}

/// Encryption that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked<'a> {
    SseS3,
    SseKms { key_id: &'a str },
}

/// `encryption` of a reply; all is `null` where it is the bucket's affair alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub(super) struct EncryptionReply<'a> {
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    algorithm: Option<&'static str>,
    #[serde(rename = "kmsKeyId")]
    kms_key_id: Option<&'a str>,
}

/// The class of an upload that names none.
const DEFAULT_CLASS: &str = "STANDARD";

/// A longer one is no key's name anywhere, and would only fill URLs.
const KMS_KEY_BYTES_MAX: usize = 2048;

impl<'a> Storage<'a> {
    /// Checks `fields` against what the target's provider can do.
    pub(super) fn choose(fields: &'a PutFields<'_>, target: &'a Target<'_>) -> Result<Self, Error> {
        let profile = target.profile();
        let class = match non_empty(fields.storage_class.as_ref()) {
            Some(name) => Some(storage_class(profile, name)?),
            None => target.configured.and_then(|bucket| bucket.storage_class),
        };
        Ok(Self {
            class,
            asked: encryption(fields, target)?,
            profile,
            metadata: fields.metadata.as_ref().map(metadata::check).transpose()?.unwrap_or_default(),
        })
    }

    pub(super) fn put_options(&self) -> PutOptions<'_> {
        PutOptions {
            storage_class: self.class,
            kms_key_id: match self.asked {
                Some(Asked::SseKms { key_id }) => Some(key_id),
                Some(Asked::SseS3) | None => None,
            },
            sse_s3: self.asked == Some(Asked::SseS3),
            metadata: &self.metadata,
        }
    }

    /// The headers that make an object of `content_type` so.
    pub(super) fn headers(&self, content_type: &str) -> Result<HeaderMap, Error> {
        let refused = |problem: String| {
            Error::new(Code::InvalidField, "The object cannot be stored so.").cause(problem)
        };
        let named =
            self.put_options().headers(self.profile).map_err(|problem| refused(problem.to_string()))?;
        let content_type = (CONTENT_TYPE.as_str().to_owned(), content_type.to_owned());
        let header = |(name, value): (String, String)| {
            let name = HeaderName::try_from(name).map_err(|problem| refused(problem.to_string()))?;
            let value = HeaderValue::try_from(value).map_err(|problem| refused(problem.to_string()))?;
            Ok((name, value))
        };
        named.into_iter().chain([content_type]).map(header).collect()
    }

    pub(super) fn class_name(&self) -> &'static str {
        self.class.map_or(DEFAULT_CLASS, |class| class.name)
    }

    /// What the object will be encrypted with, as far as Wharf knows.
    pub(super) fn encryption(&self) -> EncryptionReply<'a> {
        match self.asked {
            Some(Asked::SseKms { key_id }) => EncryptionReply {
                kind: Some("SSE-KMS"),
                algorithm: Some("aws:kms"),
                kms_key_id: Some(key_id),
            },
            None if !self.profile.encrypts_unasked => EncryptionReply::default(),
            Some(Asked::SseS3) | None => {
                EncryptionReply { kind: Some("SSE-S3"), algorithm: Some("AES256"), kms_key_id: None }
            }
        }
    }
}

fn storage_class(profile: &Profile, name: &str) -> Result<&'static StorageClass, Error> {
    profile.storage_class(name).map_err(|problem| {
        Error::new(Code::InvalidStorageClass, format!("`s3StorageClass`: {}.", problem.message))
            .options(problem.valid_options)
    })
}

/// The encryption that the body asks for, else the bucket's. A key alone asks for SSE-KMS.
fn encryption<'a>(fields: &'a PutFields<'_>, target: &'a Target<'_>) -> Result<Option<Asked<'a>>, Error> {
    let profile = target.profile();
    let key_id = non_empty(fields.kms_key_id.as_ref());
    let asked = match (non_empty(fields.encryption_type.as_ref()), key_id) {
        (None, None) => {
            return Ok(target.configured.and_then(|bucket| bucket.encryption.as_ref()).map(Asked::from));
        }
        (Some("SSE-S3" | "AES256"), _) => Encryption::SseS3,
        (Some("SSE-KMS"), _) | (None, Some(_)) => Encryption::SseKms,
        (Some(_), _) => return Err(unknown_encryption(profile, "`s3EncryptionType` is no way to encrypt.")),
    };
    if !profile.encryption.contains(&asked) {
        return Err(unknown_encryption(profile, "The provider does not encrypt in this way."));
    }
    match (asked, key_id) {
        (Encryption::SseS3, _) => Ok(Some(Asked::SseS3)),
        (Encryption::SseKms, None) => Err(Error::new(Code::MissingKmsKey, "SSE-KMS needs `s3KmsKeyId`.")
            .hint("A client that cannot send extra headers needs the bucket's default KMS key instead.")),
        (Encryption::SseKms, Some(key_id)) => {
            let is_own_endpoint = !target.account.is_custom_endpoint();
            if is_kms_key(key_id, is_own_endpoint) {
                return Ok(Some(Asked::SseKms { key_id }));
            }
            Err(Error::new(Code::InvalidKmsKeyFormat, "`s3KmsKeyId` is no key's id, ARN or alias.").hint(
                "Write a key id (a UUID, or mrk- and 32 hexadecimal digits), its ARN (arn:…:kms:…:key/…) or alias/name.",
            ))
        }
    }
}

impl<'a> From<&'a EncryptionChoice> for Asked<'a> {
    fn from(choice: &'a EncryptionChoice) -> Self {
        match choice {
            EncryptionChoice::SseS3 => Self::SseS3,
            EncryptionChoice::SseKms { key_id } => Self::SseKms { key_id },
        }
    }
}

fn unknown_encryption(profile: &Profile, message: &'static str) -> Error {
    Error::new(Code::InvalidEncryptionType, message).options(profile.encryption.iter().map(|it| it.name()))
}

/// Whether `text` can name a key. The provider's own endpoints know ids, ARNs and aliases; what keys are called behind
/// another endpoint is its operator's affair, but it must be able to stand in a header.
fn is_kms_key(text: &str, is_own_endpoint: bool) -> bool {
    let is_header_text = text.len() <= KMS_KEY_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_header_text && (!is_own_endpoint || is_key_id(text) || is_alias(text) || is_arn(text))
}

/// `1234abcd-12ab-34cd-56ef-1234567890ab`, or `mrk-` and 32 hexadecimal digits for a key of several regions.
fn is_key_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && is_hex(digits),
        None => text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex),
    }
}

fn is_alias(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    text.strip_prefix("alias/").is_some_and(|name| !name.is_empty() && name.bytes().all(is_plain))
}

/// `arn:partition:kms:region:account:key/id` or `…:alias/name`.
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else { return false };
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_resource = resource.strip_prefix("key/").is_some_and(is_key_id) || is_alias(resource);
    is_word(partition) && is_word(region) && is_account && is_resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_ids_arns_and_aliases() {
        for key in [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "alias/photos",
            "alias/team/photos_1",
            "arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012",
            "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
            "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/photos",
        ] {
            assert!(is_kms_key(key, true), "{key}");
            assert!(is_kms_key(key, false), "{key}");
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for key in [
            "photos",
            "alias/",
            "alias/a b",
            "1234abcd-12ab-34cd-56ef",
            "1234abcd-12ab-34cd-56ef-1234567890ag",
            "mrk-12",
            "arn:aws:kms:eu-west-1:12345:key/12345678-1234-1234-1234-123456789012",
            "arn:aws:s3:::bucket",
            "arn:aws:kms:eu-west-1:123456789012:key/",
            "arn:aws:kms::123456789012:alias/x",
        ] {
            assert!(!is_kms_key(key, true), "{key}");
        }
        assert!(is_kms_key("photos", false));
        for key in ["a\r\nx-amz-acl: public-read", "a b", "ü", "a\0"] {
            assert!(!is_kms_key(key, false), "{key:?}");
        }
        assert!(!is_kms_key(&"k".repeat(KMS_KEY_BYTES_MAX + 1), false));
    }
}
