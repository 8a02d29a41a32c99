//! The header `x-amz-copy-source`: which object a copy reads.
//!
//! `bucket/key` or `/bucket/key`, percent-encoded, with `?versionId=…` behind it that is no part of the key: a `?` in a
//! key is escaped. It names a second bucket and key in one request, so it has rights of its own to pass.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html#AmazonS3-CopyObject-request-header-CopySource>

use crate::names::ObjectKey;

use super::{ErrorCode, Refusal, address::is_bucket, uri};

/// The source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket's name as the caller knows it.
    pub bucket: String,
    /// The key, decoded.
    pub key: ObjectKey,
    /// The version, if not the current one is meant.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Reads the header's value.
    pub fn parse(value: &[u8]) -> Result<Self, Refusal> {
        let value = str::from_utf8(value).map_err(|_| invalid())?;
        let (path, query) = value.split_once('?').map_or((value, None), |(path, query)| (path, Some(query)));
        // As S3 does, which takes a plus for a space here: SDKs write a plus as %2B, and s5cmd a space as a plus.
        let path = uri::decode_query(path).map_err(|_| invalid())?;
        if path.starts_with("arn:") {
            let message = "A copy source is named by bucket and key; access points are not implemented.";
            return Err(Refusal::new(ErrorCode::NotImplemented, message));
        }
        let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
        if !is_bucket(bucket) {
            return Err(ErrorCode::InvalidBucketName.into());
        }
        if key.is_empty() {
            return Err(invalid());
        }
        let key = ObjectKey::parse(key).map_err(|_| ErrorCode::KeyTooLongError)?;
        let version_id = query.map(version_id).transpose()?;
        Ok(Self { bucket: bucket.to_owned(), key, version_id })
    }
}

/// The only thing that may stand behind a `?`.
fn version_id(query: &str) -> Result<String, Refusal> {
    let id = query.strip_prefix("versionId=").ok_or_else(invalid)?;
    let id = uri::decode_query(id).map_err(|_| invalid())?.into_owned();
    if id.is_empty() || query.contains('&') { Err(invalid()) } else { Ok(id) }
}

fn invalid() -> Refusal {
    Refusal::new(
        ErrorCode::InvalidArgument,
        "x-amz-copy-source is bucket/key, percent-encoded, with ?versionId=… for a version.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_object_and_perhaps_a_version() {
        for (value, key, version) in [
            ("b/k", "k", None),
            ("/b/k", "k", None),
            ("/b//a/../k/", "/a/../k/", None),
            ("b/a+b%20c%3Fd%252F%2B", "a b c?d%2F+", None),
            ("b%2Fa%2Fb", "a/b", None),
            ("/b/k?versionId=v", "k", Some("v")),
            ("/b/k?versionId=a%2Bb%26", "k", Some("a+b&")),
        ] {
            let source =
                CopySource::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!((source.bucket.as_str(), source.key.as_str()), ("b", key), "{value}");
            assert_eq!(source.version_id.as_deref(), version, "{value}");
        }
    }

    #[test]
    fn refuses_what_names_none() {
        let long = format!("b/{}", "k".repeat(1025));
        for (value, expected) in [
            (b"".as_slice(), ErrorCode::InvalidArgument),
            (b"b", ErrorCode::InvalidArgument),
            (b"b/", ErrorCode::InvalidArgument),
            (b"/b", ErrorCode::InvalidArgument),
            (b"b/k?", ErrorCode::InvalidArgument),
            (b"b/k?versionId=", ErrorCode::InvalidArgument),
            (b"b/k?versionId=a&acl", ErrorCode::InvalidArgument),
            (b"b/k?acl", ErrorCode::InvalidArgument),
            (b"b/%ff", ErrorCode::InvalidArgument),
            (b"b/\xff", ErrorCode::InvalidArgument),
            (b"b/%zz", ErrorCode::InvalidArgument),
            (b"//b/k", ErrorCode::InvalidBucketName),
            (b"../k", ErrorCode::InvalidBucketName),
            (b"arn:aws:s3:eu-west-1:123456789012:accesspoint/p/object/k", ErrorCode::NotImplemented),
            (b"arn%3Aaws:s3:::b/k", ErrorCode::NotImplemented),
            (long.as_bytes(), ErrorCode::KeyTooLongError),
        ] {
            assert_eq!(CopySource::parse(value).map_err(|refusal| refusal.code), Err(expected), "{value:?}");
        }
    }
}
