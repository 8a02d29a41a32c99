//! Takes an `aws-chunked` body apart: payload comes out in slices of the input, and what stands around it is checked.

use std::{fmt, mem};

use bytes::Bytes;
use memchr::memchr;
use thiserror::Error;

use crate::{
    checksum::{Checksum, ChecksumAlgorithm},
    s3::ErrorCode,
    sigv4::ChunkSigner,
};

/// S3's own limit: tiny chunks cost far more to handle than to send. It holds for every chunk but the last with data.
const CHUNK_BYTES_MIN: u64 = 8 * 1024;
/// Above any line that a client has reason to send (a chunk's header has up to 99 bytes), so that nobody can make the
/// decoder collect a line without end.
const LINE_BYTES_MAX: usize = 256;
/// As many as a `u64` has.
const SIZE_DIGITS_MAX: usize = 16;
const CHUNK_SIGNATURE: &[u8] = b";chunk-signature=";
const TRAILER_SIGNATURE: &[u8] = b"x-amz-trailer-signature:";

/// What the request's verified headers promise about its body.
#[derive(Debug)]
pub struct Rules {
    /// `x-amz-decoded-content-length`: how long the payload is.
    pub decoded_length: u64,
    /// Makes the signatures that a signed body must carry. An unsigned body must carry none.
    pub signer: Option<ChunkSigner>,
    /// `x-amz-trailer`: the checksum that must follow the payload. Nothing else may.
    pub trailer: Option<ChecksumAlgorithm>,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// A chunk does not begin with its size and, in a signed body, its signature.
    #[error("a chunk's header is malformed")]
    Header,
    /// A chunk's data does not end where its header says.
    #[error("a chunk's data is not followed by a line end")]
    DataEnd,
    /// No end of a line within any sensible length.
    #[error("a line between the chunks is too long")]
    Line,
    /// S3's answer has both numbers, as `Chunk` and `BadChunkSize`. A much used SDK tells its users by the error's name
    /// how to buffer what they send.
    #[error("a chunk of {bytes} bytes stands before chunk {chunk}; only the last may have less than 8192")]
    ChunkTooSmall {
        /// The number of the chunk that came too early, counted from one.
        chunk: u64,
        /// The size of the chunk before it.
        bytes: u64,
    },
    /// More payload than `x-amz-decoded-content-length` promised.
    #[error("the chunks hold more than the decoded length")]
    TooLong,
    /// The terminal chunk came before all payload did.
    #[error("the chunks hold less than the decoded length")]
    TooShort,
    /// A chunk or the trailer is not what was signed.
    #[error("a chunk's or the trailer's signature does not match")]
    Signature,
    /// The trailer is not the announced one, or cannot be read.
    #[error("the trailer is not the one that was announced")]
    Trailer,
    /// The body ended before its end was written.
    #[error("the body is incomplete")]
    Incomplete,
    /// Bytes follow the end.
    #[error("the body goes on after its end")]
    AfterEnd,
}

impl ChunkError {
    /// What S3 answers to the same body.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ChunkTooSmall { .. } => ErrorCode::InvalidChunkSizeError,
            Self::Signature => ErrorCode::SignatureDoesNotMatch,
            Self::Trailer => ErrorCode::MalformedTrailerError,
            Self::Header
            | Self::DataEnd
            | Self::Line
            | Self::TooLong
            | Self::TooShort
            | Self::Incomplete
            | Self::AfterEnd => ErrorCode::IncompleteBody,
        }
    }
}

