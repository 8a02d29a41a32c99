//! What the rules speak of: changes, their outcomes, and objects as they were seen.

use wharf_wire::date::Timestamp;

/// What a request may do to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It writes: the object, its tags, or an older version that comes to light again.
    Write,
    /// It deletes, so that an absence afterwards may be Wharf's own, and is mirrored.
    Delete,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Certainly nothing: the provider refused it, or was never asked.
    Unchanged,
    /// The provider says that it is done.
    Changed,
    /// Nobody knows: a timeout, a broken connection, a 5xx, a crash. It may take effect even later than this is said.
    Unknown,
}

/// Who holds the truth about a key, and so is copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The bucket's provider, normally.
    Primary,
    /// The mirror that the row is about: it accepted a write while the primary was down.
    Mirror,
}

impl Side {
    /// Its name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Mirror => "mirror",
        }
    }

    /// The side called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Primary, Self::Mirror].into_iter().find(|side| side.as_str() == name)
    }

    /// The one that is made equal.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Mirror,
            Self::Mirror => Self::Primary,
        }
    }
}

/// An object as a store describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its `ETag`, which says nothing outside this store.
    pub etag: String,
    /// Its length.
    pub bytes: u64,
    /// When the store says it was written.
    pub last_modified: Option<Timestamp>,
    /// A digest of its content headers and user metadata: they can change while the `ETag` does not.
    pub metadata_digest: String,
    /// A digest of its tags; with none, this store has no tags.
    pub tags_digest: Option<String>,
}

/// What a look at a key found. A look that failed is none of these: nothing follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The store says that there is no such key.
    Absent,
    /// It is there.
    Present(Object),
    /// It is there, and a worker cannot read it.
    Unreadable(Unreadable),
}

/// Why an object cannot be read by a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// It is encrypted with a key that only its owner has (SSE-C).
    CustomerKey,
    /// It is in an archive, and has not been restored.
    Archived,
}

/// A copy that was made and verified: which object of the mirror's stands for which of the primary's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The primary's `ETag`, which clients see whoever serves the object.
    pub primary_etag: String,
    /// The mirror's own.
    pub mirror_etag: String,
    /// The length of both.
    pub bytes: u64,
    /// A checksum of the content that was verified, with its algorithm's name in front.
    pub checksum: Option<String>,
    /// When the primary's object was written.
    pub last_modified: Option<Timestamp>,
    /// [`Object::metadata_digest`] of the primary's object; empty where a tee made the copy, which saw no more than answers.
    pub metadata_digest: String,
}

impl Record {
    /// The `ETag` that the copy has at `side`.
    pub fn etag(&self, side: Side) -> &str {
        match side {
            Side::Primary => &self.primary_etag,
            Side::Mirror => &self.mirror_etag,
        }
    }

    /// Whether it was made with this very object at `side`, whose tags may have changed since.
    pub fn is_of(&self, object: &Object, side: Side) -> bool {
        self.etag(side) == object.etag
            && self.bytes == object.bytes
            && (self.metadata_digest.is_empty() || self.metadata_digest == object.metadata_digest)
    }
}
