//! The result of signing. It has no `==`: comparing with one would tell by its timing how much of a guess was right.

use std::fmt;

use subtle::ConstantTimeEq;

use super::HexDigest;

/// A signature: 32 bytes that prove the knowledge of a secret key. `Debug` redacts it.
#[derive(Clone)]
pub struct Signature(HexDigest);

impl Signature {
    pub(super) fn new(tag: &[u8; 32]) -> Self {
        Self(HexDigest::new(tag))
    }

    /// A signature that somebody claims: sixty-four lower-case hexadecimal digits.
    pub(super) fn parse(claimed: &str) -> Option<Self> {
        HexDigest::parse(claimed).map(Self)
    }

    /// Sixty-four lower-case hexadecimal digits, to be put into the request that they sign.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// Whether `claimed`, as a request carries it, is this signature. Takes the same time wherever they differ.
    pub fn matches(&self, claimed: &[u8]) -> bool {
        self.expose().as_bytes().ct_eq(claimed).into()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Signature(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_digits_match() {
        let signature = Signature::new(&[0xab; 32]);
        assert!(signature.matches("ab".repeat(32).as_bytes()));
        let one_off = ["aa", &"ab".repeat(31)].concat();
        for claimed in ["", "ab", &"AB".repeat(32), &"ab".repeat(33), &one_off] {
            assert!(!signature.matches(claimed.as_bytes()), "{claimed}");
        }
    }
}
