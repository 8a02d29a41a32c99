//! What a body was promised to be, held against what it was.

use http::{HeaderMap, HeaderName};
use wharf_wire::{
    checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher, ContentMd5, Md5Hasher},
    s3::ErrorCode,
};

use crate::error::S3Error;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Every digest that a request declared of its body, and what they are computed with. Most have none or one, so they are
/// kept apart: a hasher is large, and a body is moved a few times before it is sent.
#[derive(Default)]
pub(crate) struct Checks {
    content_sha256: Option<Box<(Checksum, ChecksumHasher)>>,
    md5: Option<Box<(ContentMd5, Md5Hasher)>>,
    declared: Option<Box<(Checksum, ChecksumHasher)>>,
    /// The digest comes behind the body.
    trailing: Option<Box<ChecksumHasher>>,
}

impl Checks {
    /// The digests in `headers`: `Content-MD5` and one `x-amz-checksum-…`.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        let (md5, declared) = (content_md5(headers)?.map(Box::new), declared(headers)?.map(Box::new));
        Ok(Self { md5, declared, ..Self::default() })
    }

    /// Besides, `x-amz-content-sha256`.
    pub(crate) fn content_sha256(&mut self, expected: Checksum) {
        self.content_sha256 = Some(Box::new((expected, ChecksumHasher::new(ChecksumAlgorithm::Sha256))));
    }

    /// Besides, a digest of this kind that will come behind the body.
    pub(crate) fn trailing(&mut self, algorithm: ChecksumAlgorithm) -> Result<(), S3Error> {
        if self.declared.is_some() {
            return Err(one_checksum());
        }
        self.trailing = Some(Box::new(ChecksumHasher::new(algorithm)));
        Ok(())
    }

    /// More of the body.
    pub(crate) fn update(&mut self, data: &[u8]) {
        for checked in [&mut self.content_sha256, &mut self.declared].into_iter().flatten() {
            checked.1.update(data);
        }
        if let Some(checked) = &mut self.md5 {
            checked.1.update(data);
        }
        if let Some(hasher) = &mut self.trailing {
            hasher.update(data);
        }
    }

    /// The end of the body, and the digest that came behind it.
    pub(crate) fn finish(&mut self, trailer: Option<&Checksum>) -> Result<(), S3Error> {
        let Self { content_sha256, md5, declared, trailing } = std::mem::take(self);
        let differs = |(expected, hasher): (Checksum, ChecksumHasher)| hasher.finish() != expected;
        if content_sha256.is_some_and(|checked| differs(*checked)) {
            return Err(ErrorCode::XAmzContentSHA256Mismatch.into());
        }
        if md5.map(|checked| *checked).is_some_and(|(expected, hasher)| hasher.finish() != expected) {
            return Err(S3Error::new(ErrorCode::BadDigest, "Content-MD5 is not that of the body."));
        }
        if declared.is_some_and(|checked| differs(*checked)) {
            return Err(S3Error::new(ErrorCode::BadDigest, "The declared checksum is not that of the body."));
        }
        if trailing.map(|hasher| hasher.finish()).as_ref() != trailer {
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
