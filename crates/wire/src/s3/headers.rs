//! Which headers pass: from a client to a provider, and back.
//!
//! Providers obey headers that S3 does not document, so nothing is copied that is not in a table of this module. An
//! `x-amz-*` header that is in none is refused, as S3 does: whoever sends it counts on what it does.

use std::borrow::Cow;

use super::{Operation, Right};

/// What becomes of a request's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It goes to the provider, and perhaps needs a right besides the operation's.
    Upstream(Option<Right>),
    /// It stays: Wharf reads it, or it means nothing to the operation.
    Held,
    /// It asks for something that is not implemented: 501.
    Unknown,
}

mod taken_by {
    //! The operations that take a header, for headers that go together.
    use super::Operation::{
        self, CompleteMultipartUpload, CopyObject, CreateBucket, CreateMultipartUpload, DeleteObject,
        DeleteObjects, GetObject, GetObjectAttributes, HeadObject, ListObjectVersions, ListObjects,
        ListObjectsV2, ListParts, PutBucketAcl, PutBucketLifecycleConfiguration,
        PutBucketNotificationConfiguration, PutBucketPolicy, PutBucketReplication, PutBucketVersioning,
        PutObject, PutObjectAcl, PutObjectLockConfiguration, PutObjectRetention, UploadPart, UploadPartCopy,
    };

    pub(super) type Operations = &'static [Operation];

    pub(super) const EVERY: Operations = Operation::ALL;

    /// Those that say what an object will be.
    pub(super) const CREATORS: Operations = &[PutObject, CopyObject, CreateMultipartUpload];
    pub(super) const READERS: Operations = &[GetObject, HeadObject];
    pub(super) const COPIERS: Operations = &[CopyObject, UploadPartCopy];
    pub(super) const LISTS: Operations = &[ListObjects, ListObjectsV2, ListObjectVersions];
    pub(super) const BODIES: Operations = &[PutObject, UploadPart];

    pub(super) const ACL: Operations =
        &[PutObject, CopyObject, CreateMultipartUpload, PutObjectAcl, CreateBucket, PutBucketAcl];
    pub(super) const GRANT_WRITE: Operations = &[PutObjectAcl, CreateBucket, PutBucketAcl];
    pub(super) const BYPASS_LOCK: Operations = &[DeleteObject, DeleteObjects, PutObjectRetention];
    pub(super) const CHECKSUM: Operations = &[PutObject, UploadPart, CompleteMultipartUpload];
    pub(super) const CHECKSUM_ALGORITHM: Operations = &[CopyObject, CreateMultipartUpload];
    pub(super) const CHECKSUM_TYPE: Operations = &[CreateMultipartUpload, CompleteMultipartUpload];
    pub(super) const CUSTOMER_KEY: Operations = &[
        PutObject,
        UploadPart,
        GetObject,
        HeadObject,
        CopyObject,
        CreateMultipartUpload,
        UploadPartCopy,
        CompleteMultipartUpload,
        ListParts,
        GetObjectAttributes,
    ];
    pub(super) const LOCK_TOKEN: Operations = &[PutObjectLockConfiguration, PutBucketReplication];
    pub(super) const MATCH: Operations =
        &[GetObject, HeadObject, PutObject, CopyObject, CompleteMultipartUpload, DeleteObject];
    pub(super) const MFA: Operations = &[DeleteObject, DeleteObjects, PutBucketVersioning];

    pub(super) const ATTRIBUTES: Operations = &[GetObjectAttributes];
    pub(super) const BUCKET: Operations = &[CreateBucket];
    pub(super) const COMPLETE: Operations = &[CompleteMultipartUpload];
    pub(super) const COPY: Operations = &[CopyObject];
    pub(super) const COPY_PART: Operations = &[UploadPartCopy];
    pub(super) const DELETE: Operations = &[DeleteObject];
    pub(super) const LIFECYCLE: Operations = &[PutBucketLifecycleConfiguration];
    pub(super) const NOTIFICATION: Operations = &[PutBucketNotificationConfiguration];
    pub(super) const POLICY: Operations = &[PutBucketPolicy];
}
use taken_by::Operations;

