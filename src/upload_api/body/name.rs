//! The fields' names, the contract's own and those that begin with a provider's prefix: one table.

use crate::error::Code;

/// What the options for objects begin with in the contract, whatever the provider: they are S3's own.
const OPTION_PREFIX: &str = "s3";

/// Where a field's name has a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nowhere: it is the contract's own.
    Plain,
    /// That of the caller's provider: it belongs to an account of the caller's own.
    Account,
    /// That of the caller's provider, or S3's.
    Stored,
}

/// What a field's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upload_api) enum Kind {
    Text,
    Number,
    Bytes,
    Files,
    Texts,
    Parts,
    Metadata,
    Network,
    Validation,
    Webhook,
}

impl Kind {
    /// The same for people.
    pub(in crate::upload_api) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Bytes => "a list of bytes, each a number from 0 to 255",
            Self::Files => {
                "a list of objects, each with text in `filename` and `contentType` and a number in `fileSize`"
            }
            Self::Texts => "a list of text",
            Self::Parts => "a list of objects, each with a number in `partNumber` and text in `etag`",
            Self::Metadata => "an object whose values are text, no name twice",
            Self::Network => "an object with text in `effectiveType` and numbers in `downlink` and `rtt`",
            Self::Validation => "the name of a preset, or an object of rules",
            Self::Webhook => "an object",
        }
    }
}

macro_rules! names {
    ($($variant:ident $place:ident [$($name:literal)|+] $kind:ident $wrong:ident;)*) => {
        /// A field that some route knows. Aliases are one name: a value for each is two values for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::upload_api) enum Name {
            $($variant,)*
        }

        impl Name {
            /// Every field.
            #[cfg(test)]
            pub(in crate::upload_api) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The field whose name is `text` without the prefix that it has in `place`.
            fn find(text: &str, place: Place) -> Option<Self> {
                match (text, place) {
                    $(($($name)|+, Place::$place) => Some(Self::$variant),)*
                    _ => None,
                }
            }

            const fn place(self) -> Place {
                match self { $(Self::$variant => Place::$place,)* }
            }

            /// Its names without their prefix. The first is the one that is shown.
            const fn bare(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($name),+],)* }
            }

            /// What its value is.
            pub(in crate::upload_api) const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// The code for a value of a type that it cannot have.
            pub(super) const fn wrong_type(self) -> Code {
                match self { $(Self::$variant => Code::$wrong,)* }
            }
        }
    };
}

