//! Which texts of which documents name something, as data.
//!
//! A document that is not here is not passed on. In a result, what no rule names is kept; in an `Error` it is left
//! out, because providers put their own names there: hosts, access keys, what they would have signed.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use std::{borrow::Cow, fmt};

use crate::encode;

use super::{Asked, Names, RewriteError, text};

/// What is done with an element's text.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Keep,
    /// The whole element goes, not its text alone.
    LeaveOut,
    /// Another text, whatever stood there.
    Own(fn(&Names) -> &str),
    /// A key, or a prefix that keys have in common: the bucket's prefix is taken off.
    Key,
    /// As [`Change::Key`], or empty.
    NextKey,
    /// What the caller asked, which the provider repeats with the bucket's prefix before it. It may have been asked
    /// for something else than the caller had: then it is the caller's own text.
    Asked(fn(&Asked) -> &str),
    /// An error's key may lie elsewhere: a copy's source is named in it, too. Then there is no key to tell.
    ErrorKey,
    /// Words in which a bucket or a prefix may be named.
    Message,
}

const BUCKET: Change = Change::Own(|names| &names.bucket);
const PREFIX: Change = Change::Asked(|asked| &asked.prefix);
const KEY_MARKER: Change = Change::Asked(|asked| &asked.key_marker);

/// A kind of document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: &'static str,
    /// Paths below the root.
    rules: &'static [(&'static str, Change)],
    otherwise: Change,
    /// It configures all of the provider's bucket, by keys as the provider knows them. Behind a key prefix it is
    /// other people's, too.
    pub(super) is_about_whole_bucket: bool,
}

const DOCUMENTS: &[Document] = &[
    result(
        "ListBucketResult",
        &[
            ("Contents/Key", Change::Key),
            ("CommonPrefixes/Prefix", Change::Key),
            ("Name", BUCKET),
            ("Prefix", PREFIX),
            ("Marker", Change::Asked(|asked| &asked.marker)),
            ("NextMarker", Change::NextKey),
            ("StartAfter", Change::Asked(|asked| &asked.start_after)),
        ],
    ),
    result(
        "ListVersionsResult",
        &[
            ("Version/Key", Change::Key),
            ("DeleteMarker/Key", Change::Key),
            ("CommonPrefixes/Prefix", Change::Key),
            ("Name", BUCKET),
            ("Prefix", PREFIX),
            ("KeyMarker", KEY_MARKER),
            ("NextKeyMarker", Change::NextKey),
        ],
    ),
    result(
        "ListMultipartUploadsResult",
        &[
            ("Upload/Key", Change::Key),
            ("CommonPrefixes/Prefix", Change::Key),
            ("Bucket", BUCKET),
            ("Prefix", PREFIX),
            ("KeyMarker", KEY_MARKER),
            ("NextKeyMarker", Change::NextKey),
        ],
    ),
    result("ListPartsResult", &[("Bucket", BUCKET), ("Key", Change::Key)]),
    result("InitiateMultipartUploadResult", &[("Bucket", BUCKET), ("Key", Change::Key)]),
    // The same, in the words of gofakes3, on which `rclone serve s3` stands.
    result("InitiateMultipartUpload", &[("Bucket", BUCKET), ("Key", Change::Key)]),
    result(
        "CompleteMultipartUploadResult",
        &[("Location", Change::Own(|names| &names.location)), ("Bucket", BUCKET), ("Key", Change::Key)],
    ),
    result(
        "DeleteResult",
        &[("Deleted/Key", Change::Key), ("Error/Key", Change::Key), ("Error/Message", Change::Message)],
    ),
    Document {
        root: "Error",
        rules: &[
            ("Code", Change::Keep),
            ("Message", Change::Message),
            ("BucketName", BUCKET),
            ("Key", Change::ErrorKey),
            ("Resource", Change::Own(|names| &names.resource)),
            ("RequestId", Change::Own(|names| &names.request_id)),
            ("ActualObjectSize", Change::Keep),
            ("ArgumentName", Change::Keep),
            ("CalculatedDigest", Change::Keep),
            ("Condition", Change::Keep),
            ("ETag", Change::Keep),
            ("ExpectedDigest", Change::Keep),
            ("MaxSizeAllowed", Change::Keep),
            ("Method", Change::Keep),
            ("MinSizeAllowed", Change::Keep),
            ("PartNumber", Change::Keep),
            ("ProposedSize", Change::Keep),
            ("RangeRequested", Change::Keep),
            ("ResourceType", Change::Keep),
            ("StorageClass", Change::Keep),
            ("UploadId", Change::Keep),
            ("VersionId", Change::Keep),
        ],
        otherwise: Change::LeaveOut,
        is_about_whole_bucket: false,
    },
    whole_bucket("BucketLoggingStatus"),
    whole_bucket("LifecycleConfiguration"),
    whole_bucket("NotificationConfiguration"),
    whole_bucket("ReplicationConfiguration"),
    whole_bucket("WebsiteConfiguration"),
    // No names in these.
    result("AccelerateConfiguration", &[]),
    result("AccessControlPolicy", &[]),
    result("CORSConfiguration", &[]),
    result("CopyObjectResult", &[]),
    result("CopyPartResult", &[]),
    result("GetObjectAttributesOutput", &[]),
    result("GetObjectAttributesResponse", &[]),
    result("LegalHold", &[]),
    result("LocationConstraint", &[]),
    result("ObjectLockConfiguration", &[]),
    result("OwnershipControls", &[]),
    result("PolicyStatus", &[]),
    result("PublicAccessBlockConfiguration", &[]),
    result("RequestPaymentConfiguration", &[]),
    result("Retention", &[]),
    result("ServerSideEncryptionConfiguration", &[]),
    result("Tagging", &[]),
    result("VersioningConfiguration", &[]),
];

