//! Every S3 operation that Wharf knows, and the facts about each in one table.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use http::Method;

use super::Parameter;
use crate::xml::DELETE_BYTES_MAX;

/// What an address names: all buckets of the caller, one bucket, or one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `/`
    Service,
    /// `/bucket`
    Bucket,
    /// `/bucket/key`
    Object,
}

/// A method of HTTP as S3 reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `PUT`
    Put,
    /// `PUT` with `x-amz-copy-source`, which is another operation than without.
    Copy,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
}

impl Verb {
    /// The verb of a request, unless S3 has nothing for its method.
    pub fn of(method: &Method, has_copy_source: bool) -> Option<Self> {
        match *method {
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            Method::PUT if has_copy_source => Some(Self::Copy),
            Method::PUT => Some(Self::Put),
            Method::POST => Some(Self::Post),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    /// The method that carries the verb.
    pub const fn method_name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put | Self::Copy => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// What a caller must be allowed to do. The source of a copy needs [`Right::Read`] besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Read objects and what is kept with them.
    Read,
    /// Write objects and their tags; a multipart upload from its beginning to its end.
    Write,
    /// Delete objects.
    Delete,
    /// See which objects there are.
    List,
    /// Read and write the ACLs of objects and buckets.
    Acl,
    /// Read and write what protects an object from being deleted.
    Lock,
    /// Create, delete and configure buckets.
    Configure,
}

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing, or nothing that is read.
    None,
    /// An XML document, read whole.
    Xml {
        /// Its root element.
        root: &'static str,
        /// Harm of more: memory, held by every request in flight.
        bytes_max: usize,
    },
    /// A JSON document, read whole.
    Json {
        /// Harm of more: memory, held by every request in flight.
        bytes_max: usize,
    },
    /// An object's bytes or a part's, streamed.
    Object,
    /// `multipart/form-data` with an object's bytes as its last field, streamed.
    Form,
}

/// Operations that are answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The same at the store but for the names of bucket and key, which its answer does not repeat.
    Pass,
    /// An object is read, or its head is.
    Read,
    /// The bytes of an object or of a part come in.
    Upload,
    /// The same, in a browser's form.
    Form,
    /// An object is made of another one, or a part.
    Copy,
    /// Many objects are deleted in one request.
    Deletes,
    /// Keys are listed: of objects, of their versions, or of uploads.
    Keys,
    /// A multipart upload begins.
    Begin,
    /// The parts of one are listed.
    Parts,
    /// Its parts become an object.
    Complete,
    /// Buckets are listed.
    Buckets,
    /// A bucket is looked for.
    Bucket,
    /// A bucket is made.
    NewBucket,
    /// Where a bucket is.
    Location,
    /// A bucket's policy is read.
    Policy,
    /// It is written.
    NewPolicy,
    /// Known, so that it is not taken for another one, and not served.
    Unserved,
}

const KIB: usize = 1024;

const fn xml(root: &'static str) -> Body {
    Body::Xml { root, bytes_max: 256 * KIB }
}

/// Configurations of up to a thousand rules.
const fn rules(root: &'static str) -> Body {
    Body::Xml { root, bytes_max: 1024 * KIB }
}

const DELETE: Body = Body::Xml { root: "Delete", bytes_max: DELETE_BYTES_MAX };

/// Ten thousand parts, each with its number, entity tag and checksum.
const COMPLETE: Body = Body::Xml { root: "CompleteMultipartUpload", bytes_max: 4096 * KIB };

/// S3 takes bucket policies of at most 20 KiB.
const POLICY: Body = Body::Json { bytes_max: 20 * KIB };

const STREAM: Body = Body::Object;
const FORM: Body = Body::Form;
const NONE: Body = Body::None;

/// Whether a request may be sent again when nobody knows whether the first one arrived.
const ONCE: bool = false;
const AGAIN: bool = true;

mod parameters {
    //! The query parameters of each operation.
    use super::Parameter::{
        self, BucketRegion, ContinuationToken, Delimiter, EncodingType, FetchOwner, KeyMarker, Marker,
        MaxBuckets, MaxKeys, MaxParts, MaxUploads, PartNumber, PartNumberMarker, Prefix,
        ResponseCacheControl, ResponseContentDisposition, ResponseContentEncoding, ResponseContentLanguage,
        ResponseContentType, ResponseExpires, SelectType, StartAfter, UploadId, UploadIdMarker, VersionId,
        VersionIdMarker,
    };

