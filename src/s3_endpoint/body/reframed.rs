//! An upload whose checksum follows it to the provider, as it followed it here: the only way to pass on what is not known
//! when the headers leave.
//!
//! The body is framed anew, in chunks without signatures. Its end, with the checksum in it, is made when the upload has
//! been verified; until then the provider has an incomplete body, as with any other upload.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    chunked::{EncodeError, Encoder},
    s3::ErrorCode,
};

use super::upload::Upload;
use crate::{backend::upstream::SendError, error::S3Error};

/// The upload in its new framing.
pub(super) struct Reframed {
    upload: Upload,
    /// There until the end has been made.
    encoder: Option<Encoder>,
    /// Verified as far as it can be, and not yet framed.
    payload: Bytes,
    unsent: u64,
}

impl Reframed {
    /// `upload` has `bytes` of payload, and ends with a checksum of this kind.
    pub(super) fn new(upload: Upload, bytes: u64, trailer: ChecksumAlgorithm) -> Self {
        let encoder = Encoder::new(bytes, trailer);
        let unsent = encoder.encoded_length();
        Self { upload, encoder: Some(encoder), payload: Bytes::new(), unsent }
    }

    /// Reads an upload of no payload to its verified end, and frames it.
    pub(super) async fn verify_empty(mut self) -> Result<Bytes, S3Error> {
        let framed = std::future::poll_fn(|context| self.poll_piece(context)).await;
        framed.unwrap_or_else(|| Err(ErrorCode::InternalError.into()))
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            match encoder.encode(&mut self.payload) {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(unframed(error)))),
            }
            match ready!(self.upload.poll_piece(context)) {
                Some(Ok(payload)) => self.payload = payload,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.end()),
            }
        }
    }

    /// What follows the payload, now that all of it has been verified.
    fn end(&mut self) -> Option<Result<Bytes, S3Error>> {
        let encoder = self.encoder.take()?;
        Some(match self.upload.trailer() {
            Some(checksum) => encoder.finish(checksum).map_err(unframed),
            None => Err(unframed(EncodeError::Checksum)),
        })
    }
}

/// The upload was verified to be what had been announced, so this does not happen.
fn unframed(error: EncodeError) -> S3Error {
    S3Error::from(ErrorCode::InternalError).cause(error.to_string())
}

impl Body for Reframed {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let this = self.get_mut();
        let piece = ready!(this.poll_piece(context));
        if let Some(Ok(piece)) = &piece {
            this.unsent = this.unsent.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(SendError::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.unsent)
    }
}
