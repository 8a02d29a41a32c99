//! The bodies of requests: an object's streams through [`Upload`], a document is read whole within its bound.

mod checks;
mod file_parts;
mod reframed;
mod room;
mod source;
mod upload;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use hyper::body::Incoming;
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    chunked::{Decoder, Rules},
    form::FileReader,
    s3::{Body, ErrorCode},
    sigv4::{ChunkSigner, PayloadMode},
};

pub(super) use {
    file_parts::{FilePart, FileParts},
    room::Room,
    source::Source,
    upload::not_last,
};

use checks::Checks;
use reframed::Reframed;
use upload::{Framing, Upload};

use crate::{
    backend::{Payload, upstream::SendBody},
    error::S3Error,
    mirror::tee::{Fork, Teeing},
    request::authenticate::Proof,
};

use super::{accept, forward::Handling};

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// A body that goes to the provider.
pub(super) struct Sent {
    /// What is signed of it.
    pub(super) payload: Payload,
    /// Its bytes.
    pub(super) body: SendBody,
}

/// Makes an upload's body, and adds to `headers` what its framing needs. Nothing has been read of it, unless it is empty,
/// and then it has been verified. The mirrors of `teeing` will get what the provider gets.
pub(super) async fn upload(
    handling: &Handling<'_>,
    headers: &mut HeaderMap,
    incoming: Incoming,
    teeing: Option<&mut Teeing<'_>>,
) -> Result<Sent, S3Error> {
    let call = handling.call;
    let mode = call.proof.map_or(PayloadMode::Unsigned, |proof| proof.verified.payload);
    let mut checks = Checks::of_headers(call.headers)?;
    let bytes = length(call.headers, mode)?;
    accept::check_bytes(&handling.place, bytes)?;
    let mut payload = Payload::Unsigned;
    if let PayloadMode::Sha256(digest) = mode {
        checks.content_sha256(digest.into());
        payload = Payload::Sha256(digest);
    }
    let framing = match call.proof {
        Some(proof) if mode.is_streaming() => {
            Framing::Chunked(Box::new(decoder(proof, call.headers, bytes, &mut checks)?))
        }
        Some(_) | None => Framing::None,
    };
    let upload = Upload::new(Source::new(incoming, handling.limits()), bytes, checks).framed(framing);
    let upload = upload.forked(fork(teeing, bytes));
    if let Some(trailer) = passed_trailer(handling, mode)? {
        announce(trailer, bytes, headers);
        return reframed(Reframed::new(upload, bytes, trailer), bytes).await;
    }
    sent(upload, bytes, payload).await
}

/// Makes an upload's body of a form's file, which has `bytes` if the form ends behind it.
pub(super) async fn file(
    handling: &Handling<'_>,
    source: Source,
    (reader, bytes): (FileReader, u64),
    teeing: Option<&mut Teeing<'_>>,
) -> Result<Sent, S3Error> {
    accept::check_bytes(&handling.place, bytes)?;
    let checks = Checks::of_headers(handling.call.headers)?;
    let upload = Upload::new(source, bytes, checks).framed(Framing::Form(reader));
    sent(upload.forked(fork(teeing, bytes)), bytes, Payload::Unsigned).await
}

fn fork(teeing: Option<&mut Teeing<'_>>, bytes: u64) -> Fork {
    teeing.map_or_else(Fork::default, |teeing| teeing.fork(bytes))
}

async fn sent(upload: Upload, bytes: u64, payload: Payload) -> Result<Sent, S3Error> {
    if bytes == 0 {
        // On the heap, as it is rare: every request would have to have room for it.
        Box::pin(upload.verify_empty()).await?;
        return Ok(Sent { payload, body: SendBody::Empty });
    }
    Ok(Sent { payload, body: SendBody::stream(upload) })
}

async fn reframed(upload: Reframed, bytes: u64) -> Result<Sent, S3Error> {
    let body = match bytes {
        0 => SendBody::from(Box::pin(upload.verify_empty()).await?),
        _ => SendBody::stream(upload),
    };
    Ok(Sent { payload: Payload::UnsignedTrailer, body })
}

/// The checksum that follows the body here, and to the provider as well if it takes such. Else it is verified and dropped:
/// as a header it would have to be known before the body is.
fn passed_trailer(handling: &Handling<'_>, mode: PayloadMode) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let is_passed = mode.has_trailer() && handling.place.origin.account().takes_trailers();
    if is_passed { trailer(handling.call.headers) } else { Ok(None) }
}