    pub(super) const NO: &[Parameter] = &[];
    pub(super) const VERSION: &[Parameter] = &[VersionId];
    pub(super) const UPLOAD: &[Parameter] = &[UploadId];
    pub(super) const PART: &[Parameter] = &[UploadId, PartNumber];
    pub(super) const PARTS: &[Parameter] = &[UploadId, MaxParts, PartNumberMarker];
    pub(super) const SELECT: &[Parameter] = &[SelectType];
    pub(super) const BUCKETS: &[Parameter] = &[MaxBuckets, ContinuationToken, Prefix, BucketRegion];
    pub(super) const OBJECT: &[Parameter] = &[
        VersionId,
        PartNumber,
        ResponseCacheControl,
        ResponseContentDisposition,
        ResponseContentEncoding,
        ResponseContentLanguage,
        ResponseContentType,
        ResponseExpires,
    ];
    pub(super) const LIST: &[Parameter] = &[Prefix, Delimiter, Marker, MaxKeys, EncodingType];
    pub(super) const LIST_2: &[Parameter] =
        &[Prefix, Delimiter, StartAfter, ContinuationToken, MaxKeys, EncodingType, FetchOwner];
    pub(super) const VERSIONS: &[Parameter] =
        &[Prefix, Delimiter, KeyMarker, VersionIdMarker, MaxKeys, EncodingType];
    pub(super) const UPLOADS: &[Parameter] =
        &[Prefix, Delimiter, KeyMarker, UploadIdMarker, MaxUploads, EncodingType];
}
use parameters::{
    BUCKETS, LIST, LIST_2, NO, OBJECT, PART, PARTS, SELECT, UPLOAD, UPLOADS, VERSION, VERSIONS,
};

macro_rules! operations {
    ($(
        $level:ident $verb:ident $sub_resource:literal $variant:ident
            $group:ident $right:expr, $body:expr, $retry:ident, $parameters:ident;
    )*) => {
        /// An operation of S3, by S3's own name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are S3's, whose pages explain them")]
        pub enum Operation { $($variant,)* }

        impl Operation {
            /// Every operation, for documents, metrics and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The operation of `verb` on a resource, `sub_resource` being empty for the resource itself.
            pub(super) fn find(level: Level, verb: Verb, sub_resource: &str) -> Option<Self> {
                match (level, verb, sub_resource) {
                    $((Level::$level, Verb::$verb, $sub_resource) => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// S3's name, for logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// Which operations it is answered like.
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }

            /// What the operation is about.
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// How it is asked for.
            pub const fn verb(self) -> Verb {
                match self { $(Self::$variant => Verb::$verb,)* }
            }

            /// The query parameter that tells it from its neighbours, empty for none: `acl`, `uploadId`, `list-type`.
            pub const fn sub_resource(self) -> &'static str {
                match self { $(Self::$variant => $sub_resource,)* }
            }

            /// What a caller needs. Which buckets are listed depends on the rights in each.
            pub const fn right(self) -> Option<Right> {
                match self { $(Self::$variant => $right,)* }
            }

            /// What its body is.
            pub const fn body(self) -> Body {
                match self { $(Self::$variant => $body,)* }
            }

            /// Whether the second of two equal requests changes nothing and is answered as the first.
            pub const fn may_be_sent_twice(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }

            /// The query parameters that it takes besides its sub-resource.
            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $(Self::$variant => $parameters,)* }
            }
        }
    };
}

const READ: Option<Right> = Some(Right::Read);
const WRITE: Option<Right> = Some(Right::Write);
const REMOVE: Option<Right> = Some(Right::Delete);
const SEE: Option<Right> = Some(Right::List);
const ACL: Option<Right> = Some(Right::Acl);
const LOCK: Option<Right> = Some(Right::Lock);
const SETUP: Option<Right> = Some(Right::Configure);