const fn result(root: &'static str, rules: &'static [(&'static str, Change)]) -> Document {
    Document { root, rules, otherwise: Change::Keep, is_about_whole_bucket: false }
}

const fn whole_bucket(root: &'static str) -> Document {
    Document { root, rules: &[], otherwise: Change::Keep, is_about_whole_bucket: true }
}

impl Document {
    pub(super) fn of(root: &[u8]) -> Option<&'static Self> {
        DOCUMENTS.iter().find(|document| document.root.as_bytes() == root)
    }

    /// What is done with the element at `path` below the root.
    pub(super) fn change(&self, path: &[u8]) -> Change {
        let rule = self.rules.iter().find(|(named, _)| named.as_bytes() == path);
        rule.map_or(self.otherwise, |(_, change)| *change)
    }
}

impl Change {
    /// The text that takes the place of `text`. Both are escaped for XML.
    pub(super) fn apply<'a>(self, names: &Names, text: &'a [u8]) -> Result<Cow<'a, [u8]>, RewriteError> {
        let own_key = |encoded| text::after_prefix(text, &names.key_prefix, encoded).map(Cow::Borrowed);
        let encoded = names.keys_are_url_encoded;
        match self {
            Self::Keep => Ok(Cow::Borrowed(text)),
            Self::LeaveOut => Ok(Cow::Borrowed(&[])),
            Self::Own(name) => Ok(owned(text::escape(name(names)))),
            Self::NextKey if text.is_empty() => Ok(Cow::Borrowed(text)),
            Self::Key | Self::NextKey => own_key(encoded).ok_or(RewriteError::ForeignKey),
            Self::Asked(name) => Ok(own_key(encoded).unwrap_or_else(|| asked(name(&names.asked), encoded))),
            Self::ErrorKey => Ok(own_key(false).unwrap_or_default()),
            Self::Message => text::without_names(text, names),
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Change")
    }
}

fn asked(text: &str, encoded: bool) -> Cow<'static, [u8]> {
    if !encoded {
        return owned(text::escape(text));
    }
    let mut out = String::new();
    encode::path(text, &mut out);
    owned(out)
}

fn owned(text: String) -> Cow<'static, [u8]> {
    Cow::Owned(text.into_bytes())
}
