//! What a body was promised to be, held against what it was.

use http::{HeaderMap, HeaderName};
use wharf_wire::{
    checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher, ContentMd5, Md5Hasher},
    s3::ErrorCode,
};

use crate::error::S3Error;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Every digest that a request declared of its body, and what they are computed with.
#[derive(Default)]
pub(crate) struct Checks {
    content_sha256: Option<(Checksum, ChecksumHasher)>,
    md5: Option<(ContentMd5, Md5Hasher)>,
    declared: Option<(Checksum, ChecksumHasher)>,
    /// The digest comes behind the body.
    trailing: Option<ChecksumHasher>,
}

impl Checks {
    /// The digests in `headers`: `Content-MD5` and one `x-amz-checksum-…`.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        Ok(Self { md5: content_md5(headers)?, declared: declared(headers)?, ..Self::default() })
    }

    /// Besides, `x-amz-content-sha256`.
    pub(crate) fn content_sha256(&mut self, expected: Checksum) {
        self.content_sha256 = Some((expected, ChecksumHasher::new(ChecksumAlgorithm::Sha256)));
    }

    /// Besides, a digest of this kind that will come behind the body.
    pub(crate) fn trailing(&mut self, algorithm: ChecksumAlgorithm) -> Result<(), S3Error> {
        if self.declared.is_some() {
            return Err(one_checksum());
        }
        self.trailing = Some(ChecksumHasher::new(algorithm));
        Ok(())
    }

    /// More of the body.
    pub(crate) fn update(&mut self, data: &[u8]) {
        for (_, hasher) in [&mut self.content_sha256, &mut self.declared].into_iter().flatten() {
            hasher.update(data);
        }
        if let Some((_, hasher)) = &mut self.md5 {
            hasher.update(data);
        }
        if let Some(hasher) = &mut self.trailing {
            hasher.update(data);
        }
    }

    /// The end of the body, and the digest that came behind it.
    pub(crate) fn finish(&mut self, trailer: Option<&Checksum>) -> Result<(), S3Error> {
        let Self { content_sha256, md5, declared, trailing } = std::mem::take(self);
        if content_sha256.is_some_and(|(expected, hasher)| hasher.finish() != expected) {
            return Err(ErrorCode::XAmzContentSHA256Mismatch.into());
        }
        if md5.is_some_and(|(expected, hasher)| hasher.finish() != expected) {
            return Err(S3Error::new(ErrorCode::BadDigest, "Content-MD5 is not that of the body."));
        }
        if declared.is_some_and(|(expected, hasher)| hasher.finish() != expected) {
            return Err(S3Error::new(ErrorCode::BadDigest, "The declared checksum is not that of the body."));
        }
        if trailing.map(ChecksumHasher::finish).as_ref() != trailer {
            let message = "The checksum in the trailer is not that of the body.";
            return Err(S3Error::new(ErrorCode::BadDigest, message));
        }
        Ok(())
    }
}

fn content_md5(headers: &HeaderMap) -> Result<Option<(ContentMd5, Md5Hasher)>, S3Error> {
    let Some(value) = headers.get(CONTENT_MD5) else { return Ok(None) };
    let invalid = |_| S3Error::new(ErrorCode::InvalidDigest, "Content-MD5 is not the base64 of 16 bytes.");
    Ok(Some((ContentMd5::parse(value.as_bytes()).map_err(invalid)?, Md5Hasher::default())))
}

fn declared(headers: &HeaderMap) -> Result<Option<(Checksum, ChecksumHasher)>, S3Error> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let mut values = headers.get_all(algorithm.header()).iter();
        let Some(value) = values.next() else { continue };
        if found.is_some() || values.next().is_some() {
            return Err(one_checksum());
        }
        let invalid = |_| {
            let message = format!("{} is not the base64 of {} bytes.", algorithm.header(), algorithm.bytes());
            S3Error::new(ErrorCode::InvalidRequest, message)
        };
        let expected = Checksum::parse(algorithm, value.as_bytes()).map_err(invalid)?;
        found = Some((expected, ChecksumHasher::new(algorithm)));
    }
    Ok(found)
}

fn one_checksum() -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest, "Expecting a single x-amz-checksum- header or trailer.")
}
