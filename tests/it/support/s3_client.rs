//! An S3 client that says what no SDK would: every byte of a request can be changed before it is sent.
//!
//! A request is described with [`Ask`], signed into a [`Wire`] (its head as text, its body in pieces), spoilt at will,
//! and sent over [`Raw`]. What signs is what Wharf signs its own requests with.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wharf::clock::Clock;
use wharf_wire::{
    checksum::{ChecksumAlgorithm, ChecksumHasher},
    date::Timestamp,
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, ChunkSigner, Credentials, HeaderSigning, PayloadMode, Scope, Signature, SigningKey,
        payload_sha256,
        presign::{PresignInput, presign},
        sign_headers,
        verify::{Presented, Received},
    },
};

use super::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    store,
};

/// The access key of [`KEYS`].
pub(crate) const S3_KEY: &str = "WHARFTESTKEY00000001";

/// Its secret.
pub(crate) const S3_SECRET: &str = "wharf-test-secret-0123456789abcdef";

/// `[[keys]]` for [`S3_KEY`], which may do everything.
pub(crate) const S3_KEYS: &str = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "write", "delete", "list", "acl", "lock", "configure"] }]
"#;

/// The bucket `photos` at the store behind `endpoint`, for those whom `keys` let in.
pub(crate) fn in_front_of(endpoint: &str, keys: &str) -> String {
    format!(
        "{keys}
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
",
        store::provider("store", endpoint)
    )
}

/// The `Host` of a request that does not say otherwise.
pub(crate) const HOST: &str = "s3.wharf.test";