/// Decodes one body.
///
/// **Only [`finish`](Self::finish) proves anything.** Payload is handed out as it arrives, before the signature of its
/// chunk, the length and the trailer can have been checked, so whoever passes it on keeps the object's last byte back
/// until `finish` has succeeded.
///
/// ```
/// use bytes::Bytes;
/// use wharf_wire::{checksum::ChecksumAlgorithm, chunked::{Decoder, Rules}};
///
/// let trailer = Some(ChecksumAlgorithm::Crc32);
/// let mut decoder = Decoder::new(Rules { decoded_length: 9, signer: None, trailer });
/// let mut input = Bytes::from_static(b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n");
/// assert_eq!(decoder.decode(&mut input)?.as_deref(), Some(b"123456789".as_slice()));
/// assert_eq!(decoder.decode(&mut input)?, None);
/// assert_eq!(decoder.finish()?.map(|checksum| checksum.to_base64()).as_deref(), Some("y/Q5Jg=="));
/// # Ok::<(), wharf_wire::chunked::ChunkError>(())
/// ```
pub struct Decoder {
    signer: Option<ChunkSigner>,
    announced: Option<ChecksumAlgorithm>,
    /// Payload that no chunk has brought yet.
    remaining: u64,
    chunks: u64,
    /// The size of the latest chunk; there is no limit before the first.
    latest_bytes: u64,
    line: Line,
    trailer: Option<Checksum>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Collects a line.
    Line(Expected),
    /// Hands out payload.
    Data(Chunk),
    Done,
    Failed(ChunkError),
}

/// What the next line must be.
#[derive(Clone, Copy)]
enum Expected {
    Header,
    DataEnd,
    Trailer,
    TrailerSignature,
    End,
}

#[derive(Clone, Copy)]
struct Chunk {
    /// Data that is still to come.
    left: u64,
    /// As claimed, in a signed body.
    signature: Option<[u8; 64]>,
}

