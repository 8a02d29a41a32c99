//! What each operation reads of a body: names from the body's own table, whose kinds are the schemas.

use std::collections::BTreeMap;

use schemars::{Schema, json_schema};

use crate::upload_api::{
    analytics::TRACKED,
    body::{Kind, Name},
    operation::Operation,
};

/// The fields of one operation.
struct Fields {
    /// Without them there is an error.
    required: &'static [Name],
    optional: &'static [&'static [Name]],
}

/// An account that the caller brings. None of it is required: a configured bucket needs none.
pub(super) const ACCOUNT: &[Name] = &[
    Name::AccessKey,
    Name::SecretKey,
    Name::SessionToken,
    Name::BroughtBucket,
    Name::Region,
    Name::Endpoint,
    Name::AccountId,
    Name::PublicUrl,
];
const EXPIRY: &[Name] = &[Name::ExpiresIn];
const STORED: &[Name] = &[
    Name::FileSize,
    Name::StorageClass,
    Name::EncryptionType,
    Name::KmsKeyId,
    Name::CdnDomain,
    Name::Metadata,
    Name::MagicBytes,
    Name::Validation,
    Name::Webhook,
];
const ESTIMATE: &[Name] =
    &[Name::NetworkInfo, Name::BufferMultiplier, Name::MinExpirySeconds, Name::MaxExpirySeconds];
const UPLOAD: &[Name] = &[Name::UploadId, Name::Key];
const RULE: &[Name] = &[
    Name::Origins,
    Name::AllowedOrigins,
    Name::AllowedMethods,
    Name::AllowedHeaders,
    Name::ExposeHeaders,
    Name::MaxAgeSeconds,
];

const fn needs(required: &'static [Name], optional: &'static [&'static [Name]]) -> Fields {
    Fields { required, optional }
}

/// What `operation` reads.
const fn fields(operation: Operation) -> Fields {
    match operation {
        Operation::SignedUrl => needs(&[Name::Filename, Name::ContentType], &[EXPIRY, STORED, ESTIMATE]),
        Operation::BatchSignedUrl => needs(&[Name::Files], &[EXPIRY, STORED, ESTIMATE]),
        Operation::Form => needs(&[], &[&[Name::Filename, Name::ContentType], EXPIRY, STORED, ESTIMATE]),
        Operation::AccessToken => needs(&[Name::Permissions], &[EXPIRY, &[Name::Key]]),
        Operation::RevokeAccessToken => needs(&[Name::Token], &[]),
        Operation::UppyToken => needs(&[], &[EXPIRY, &[Name::Bucket, Name::Prefix]]),
        Operation::DownloadSignedUrl => needs(
            &[Name::Key],
            &[
                EXPIRY,
                &[
                    Name::VersionId,
                    Name::ResponseContentType,
                    Name::ResponseContentDisposition,
                    Name::CdnDomain,
                ],
            ],
        ),
        Operation::InitiateMultipart => needs(
            &[Name::Filename, Name::ContentType, Name::FileSize],
            &[EXPIRY, STORED, ESTIMATE, &[Name::PartSize]],
        ),
        Operation::MultipartParts => needs(UPLOAD, &[EXPIRY]),
        Operation::CompleteMultipart => {
            needs(&[Name::UploadId, Name::Key, Name::Parts], &[&[Name::CdnDomain]])
        }
        Operation::AbortMultipart => needs(UPLOAD, &[]),
        Operation::CorsSetUp => needs(&[], &[RULE]),
        Operation::CorsVerify | Operation::TestConnection => {
            needs(&[], &[&[Name::Origins, Name::AllowedOrigins]])
        }
        Operation::CdnCookies => {
            needs(&[], &[EXPIRY, &[Name::Key, Name::Prefix, Name::StartsAt, Name::SourceIp]])
        }
        Operation::Delete | Operation::Metadata => needs(&[Name::Key], &[&[Name::VersionId]]),
        Operation::BatchDelete => needs(&[Name::Keys], &[]),
        Operation::List => needs(&[], &[&[Name::Prefix, Name::MaxKeys, Name::ContinuationToken]]),
        Operation::Versions => {
            needs(&[], &[&[Name::Prefix, Name::MaxKeys, Name::KeyMarker, Name::VersionIdMarker]])
        }
        Operation::Complete => {
            needs(&[], &[&[Name::CompleteToken, Name::Key, Name::VersionId, Name::Etag, Name::CdnDomain]])
        }
        Operation::WebhookConfirm => needs(&[Name::WebhookId], &[&[Name::Key, Name::Etag]]),
        Operation::WebhookCreate => {
            needs(&[], &[&[Name::Bucket, Name::Prefix, Name::Url, Name::Secret, Name::Events]])
        }
        // What clients tell of themselves has a reader of its own: see `told`.
        Operation::WebhookList
        | Operation::WebhookStatus
        | Operation::WebhookRetry
        | Operation::WebhookDelete
        | Operation::Analytics
        | Operation::AnalyticsDaily
        | Operation::AnalyticsProviders
        | Operation::Track
        | Operation::Foreign
        | Operation::ValidateKey => needs(&[], &[]),
    }
}

/// The schema of `operation`'s body.
pub(super) fn of(operation: Operation) -> Schema {
    if operation == Operation::Analytics {
        return told(&json_schema!({ "type": "string", "minLength": 1 }));
    }
    if operation == Operation::Track {
        return told(&json_schema!({ "type": "string", "enum": TRACKED }));
    }
    schema(&fields(operation))
}

/// What a client tells of an upload.
fn told(event: &Schema) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "event": event,
            "provider": { "type": ["string", "null"], "description": "A configured provider or a plugin." },
            "fileSize": described(Name::FileSize),
        },
        "required": ["event"],
    })
}