// A field, where its name has a prefix, its names without that, what it is, and the code when it is something else.
names! {
    Bucket Plain ["bucket"] Text InvalidJson;
    AccessKey Account ["AccessKey" | "AccessKeyId"] Text InvalidCredentials;
    SecretKey Account ["SecretKey" | "SecretAccessKey"] Text InvalidCredentials;
    SessionToken Account ["SessionToken"] Text InvalidCredentials;
    BroughtBucket Account ["Bucket"] Text InvalidBucketName;
    Region Account ["Region"] Text InvalidRegion;
    Endpoint Account ["Endpoint"] Text EndpointNotAllowed;
    AccountId Account ["AccountId"] Text InvalidCredentials;
    PublicUrl Account ["PublicUrl"] Text InvalidJson;
    Filename Plain ["filename"] Text InvalidJson;
    ContentType Plain ["contentType"] Text InvalidJson;
    FileSize Plain ["fileSize"] Number InvalidJson;
    MagicBytes Plain ["magicBytes"] Bytes InvalidJson;
    Files Plain ["files"] Files InvalidFilesArray;
    StorageClass Stored ["StorageClass"] Text InvalidStorageClass;
    EncryptionType Stored ["EncryptionType"] Text InvalidEncryptionType;
    KmsKeyId Stored ["KmsKeyId"] Text InvalidKmsKeyFormat;
    CdnDomain Stored ["CloudFrontDomain"] Text InvalidCdnDomain;
    Metadata Plain ["metadata"] Metadata InvalidJson;
    ExpiresIn Plain ["expiresIn"] Number InvalidJson;
    NetworkInfo Plain ["networkInfo"] Network InvalidJson;
    BufferMultiplier Plain ["bufferMultiplier"] Number InvalidJson;
    MinExpirySeconds Plain ["minExpirySeconds"] Number InvalidJson;
    MaxExpirySeconds Plain ["maxExpirySeconds"] Number InvalidJson;
    Key Plain ["key" | "fileKey" | "objectKey"] Text InvalidJson;
    VersionId Plain ["versionId"] Text InvalidJson;
    ResponseContentType Plain ["responseContentType"] Text InvalidJson;
    ResponseContentDisposition Plain ["responseContentDisposition"] Text InvalidJson;
    Validation Plain ["validation"] Validation InvalidJson;
    Webhook Plain ["webhook"] Webhook InvalidJson;
    UploadId Plain ["uploadId"] Text InvalidJson;
    PartSize Plain ["partSize"] Number InvalidPartSize;
    Parts Plain ["parts"] Parts InvalidPartsFormat;
    Keys Plain ["keys" | "fileKeys"] Texts InvalidKeys;
    Prefix Plain ["prefix"] Text InvalidJson;
    MaxKeys Plain ["maxKeys"] Number InvalidMaxKeys;
    ContinuationToken Plain ["continuationToken"] Text InvalidJson;
    KeyMarker Plain ["keyMarker"] Text InvalidJson;
    VersionIdMarker Plain ["versionIdMarker"] Text InvalidJson;
    CompleteToken Plain ["completeToken"] Text InvalidJson;
    Etag Plain ["etag"] Text InvalidJson;
    Origins Plain ["origins"] Texts InvalidJson;
    AllowedOrigins Plain ["allowedOrigins"] Texts InvalidJson;
    AllowedMethods Plain ["allowedMethods"] Texts InvalidJson;
    AllowedHeaders Plain ["allowedHeaders"] Texts InvalidJson;
    ExposeHeaders Plain ["exposeHeaders"] Texts InvalidJson;
    MaxAgeSeconds Plain ["maxAgeSeconds"] Number InvalidJson;
    StartsAt Plain ["startsAt"] Text InvalidJson;
    SourceIp Plain ["sourceIp"] Text InvalidJson;
    Token Plain ["token"] Text InvalidJson;
    Permissions Plain ["permissions"] Texts InvalidPermissions;
    WebhookId Plain ["webhookId"] Text InvalidJson;
    Url Plain ["url"] Text InvalidJson;
    Secret Plain ["secret"] Text InvalidJson;
    Events Plain ["events"] Texts InvalidJson;
}

impl Name {
    /// The field called `text`, where the caller's provider has `prefix`. `None`: no route knows it.
    pub(super) fn parse(text: &str, prefix: &str) -> Option<Self> {
        let after_prefix = text.strip_prefix(prefix);
        after_prefix
            .and_then(|bare| Self::find(bare, Place::Account).or_else(|| Self::find(bare, Place::Stored)))
            .or_else(|| text.strip_prefix(OPTION_PREFIX).and_then(|bare| Self::find(bare, Place::Stored)))
            .or_else(|| Self::find(text, Place::Plain))
    }

    /// The name as a client would write it.
    pub(in crate::upload_api) fn shown(self, prefix: &str) -> String {
        let first = self.bare().first().copied().unwrap_or_default();
        [self.prefix(prefix), first].concat()
    }

    /// All that a client could write.
    pub(in crate::upload_api) fn all(self, prefix: &str) -> Vec<String> {
        self.bare().iter().map(|bare| [self.prefix(prefix), bare].concat()).collect()
    }

    const fn prefix(self, provider: &str) -> &str {
        match self.place() {
            Place::Plain => "",
            Place::Account => provider,
            Place::Stored => OPTION_PREFIX,
        }
    }
}