// How it is asked for, its name, its group, the right it needs, its body, whether it may be sent twice, its parameters.
operations! {
    Service Get "" ListBuckets Buckets None, NONE, AGAIN, BUCKETS;

    Object Get "" GetObject Read READ, NONE, AGAIN, OBJECT;
    Object Head "" HeadObject Read READ, NONE, AGAIN, OBJECT;
    Object Put "" PutObject Upload WRITE, STREAM, ONCE, NO;
    Object Copy "" CopyObject Copy WRITE, NONE, ONCE, NO;
    Object Delete "" DeleteObject Pass REMOVE, NONE, ONCE, VERSION;
    Object Get "attributes" GetObjectAttributes Pass READ, NONE, AGAIN, VERSION;
    Object Get "torrent" GetObjectTorrent Unserved READ, NONE, AGAIN, NO;
    Object Get "tagging" GetObjectTagging Pass READ, NONE, AGAIN, VERSION;
    Object Put "tagging" PutObjectTagging Pass WRITE, xml("Tagging"), AGAIN, VERSION;
    Object Delete "tagging" DeleteObjectTagging Pass WRITE, NONE, AGAIN, VERSION;
    Object Get "acl" GetObjectAcl Pass ACL, NONE, AGAIN, VERSION;
    Object Put "acl" PutObjectAcl Pass ACL, xml("AccessControlPolicy"), AGAIN, VERSION;
    Object Get "retention" GetObjectRetention Pass LOCK, NONE, AGAIN, VERSION;
    Object Put "retention" PutObjectRetention Pass LOCK, xml("Retention"), AGAIN, VERSION;
    Object Get "legal-hold" GetObjectLegalHold Pass LOCK, NONE, AGAIN, VERSION;
    Object Put "legal-hold" PutObjectLegalHold Pass LOCK, xml("LegalHold"), AGAIN, VERSION;
    Object Post "restore" RestoreObject Pass WRITE, xml("RestoreRequest"), ONCE, VERSION;
    Object Post "select" SelectObjectContent Unserved READ, xml("SelectObjectContentRequest"), AGAIN, SELECT;

    Object Post "uploads" CreateMultipartUpload Begin WRITE, NONE, ONCE, NO;
    Object Put "uploadId" UploadPart Upload WRITE, STREAM, ONCE, PART;
    Object Copy "uploadId" UploadPartCopy Copy WRITE, NONE, AGAIN, PART;
    Object Get "uploadId" ListParts Parts WRITE, NONE, AGAIN, PARTS;
    Object Post "uploadId" CompleteMultipartUpload Complete WRITE, COMPLETE, ONCE, UPLOAD;
    Object Delete "uploadId" AbortMultipartUpload Pass WRITE, NONE, ONCE, UPLOAD;

    Bucket Get "" ListObjects Keys SEE, NONE, AGAIN, LIST;
    Bucket Get "list-type" ListObjectsV2 Keys SEE, NONE, AGAIN, LIST_2;
    Bucket Get "versions" ListObjectVersions Keys SEE, NONE, AGAIN, VERSIONS;
    Bucket Get "uploads" ListMultipartUploads Keys SEE, NONE, AGAIN, UPLOADS;
    Bucket Head "" HeadBucket Bucket SEE, NONE, AGAIN, NO;
    Bucket Get "location" GetBucketLocation Location SEE, NONE, AGAIN, NO;
    Bucket Post "delete" DeleteObjects Deletes REMOVE, DELETE, ONCE, NO;
    Bucket Post "" PostObject Form WRITE, FORM, ONCE, NO;

    Bucket Put "" CreateBucket NewBucket SETUP, xml("CreateBucketConfiguration"), ONCE, NO;
    Bucket Delete "" DeleteBucket Pass SETUP, NONE, ONCE, NO;
    Bucket Get "acl" GetBucketAcl Pass ACL, NONE, AGAIN, NO;
    Bucket Put "acl" PutBucketAcl Pass ACL, xml("AccessControlPolicy"), AGAIN, NO;
    Bucket Get "versioning" GetBucketVersioning Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "versioning" PutBucketVersioning Pass SETUP, xml("VersioningConfiguration"), AGAIN, NO;
    Bucket Get "cors" GetBucketCors Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "cors" PutBucketCors Pass SETUP, xml("CORSConfiguration"), AGAIN, NO;
    Bucket Delete "cors" DeleteBucketCors Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "lifecycle" GetBucketLifecycleConfiguration Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "lifecycle" PutBucketLifecycleConfiguration Pass SETUP, rules("LifecycleConfiguration"), AGAIN, NO;
    Bucket Delete "lifecycle" DeleteBucketLifecycle Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "policy" GetBucketPolicy Policy SETUP, NONE, AGAIN, NO;
    Bucket Put "policy" PutBucketPolicy NewPolicy SETUP, POLICY, AGAIN, NO;
    Bucket Delete "policy" DeleteBucketPolicy Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "policyStatus" GetBucketPolicyStatus Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "tagging" GetBucketTagging Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "tagging" PutBucketTagging Pass SETUP, xml("Tagging"), AGAIN, NO;
    Bucket Delete "tagging" DeleteBucketTagging Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "encryption" GetBucketEncryption Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "encryption" PutBucketEncryption Pass SETUP, xml("ServerSideEncryptionConfiguration"), AGAIN, NO;
    Bucket Delete "encryption" DeleteBucketEncryption Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "website" GetBucketWebsite Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "website" PutBucketWebsite Pass SETUP, xml("WebsiteConfiguration"), AGAIN, NO;
    Bucket Delete "website" DeleteBucketWebsite Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "notification" GetBucketNotificationConfiguration Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "notification" PutBucketNotificationConfiguration Pass SETUP, rules("NotificationConfiguration"), AGAIN, NO;
    Bucket Get "logging" GetBucketLogging Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "logging" PutBucketLogging Pass SETUP, xml("BucketLoggingStatus"), AGAIN, NO;
    Bucket Get "requestPayment" GetBucketRequestPayment Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "requestPayment" PutBucketRequestPayment Pass SETUP, xml("RequestPaymentConfiguration"), AGAIN, NO;
    Bucket Get "accelerate" GetBucketAccelerateConfiguration Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "accelerate" PutBucketAccelerateConfiguration Pass SETUP, xml("AccelerateConfiguration"), AGAIN, NO;
    Bucket Get "replication" GetBucketReplication Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "replication" PutBucketReplication Pass SETUP, rules("ReplicationConfiguration"), AGAIN, NO;
    Bucket Delete "replication" DeleteBucketReplication Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "ownershipControls" GetBucketOwnershipControls Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "ownershipControls" PutBucketOwnershipControls Pass SETUP, xml("OwnershipControls"), AGAIN, NO;
    Bucket Delete "ownershipControls" DeleteBucketOwnershipControls Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "publicAccessBlock" GetPublicAccessBlock Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "publicAccessBlock" PutPublicAccessBlock Pass SETUP, xml("PublicAccessBlockConfiguration"), AGAIN, NO;
    Bucket Delete "publicAccessBlock" DeletePublicAccessBlock Pass SETUP, NONE, AGAIN, NO;
    Bucket Get "object-lock" GetObjectLockConfiguration Pass SETUP, NONE, AGAIN, NO;
    Bucket Put "object-lock" PutObjectLockConfiguration Pass SETUP, xml("ObjectLockConfiguration"), AGAIN, NO;
}

