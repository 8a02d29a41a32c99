//! Checksums of an object's bytes, as S3 names, writes and compares them.
//!
//! A body is hashed while it streams, and what comes out is compared with what its sender claimed in a header or a
//! trailer. Comparing takes a plain `==`: whoever sends a checksum knows the bytes, so it tells nobody anything.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1_checksum::Sha1;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::sigv4::HexDigest;

/// What was claimed is not a checksum of the algorithm it was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the base64 of as many bytes as the algorithm makes")]
pub struct InvalidChecksum;

/// The algorithms that S3 knows by name. The checksum of each CRC is of the whole object, its bytes in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in Ethernet and zip, the default of most SDKs.
    Crc32,
    /// CRC-32 by Castagnoli, as in iSCSI.
    Crc32c,
    /// CRC-64 as in `NVMe`, which S3 itself computes where a client sends none.
    Crc64Nvme,
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// S3's name, as in `x-amz-checksum-algorithm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries a checksum, in lower case.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm called `name`, exactly as S3 writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The algorithm whose checksums stand in `header`, a header's name in any case.
    pub fn from_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header))
    }

    /// Whether [`Checksum::followed_by`] knows how to put two of its checksums together.
    pub const fn can_be_combined(self) -> bool {
        self.crc().is_some()
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// How long a checksum is.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => Checksum::BYTES_MAX,
        }
    }

    /// How long a checksum is in base64.
    pub const fn base64_bytes(self) -> usize {
        base64_bytes(self.bytes())
    }
}

/// A checksum, computed or claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    /// As many as the algorithm makes; the rest is zero.
    bytes: [u8; Self::BYTES_MAX],
}

impl Checksum {
    const BYTES_MAX: usize = 32;

    /// Reads a checksum as its header carries it: canonical base64 of exactly as many bytes as `algorithm` makes.
    ///
    /// ```
    /// use wharf_wire::checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher};
    ///
    /// let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Crc32);
    /// hasher.update(b"123456789");
    /// assert_eq!(Checksum::parse(ChecksumAlgorithm::Crc32, b"y/Q5Jg=="), Ok(hasher.finish()));
    /// ```
    pub fn parse(algorithm: ChecksumAlgorithm, base64: &[u8]) -> Result<Self, InvalidChecksum> {
        let bytes = decode(base64, algorithm.bytes())?;
        Ok(Self::new(algorithm, &bytes))
    }

    fn new(algorithm: ChecksumAlgorithm, digest: &[u8]) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = *byte);
        Self { algorithm, bytes }
    }

    /// What made it.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// As its header carries it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.bytes.get(..self.algorithm.bytes()).unwrap_or_default())
    }

    /// The checksum of the bytes that this one is of, with `bytes` more behind them, whose own is `next`: so what was
    /// read in parts has the checksum of the whole. Only CRCs of one algorithm can be put together.
    pub fn followed_by(&self, next: &Self, bytes: u64) -> Option<Self> {
        let crc = self.algorithm.crc().filter(|_| self.algorithm == next.algorithm)?;
        let combined = crc_fast::checksum_combine(crc, self.number(), next.number(), bytes).to_be_bytes();
        let digits = combined.get(combined.len() - self.algorithm.bytes()..)?;
        Some(Self::new(self.algorithm, digits))
    }

    /// A CRC as the number that it is.
    fn number(&self) -> u64 {
        let bytes = self.bytes.iter().take(self.algorithm.bytes().min(8));
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The digest that `x-amz-content-sha256` claims is a checksum like any other, in another notation.
impl From<HexDigest> for Checksum {
    fn from(digest: HexDigest) -> Self {
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (pairs, _) = digest.as_str().as_bytes().as_chunks::<2>();
        let mut bytes = [0; Self::BYTES_MAX];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| value(digit).unwrap_or_default());
            *byte = high << 4 | low;
        }
        Self { algorithm: ChecksumAlgorithm::Sha256, bytes }
    }
}

/// Computes a checksum piece by piece.
#[derive(Debug, Clone)]
pub struct ChecksumHasher(State);

