//! Which bucket and key a request names, by its path (`/bucket/key`) or by its host (`bucket.s3.example.com`).
//!
//! The path is decoded once, and nothing in it is normalised: `//`, `.`, `..`, `+` and a trailing `/` are parts of the
//! key, and `%2F` is a `/` in it. Rights, journal and signatures all look at this one result.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>

use crate::names::ObjectKey;

use super::{ErrorCode, Level, Refusal, uri};

/// The longest name that S3 ever gave to a bucket, long before today's limit of 63.
const BUCKET_BYTES_MAX: usize = 255;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// All buckets of the caller.
    Service,
    /// One bucket.
    Bucket(String),
    /// One object.
    Object {
        /// The bucket's name as the caller knows it.
        bucket: String,
        /// The key, decoded.
        key: ObjectKey,
    },
}

impl Address {
    /// Reads `host` (with or without a port) and the `path` as it was received. `base_domains` are in lower case; a
    /// host below one of them starts with a bucket's name, and any other host leaves the bucket to the path.
    pub fn parse(host: &str, path: &str, base_domains: &[String]) -> Result<Self, Refusal> {
        let Some(path) = path.strip_prefix('/') else { return Err(ErrorCode::InvalidURI.into()) };
        let (bucket, key) = match bucket_of_host(host, base_domains) {
            Some(bucket) => (bucket, path),
            None if path.is_empty() => return Ok(Self::Service),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (uri::decode_path(bucket)?.into_owned(), key)
            }
        };
        if !is_bucket(&bucket) {
            return Err(ErrorCode::InvalidBucketName.into());
        }
        if key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        let key = ObjectKey::parse(&uri::decode_path(key)?).map_err(|_| ErrorCode::KeyTooLongError)?;
        Ok(Self::Object { bucket, key })
    }

    /// Which of the three it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Service => Level::Service,
            Self::Bucket(_) => Level::Bucket,
            Self::Object { .. } => Level::Object,
        }
    }

    /// The bucket, unless all are meant.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object { bucket, .. } => Some(bucket),
        }
    }

    /// The object's key, if one is meant.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Service | Self::Bucket(_) => None,
            Self::Object { key, .. } => Some(key),
        }
    }
}

/// The bucket that `host` begins with. The longest base domain counts, and a host that is one has no bucket.
fn bucket_of_host(host: &str, base_domains: &[String]) -> Option<String> {
    let host = without_port(host);
    let labels = base_domains.iter().filter_map(|domain| labels_before(domain, host));
    labels.min_by_key(|labels| labels.len())?.strip_suffix('.').map(str::to_ascii_lowercase)
}

/// `photos.` in `photos.example.com`, nothing in `example.com` itself.
fn labels_before<'a>(domain: &str, host: &'a str) -> Option<&'a str> {
    let (labels, tail) = host.split_at_checked(host.len().checked_sub(domain.len())?)?;
    (tail.eq_ignore_ascii_case(domain) && (labels.is_empty() || labels.ends_with('.'))).then_some(labels)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Enough to keep a name from being read as anything but a name. Whether there is such a bucket is another matter.
pub(super) fn is_bucket(name: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=BUCKET_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bucket and key.
    type Names = (Option<String>, Option<String>);

    fn read(host: &str, path: &str) -> Result<Names, ErrorCode> {
        let domains = ["s3.example.com", "example.com", "eu.s3.example.com"].map(str::to_owned);
        Address::parse(host, path, &domains)
            .map(|address| {
                let key = address.key().map(|key| key.as_str().to_owned());
                (address.bucket().map(str::to_owned), key)
            })
            .map_err(|refusal| refusal.code)
    }

    fn named(bucket: &str, key: &str) -> Names {
        (Some(bucket.to_owned()), (!key.is_empty()).then(|| key.to_owned()))
    }

    #[test]
    fn a_path_names_service_bucket_or_object() {
        assert_eq!(read("127.0.0.1:9000", "/"), Ok((None, None)));
        for (path, bucket, key) in [
            ("/photos", "photos", ""),
            ("/photos/", "photos", ""),
            ("/Old_Bucket", "Old_Bucket", ""),
            ("/pho%74os/a", "photos", "a"),
            ("/photos/a/b", "photos", "a/b"),
            ("/photos/a/", "photos", "a/"),
            ("/photos//", "photos", "/"),
            ("/photos//a//b", "photos", "/a//b"),
            ("/photos/../other/a", "photos", "../other/a"),
            ("/photos/./a/..", "photos", "./a/.."),
            ("/photos/%2e%2E/a", "photos", "../a"),
            ("/photos/a%2Fb%252F", "photos", "a/b%2F"),
            ("/photos/a+b%20c%2B", "photos", "a+b c+"),
            ("/photos/%C3%BC\u{fc}", "photos", "\u{fc}\u{fc}"),
            ("/photos/a%00b", "photos", "a\0b"),
        ] {
            for host in ["127.0.0.1:9000", "[::1]:9000", "localhost", "s3.example.com", "EXAMPLE.com:80", ""]
            {
                assert_eq!(read(host, path), Ok(named(bucket, key)), "{host} {path}");
            }
        }
    }

    #[test]
    fn a_host_below_a_base_domain_names_the_bucket() {
        for (host, bucket) in [
            ("photos.s3.example.com", "photos"),
            ("Photos.S3.Example.com:9000", "photos"),
            ("my.photos.s3.example.com", "my.photos"),
            ("photos.eu.s3.example.com", "photos"),
            ("photos.example.com", "photos"),
        ] {
            assert_eq!(read(host, "/"), Ok(named(bucket, "")), "{host}");
            assert_eq!(read(host, "/a/../b"), Ok(named(bucket, "a/../b")), "{host}");
            assert_eq!(read(host, "//"), Ok(named(bucket, "/")), "{host}");
        }
        for host in ["photos.s3.example.org", "photoss3.example.net", "xexample.com", "s3.example.com.evil"] {
            assert_eq!(read(host, "/other/a"), Ok(named("other", "a")), "{host}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let long = format!("/b/{}", "%C3%BC".repeat(513));
        let longest = format!("/b/{}", "%C3%BC".repeat(512));
        assert!(read("h", &longest).is_ok());
        for (host, path, expected) in [
            ("h", "", ErrorCode::InvalidURI),
            ("h", "*", ErrorCode::InvalidURI),
            ("h", "/b/%ff", ErrorCode::InvalidURI),
            ("h", "/b/%C3", ErrorCode::InvalidURI),
            ("h", "/b/a%", ErrorCode::InvalidURI),
            ("h", "/b/%4", ErrorCode::InvalidURI),
            ("h", "/b/%zz", ErrorCode::InvalidURI),
            ("h", "/b/%+1", ErrorCode::InvalidURI),
            ("h", "//a", ErrorCode::InvalidBucketName),
            ("h", "/../a", ErrorCode::InvalidBucketName),
            ("h", "/%2e/a", ErrorCode::InvalidBucketName),
            ("h", "/b%2Fc/a", ErrorCode::InvalidBucketName),
            ("h", "/b%00/a", ErrorCode::InvalidBucketName),
            ("h", "/b:c", ErrorCode::InvalidBucketName),
            (".s3.example.com", "/a", ErrorCode::InvalidBucketName),
            ("a/b.s3.example.com", "/a", ErrorCode::InvalidBucketName),
            ("\u{fc}.s3.example.com", "/a", ErrorCode::InvalidBucketName),
            ("h", &long, ErrorCode::KeyTooLongError),
        ] {
            assert_eq!(read(host, path), Err(expected), "{host} {path}");
        }
    }
}