/// What the metadata of a caller's own begins with.
const METADATA: &str = "x-amz-meta-";

/// The one name below [`METADATA`] that is a command: a store that obeys it unpacks the object.
const UNPACK: &str = "x-amz-meta-snowball-auto-extract";

/// What becomes of the header `name`, in lower case, of a request for `operation`.
pub fn request(operation: Operation, name: &str, value: &[u8]) -> Passage {
    if is_for_wharf(name) {
        return Passage::Held;
    }
    let Some(takers) = takers(name) else {
        return if name.starts_with("x-amz-") { Passage::Unknown } else { Passage::Held };
    };
    if !takers.contains(&operation) || (name == ACL && says_nothing(operation, value)) {
        return Passage::Held;
    }
    Passage::Upstream(further_right(name, value))
}

/// Headers of S3's that Wharf reads and writes anew, or that mean nothing to a store.
fn is_for_wharf(name: &str) -> bool {
    matches!(
        name,
        // The API's version, of which S3 has had one.
        "x-amz-api-version"
            // A content delivery network's own mark.
            | "x-amz-cf-id"
            | "x-amz-content-sha256"
            | "x-amz-copy-source"
            | "x-amz-date"
            | "x-amz-decoded-content-length"
            // Announces a checksum that follows as a header or a trailer. A provider would miss the trailer.
            | "x-amz-sdk-checksum-algorithm"
            | "x-amz-security-token"
            // Asks for a digest behind the reply's body, which is not promised.
            | "x-amz-te"
            | "x-amz-trailer"
            | "x-amz-user-agent"
    )
}

/// Headers that say what an object will be.
fn describes_object(name: &str) -> bool {
    matches!(
        name,
        "cache-control"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-type"
            | "expires"
            | "x-amz-object-lock-legal-hold"
            | "x-amz-object-lock-mode"
            | "x-amz-object-lock-retain-until-date"
            | "x-amz-server-side-encryption"
            | "x-amz-server-side-encryption-aws-kms-key-id"
            | "x-amz-server-side-encryption-bucket-key-enabled"
            | "x-amz-server-side-encryption-context"
            | "x-amz-storage-class"
            | "x-amz-tagging"
            | "x-amz-website-redirect-location"
    ) || (name.starts_with(METADATA) && name != UNPACK)
}

/// The operations that take the header `name`, or nothing for a header that is not S3's.
fn takers(name: &str) -> Option<Operations> {
    Some(match name {
        _ if describes_object(name) => taken_by::CREATORS,
        "x-amz-expected-bucket-owner" | "x-amz-request-payer" => taken_by::EVERY,
        "if-modified-since" | "if-unmodified-since" | "range" | "x-amz-checksum-mode" => taken_by::READERS,
        "if-match" | "if-none-match" => taken_by::MATCH,
        "content-md5" => taken_by::BODIES,
        "x-amz-checksum-crc32"
        | "x-amz-checksum-crc32c"
        | "x-amz-checksum-crc64nvme"
        | "x-amz-checksum-sha1"
        | "x-amz-checksum-sha256" => taken_by::CHECKSUM,
        "x-amz-checksum-algorithm" => taken_by::CHECKSUM_ALGORITHM,
        "x-amz-checksum-type" => taken_by::CHECKSUM_TYPE,
        "x-amz-server-side-encryption-customer-algorithm"
        | "x-amz-server-side-encryption-customer-key"
        | "x-amz-server-side-encryption-customer-key-md5" => taken_by::CUSTOMER_KEY,
        "x-amz-copy-source-if-match"
        | "x-amz-copy-source-if-modified-since"
        | "x-amz-copy-source-if-none-match"
        | "x-amz-copy-source-if-unmodified-since"
        | "x-amz-copy-source-server-side-encryption-customer-algorithm"
        | "x-amz-copy-source-server-side-encryption-customer-key"
        | "x-amz-copy-source-server-side-encryption-customer-key-md5"
        | "x-amz-source-expected-bucket-owner" => taken_by::COPIERS,
        "x-amz-metadata-directive" | "x-amz-tagging-directive" => taken_by::COPY,
        "x-amz-copy-source-range" => taken_by::COPY_PART,
        "x-amz-acl"
        | "x-amz-grant-full-control"
        | "x-amz-grant-read"
        | "x-amz-grant-read-acp"
        | "x-amz-grant-write-acp" => taken_by::ACL,
        "x-amz-grant-write" => taken_by::GRANT_WRITE,
        "x-amz-bypass-governance-retention" => taken_by::BYPASS_LOCK,
        "x-amz-bucket-object-lock-token" => taken_by::LOCK_TOKEN,
        "x-amz-mfa" => taken_by::MFA,
        "x-amz-optional-object-attributes" => taken_by::LISTS,
        "x-amz-max-parts" | "x-amz-object-attributes" | "x-amz-part-number-marker" => taken_by::ATTRIBUTES,
        "x-amz-bucket-object-lock-enabled" | "x-amz-object-ownership" => taken_by::BUCKET,
        "x-amz-mp-object-size" => taken_by::COMPLETE,
        "x-amz-if-match-last-modified-time" | "x-amz-if-match-size" => taken_by::DELETE,
        "x-amz-transition-default-minimum-object-size" => taken_by::LIFECYCLE,
        "x-amz-skip-destination-validation" => taken_by::NOTIFICATION,
        "x-amz-confirm-remove-self-bucket-access" => taken_by::POLICY,
        _ => return None,
    })
}