#[derive(Debug, Clone)]
enum State {
    Crc32(crc_fast::Digest),
    Crc32c(crc_fast::Digest),
    Crc64Nvme(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl ChecksumHasher {
    /// Has seen no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        Self(match algorithm {
            ChecksumAlgorithm::Crc32 => State::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => State::Crc32c(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64Nvme => State::Crc64Nvme(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(Sha256::new()),
        })
    }

    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Crc32(crc) | State::Crc32c(crc) | State::Crc64Nvme(crc) => crc.update(data),
            State::Sha1(sha) => sha.update(data),
            State::Sha256(sha) => sha.update(data),
        }
    }

    /// The checksum of all pieces.
    pub fn finish(self) -> Checksum {
        match self.0 {
            State::Crc32(crc) => Checksum::new(ChecksumAlgorithm::Crc32, &low_half(crc.finalize())),
            State::Crc32c(crc) => Checksum::new(ChecksumAlgorithm::Crc32c, &low_half(crc.finalize())),
            State::Crc64Nvme(crc) => {
                Checksum::new(ChecksumAlgorithm::Crc64Nvme, &crc.finalize().to_be_bytes())
            }
            State::Sha1(sha) => Checksum::new(ChecksumAlgorithm::Sha1, &sha.finalize()),
            State::Sha256(sha) => Checksum::new(ChecksumAlgorithm::Sha256, &sha.finalize()),
        }
    }
}

/// `Content-MD5`. S3 has no name for it among its checksum algorithms, and no trailer, so it is a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentMd5([u8; 16]);

impl ContentMd5 {
    /// Reads the header's value: canonical base64 of sixteen bytes.
    pub fn parse(base64: &[u8]) -> Result<Self, InvalidChecksum> {
        let bytes = decode(base64, 16)?;
        bytes.try_into().map(Self).map_err(|_| InvalidChecksum)
    }

    /// As its header carries it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// As most stores make an `ETag` of it: its digits in lower case, in quotes.
    pub fn to_etag(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digit = |value: u8| char::from_digit(u32::from(value), 16);
        std::iter::once('"').chain(digits.filter_map(digit)).chain(std::iter::once('"')).collect()
    }
}

/// Computes `Content-MD5` piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> ContentMd5 {
        ContentMd5(self.0.finalize().into())
    }
}

/// How long `bytes` bytes are in base64.
const fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Decodes base64 of exactly `length` bytes; of another length it does not look at it.
fn decode(base64: &[u8], length: usize) -> Result<Vec<u8>, InvalidChecksum> {
    if base64.len() != base64_bytes(length) {
        return Err(InvalidChecksum);
    }
    let bytes = STANDARD.decode(base64).map_err(|_| InvalidChecksum)?;
    if bytes.len() == length { Ok(bytes) } else { Err(InvalidChecksum) }
}

