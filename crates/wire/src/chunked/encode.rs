//! Frames a payload as `STREAMING-UNSIGNED-PAYLOAD-TRAILER`, so that a checksum that is known only at the end can go
//! along with a body whose length is announced at the beginning.

use bytes::Bytes;
use thiserror::Error;

use crate::checksum::{Checksum, ChecksumAlgorithm};

/// What the SDKs use. S3 asks for 8 KiB at least in every chunk but the last.
const CHUNK_BYTES: u64 = 64 * 1024;
const LINE_END: &str = "\r\n";

/// The body was not what had been announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The payload is longer or shorter than announced.
    #[error("the payload does not have the announced length")]
    Length,
    /// The checksum is of another algorithm than announced.
    #[error("the checksum is not the announced one")]
    Checksum,
}

/// Encodes one body of an announced length with an announced trailer. Until [`finish`](Self::finish) has been called
/// and its bytes are sent, the receiver holds an incomplete body.
///
/// ```
/// use bytes::Bytes;
/// use wharf_wire::{checksum::{Checksum, ChecksumAlgorithm}, chunked::Encoder};
///
/// let mut encoder = Encoder::new(9, ChecksumAlgorithm::Crc32);
/// let (length, mut body) = (encoder.encoded_length(), Vec::new());
/// let mut payload = Bytes::from_static(b"123456789");
/// while let Some(piece) = encoder.encode(&mut payload)? {
///     body.extend(piece);
/// }
/// let checksum = Checksum::parse(ChecksumAlgorithm::Crc32, b"y/Q5Jg==").unwrap();
/// body.extend(encoder.finish(&checksum)?);
/// assert_eq!(body, b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n");
/// assert_eq!(body.len() as u64, length);
/// # Ok::<(), wharf_wire::chunked::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    decoded_length: u64,
    trailer: ChecksumAlgorithm,
    /// Payload that no chunk's header has announced yet.
    remaining: u64,
    /// Payload of the current chunk that is still to come.
    left: u64,
}

impl Encoder {
    /// Announces `decoded_length` bytes of payload and the trailer.
    pub const fn new(decoded_length: u64, trailer: ChecksumAlgorithm) -> Self {
        Self { decoded_length, trailer, remaining: decoded_length, left: 0 }
    }

    /// The `Content-Length` of the encoded body.
    pub const fn encoded_length(&self) -> u64 {
        let chunks = self.decoded_length / CHUNK_BYTES;
        let rest = self.decoded_length % CHUNK_BYTES;
        let framing = chunks * framing_bytes(CHUNK_BYTES) + if rest > 0 { framing_bytes(rest) } else { 0 };
        let trailer = self.trailer.header().len() + ":".len() + self.trailer.base64_bytes();
        let end = "0\r\n".len() + trailer + 2 * LINE_END.len();
        self.decoded_length.saturating_add(framing).saturating_add(end as u64)
    }

    /// The next piece of the body: framing, or a slice of `payload`. `None` when all of `payload` has been taken.
    pub fn encode(&mut self, payload: &mut Bytes) -> Result<Option<Bytes>, EncodeError> {
        if payload.is_empty() {
            return Ok(None);
        }
        if self.left == 0 {
            return self.begin_chunk().map(Some);
        }
        let available = usize::try_from(self.left).unwrap_or(usize::MAX).min(payload.len());
        self.left = self.left.saturating_sub(available as u64);
        Ok(Some(payload.split_to(available)))
    }

    /// The end of the body, once all payload has been encoded.
    pub fn finish(self, checksum: &Checksum) -> Result<Bytes, EncodeError> {
        if self.remaining > 0 || self.left > 0 {
            return Err(EncodeError::Length);
        }
        if checksum.algorithm() != self.trailer {
            return Err(EncodeError::Checksum);
        }
        let (before, name, value) = (self.end_of_chunk(), self.trailer.header(), checksum.to_base64());
        Ok(Bytes::from(format!("{before}0{LINE_END}{name}:{value}{LINE_END}{LINE_END}")))
    }

    fn begin_chunk(&mut self) -> Result<Bytes, EncodeError> {
        let before = self.end_of_chunk();
        self.left = self.remaining.min(CHUNK_BYTES);
        if self.left == 0 {
            return Err(EncodeError::Length);
        }
        self.remaining = self.remaining.saturating_sub(self.left);
        Ok(Bytes::from(format!("{before}{:x}{LINE_END}", self.left)))
    }

    /// What must be written after the chunk before, if there is one.
    fn end_of_chunk(&self) -> &'static str {
        if self.remaining == self.decoded_length { "" } else { LINE_END }
    }
}

/// What stands around the data of a chunk of `size` bytes.
const fn framing_bytes(size: u64) -> u64 {
    let digits = match size.checked_ilog2() {
        Some(highest_bit) => highest_bit / 4 + 1,
        None => 1,
    };
    digits as u64 + 2 * LINE_END.len() as u64
}