const ACL: &str = "x-amz-acl";

/// A new object or bucket is private in any case, and a provider without ACLs would refuse to be told.
fn says_nothing(operation: Operation, acl: &[u8]) -> bool {
    acl == b"private" && operation.right() != Some(Right::Acl)
}

/// Whether a request may have the header `name`, in lower case, more than once: its values are a list.
pub fn may_come_twice(name: &str) -> bool {
    name.starts_with(METADATA)
        || matches!(name, "content-encoding" | "x-amz-object-attributes" | "x-amz-optional-object-attributes")
}

/// What a header does apart from its operation.
fn further_right(name: &str, value: &[u8]) -> Option<Right> {
    // Gives nothing to anybody but the bucket's owner, who may insist on it.
    let is_owners = name == ACL && value == b"bucket-owner-full-control";
    let has = |start| name.starts_with(start);
    if !is_owners && (name == ACL || has("x-amz-grant-")) {
        return Some(Right::Acl);
    }
    (has("x-amz-object-lock-") || has("x-amz-bypass-")).then_some(Right::Lock)
}

/// Whether the header `name`, in lower case, of a provider's reply passes to the client. What names the provider's
/// bucket, region or machines does not (an encryption context does); Wharf answers with its own.
pub fn reply(name: &str) -> bool {
    matches!(
        name,
        "accept-ranges"
            | "cache-control"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-range"
            | "content-type"
            | "etag"
            | "expires"
            | "last-modified"
            | "x-amz-abort-date"
            | "x-amz-abort-rule-id"
            | "x-amz-archive-status"
            | "x-amz-checksum-algorithm"
            | "x-amz-checksum-crc32"
            | "x-amz-checksum-crc32c"
            | "x-amz-checksum-crc64nvme"
            | "x-amz-checksum-md5"
            | "x-amz-checksum-sha1"
            | "x-amz-checksum-sha256"
            | "x-amz-checksum-sha512"
            | "x-amz-checksum-type"
            | "x-amz-checksum-xxhash128"
            | "x-amz-checksum-xxhash3"
            | "x-amz-checksum-xxhash64"
            | "x-amz-copy-source-version-id"
            | "x-amz-delete-marker"
            | "x-amz-expiration"
            | "x-amz-missing-meta"
            | "x-amz-mp-parts-count"
            | "x-amz-object-lock-legal-hold"
            | "x-amz-object-lock-mode"
            | "x-amz-object-lock-retain-until-date"
            | "x-amz-object-size"
            | "x-amz-replication-status"
            | "x-amz-request-charged"
            | "x-amz-restore"
            | "x-amz-server-side-encryption"
            | "x-amz-server-side-encryption-aws-kms-key-id"
            | "x-amz-server-side-encryption-bucket-key-enabled"
            | "x-amz-server-side-encryption-customer-algorithm"
            | "x-amz-server-side-encryption-customer-key-md5"
            | "x-amz-storage-class"
            | "x-amz-tagging-count"
            | "x-amz-transition-default-minimum-object-size"
            | "x-amz-version-id"
            | "x-amz-website-redirect-location"
    ) || name.starts_with(METADATA)
}