/// A CRC of 32 bits, which the `crc_fast` crate hands out as the lower half of 64.
const fn low_half(crc: u64) -> [u8; 4] {
    let [_, _, _, _, low @ ..] = crc.to_be_bytes();
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    fn checksum(algorithm: ChecksumAlgorithm, pieces: &[&[u8]]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    }

    fn md5(pieces: &[&[u8]]) -> ContentMd5 {
        let mut hasher = Md5Hasher::default();
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    }

    /// The check values of the CRC catalogue (`cbf43926`, `e3069283`, `ae8b14860a799888`), and those of the digests.
    #[test]
    fn known_answers() {
        for (algorithm, empty, digits) in [
            (ChecksumAlgorithm::Crc32, "AAAAAA==", "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32c, "AAAAAA==", "4waSgw=="),
            (ChecksumAlgorithm::Crc64Nvme, "AAAAAAAAAAA=", "rosUhgp5mIg="),
            (ChecksumAlgorithm::Sha1, "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                ChecksumAlgorithm::Sha256,
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ] {
            assert_eq!(checksum(algorithm, &[]).to_base64(), empty);
            assert_eq!(checksum(algorithm, &[b"123456789"]).to_base64(), digits);
        }
        assert_eq!(md5(&[]).to_base64(), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(md5(&[b"123456789"]).to_base64(), "JfnnlDI7RTiF9RgfG2JNCw==");
    }

    /// Bit by bit, as a CRC is defined: a register of `width` bits, all set before and inverted after. `polynomial` is
    /// written from its lowest power up.
    fn crc_by_definition(data: &[u8], polynomial: u64, width: u32) -> u64 {
        let all_set = u64::MAX >> (64 - width);
        let register = data.iter().fold(all_set, |register, byte| {
            (0..8).fold(register ^ u64::from(*byte), |register, _| {
                register >> 1 ^ if register & 1 == 1 { polynomial } else { 0 }
            })
        });
        register ^ all_set
    }

    /// Lengths on either side of what the processor's vectors take at once, at every alignment.
    #[test]
    fn the_fast_crcs_are_the_defined_ones() {
        let data: Vec<u8> = (0..5000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for (algorithm, polynomial, width) in [
            (ChecksumAlgorithm::Crc32, 0xedb8_8320, 32),
            (ChecksumAlgorithm::Crc32c, 0x82f6_3b78, 32),
            (ChecksumAlgorithm::Crc64Nvme, 0x9a6c_9329_ac4b_c9b5, 64),
        ] {
            for (index, length) in (0..300).chain([511, 512, 1023, 1024, 1025, 2048, 4096, 4900]).enumerate()
            {
                let data = &data[index % 16..][..length];
                let defined = crc_by_definition(data, polynomial, width).to_be_bytes();
                let expected = Checksum::new(algorithm, &defined[8 - algorithm.bytes()..]);
                assert_eq!(checksum(algorithm, &[data]), expected, "{algorithm:?} of {length} bytes");
            }
        }
    }

    #[test]
    fn the_checksum_of_two_pieces_follows_from_theirs() {
        let data: Vec<u8> =
            (0..70_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for algorithm in ChecksumAlgorithm::ALL {
            for at in [0, 1, 9, 4096, 65_537, 70_000] {
                let (one, two) = data.split_at(at);
                let two_bytes = two.len() as u64;
                let both = checksum(algorithm, &[one]).followed_by(&checksum(algorithm, &[two]), two_bytes);
                let expected = algorithm.can_be_combined().then(|| checksum(algorithm, &[&data]));
                assert_eq!(both, expected, "{algorithm:?} at {at}");
            }
        }
        let [one, other] =
            [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c].map(|of| checksum(of, &[b"a"]));
        assert_eq!(one.followed_by(&other, 1), None);
    }

    #[test]
    fn an_etag_is_the_digest_in_digits() {
        assert_eq!(md5(&[]).to_etag(), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    }

    /// The trailer of the documentation's example of a streamed body.
    #[test]
    fn the_checksum_of_the_documentation() {
        let body = vec![b'a'; 66_560];
        assert_eq!(checksum(ChecksumAlgorithm::Crc32c, &[&body]).to_base64(), "sOO8/Q==");
    }

    #[test]
    fn names_and_headers_are_read_back() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(ChecksumAlgorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(ChecksumAlgorithm::from_header(algorithm.header()), Some(algorithm));
            let suffix = algorithm.name().to_ascii_lowercase();
            assert_eq!(algorithm.header(), format!("x-amz-checksum-{suffix}"));
            assert_eq!(checksum(algorithm, &[]).to_base64().len(), algorithm.base64_bytes());
        }
        let upper = ChecksumAlgorithm::from_header("X-Amz-Checksum-Crc32C");
        assert_eq!(upper, Some(ChecksumAlgorithm::Crc32c));
        for name in ["", "crc32", "CRC32 ", "MD5", "x-amz-checksum-crc32"] {
            assert_eq!(ChecksumAlgorithm::from_name(name), None, "{name}");
        }
        for header in ["", "content-md5", "x-amz-checksum-", "x-amz-checksum-md5", "x-amz-checksum-type"] {
            assert_eq!(ChecksumAlgorithm::from_header(header), None, "{header}");
        }
    }

    #[test]
    fn a_checksum_is_canonical_base64_of_its_length() {
        let crc32 = |text: &str| Checksum::parse(ChecksumAlgorithm::Crc32, text.as_bytes());
        assert!(crc32("y/Q5Jg==").is_ok());
        for text in [
            "",
            "y/Q5Jg",
            "y/Q5Jg=",
            "y/Q5Jh==",
            "y_Q5Jg==",
            " y/Q5Jg=",
            "y/Q5Jg==\n",
            "y/Q5JgAA",
            "y/Q5Jg==-2",
            "====",
        ] {
            assert_eq!(crc32(text), Err(InvalidChecksum), "{text}");
        }
        assert!(ContentMd5::parse(b"1B2M2Y8AsgTpgAmY7PhCfg==").is_ok());
        for text in ["", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCfh==", "1B2M2Y8AsgTpgAmY7PhCfgA="] {
            assert_eq!(ContentMd5::parse(text.as_bytes()), Err(InvalidChecksum), "{text}");
        }
    }

    #[test]
    fn checksums_of_different_algorithms_differ() {
        assert_ne!(checksum(ChecksumAlgorithm::Crc32, &[]), checksum(ChecksumAlgorithm::Crc32c, &[]));
    }

    #[test]
    fn the_content_sha256_is_a_checksum() {
        let digest = crate::sigv4::payload_sha256(b"123456789");
        assert_eq!(Checksum::from(digest), checksum(ChecksumAlgorithm::Sha256, &[b"123456789"]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_make_the_same_checksum_as_the_whole(pieces in any::<Vec<Vec<u8>>>()) {
            let whole = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            for algorithm in ChecksumAlgorithm::ALL {
                let checksum_of_pieces = checksum(algorithm, &pieces);
                prop_assert_eq!(checksum_of_pieces, checksum(algorithm, &[&whole]));
                let base64 = checksum_of_pieces.to_base64();
                prop_assert_eq!(Checksum::parse(algorithm, base64.as_bytes()), Ok(checksum_of_pieces));
            }
            prop_assert_eq!(md5(&pieces), md5(&[&whole]));
        }
    }
}