/// Says that `bytes` of payload come in chunks with a trailer.
fn announce(trailer: ChecksumAlgorithm, bytes: u64, headers: &mut HeaderMap) {
    headers.insert(TRAILER, HeaderValue::from_static(trailer.header()));
    headers.insert(DECODED_LENGTH, bytes.into());
    let stored = headers.get(header::CONTENT_ENCODING).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let separator = if stored.is_empty() { "" } else { "," };
    let coding = [b"aws-chunked", separator.as_bytes(), stored].concat();
    if let Ok(coding) = HeaderValue::from_bytes(&coding) {
        headers.insert(header::CONTENT_ENCODING, coding);
    }
}

/// Reads the document of an operation that has one, and verifies it: nothing of it is believed before that.
pub(super) async fn document(handling: &Handling<'_>, incoming: Incoming) -> Result<Bytes, S3Error> {
    let call = handling.call;
    let bytes_max = match handling.operation().body() {
        Body::Xml { bytes_max, .. } | Body::Json { bytes_max } => bytes_max,
        Body::None | Body::Object | Body::Form => 0,
    };
    let mut checks = Checks::of_headers(call.headers)?;
    match call.proof.map(|proof| proof.verified.payload) {
        Some(PayloadMode::Sha256(digest)) => checks.content_sha256(digest.into()),
        Some(PayloadMode::Unsigned) | None => {}
        Some(
            PayloadMode::StreamingSigned
            | PayloadMode::StreamingSignedTrailer
            | PayloadMode::StreamingUnsignedTrailer,
        ) => return Err(not_streamed()),
    }
    let bytes = length(call.headers, PayloadMode::Unsigned)?;
    if bytes > bytes_max as u64 {
        let message = format!("The body of this request has at most {bytes_max} bytes.");
        return Err(S3Error::new(ErrorCode::MaxMessageLengthExceeded, message));
    }
    let held = usize::try_from(bytes).unwrap_or(bytes_max);
    let place = handling.endpoint.documents.take(held, handling.limits().documents_bytes_max)?;
    let mut upload = Upload::new(Source::new(incoming, handling.limits()), bytes, checks);
    let mut read = BytesMut::new();
    while let Some(piece) = upload.piece().await {
        read.extend_from_slice(&piece?);
    }
    Ok(place.holding(read.freeze()))
}

/// Streaming payloads belong to uploads alone; elsewhere nobody would take the framing off.
pub(super) fn not_streamed() -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest, "This operation takes no STREAMING payload.")
}

/// Bytes of the payload, without framing.
fn length(headers: &HeaderMap, mode: PayloadMode) -> Result<u64, S3Error> {
    let name = if mode.is_streaming() { DECODED_LENGTH } else { header::CONTENT_LENGTH };
    declared_length(headers, &name)
}

/// A length that the header `name` declares.
pub(super) fn declared_length(headers: &HeaderMap, name: &HeaderName) -> Result<u64, S3Error> {
    let Some(value) = headers.get(name) else {
        return Err(S3Error::new(ErrorCode::MissingContentLength, format!("The header {name} is missing.")));
    };
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let number = value.to_str().ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    number.ok_or_else(|| S3Error::new(ErrorCode::InvalidArgument, format!("{name} is no number of bytes.")))
}

/// What takes the framing off, by what the verified headers say of it.
fn decoder(
    proof: &Proof,
    headers: &HeaderMap,
    decoded_length: u64,
    checks: &mut Checks,
) -> Result<Decoder, S3Error> {
    let verified = &proof.verified;
    let (is_signed, has_trailer) = match verified.payload {
        PayloadMode::StreamingSigned => (true, false),
        PayloadMode::StreamingSignedTrailer => (true, true),
        PayloadMode::StreamingUnsignedTrailer => (false, true),
        PayloadMode::Sha256(_) | PayloadMode::Unsigned => return Err(not_streamed()),
    };
    let trailer = if has_trailer { trailer(headers)? } else { None };
    if let Some(algorithm) = trailer {
        checks.trailing(algorithm)?;
    }
    let signer =
        is_signed.then(|| ChunkSigner::new(proof.key.clone(), verified.date, verified.signature.clone()));
    Ok(Decoder::new(Rules { decoded_length, signer, trailer }))
}

/// The checksum that `x-amz-trailer` announces; S3 knows no other trailers.
fn trailer(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(name) = headers.get(TRAILER) else { return Ok(None) };
    let algorithm = name.to_str().ok().map(|name| name.trim().to_ascii_lowercase());
    let algorithm = algorithm.and_then(|name| ChecksumAlgorithm::from_header(&name));
    algorithm.map(Some).ok_or_else(|| {
        S3Error::new(ErrorCode::InvalidRequest, "x-amz-trailer names one x-amz-checksum- header.")
    })
}