/// `Content-Encoding` as it is stored: `aws-chunked` is how the request came, and not what the object is.
///
/// ```
/// use wharf_wire::s3::headers::stored_content_encoding;
///
/// assert_eq!(stored_content_encoding(b"aws-chunked,gzip").as_deref(), Some(b"gzip".as_slice()));
/// assert_eq!(stored_content_encoding(b"aws-chunked"), None);
/// ```
pub fn stored_content_encoding(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_framing = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked");
    let codings = || value.split(|byte| *byte == b',');
    if !codings().any(is_framing) {
        return Some(value.into());
    }
    let kept: Vec<&[u8]> = codings()
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !is_framing(coding))
        .collect();
    (!kept.is_empty()).then(|| kept.join(b", ".as_slice()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations in the order of the table that take `name`.
    fn takers(name: &str) -> Vec<&'static str> {
        Operation::ALL
            .iter()
            .filter(|operation| matches!(request(**operation, name, b"v"), Passage::Upstream(_)))
            .map(|operation| operation.name())
            .collect()
    }

    #[test]
    fn a_header_goes_to_the_operations_that_s3_documents() {
        for (names, operations) in [
            (
                "cache-control content-type expires x-amz-meta-a x-amz-tagging x-amz-storage-class \
                 x-amz-server-side-encryption x-amz-object-lock-mode",
                "PutObject CopyObject CreateMultipartUpload",
            ),
            (
                "x-amz-acl x-amz-grant-read",
                "PutObject CopyObject PutObjectAcl CreateMultipartUpload CreateBucket PutBucketAcl",
            ),
            ("x-amz-grant-write", "PutObjectAcl CreateBucket PutBucketAcl"),
            ("content-md5", "PutObject UploadPart"),
            ("x-amz-checksum-crc32", "PutObject UploadPart CompleteMultipartUpload"),
            ("x-amz-checksum-algorithm", "CopyObject CreateMultipartUpload"),
            ("x-amz-checksum-type", "CreateMultipartUpload CompleteMultipartUpload"),
            ("range if-modified-since if-unmodified-since x-amz-checksum-mode", "GetObject HeadObject"),
            (
                "if-match if-none-match",
                "GetObject HeadObject PutObject CopyObject DeleteObject CompleteMultipartUpload",
            ),
            ("x-amz-if-match-size", "DeleteObject"),
            ("x-amz-copy-source-if-match x-amz-source-expected-bucket-owner", "CopyObject UploadPartCopy"),
            ("x-amz-copy-source-range", "UploadPartCopy"),
            ("x-amz-metadata-directive", "CopyObject"),
            (
                "x-amz-server-side-encryption-customer-key",
                "GetObject HeadObject PutObject CopyObject GetObjectAttributes CreateMultipartUpload UploadPart \
                 UploadPartCopy ListParts CompleteMultipartUpload",
            ),
            ("x-amz-object-attributes x-amz-max-parts", "GetObjectAttributes"),
            ("x-amz-optional-object-attributes", "ListObjects ListObjectsV2 ListObjectVersions"),
            ("x-amz-bypass-governance-retention", "DeleteObject PutObjectRetention DeleteObjects"),
            ("x-amz-mfa", "DeleteObject DeleteObjects PutBucketVersioning"),
            ("x-amz-mp-object-size", "CompleteMultipartUpload"),
            ("x-amz-bucket-object-lock-enabled x-amz-object-ownership", "CreateBucket"),
            ("x-amz-bucket-object-lock-token", "PutBucketReplication PutObjectLockConfiguration"),
            ("x-amz-confirm-remove-self-bucket-access", "PutBucketPolicy"),
            ("x-amz-skip-destination-validation", "PutBucketNotificationConfiguration"),
            ("x-amz-transition-default-minimum-object-size", "PutBucketLifecycleConfiguration"),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(takers(name).join(" "), operations, "{name}");
            }
        }
        for name in ["x-amz-request-payer", "x-amz-expected-bucket-owner"] {
            assert_eq!(takers(name).len(), Operation::ALL.len(), "{name}");
        }
    }

    #[test]
    fn what_wharf_reads_or_s3_ignores_stays() {
        for name in [
            "host",
            "authorization",
            "content-length",
            "transfer-encoding",
            "connection",
            "user-agent",
            "accept-encoding",
            "amz-sdk-request",
            "x-amzn-trace-id",
            "x-forwarded-for",
            "x-seaweedfs-a",
            "x-amz-date",
            "x-amz-content-sha256",
            "x-amz-copy-source",
            "x-amz-decoded-content-length",
            "x-amz-sdk-checksum-algorithm",
            "x-amz-security-token",
            "x-amz-te",
            "x-amz-api-version",
            "x-amz-trailer",
            "x-amz-user-agent",
        ] {
            assert!(Operation::ALL.iter().all(|op| request(*op, name, b"v") == Passage::Held), "{name}");
        }
    }

    #[test]
    fn any_other_header_of_s3s_is_refused() {
        for name in [
            "x-amz-",
            "x-amz-write-offset-bytes",
            "x-amz-rename-source",
            "x-amz-meta-snowball-auto-extract",
            "x-amz-metadata",
            "x-amz-checksum-xxhash3",
            "x-amz-acl ",
            "x-amz-signature",
        ] {
            assert!(Operation::ALL.iter().all(|op| request(*op, name, b"v") == Passage::Unknown), "{name}");
        }
    }

    #[test]
    fn some_headers_need_a_right_of_their_own() {
        for (name, value, passage) in [
            ("x-amz-acl", "public-read", Passage::Upstream(Some(Right::Acl))),
            ("x-amz-acl", "bucket-owner-full-control", Passage::Upstream(None)),
            ("x-amz-acl", "private", Passage::Held),
            ("x-amz-acl", "Private", Passage::Upstream(Some(Right::Acl))),
            ("x-amz-grant-read-acp", "id=1", Passage::Upstream(Some(Right::Acl))),
            ("x-amz-object-lock-legal-hold", "OFF", Passage::Upstream(Some(Right::Lock))),
            ("x-amz-meta-acl", "public-read", Passage::Upstream(None)),
        ] {
            assert_eq!(request(Operation::PutObject, name, value.as_bytes()), passage, "{name}: {value}");
        }
        let bypass = request(Operation::DeleteObject, "x-amz-bypass-governance-retention", b"true");
        assert_eq!(bypass, Passage::Upstream(Some(Right::Lock)));
        let private = request(Operation::PutObjectAcl, "x-amz-acl", b"private");
        assert_eq!(private, Passage::Upstream(Some(Right::Acl)));
    }

    #[test]
    fn a_reply_shows_the_object_and_not_the_provider() {
        for name in ["etag", "content-range", "x-amz-meta-a", "x-amz-version-id", "x-amz-checksum-sha256"] {
            assert!(reply(name), "{name}");
        }
        for name in [
            "connection",
            "transfer-encoding",
            "keep-alive",
            "server",
            "set-cookie",
            "date",
            "location",
            "x-amz-request-id",
            "x-amz-id-2",
            "x-amz-bucket-region",
            "x-amz-bucket-arn",
            "x-amz-meta",
            "strict-transport-security",
            "access-control-allow-origin",
        ] {
            assert!(!reply(name), "{name}");
        }
    }

    #[test]
    fn the_framing_of_a_request_is_not_stored() {
        for (sent, stored) in [
            ("gzip", Some("gzip")),
            ("", Some("")),
            ("aws-chunked", None),
            ("AWS-Chunked ", None),
            ("aws-chunked,", None),
            ("aws-chunked,aws-chunked", None),
            ("gzip,aws-chunked", Some("gzip")),
            ("aws-chunked , gzip,br", Some("gzip, br")),
            ("x-aws-chunked", Some("x-aws-chunked")),
        ] {
            assert_eq!(
                stored_content_encoding(sent.as_bytes()).as_deref(),
                stored.map(str::as_bytes),
                "{sent}"
            );
        }
    }
}
