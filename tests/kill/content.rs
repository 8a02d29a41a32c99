//! What writers write: bytes that say which write they are of, and can be made again to compare.

use std::ops::Range;

use bytes::Bytes;

use super::random::Random;

/// A large object is copied in parts: more than what Wharf copies in one request.
const LARGE_BYTES: u64 = 70 << 20;
/// The least that stores take for a part but the last.
pub(crate) const PART_BYTES: usize = 5 << 20;

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    /// In two parts.
    Parts,
    /// In many, and copied in parts.
    Large,
}

/// The body of write number `write`.
pub(crate) fn body(write: u64, size: Size) -> Bytes {
    let mut random = Random::new(write);
    let bytes = match size {
        Size::Small => 16 + random.below(48 << 10),
        Size::Parts => PART_BYTES as u64 + 1 + random.below(1 << 20),
        Size::Large => LARGE_BYTES + random.below(1 << 20),
    };
    let bytes = usize::try_from(bytes).expect("it fits into memory");
    let kind = match size {
        Size::Small => 0,
        Size::Parts => 1,
        Size::Large => 2,
    };
    let mut body = Vec::with_capacity(bytes + 16);
    body.extend_from_slice(&write.to_be_bytes());
    body.extend_from_slice(&u64::to_be_bytes(kind));
    while body.len() < bytes {
        body.extend_from_slice(&random.next().to_be_bytes());
    }
    body.truncate(bytes);
    Bytes::from(body)
}

/// The write that `found` is of, if it is of one, and whole.
pub(crate) fn write_of(found: &[u8]) -> Option<u64> {
    let number = |range: Range<usize>| Some(u64::from_be_bytes(found.get(range)?.try_into().ok()?));
    let write = number(0..8)?;
    let size = match number(8..16)? {
        0 => Size::Small,
        1 => Size::Parts,
        2 => Size::Large,
        _ => return None,
    };
    (body(write, size) == found).then_some(write)
}