/// The schema of a body with `fields`. Unknown ones are ignored, `null` is none, and each has one of its names.
fn schema(fields: &Fields) -> Schema {
    let names = fields.required.iter().chain(fields.optional.iter().copied().flatten());
    let properties: BTreeMap<_, _> =
        names.flat_map(|name| name.all("").into_iter().map(|shown| (shown, described(*name)))).collect();
    let required: Vec<Schema> = fields.required.iter().map(|name| one_of_its_names(*name)).collect();
    if required.is_empty() {
        return json_schema!({ "type": "object", "properties": properties });
    }
    json_schema!({ "type": "object", "properties": properties, "allOf": required })
}

/// The account's fields for every plugin, each with its plugin's prefix.
pub(super) fn account() -> Schema {
    let prefixes = wharf_plugins::PROVIDERS.iter().map(|plugin| plugin.profile().field_prefix);
    let names = prefixes.flat_map(|prefix| {
        ACCOUNT
            .iter()
            .flat_map(move |name| name.all(prefix).into_iter().map(|shown| (shown, described(*name))))
    });
    let mut properties: BTreeMap<_, _> = names.collect();
    properties.insert("bucket".to_owned(), described(Name::Bucket));
    json_schema!({ "type": "object", "properties": properties })
}

fn one_of_its_names(name: Name) -> Schema {
    let names: Vec<Schema> =
        name.all("").into_iter().map(|shown| json_schema!({ "required": [shown] })).collect();
    match names.as_slice() {
        [only] => only.clone(),
        names => json_schema!({ "anyOf": names }),
    }
}

fn described(name: Name) -> Schema {
    let mut schema = value(name.kind());
    schema.insert("description".to_owned(), says(name).into());
    schema
}

/// A field's value. `null` is the same as none.
fn value(kind: Kind) -> Schema {
    match kind {
        Kind::Text => json_schema!({ "type": ["string", "null"] }),
        Kind::Number => json_schema!({ "type": ["number", "null"] }),
        Kind::Bytes => json_schema!({
            "type": ["array", "null"], "items": { "type": "integer", "minimum": 0, "maximum": 255 },
        }),
        Kind::Files => json_schema!({
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "filename": described(Name::Filename),
                    "contentType": described(Name::ContentType),
                    "fileSize": described(Name::FileSize),
                    "magicBytes": described(Name::MagicBytes),
                },
            },
        }),
        Kind::Texts => json_schema!({ "type": ["array", "null"], "items": { "type": "string" } }),
        Kind::Parts => json_schema!({
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "partNumber": { "type": "number" }, "PartNumber": { "type": "number" },
                    "etag": { "type": "string" }, "ETag": { "type": "string" },
                },
            },
        }),
        Kind::Metadata => {
            json_schema!({ "type": ["object", "null"], "additionalProperties": { "type": ["string", "null"] } })
        }
        Kind::Network => json_schema!({
            "type": ["object", "null"],
            "properties": {
                "effectiveType": { "type": ["string", "null"] },
                "downlink": { "type": ["number", "null"] },
                "rtt": { "type": ["number", "null"] },
            },
        }),
        Kind::Validation => json_schema!({ "type": ["string", "object", "null"] }),
        Kind::Webhook => json_schema!({ "type": ["object", "null"] }),
    }
}

