//! The fields' names, the contract's own and those that begin with a provider's prefix.

use crate::error::Code;

/// A field that some route knows. Aliases are one name: a value for each is two values for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upload_api) enum Name {
    Bucket,
    AccessKey,
    SecretKey,
    SessionToken,
    BroughtBucket,
    Region,
    Endpoint,
    AccountId,
    PublicUrl,
    Filename,
    ContentType,
    FileSize,
    MagicBytes,
    Files,
    StorageClass,
    EncryptionType,
    KmsKeyId,
    Metadata,
    ExpiresIn,
    NetworkInfo,
    BufferMultiplier,
    MinExpirySeconds,
    MaxExpirySeconds,
    Key,
    VersionId,
    ResponseContentType,
    ResponseContentDisposition,
    CdnDomain,
    Validation,
    Webhook,
}

/// What the options for objects begin with in the contract, whatever the provider: they are S3's own.
const OPTION_PREFIX: &str = "s3";

impl Name {
    /// The field called `text`, where the caller's provider has `prefix`. `None`: no route knows it.
    pub(super) fn parse(text: &str, prefix: &str) -> Option<Self> {
        let after_prefix = text.strip_prefix(prefix);
        after_prefix
            .and_then(Self::brought)
            .or_else(|| after_prefix.and_then(Self::option))
            .or_else(|| text.strip_prefix(OPTION_PREFIX).and_then(Self::option))
            .or_else(|| Self::plain(text))
    }

    fn plain(text: &str) -> Option<Self> {
        Some(match text {
            "filename" => Self::Filename,
            "contentType" => Self::ContentType,
            "fileSize" => Self::FileSize,
            "magicBytes" => Self::MagicBytes,
            "expiresIn" => Self::ExpiresIn,
            "bucket" => Self::Bucket,
            "files" => Self::Files,
            "key" | "fileKey" => Self::Key,
            "metadata" => Self::Metadata,
            "networkInfo" => Self::NetworkInfo,
            "bufferMultiplier" => Self::BufferMultiplier,
            "minExpirySeconds" => Self::MinExpirySeconds,
            "maxExpirySeconds" => Self::MaxExpirySeconds,
            "versionId" => Self::VersionId,
            "responseContentType" => Self::ResponseContentType,
            "responseContentDisposition" => Self::ResponseContentDisposition,
            "validation" => Self::Validation,
            "webhook" => Self::Webhook,
            _ => return None,
        })
    }

    fn brought(rest: &str) -> Option<Self> {
        Some(match rest {
            "AccessKey" | "AccessKeyId" => Self::AccessKey,
            "SecretKey" | "SecretAccessKey" => Self::SecretKey,
            "SessionToken" => Self::SessionToken,
            "Bucket" => Self::BroughtBucket,
            "Region" => Self::Region,
            "Endpoint" => Self::Endpoint,
            "AccountId" => Self::AccountId,
            "PublicUrl" => Self::PublicUrl,
            _ => return None,
        })
    }

    fn option(rest: &str) -> Option<Self> {
        Some(match rest {
            "StorageClass" => Self::StorageClass,
            "EncryptionType" => Self::EncryptionType,
            "KmsKeyId" => Self::KmsKeyId,
            "CloudFrontDomain" => Self::CdnDomain,
            _ => return None,
        })
    }

