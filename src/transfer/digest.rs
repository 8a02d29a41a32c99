//! What bytes are, in a few words: how many, their checksum, their MD5.

use http::{HeaderMap, HeaderName};
use wharf_wire::checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher, ContentMd5, Md5Hasher};

use super::{Side, TransferError};

const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// What is computed where the source has no checksum of its own. S3 keeps the same by itself, so that both sides of a copy
/// can be compared without reading them again.
const ALGORITHM_DEFAULT: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

/// The checksum of a whole object in the headers that describe it. That of a multipart upload may be a checksum of
/// checksums, which says nothing of bytes.
pub(super) fn claimed(headers: &HeaderMap) -> Option<Checksum> {
    if headers.get(CHECKSUM_TYPE).is_some_and(|kind| kind == "COMPOSITE") {
        return None;
    }
    ChecksumAlgorithm::ALL
        .into_iter()
        .find_map(|algorithm| Checksum::parse(algorithm, headers.get(algorithm.header())?.as_bytes()).ok())
}

/// What some bytes should be: what their source says of them, if it says anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim(Option<Checksum>);

impl Claim {
    /// Nothing.
    pub(super) const NONE: Self = Self(None);

    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(claimed(headers))
    }

    /// What has to be computed to find out.
    pub(super) fn algorithm(self) -> ChecksumAlgorithm {
        self.0.map_or(ALGORITHM_DEFAULT, |claimed| claimed.algorithm())
    }

    pub(super) fn verify(self, found: &Checksum) -> Result<(), TransferError> {
        if self.0.is_none_or(|claimed| claimed == *found) {
            return Ok(());
        }
        let what = "its bytes are not what its checksum says".to_owned();
        Err(TransferError::Damaged { side: Side::Source, what })
    }
}

/// What some bytes turned out to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) checksum: Checksum,
    pub(super) md5: ContentMd5,
}

impl Digest {
    /// Whether what was stored as `etag` is these bytes. Where a store's `ETag`s are no MD5s, it is never known.
    pub(super) fn is_proven_by(&self, etag: &str) -> bool {
        etag == self.md5.to_etag()
    }
}

/// Computes a digest piece by piece.
#[derive(Debug)]
pub(super) struct Digester {
    bytes: u64,
    checksum: ChecksumHasher,
    md5: Md5Hasher,
}

impl Digester {
    pub(super) fn new(algorithm: ChecksumAlgorithm) -> Self {
        Self { bytes: 0, checksum: ChecksumHasher::new(algorithm), md5: Md5Hasher::default() }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.checksum.update(piece);
        self.md5.update(piece);
    }

    pub(super) fn finish(self) -> Digest {
        Digest { bytes: self.bytes, checksum: self.checksum.finish(), md5: self.md5.finish() }
    }
}