impl Decoder {
    /// Expects a body by these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            signer: rules.signer,
            announced: rules.trailer,
            remaining: rules.decoded_length,
            chunks: 0,
            latest_bytes: CHUNK_BYTES_MIN,
            line: Line::default(),
            trailer: None,
            state: State::Line(Expected::Header),
        }
    }

    /// Takes what it can from `input`. Returns the next piece of payload, or `None` when all input is taken and more is
    /// needed. After an error there is no way on: every later call fails with the same one.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        let result = self.advance(input);
        if let Err(error) = &result {
            self.state = State::Failed(*error);
        }
        result
    }

    /// The body has ended. Proves that all of it was there, was as long as promised and was what was signed, and returns
    /// the checksum that the trailer claims.
    pub fn finish(self) -> Result<Option<Checksum>, ChunkError> {
        match self.state {
            State::Done => Ok(self.trailer),
            State::Failed(error) => Err(error),
            State::Line(_) | State::Data(_) => Err(ChunkError::Incomplete),
        }
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        while !input.is_empty() {
            match self.state {
                State::Data(chunk) => return self.take_data(chunk, input).map(Some),
                State::Line(expected) => {
                    if self.line.fill(input)? {
                        let line = mem::take(&mut self.line);
                        self.state = self.read_line(expected, line.content())?;
                        self.line = line.emptied();
                    }
                }
                State::Done => return Err(ChunkError::AfterEnd),
                State::Failed(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// A piece of the chunk's data; its last piece only if the signature matches.
    fn take_data(&mut self, chunk: Chunk, input: &mut Bytes) -> Result<Bytes, ChunkError> {
        let available = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(input.len());
        let data = input.split_to(available);
        if let Some(signer) = &mut self.signer {
            signer.update(&data);
        }
        let left = chunk.left.saturating_sub(data.len() as u64);
        self.state = State::Data(Chunk { left, ..chunk });
        if left == 0 {
            self.verify(chunk)?;
            self.state = State::Line(Expected::DataEnd);
        }
        Ok(data)
    }

    fn read_line(&mut self, expected: Expected, line: &[u8]) -> Result<State, ChunkError> {
        match expected {
            Expected::Header => self.read_header(line),
            Expected::DataEnd if line.is_empty() => Ok(State::Line(Expected::Header)),
            Expected::DataEnd => Err(ChunkError::DataEnd),
            Expected::Trailer => self.read_trailer(line),
            Expected::TrailerSignature => self.read_trailer_signature(line),
            Expected::End if line.is_empty() => Ok(State::Done),
            Expected::End => Err(ChunkError::Trailer),
        }
    }

    fn read_header(&mut self, line: &[u8]) -> Result<State, ChunkError> {
        let chunk = Chunk::parse(line, self.signer.is_some()).ok_or(ChunkError::Header)?;
        if chunk.left == 0 {
            return self.end_payload(chunk);
        }
        self.chunks = self.chunks.saturating_add(1);
        if self.latest_bytes < CHUNK_BYTES_MIN {
            return Err(ChunkError::ChunkTooSmall { chunk: self.chunks, bytes: self.latest_bytes });
        }
        self.latest_bytes = chunk.left;
        self.remaining = self.remaining.checked_sub(chunk.left).ok_or(ChunkError::TooLong)?;
        Ok(State::Data(chunk))
    }

    fn end_payload(&mut self, terminal: Chunk) -> Result<State, ChunkError> {
        self.verify(terminal)?;
        if self.remaining > 0 {
            return Err(ChunkError::TooShort);
        }
        Ok(State::Line(if self.announced.is_some() { Expected::Trailer } else { Expected::End }))
    }

    /// All of the chunk's data has been seen.
    fn verify(&mut self, chunk: Chunk) -> Result<(), ChunkError> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let expected = signer.finish_chunk();
        let matches = chunk.signature.is_some_and(|claimed| expected.matches(&claimed));
        if matches { Ok(()) } else { Err(ChunkError::Signature) }
    }

    fn read_trailer(&mut self, line: &[u8]) -> Result<State, ChunkError> {
        self.trailer = Some(self.parse_trailer(line).ok_or(ChunkError::Trailer)?);
        Ok(State::Line(if self.signer.is_some() { Expected::TrailerSignature } else { Expected::End }))
    }

    fn parse_trailer(&self, line: &[u8]) -> Option<Checksum> {
        let algorithm = self.announced?;
        let (name, rest) = line.split_at_checked(algorithm.header().len())?;
        // A Go client that is much in use follows the documentation's grammar rather than its example and writes a line
        // feed of its own before the line's end.
        let value = rest.strip_prefix(b":")?.trim_ascii();
        let is_announced = name.eq_ignore_ascii_case(algorithm.header().as_bytes());
        Checksum::parse(algorithm, value).ok().filter(|_| is_announced)
    }

    fn read_trailer_signature(&mut self, line: &[u8]) -> Result<State, ChunkError> {
        let (Some(signer), Some(trailer)) = (&self.signer, &self.trailer) else {
            return Err(ChunkError::Trailer);
        };
        let claimed = line.strip_prefix(TRAILER_SIGNATURE).ok_or(ChunkError::Trailer)?;
        // The name is signed in lower case and the value without white space around it; base64 has one way to write it.
        let canonical = [trailer.algorithm().header(), ":", &trailer.to_base64(), "\n"].concat();
        let matches = signer.trailer(&canonical).matches(claimed);
        if matches { Ok(State::Line(Expected::End)) } else { Err(ChunkError::Signature) }
    }
}

/// Shows neither payload nor signatures.
impl fmt::Debug for Decoder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Decoder")
            .field("chunks", &self.chunks)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

impl Chunk {
    /// Reads a chunk's header without its line end. Nothing but a signature may follow the size.
    fn parse(line: &[u8], is_signed: bool) -> Option<Self> {
        if !is_signed {
            return Some(Self { left: parse_size(line)?, signature: None });
        }
        let (rest, signature) = line.split_last_chunk::<64>()?;
        let digits = rest.strip_suffix(CHUNK_SIGNATURE)?;
        Some(Self { left: parse_size(digits)?, signature: Some(*signature) })
    }
}

/// Reads a size: hexadecimal digits and nothing else.
fn parse_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0, |size: u64, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(size << 4 | u64::from(digit))
    })
}

/// A line that may come in pieces. It ends with `\r\n`; what else it may hold is up to its reader.
#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    const END: &[u8] = b"\r\n";

    /// Takes the rest of the line from `input`. Whether the line is complete now.
    fn fill(&mut self, input: &mut Bytes) -> Result<bool, ChunkError> {
        while !input.is_empty() {
            let line_feed = memchr(b'\n', input);
            let piece = input.split_to(line_feed.map_or(input.len(), |at| at + 1));
            if self.0.len() + piece.len() > LINE_BYTES_MAX {
                return Err(ChunkError::Line);
            }
            self.0.extend_from_slice(&piece);
            if self.0.ends_with(Self::END) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The line without its end.
    fn content(&self) -> &[u8] {
        self.0.strip_suffix(Self::END).unwrap_or(&self.0)
    }

    /// Ready for the next line, in the same memory.
    fn emptied(mut self) -> Self {
        self.0.clear();
        self
    }
}