    /// The name as a client would write it.
    pub(in crate::upload_api) fn shown(self, prefix: &str) -> String {
        match self {
            Self::AccessKey => [prefix, "AccessKey"].concat(),
            Self::SecretKey => [prefix, "SecretKey"].concat(),
            Self::SessionToken => [prefix, "SessionToken"].concat(),
            Self::BroughtBucket => [prefix, "Bucket"].concat(),
            Self::Region => [prefix, "Region"].concat(),
            Self::Endpoint => [prefix, "Endpoint"].concat(),
            Self::AccountId => [prefix, "AccountId"].concat(),
            Self::PublicUrl => [prefix, "PublicUrl"].concat(),
            Self::StorageClass => [OPTION_PREFIX, "StorageClass"].concat(),
            Self::EncryptionType => [OPTION_PREFIX, "EncryptionType"].concat(),
            Self::KmsKeyId => [OPTION_PREFIX, "KmsKeyId"].concat(),
            Self::CdnDomain => [OPTION_PREFIX, "CloudFrontDomain"].concat(),
            Self::Bucket => "bucket".to_owned(),
            Self::Filename => "filename".to_owned(),
            Self::ContentType => "contentType".to_owned(),
            Self::FileSize => "fileSize".to_owned(),
            Self::MagicBytes => "magicBytes".to_owned(),
            Self::Files => "files".to_owned(),
            Self::Metadata => "metadata".to_owned(),
            Self::ExpiresIn => "expiresIn".to_owned(),
            Self::NetworkInfo => "networkInfo".to_owned(),
            Self::BufferMultiplier => "bufferMultiplier".to_owned(),
            Self::MinExpirySeconds => "minExpirySeconds".to_owned(),
            Self::MaxExpirySeconds => "maxExpirySeconds".to_owned(),
            Self::Key => "key".to_owned(),
            Self::VersionId => "versionId".to_owned(),
            Self::ResponseContentType => "responseContentType".to_owned(),
            Self::ResponseContentDisposition => "responseContentDisposition".to_owned(),
            Self::Validation => "validation".to_owned(),
            Self::Webhook => "webhook".to_owned(),
        }
    }

    /// What it must be, for people.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::FileSize
            | Self::ExpiresIn
            | Self::BufferMultiplier
            | Self::MinExpirySeconds
            | Self::MaxExpirySeconds => "a number",
            Self::MagicBytes => "a list of bytes, each a number from 0 to 255",
            Self::Files => {
                "a list of objects, each with text in `filename` and `contentType` and a number in `fileSize`"
            }
            Self::Metadata => "an object whose values are text, no name twice",
            Self::NetworkInfo => "an object with text in `effectiveType` and numbers in `downlink` and `rtt`",
            Self::Validation => "the name of a preset, or an object of rules",
            Self::Webhook => "an object",
            Self::Bucket
            | Self::AccessKey
            | Self::SecretKey
            | Self::SessionToken
            | Self::BroughtBucket
            | Self::Region
            | Self::Endpoint
            | Self::AccountId
            | Self::PublicUrl
            | Self::Filename
            | Self::ContentType
            | Self::StorageClass
            | Self::EncryptionType
            | Self::KmsKeyId
            | Self::Key
            | Self::VersionId
            | Self::ResponseContentType
            | Self::ResponseContentDisposition
            | Self::CdnDomain => "text",
        }
    }

    /// The code for a value of a type that it cannot have.
    pub(super) const fn wrong_type(self) -> Code {
        match self {
            Self::AccessKey | Self::SecretKey | Self::SessionToken | Self::AccountId => {
                Code::InvalidCredentials
            }
            Self::BroughtBucket => Code::InvalidBucketName,
            Self::Region => Code::InvalidRegion,
            Self::Endpoint => Code::EndpointNotAllowed,
            Self::Files => Code::InvalidFilesArray,
            Self::StorageClass => Code::InvalidStorageClass,
            Self::EncryptionType => Code::InvalidEncryptionType,
            Self::KmsKeyId => Code::InvalidKmsKeyFormat,
            Self::CdnDomain => Code::InvalidCdnDomain,
            Self::Bucket
            | Self::PublicUrl
            | Self::Filename
            | Self::ContentType
            | Self::FileSize
            | Self::MagicBytes
            | Self::Metadata
            | Self::ExpiresIn
            | Self::NetworkInfo
            | Self::BufferMultiplier
            | Self::MinExpirySeconds
            | Self::MaxExpirySeconds
            | Self::Key
            | Self::VersionId
            | Self::ResponseContentType
            | Self::ResponseContentDisposition
            | Self::Validation
            | Self::Webhook => Code::InvalidJson,
        }
    }
}
