//! `x-amz-content-sha256`: what a signature says of the payload, and so how the payload is read and verified.

use super::{HexDigest, UNSIGNED_PAYLOAD};

/// How a payload is covered by its request's signature.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadMode {
    /// Its digest is signed.
    Sha256(HexDigest),
    /// It is not signed.
    Unsigned,
    /// It comes in chunks, each with a signature.
    StreamingSigned,
    /// It comes in chunks, each with a signature, and a signed trailer.
    StreamingSignedTrailer,
    /// It comes in chunks without signatures, and a trailer.
    StreamingUnsignedTrailer,
}

impl PayloadMode {
    const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

    /// Reads the header's value: a digest in lower case, or one of four words. Other words (those of Signature
    /// Version 4A among them) name chunks that nothing here could verify.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            UNSIGNED_PAYLOAD => Some(Self::Unsigned),
            Self::STREAMING_SIGNED => Some(Self::StreamingSigned),
            Self::STREAMING_SIGNED_TRAILER => Some(Self::StreamingSignedTrailer),
            Self::STREAMING_UNSIGNED_TRAILER => Some(Self::StreamingUnsignedTrailer),
            digest => HexDigest::parse(digest).map(Self::Sha256),
        }
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha256(digest) => digest.as_str(),
            Self::Unsigned => UNSIGNED_PAYLOAD,
            Self::StreamingSigned => Self::STREAMING_SIGNED,
            Self::StreamingSignedTrailer => Self::STREAMING_SIGNED_TRAILER,
            Self::StreamingUnsignedTrailer => Self::STREAMING_UNSIGNED_TRAILER,
        }
    }

    /// Whether something may follow the payload.
    pub fn has_trailer(&self) -> bool {
        matches!(self, Self::StreamingSignedTrailer | Self::StreamingUnsignedTrailer)
    }

    /// Whether the payload comes as `aws-chunked`.
    pub fn is_streaming(&self) -> bool {
        match self {
            Self::Sha256(_) | Self::Unsigned => false,
            Self::StreamingSigned | Self::StreamingSignedTrailer | Self::StreamingUnsignedTrailer => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sigv4::payload_sha256;

    use super::*;

    #[test]
    fn five_modes_and_no_other() {
        for mode in [
            PayloadMode::Sha256(payload_sha256(b"")),
            PayloadMode::Unsigned,
            PayloadMode::StreamingSigned,
            PayloadMode::StreamingSignedTrailer,
            PayloadMode::StreamingUnsignedTrailer,
        ] {
            assert_eq!(PayloadMode::parse(mode.as_str()), Some(mode));
            assert_eq!(mode.is_streaming(), mode.as_str().starts_with("STREAMING-"));
        }
        for text in [
            "",
            "unsigned-payload",
            "UNSIGNED-PAYLOAD ",
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
            "STREAMING-UNSIGNED-PAYLOAD",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
            "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(PayloadMode::parse(text), None, "{text}");
        }
    }
}
