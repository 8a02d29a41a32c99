//! The body of an upload on its way to the provider: decoded, counted, verified, and never complete before it is proven.
//!
//! ```text
//! client ── pace ── aws-chunked? decode ── count ── digests ── hold-back ──▶ provider
//! ```
//!
//! The provider is told the length of the payload. Its last byte leaves only when everything that could still be
//! wrong has been verified; an error before that cuts the provider's connection, so that no store ever has the whole
//! of a bad object. Where nothing follows the payload (no chunks), the piece that completes it is verified at once and
//! leaves in one go.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use wharf_wire::{chunked, s3::ErrorCode};

use super::checks::Checks;
use crate::{backend::upstream::SendError, error::S3Error, request::body::Pace};

/// A body that is verified while it is read.
pub(crate) struct Upload {
    incoming: Incoming,
    pace: Pace,
    /// Takes aws-chunked framing off, where there is any.
    decoder: Option<chunked::Decoder>,
    /// Received, not yet decoded.
    undecoded: Bytes,
    checks: Checks,
    /// Bytes of payload that are still to come.
    missing: u64,
    /// Bytes of payload that have not been handed over.
    unsent: u64,
    /// The payload's last byte, until everything behind it has been verified.
    held: Bytes,
    is_verified: bool,
}

impl Upload {
    /// `bytes` of payload out of `incoming`.
    pub(crate) fn new(incoming: Incoming, bytes: u64, checks: Checks, pace: Pace) -> Self {
        Self {
            incoming,
            pace,
            decoder: None,
            undecoded: Bytes::new(),
            checks,
            missing: bytes,
            unsent: bytes,
            held: Bytes::new(),
            is_verified: false,
        }
    }

    /// The same, with aws-chunked framing to take off.
    pub(crate) fn chunked(mut self, decoder: chunked::Decoder) -> Self {
        self.decoder = Some(decoder);
        self
    }

    /// Reads a body of no payload to its end, so that it is verified before anything is sent anywhere.
    pub(crate) async fn verify_empty(mut self) -> Result<(), S3Error> {
        self.piece().await.map_or(Ok(()), |piece| piece.map(drop))
    }

    /// The next piece of payload that may leave; none at the verified end.
    pub(crate) async fn piece(&mut self) -> Option<Result<Bytes, S3Error>> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        loop {
            if self.is_verified {
                let held = std::mem::take(&mut self.held);
                return Poll::Ready((!held.is_empty()).then_some(Ok(held)));
            }
            let step = match self.decode() {
                Ok(Some(payload)) => self.take(payload),
                Ok(None) => ready!(self.poll_receive(context)),
                Err(error) => Err(error),
            };
            match step {
                Ok(piece) if piece.is_empty() => {}
                step => return Poll::Ready(Some(step)),
            }
        }
    }

    /// Payload out of what has been received.
    fn decode(&mut self) -> Result<Option<Bytes>, S3Error> {
        match &mut self.decoder {
            Some(decoder) => decoder.decode(&mut self.undecoded).map_err(S3Error::from),
            None if self.undecoded.is_empty() => Ok(None),
            None => Ok(Some(std::mem::take(&mut self.undecoded))),
        }
    }

    /// Waits for more, and at the end verifies the whole. Nothing of it may leave yet.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, S3Error>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return self.pace.poll_overdue(context).map(|error| Err(error.into())),
        };
        let outcome = match frame {
            // Trailers of HTTP itself mean nothing here.
            Some(Ok(frame)) => {
                self.undecoded = frame.into_data().unwrap_or_default();
                self.pace.received(self.undecoded.len());
                Ok(())
            }
            Some(Err(error)) => Err(incomplete().cause(error.to_string())),
            None => self.finish(),
        };
        Poll::Ready(outcome.map(|()| Bytes::new()))
    }

    /// Counts and digests a piece of payload, and gives what of it may leave.
    fn take(&mut self, mut payload: Bytes) -> Result<Bytes, S3Error> {
        let bytes = payload.len() as u64;
        let Some(missing) = self.missing.checked_sub(bytes) else {
            return Err(S3Error::new(ErrorCode::InvalidRequest, "The body is longer than it was declared."));
        };
        self.checks.update(&payload);
        self.missing = missing;
        if missing == 0 && bytes > 0 {
            if self.decoder.is_some() {
                // A copy: a slice would keep the whole piece in memory.
                self.held = Bytes::copy_from_slice(&payload.split_off(payload.len() - 1));
            } else {
                self.finish()?;
            }
        }
        Ok(payload)
    }

    /// The end of the body: whatever was not proven until now is proven here.
    fn finish(&mut self) -> Result<(), S3Error> {
        if self.missing > 0 {
            return Err(incomplete());
        }
        let trailer = match self.decoder.take() {
            Some(decoder) => decoder.finish()?,
            None => None,
        };
        self.checks.finish(trailer.as_ref())?;
        self.is_verified = true;
        Ok(())
    }
}

fn incomplete() -> S3Error {
    ErrorCode::IncompleteBody.into()
}

impl Body for Upload {
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
        self.is_verified && self.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.unsent)
    }
}
