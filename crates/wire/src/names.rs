//! Bucket names, object keys and regions, checked once where they enter.

use std::net::Ipv4Addr;

use thiserror::Error;

/// Why a name was refused. The text says what is allowed and never echoes the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// `arn:aws:s3:…`
    #[error(
        "a bucket is called by its name, not by an ARN: write the name of a general purpose bucket; access points, \
         Outposts and object lambda are not served"
    )]
    BucketArn,
    /// A bucket's name of 0 to 2 or more than 63 bytes.
    #[error("a bucket name has 3 to 63 characters")]
    BucketLength,
    /// A byte that no bucket name holds.
    #[error("a bucket name is made of lower-case letters a to z, digits, dots and hyphens")]
    BucketCharacters,
    /// A dot or a hyphen at an end.
    #[error("a bucket name starts and ends with a lower-case letter or a digit")]
    BucketEnds,
    /// `a..b`
    #[error("a bucket name has no two dots in a row: write one")]
    BucketDots,
    /// `192.168.5.4`
    #[error("a bucket name is not written like an IP address: write the bucket's own name")]
    BucketAddress,
    /// A prefix or suffix that S3 keeps for itself.
    #[error(
        "a bucket name neither starts with xn--, sthree- or amzn-s3-demo- nor ends with -s3alias, --ol-s3, .mrap, \
         --x-s3 or --table-s3: write a general purpose bucket's own name, not an alias"
    )]
    BucketReserved,
    /// An empty key.
    #[error("an object key is not empty: write at least one character")]
    KeyEmpty,
    /// A key above S3's limit.
    #[error("an object key has at most 1024 bytes in UTF-8: write a shorter one")]
    KeyLength,
    /// A region that cannot stand in a host name and a credential scope.
    #[error(
        "a region is 1 to 63 lower-case letters a to z, digits and hyphens, with no hyphen at an end, \
         such as us-east-1 or auto"
    )]
    Region,
    /// An access key id that cannot stand in a header.
    #[error("an access key id is 1 to 128 printable ASCII characters without spaces")]
    AccessKeyId,
}

/// A bucket's name, by the rules for general purpose buckets.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(String);

impl BucketName {
    const LENGTH_MIN: usize = 3;
    const LENGTH_MAX: usize = 63;
    /// Names that S3 gives to other things than general purpose buckets.
    const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

    /// Checks and keeps `text`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.starts_with("arn:") {
            return Err(NameError::BucketArn);
        }
        if !(Self::LENGTH_MIN..=Self::LENGTH_MAX).contains(&text.len()) {
            return Err(NameError::BucketLength);
        }
        if !text.bytes().all(|byte| is_lower_or_digit(byte) || byte == b'-' || byte == b'.') {
            return Err(NameError::BucketCharacters);
        }
        if !ends_are_lower_or_digit(text) {
            return Err(NameError::BucketEnds);
        }
        if text.contains("..") {
            return Err(NameError::BucketDots);
        }
        if is_like_ipv4(text) {
            return Err(NameError::BucketAddress);
        }
        if Self::RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            || Self::RESERVED_SUFFIXES.iter().any(|suffix| text.ends_with(suffix))
        {
            return Err(NameError::BucketReserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object's key: 1 to 1,024 bytes of UTF-8. Nothing in it is normalised.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// S3's limit, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 1024;

    /// Checks and keeps `text`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::KeyEmpty),
            1..=Self::BYTES_MAX => Ok(Self(text.to_owned())),
            _ => Err(NameError::KeyLength),
        }
    }

    /// The key, not encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A signing region: one DNS label of `a-z 0-9 -` (`auto` included), so that it can stand in a host name and a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

impl Region {
    const LENGTH_MAX: usize = 63;

    /// Checks and keeps `text`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_label = text.len() <= Self::LENGTH_MAX
            && ends_are_lower_or_digit(text)
            && text.bytes().all(|byte| is_lower_or_digit(byte) || byte == b'-');
        if is_label { Ok(Self(text.to_owned())) } else { Err(NameError::Region) }
    }

    /// The region that S3's clients take when they are told none.
    pub fn us_east_1() -> Self {
        Self(String::from("us-east-1"))
    }

    /// The region as it stands in a credential scope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// False for an empty text.
fn ends_are_lower_or_digit(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_lower_or_digit))
}

/// Four decimal parts, in range or not: `300.1.2.3` would be read as an address by somebody too.
fn is_like_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
        || (text.split('.').count() == 4
            && text.split('.').all(|part| part.bytes().all(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_general_purpose_bucket_names() {
        let longest = "a".repeat(63);
        for name in ["abc", "a-b", "my.bucket-1", "0a0", "1.2.3", "a--b", longest.as_str()] {
            assert_eq!(BucketName::parse(name).as_ref().map(BucketName::as_str), Ok(name));
        }
    }

    #[test]
    fn refuses_other_bucket_names_with_the_rule_that_they_break() {
        let long = "a".repeat(64);
        for (name, error) in [
            ("", NameError::BucketLength),
            ("ab", NameError::BucketLength),
            (long.as_str(), NameError::BucketLength),
            ("Photos", NameError::BucketCharacters),
            ("a_b", NameError::BucketCharacters),
            ("a/../b", NameError::BucketCharacters),
            ("büro", NameError::BucketCharacters),
            ("a\nb", NameError::BucketCharacters),
            ("-ab", NameError::BucketEnds),
            ("ab.", NameError::BucketEnds),
            ("a..b", NameError::BucketDots),
            ("192.168.5.4", NameError::BucketAddress),
            ("300.168.5.4", NameError::BucketAddress),
            ("arn:aws:s3:us-west-2:123456789012:accesspoint:photos", NameError::BucketArn),
            ("xn--abc", NameError::BucketReserved),
            ("sthree-configurator", NameError::BucketReserved),
            ("amzn-s3-demo-bucket", NameError::BucketReserved),
            ("alias-s3alias", NameError::BucketReserved),
            ("lambda--ol-s3", NameError::BucketReserved),
            ("point.mrap", NameError::BucketReserved),
            ("photos--usw2-az1--x-s3", NameError::BucketReserved),
            ("rows--table-s3", NameError::BucketReserved),
        ] {
            assert_eq!(BucketName::parse(name), Err(error), "{name}");
        }
    }

    #[test]
    fn keys_are_bytes_within_a_limit_and_otherwise_free() {
        for key in ["a", "/", "..", "a//b/../c", "\r\n\0", "ü", &"ü".repeat(512)] {
            assert_eq!(ObjectKey::parse(key).as_ref().map(ObjectKey::as_str), Ok(key));
        }
        assert_eq!(ObjectKey::parse(""), Err(NameError::KeyEmpty));
        assert_eq!(ObjectKey::parse(&"ü".repeat(513)), Err(NameError::KeyLength));
    }

    #[test]
    fn a_region_can_stand_in_a_host_name() {
        for region in ["us-east-1", "auto", "a", "us-iso-east-1", "eusc-de-east-1"] {
            assert_eq!(Region::parse(region).as_ref().map(Region::as_str), Ok(region));
        }
        let long = "a".repeat(64);
        for region in
            ["", "-a", "a-", "US-EAST-1", "a.b", "x@evil.example/#", "us east", "a\n", long.as_str()]
        {
            assert_eq!(Region::parse(region), Err(NameError::Region), "{region}");
        }
    }

    #[test]
    fn errors_do_not_echo_the_value() {
        let error = BucketName::parse("SECRET_VALUE").unwrap_err();
        assert!(!error.to_string().contains("SECRET"));
    }
}
