//! SHA-256 in the form in which Signature Version 4 writes it.

use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256 digest in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HexDigest([u8; 64]);

impl HexDigest {
    /// That of no bytes at all: most requests have no payload.
    pub const OF_NOTHING: Self = Self(*b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    pub(super) fn new(digest: &[u8; 32]) -> Self {
        let mut text = [0; 64];
        // Not by `map`, of which the compiler makes calls: four digests of a request took a fifteenth of its instructions.
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        Self(text)
    }

    /// Reads sixty-four digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text: [u8; 64] = text.as_bytes().try_into().ok()?;
        text.iter().all(is_digit).then_some(Self(text))
    }

    /// Sixty-four digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// `value` is below 16.
const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

impl fmt::Debug for HexDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// `x-amz-content-sha256` for a payload that is at hand.
///
/// ```
/// use wharf_wire::sigv4::{HexDigest, payload_sha256};
///
/// assert_eq!(payload_sha256(b""), HexDigest::OF_NOTHING);
/// ```
pub fn payload_sha256(payload: &[u8]) -> HexDigest {
    HexDigest::new(&Sha256::digest(payload).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sixty_four_digits_in_lower_case() {
        let hex = payload_sha256(b"123456789");
        let text = hex.as_str();
        assert_eq!(HexDigest::parse(text), Some(hex));
        let upper = text.to_ascii_uppercase();
        for text in ["", "UNSIGNED-PAYLOAD", &upper, &text[1..], &text[2..], &"+1".repeat(32)] {
            assert_eq!(HexDigest::parse(text), None, "{text}");
        }
    }
}
