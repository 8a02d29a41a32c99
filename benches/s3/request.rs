//! Requests, made before they are sent: signing is not what is measured here.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use sha2::{Digest, Sha256};
use wharf::clock::Clock;
use wharf_wire::{
    checksum::{ChecksumAlgorithm, ChecksumHasher},
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, HexDigest, PayloadMode, Scope, SigningKey,
        presign::{PresignInput, presign},
        sign_headers,
    },
};

/// Bodies are made of pieces of this size, and so are their chunks.
const PIECE: u64 = 1024 * 1024;

/// How long a presigned URL lives: longer than the bench.
const EXPIRES_SECONDS: u32 = 6 * 3600;

/// How a request says who sends it, and what proves its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Not at all.
    Plain,
    /// Presigned: `UNSIGNED-PAYLOAD`.
    Presigned,
    /// Headers, and the body's SHA-256.
    Hashed,
    /// Headers, and aws-chunked with a CRC-32 in its trailer: what SDKs do by default over TLS.
    Trailer,
}

/// Who signs, and for what host.
pub(crate) struct Signer {
    pub(crate) credentials: Credentials,
    pub(crate) authority: String,
}

/// What is put or got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    pub(crate) bytes: u64,
    pub(crate) index: usize,
}

/// A request that is ready to be written.
pub(crate) struct Prepared {
    pub(crate) head: Vec<u8>,
    /// Pieces, and how often each is sent.
    pub(crate) body: Vec<(Bytes, u64)>,
}

impl Signer {
    pub(crate) fn new(access_key_id: &str, secret: &str, authority: String) -> Result<Self, String> {
        let access_key_id = AccessKeyId::parse(access_key_id).map_err(|error| error.to_string())?;
        let credentials =
            Credentials { access_key_id, secret_access_key: secret.into(), session_token: None };
        Ok(Self { credentials, authority })
    }

    fn key(&self) -> Result<SigningKey, String> {
        let region = Region::parse("us-east-1").map_err(|error| error.to_string())?;
        let scope = Scope::s3(Clock::System.now().amz_date(), &region);
        Ok(SigningKey::derive(&self.credentials, scope))
    }

    /// A GET of `object`.
    pub(crate) fn get(&self, mode: Mode, object: Object) -> Result<Prepared, String> {
        let mode = if mode == Mode::Trailer { Mode::Hashed } else { mode };
        self.request(&Method::GET, mode, &path(object), Vec::new())
    }

    /// A PUT of `object`.
    pub(crate) fn put(&self, mode: Mode, object: Object) -> Result<Prepared, String> {
        self.request(&Method::PUT, mode, &path(object), pieces(object.bytes))
    }

    /// Makes the bucket.
    pub(crate) fn make_bucket(&self) -> Result<Prepared, String> {
        self.request(&Method::PUT, Mode::Hashed, "/bench", Vec::new())
    }

    fn request(
        &self,
        method: &Method,
        mode: Mode,
        path: &str,
        payload: Vec<(Bytes, u64)>,
    ) -> Result<Prepared, String> {
        let mut target = path.to_owned();
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(&self.authority).map_err(|error| error.to_string())?;
        headers.insert(header::HOST, host);
        let mut body = payload;
        match mode {
            Mode::Plain => {}
            Mode::Presigned => target = self.presigned(method, path)?,
            Mode::Hashed => {
                let digest = HexDigest::parse(&sha256(&body)).ok_or("odd SHA-256")?;
                self.sign(method, path, PayloadMode::Sha256(digest), &mut headers)?;
            }
            Mode::Trailer => {
                let bytes = length(&body);
                headers.insert("content-encoding", HeaderValue::from_static("aws-chunked"));
                headers.insert("x-amz-decoded-content-length", bytes.into());
                headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32"));
                self.sign(method, path, PayloadMode::StreamingUnsignedTrailer, &mut headers)?;
                body = chunked(&body);
            }
        }
        if *method == Method::PUT {
            headers.insert(header::CONTENT_LENGTH, length(&body).into());
        }
        let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &headers {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        Ok(Prepared { head, body })
    }

    /// The target of a presigned URL.
    fn presigned(&self, method: &Method, path: &str) -> Result<String, String> {
        let input = PresignInput {
            method,
            scheme: Scheme::Http,
            authority: &self.authority,
            path,
            query: &[],
            headers: &[],
            expires_seconds: EXPIRES_SECONDS,
            now: Clock::System.now(),
        };
        let url = presign(&input, &self.credentials, &self.key()?).map_err(|error| error.to_string())?;
        let (_, target) = url.expose().split_once(&self.authority).ok_or("odd URL")?;
        Ok(target.to_owned())
    }

    fn sign(
        &self,
        method: &Method,
        encoded_path: &str,
        payload: PayloadMode,
        headers: &mut HeaderMap,
    ) -> Result<(), String> {
        let now = Clock::System.now();
        let signing = HeaderSigning { method, encoded_path, encoded_query: "", payload, now };
        sign_headers(&signing, headers, &self.credentials, &self.key()?).map_err(|error| error.to_string())
    }
}

fn path(Object { bytes, index }: Object) -> String {
    format!("/bench/{bytes}-{index:04}")
}

fn pieces(bytes: u64) -> Vec<(Bytes, u64)> {
    let filler = |bytes: u64| Bytes::from(vec![b'w'; usize::try_from(bytes).unwrap_or_default()]);
    let whole = (bytes / PIECE > 0).then(|| (filler(PIECE), bytes / PIECE));
    let rest = (!bytes.is_multiple_of(PIECE)).then(|| (filler(bytes % PIECE), 1));
    whole.into_iter().chain(rest).collect()
}

fn length(body: &[(Bytes, u64)]) -> u64 {
    body.iter().map(|(piece, times)| piece.len() as u64 * times).sum()
}

fn sha256(body: &[(Bytes, u64)]) -> String {
    let mut hasher = Sha256::new();
    for (piece, times) in body {
        (0..*times).for_each(|_| hasher.update(piece));
    }
    hex::encode(hasher.finalize())
}

/// Each piece as one chunk, then the trailer.
fn chunked(body: &[(Bytes, u64)]) -> Vec<(Bytes, u64)> {
    let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Crc32);
    let mut framed = Vec::new();
    for (piece, times) in body {
        (0..*times).for_each(|_| hasher.update(piece));
        let size = format!("{:x}\r\n", piece.len());
        framed.push((Bytes::from([size.as_bytes(), piece, b"\r\n"].concat()), *times));
    }
    let end = format!("0\r\nx-amz-checksum-crc32:{}\r\n\r\n", hasher.finish().to_base64());
    framed.push((Bytes::from(end), 1));
    framed
}