/// How a payload goes along with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// With its hash.
    Hash,
    /// `UNSIGNED-PAYLOAD`
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`
    Signed,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`
    SignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`
    UnsignedTrailer,
}

impl Mode {
    pub(crate) const ALL: [Self; 5] =
        [Self::Hash, Self::Unsigned, Self::Signed, Self::SignedTrailer, Self::UnsignedTrailer];

    /// Those whose chunks are signed.
    pub(crate) const SIGNED: [Self; 2] = [Self::Signed, Self::SignedTrailer];

    /// Those that end with a checksum.
    pub(crate) const TRAILER: [Self; 2] = [Self::SignedTrailer, Self::UnsignedTrailer];

    pub(crate) fn is_streaming(self) -> bool {
        !matches!(self, Self::Hash | Self::Unsigned)
    }

    fn has_trailer(self) -> bool {
        Self::TRAILER.contains(&self)
    }

    fn payload(self, body: &[u8]) -> PayloadMode {
        match self {
            Self::Hash => PayloadMode::Sha256(payload_sha256(body)),
            Self::Unsigned => PayloadMode::Unsigned,
            Self::Signed => PayloadMode::StreamingSigned,
            Self::SignedTrailer => PayloadMode::StreamingSignedTrailer,
            Self::UnsignedTrailer => PayloadMode::StreamingUnsignedTrailer,
        }
    }
}

/// A request to be signed. The path and the query are sent as they are written here.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    mode: Mode,
    body: &'a [u8],
    chunk_bytes: usize,
    trailer: ChecksumAlgorithm,
    trailer_of: &'a [u8],
    decoded_length: Option<u64>,
    secret: &'a str,
    host: &'a str,
    now: Timestamp,
}

impl<'a> Ask<'a> {
    /// `target` is a path, and a query if there is one.
    pub(crate) fn new(method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            mode: Mode::Hash,
            body: b"",
            chunk_bytes: 64 * 1024,
            trailer: ChecksumAlgorithm::Crc32,
            trailer_of: b"",
            decoded_length: None,
            secret: S3_SECRET,
            host: HOST,
            now: Clock::System.now(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    pub(crate) fn put(target: &str, mode: Mode, body: &'a [u8]) -> Self {
        Self::new(Method::PUT, target).body(mode, body)
    }

    pub(crate) fn body(self, mode: Mode, body: &'a [u8]) -> Self {
        Self { mode, body, trailer_of: body, ..self }
    }

    /// A header that is signed.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).expect("a header's value"));
        self
    }

    /// How much data each chunk but the last has.
    pub(crate) fn chunk_bytes(self, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, ..self }
    }

    /// Which checksum comes behind the body.
    pub(crate) fn trailer(self, trailer: ChecksumAlgorithm) -> Self {
        Self { trailer, ..self }
    }

    /// Of which body that is.
    pub(crate) fn trailer_of(self, trailer_of: &'a [u8]) -> Self {
        Self { trailer_of, ..self }
    }

    /// Announces another length than the payload has.
    pub(crate) fn decoded_length(self, bytes: u64) -> Self {
        Self { decoded_length: Some(bytes), ..self }
    }

    pub(crate) fn secret(self, secret: &'a str) -> Self {
        Self { secret, ..self }
    }

    /// Whom it is sent to.
    pub(crate) fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    /// When it is signed.
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: AccessKeyId::parse(S3_KEY).unwrap(),
            secret_access_key: self.secret.into(),
            session_token: None,
        }
    }

    fn key(&self) -> SigningKey {
        let region = Region::parse("us-east-1").unwrap();
        SigningKey::derive(&self.credentials(), Scope::s3(self.now.amz_date(), &region))
    }

    fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { [&self.path, "?", &self.query].concat() }
    }

    /// Signs it in its headers.
    pub(crate) fn sign(mut self) -> Wire {
        let payload = self.mode.payload(self.body);
        self.headers.insert("host", HeaderValue::from_str(self.host).unwrap());
        if self.mode.is_streaming() {
            let decoded_length = self.decoded_length.unwrap_or(self.body.len() as u64);
            self.headers.insert("x-amz-decoded-content-length", decoded_length.into());
            self.headers.append("content-encoding", HeaderValue::from_static("aws-chunked"));
        }
        if self.mode.has_trailer() {
            self.headers.insert("x-amz-trailer", HeaderValue::from_static(self.trailer.header()));
        }
        let (credentials, key) = (self.credentials(), self.key());
        let signing = HeaderSigning {
            method: &self.method,
            encoded_path: &self.path,
            encoded_query: &self.query,
            payload,
            now: self.now,
        };
        sign_headers(&signing, &mut self.headers, &credentials, &key).expect("a request that can be signed");
        let seed = self.signature(&key);
        let pieces = self.pieces(ChunkSigner::new(Arc::new(key), self.now.amz_date(), seed));
        Wire::new(&self.method, &self.target(), &self.headers, pieces)
    }

    /// The signature that its headers carry.
    fn signature(&self, key: &SigningKey) -> Signature {
        let received = Received {
            method: &self.method,
            authority: self.host,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
        };
        match Presented::parse(received) {
            Ok(Presented::Claim(claim)) => claim.verify(key).expect("the signature just made").signature,
            presented => panic!("{presented:?}"),
        }
    }

    /// Signs it in its query, with `host` alone.
    pub(crate) fn presign(self, expires_seconds: u32) -> Wire {
        let query: Vec<(&str, &str)> =
            self.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let input = PresignInput {
            method: &self.method,
            scheme: Scheme::Http,
            authority: self.host,
            path: &self.path,
            query: &query,
            headers: &[],
            expires_seconds,
            now: self.now,
        };
        let url = presign(&input, &self.credentials(), &self.key()).expect("a URL that can be signed");
        let target = url.expose().strip_prefix("http://").unwrap().strip_prefix(self.host).unwrap();
        let mut headers = self.headers.clone();
        headers.insert("host", HeaderValue::from_str(self.host).unwrap());
        Wire::new(&self.method, target, &headers, vec![self.body.to_vec()])
    }

    /// Signs nothing.
    pub(crate) fn anonymous(mut self) -> Wire {
        self.headers.insert("host", HeaderValue::from_static(HOST));
        Wire::new(&self.method, &self.target(), &self.headers, vec![self.body.to_vec()])
    }

    /// The body as it is sent: whole, or the chunks, the terminal chunk, and what ends the body.
    fn pieces(&self, mut signer: ChunkSigner) -> Vec<Vec<u8>> {
        if !self.mode.is_streaming() {
            return vec![self.body.to_vec()];
        }
        let is_signed = Mode::SIGNED.contains(&self.mode);
        let mut piece = |data: &[u8]| {
            let mut piece = format!("{:x}", data.len()).into_bytes();
            if is_signed {
                signer.update(data);
                piece.extend([b";chunk-signature=", signer.finish_chunk().expose().as_bytes()].concat());
            }
            piece.extend_from_slice(b"\r\n");
            piece.extend_from_slice(data);
            if !data.is_empty() {
                piece.extend_from_slice(b"\r\n");
            }
            piece
        };
        let mut pieces: Vec<Vec<u8>> = self.body.chunks(self.chunk_bytes).map(&mut piece).collect();
        pieces.push(piece(b""));
        pieces.push(self.ending(&signer).into_bytes());
        pieces
    }

    fn ending(&self, signer: &ChunkSigner) -> String {
        if !self.mode.has_trailer() {
            return "\r\n".to_owned();
        }
        let (name, value) = (self.trailer.header(), checksum(self.trailer, self.trailer_of));
        if self.mode == Mode::UnsignedTrailer {
            return format!("{name}:{value}\r\n\r\n");
        }
        let signature = signer.trailer(&format!("{name}:{value}\n"));
        format!("{name}:{value}\r\nx-amz-trailer-signature:{}\r\n\r\n", signature.expose())
    }
}

/// A checksum as its header carries it.
pub(crate) fn checksum(algorithm: ChecksumAlgorithm, body: &[u8]) -> String {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(body);
    hasher.finish().to_base64()
}

/// A signed request, to be sent as it is or spoilt first.
#[derive(Clone)]
pub(crate) struct Wire {
    /// The request line and the header lines, each with its line end, without the empty line.
    head: Vec<u8>,
    /// The body; an aws-chunked one in its chunks, the terminal chunk and what comes behind.
    pub(crate) pieces: Vec<Vec<u8>>,
}

impl Wire {
    fn new(method: &Method, target: &str, headers: &HeaderMap, pieces: Vec<Vec<u8>>) -> Self {
        let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in headers {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        let wire = Self { head, pieces };
        let bytes = wire.body().len();
        let says_length = bytes > 0 || matches!(*method, Method::PUT | Method::POST);
        if says_length { wire.line(&format!("content-length: {bytes}")) } else { wire }
    }

    /// Adds a header line that is not signed.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.head.extend([line.as_bytes(), b"\r\n"].concat());
        self
    }

    /// Replaces `from` in the head, where it must stand.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let head = String::from_utf8(self.head).expect("a head of UTF-8");
        assert!(head.contains(from), "{from} in {head}");
        self.head = head.replace(from, to).into_bytes();
        self
    }

    /// Takes the header lines called `name` out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        let head = String::from_utf8(self.head).expect("a head of UTF-8");
        let is_other = |line: &&str| line.split(':').next().is_some_and(|found| found != name);
        self.head = head.split_inclusive("\r\n").filter(is_other).collect::<String>().into_bytes();
        self
    }

    /// Announces another length than the body has.
    pub(crate) fn content_length(self, bytes: u64) -> Self {
        self.without("content-length").line(&format!("content-length: {bytes}"))
    }

    /// The same without saying how long its body is.
    pub(crate) fn in_chunks(self) -> Self {
        const CHUNK_BYTES: usize = 60_000;
        let body = self.body();
        let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        let pieces = body.chunks(CHUNK_BYTES).chain([b"".as_slice()]).map(chunk).collect();
        Self { pieces, ..self.without("content-length").line("transfer-encoding: chunked") }
    }

    /// The head as it is sent.
    pub(crate) fn head(&self) -> Vec<u8> {
        [self.head.as_slice(), b"\r\n"].concat()
    }

    /// The body as it is sent.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// Sends it on a connection of its own and takes the reply. A gateway that refuses may not read everything.
    pub(crate) async fn send(&self, gateway: &TestGateway) -> Reply {
        let mut raw = Raw::connect(gateway.s3()).await;
        raw.send(self.head()).await;
        raw.try_send(self.body()).await;
        raw.reply().await
    }

    /// The same for a request whose reply has no body, whatever its head says.
    pub(crate) async fn send_head(&self, gateway: &TestGateway) -> Reply {
        let mut raw = Raw::connect(gateway.s3()).await;
        raw.send(self.head()).await;
        raw.head().await
    }

    /// The status of the answer; what else it says is not looked at.
    pub(crate) async fn status(&self, gateway: &TestGateway) -> u16 {
        let mut raw = Raw::connect(gateway.s3()).await;
        raw.send(self.head()).await;
        raw.try_send(self.body()).await;
        let start = raw.bytes("HTTP/1.1 200".len()).await;
        String::from_utf8_lossy(&start[9..]).parse().expect("a status")
    }
}

impl Reply {
    /// The `<Code>` of S3's error document; of another reply nothing.
    pub(crate) fn s3_code(&self) -> &str {
        let after = self.body.split_once("<Code>").map_or("", |(_, after)| after);
        after.split_once("</Code>").map_or("", |(code, _)| code)
    }
}
