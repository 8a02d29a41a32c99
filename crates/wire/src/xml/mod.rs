//! S3's XML: read whole within bounds, written, and rewritten as it passes.
//!
//! A document that Wharf needs to understand comes from a peer, and becomes a small tree before anything looks at it.
//! Reading is strict about what could do harm (DOCTYPE, attributes, depth, size) and forgiving about what cannot:
//! unknown elements, prefixes and order. A document that Wharf only passes on is never held: [`rewrite`] puts the
//! caller's names into it while it streams.

mod list;
mod listed_key;
mod read;
mod request;
pub mod rewrite;
mod tree;
mod uploads;
mod versions;
mod write;

use thiserror::Error;

pub use list::{ListPage, ListedObject, read_list};
pub use listed_key::{ListedKey, Written};
pub use read::{
    DeleteError, DeleteResult, Deleted, ObjectResult, S3Error, read_bucket_names, read_completed,
    read_copied, read_copied_part, read_cors, read_delete_result, read_error, read_upload_id,
};
pub use request::{
    DELETE_BYTES_MAX, Delete, NewBucket, ObjectToDelete, check, read_complete_multipart, read_create_bucket,
    read_delete, read_tagging, restores_in_place,
};
pub use uploads::{ListedPart, ListedUpload, PartsPage, UploadsPage, read_parts, read_uploads};
pub use versions::{DeleteMarker, ListedVersion, VersionPage, read_versions};
pub use write::{
    DECLARATION, ErrorDocument, ObjectNames, write_buckets, write_complete_multipart, write_completed,
    write_copied, write_copied_part, write_cors, write_create_bucket, write_delete, write_delete_result,
    write_error, write_initiated, write_location, write_post_response, write_tagging,
};

/// Above any answer that Wharf asks for: 10,000 buckets take about 2 MB. A larger document would be held in memory.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// S3 nests five deep. Each level is a stack entry.
const DEPTH_MAX: usize = 16;
/// 10,000 buckets are 50,000 elements; an empty element of four bytes costs a hundred in memory.
const ELEMENTS_MAX: usize = 60_000;

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum XmlError {
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error("an XML document above {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// Elements inside elements, too many times.
    #[error("XML elements more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Too many elements altogether.
    #[error("more than {ELEMENTS_MAX} XML elements")]
    TooManyElements,
    /// More of something than S3 allows.
    #[error("an XML document with too many {0} elements")]
    TooMany(&'static str),
    /// A document type could define entities that grow without bound or read files.
    #[error("an XML document type, which S3 never sends")]
    Doctype,
    /// An attribute other than a namespace, or a type where there is one.
    #[error("an XML attribute other than xmlns and xsi:type")]
    Attribute,
    /// An entity that XML itself does not define.
    #[error("an XML entity other than amp, lt, gt, apos, quot and character references")]
    Entity,
    /// Not well-formed, or not UTF-8, or more than one root.
    #[error("malformed XML")]
    Malformed,
    /// Another kind of document.
    #[error("an XML document that is no {0}")]
    Root(&'static str),
    /// A document that lacks what it is for.
    #[error("an XML document without a sound {0}")]
    Missing(&'static str),
}