impl Operation {
    /// Whether the body may come in chunks with signatures or a trailer (`x-amz-content-sha256: STREAMING-…`).
    pub const fn takes_streaming_payload(self) -> bool {
        matches!(self.body(), Body::Object)
    }

    /// Whether one who has only the keys below a prefix of a bucket may ask for it: it looks at those keys alone, or shows
    /// a setting that names nobody. Whatever else is about a bucket is about everybody's keys in it.
    pub const fn suits_shared_bucket(self) -> bool {
        match self.level() {
            Level::Service | Level::Object => true,
            Level::Bucket => matches!(
                self,
                Self::ListObjects
                    | Self::ListObjectsV2
                    | Self::ListObjectVersions
                    | Self::ListMultipartUploads
                    | Self::DeleteObjects
                    | Self::PostObject
                    | Self::HeadBucket
                    | Self::GetBucketLocation
                    | Self::GetBucketVersioning
                    | Self::GetBucketEncryption
                    | Self::GetBucketOwnershipControls
                    | Self::GetBucketPolicyStatus
                    | Self::GetBucketRequestPayment
                    | Self::GetBucketAccelerateConfiguration
                    | Self::GetPublicAccessBlock
                    | Self::GetObjectLockConfiguration
            ),
        }
    }

    /// Whether it reads another object, which `x-amz-copy-source` names.
    pub const fn is_copy(self) -> bool {
        matches!(self.verb(), Verb::Copy)
    }

    /// Whether a store may take minutes: it copies or assembles an object before it answers.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::CopyObject | Self::UploadPartCopy | Self::CompleteMultipartUpload)
    }

    /// The parameter that names the sub-resource, unless its value is the caller's: `acl=`, `list-type=2`.
    pub(super) fn flag(self) -> Option<(&'static str, &'static str)> {
        let name = self.sub_resource();
        let value = if self == Self::ListObjectsV2 { "2" } else { "" };
        (!name.is_empty() && Parameter::from_name(name).is_none()).then_some((name, value))
    }

    /// The methods that `sub_resource` takes, for `Allow`. None for a sub-resource that is not of this level.
    pub(super) fn methods(level: Level, sub_resource: &str) -> Vec<&'static str> {
        let mut methods: Vec<&str> = Self::ALL
            .iter()
            .filter(|operation| operation.level() == level && operation.sub_resource() == sub_resource)
            .map(|operation| operation.verb().method_name())
            .collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

/// Whether the query parameter `name` chooses the operation: it is a sub-resource of the table.
pub(super) fn is_sub_resource(name: &str) -> bool {
    matches!(
        name,
        "accelerate"
            | "acl"
            | "attributes"
            | "cors"
            | "delete"
            | "encryption"
            | "legal-hold"
            | "lifecycle"
            | "list-type"
            | "location"
            | "logging"
            | "notification"
            | "object-lock"
            | "ownershipControls"
            | "policy"
            | "policyStatus"
            | "publicAccessBlock"
            | "replication"
            | "requestPayment"
            | "restore"
            | "retention"
            | "select"
            | "tagging"
            | "torrent"
            | "uploadId"
            | "uploads"
            | "versioning"
            | "versions"
            | "website"
    )
}