/// What a field is for.
const fn says(name: Name) -> &'static str {
    match name {
        Name::Bucket => "A configured bucket's name; without one the path says which.",
        Name::AccessKey => "The id of the caller's own key pair at the provider.",
        Name::SecretKey => {
            "The secret of that key pair. It is used for this one request, and neither kept nor logged."
        }
        Name::SessionToken => "The token of temporary credentials.",
        Name::BroughtBucket => "The caller's own bucket at the provider.",
        Name::Region => "The bucket's region.",
        Name::Endpoint => "The store's address. The operator lists those that callers may name.",
        Name::AccountId => "The account's id, for providers whose hosts have it in their names.",
        Name::PublicUrl => "Where objects are public, when that is not the endpoint.",
        Name::Filename => "The file's name; a key is made of it that no other upload has.",
        Name::ContentType => "The file's media type. Empty is application/octet-stream.",
        Name::FileSize => "Bytes.",
        Name::MagicBytes => "The file's first bytes. They count only where validation is asked for.",
        Name::Files => "1 to 100 files.",
        Name::StorageClass => "S3's name of a class, or the SDK's.",
        Name::EncryptionType => "SSE-S3 (or AES256), or SSE-KMS.",
        Name::KmsKeyId => "The id, ARN or alias of the key for SSE-KMS.",
        Name::CdnDomain => "A CDN in front of the bucket: cdn.example.com.",
        Name::Metadata => "The object's own metadata.",
        Name::ExpiresIn => "Seconds, 60 to 604800.",
        Name::NetworkInfo => {
            "What the browser knows of its network; with it the time that an upload takes is estimated."
        }
        Name::BufferMultiplier => "How much longer than its estimate a URL lives.",
        Name::MinExpirySeconds => "Seconds that an estimate does not go below.",
        Name::MaxExpirySeconds => "Seconds that an estimate does not go above.",
        Name::Key => "The object's key.",
        Name::VersionId => "One version of the object.",
        Name::ResponseContentType => "The Content-Type with which the object is served.",
        Name::ResponseContentDisposition => "The Content-Disposition with which the object is served.",
        Name::Validation => "Rules for the file: a preset's name, or an object of rules.",
        Name::Webhook => "Whom to tell when the object is there.",
        Name::UploadId => "The id that initiating the upload gave.",
        Name::PartSize => "Bytes of each part but the last.",
        Name::Parts => "The uploaded parts, in any order.",
        Name::Keys => "1 to 1000 keys.",
        Name::Prefix => "What keys begin with.",
        Name::MaxKeys => "Keys of one page, 1 to 1000.",
        Name::ContinuationToken => "Where the page before this one ended.",
        Name::KeyMarker => "The key at which the page before this one ended.",
        Name::VersionIdMarker => "The version at which the page before this one ended.",
        Name::CompleteToken => "What signed-url gave for this upload.",
        Name::Etag => "The ETag that the provider gave for the upload.",
        Name::Origins => "The pages' origins, https://app.example.com; * is any.",
        Name::AllowedOrigins => "The same as origins.",
        Name::AllowedMethods => "GET, HEAD, PUT, POST, DELETE.",
        Name::AllowedHeaders => "The headers that pages may send; * is any.",
        Name::ExposeHeaders => "The headers that pages may read. ETag always is one.",
        Name::MaxAgeSeconds => "Seconds that a browser may keep the answer to its preflight.",
        Name::Token => "The access token.",
        Name::Permissions => "read, write, delete, list.",
        Name::Url => "Where the webhook is posted to.",
        Name::Secret => "What its deliveries are signed with; without one Wharf makes one.",
        Name::Events => "Of what it tells.",
        Name::WebhookId => "The webhook's id.",
        Name::StartsAt => "When the cookies begin to open anything: 2030-01-31T00:00:00Z.",
        Name::SourceIp => "The IPv4 address or network from which they open it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_by_some_operation_and_shown_once() {
        let read = |name: &Name| {
            ACCOUNT.contains(name)
                || *name == Name::Bucket
                || Operation::ALL.iter().any(|operation| {
                    let Fields { required, optional } = fields(*operation);
                    required.contains(name) || optional.iter().any(|names| names.contains(name))
                })
        };
        let unread: Vec<_> = Name::ALL.iter().filter(|name| !read(name)).collect();
        assert_eq!(unread, Vec::<&Name>::new());
    }
}
