//! The signatures inside of a streamed body: each chunk's signs its data and the signature before it, so that chunks
//! can be neither changed nor left out, added or moved. The chain begins with the request's own signature.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::date::AmzDate;

use super::{HexDigest, Signature, SigningKey, payload_sha256};

const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER";
/// The digest of nothing. S3 keeps the line for headers of a chunk, which do not exist.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Makes the signatures that the chunks of one body must carry. Data is hashed as it comes and never kept.
#[derive(Clone)]
pub struct ChunkSigner {
    key: Arc<SigningKey>,
    date: AmzDate,
    previous: Signature,
    data: Sha256,
}

impl ChunkSigner {
    /// `date` and `seed` are the request's date and its verified signature.
    pub fn new(key: Arc<SigningKey>, date: AmzDate, seed: Signature) -> Self {
        Self { key, date, previous: seed, data: Sha256::new() }
    }

    /// Takes a piece of the current chunk's data.
    pub fn update(&mut self, data: &[u8]) {
        self.data.update(data);
    }

    /// The signature of the current chunk, whose data is complete. The next chunk begins.
    pub fn finish_chunk(&mut self) -> &Signature {
        let digest = HexDigest::new(&self.data.finalize_reset().into());
        let lines = [self.previous.expose(), EMPTY_SHA256, digest.as_str()];
        self.previous = self.key.sign_lines(CHUNK_ALGORITHM, &self.date, &lines);
        &self.previous
    }

    /// The signature of the trailer after the terminal chunk. `canonical` is a line of `name:value` for each header,
    /// ended by a line feed alone, whatever ends it on the wire.
    pub fn trailer(&self, canonical: &str) -> Signature {
        let digest = payload_sha256(canonical.as_bytes());
        self.key.sign_lines(TRAILER_ALGORITHM, &self.date, &[self.previous.expose(), digest.as_str()])
    }
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChunkSigner").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        date::Timestamp,
        names::Region,
        sigv4::{AccessKeyId, Credentials, Scope},
    };

    use super::*;

    /// The signer of the documentation's example, whose canonical request has the digest `request`.
    fn signer(request: [u8; 32]) -> ChunkSigner {
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let date = Timestamp::from_unix_millis(1_369_353_600_000).amz_date();
        let key = SigningKey::derive(&credentials, Scope::s3(date, &Region::parse("us-east-1").unwrap()));
        let seed = key.sign(&date, &HexDigest::new(&request));
        ChunkSigner::new(Arc::new(key), date, seed)
    }

    fn digest(hex: &str) -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn the_chunks_of_the_documentation() {
        let mut signer = signer(digest("cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455"));
        for _ in 0..2 {
            signer.update(&vec![b'a'; 32 * 1024]);
        }
        let first = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
        assert_eq!(signer.finish_chunk().expose(), first);
        signer.update(&[b'a'; 1024]);
        let second = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
        assert_eq!(signer.finish_chunk().expose(), second);
        let terminal = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
        assert_eq!(signer.finish_chunk().expose(), terminal);
    }

    #[test]
    fn the_trailer_of_the_documentation() {
        let mut signer = signer(digest("44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559"));
        for size in [64 * 1024, 1024, 0] {
            signer.update(&vec![b'a'; size]);
            signer.finish_chunk();
        }
        let trailer = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
        assert_eq!(signer.trailer("x-amz-checksum-crc32c:sOO8/Q==\n").expose(), trailer);
    }

    #[test]
    fn debug_shows_no_signature() {
        let shown = format!("{:?}", signer([0; 32]));
        assert_eq!(
            shown,
            "ChunkSigner { key: SigningKey { scope: \"20130524/us-east-1/s3/aws4_request\", .. }, .. }"
        );
    }
}
