//! `aws-chunked`: a body that carries its own signatures or its own checksum, because it was sent before they were known.
//!
//! ```text
//! 10000;chunk-signature=<64 digits>\r\n     a chunk's header: how long its data is; the signature only in signed bodies
//! <65536 bytes>\r\n
//! 0;chunk-signature=<64 digits>\r\n         the terminal chunk, which is empty
//! x-amz-checksum-crc32c:sOO8/Q==\r\n        the trailer, if the request announced one
//! x-amz-trailer-signature:<64 digits>\r\n   its signature, in signed bodies
//! \r\n
//! ```
//!
//! [`Decoder`] takes this apart and trusts nothing in it; [`Encoder`] makes the unsigned form, with which Wharf passes a
//! trailer on. Both work on whatever pieces the network brings, copy no payload and keep none.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{ChunkError, Decoder, Rules};
pub use encode::{EncodeError, Encoder};
