//! The body of an upload on its way to the provider: decoded, counted, verified, and never complete before it is proven.
//!
//! ```text
//! client ── pace ── aws-chunked or form? unwrap ── count ── digests ── hold-back ──▶ provider
//! ```
//!
//! The provider is told the length of the payload. Its last byte leaves only when everything that could still be
//! wrong has been verified; an error before that cuts the provider's connection, so that no store ever has the whole
//! of a bad object. Where nothing follows the payload (no framing), the piece that completes it is verified at once and
//! leaves in one go.
//!
//! What may leave also goes to the mirrors that are sent it at the same time, through a [`Fork`].

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use wharf_wire::{checksum::Checksum, chunked, form::FileReader, s3::ErrorCode};

use super::{checks::Checks, source::Source};
use crate::{backend::upstream::SendError, error::S3Error, mirror::tee::Fork};

/// What stands around the payload, and takes it out.
#[derive(Default)]
pub(crate) enum Framing {
    /// Nothing.
    #[default]
    None,
    /// The chunks of aws-chunked.
    Chunked(Box<chunked::Decoder>),
    /// The rest of a form.
    Form(FileReader),
}

/// A body that is verified while it is read.
pub(crate) struct Upload {
    source: Source,
    framing: Framing,
    /// Received, not yet unwrapped.
    wrapped: Bytes,
    checks: Checks,
    /// Bytes of payload that are still to come.
    missing: u64,
    /// Bytes of payload that have not been handed over.
    unsent: u64,
    /// The payload's last byte, until everything behind it has been verified.
    held: Bytes,
    /// The checksum that came behind the body.
    trailer: Option<Checksum>,
    is_verified: bool,
    /// Where the payload goes besides.
    fork: Fork,
}

impl Upload {
    /// `bytes` of payload out of `source`.
    pub(crate) fn new(source: Source, bytes: u64, checks: Checks) -> Self {
        Self {
            source,
            framing: Framing::None,
            wrapped: Bytes::new(),
            checks,
            missing: bytes,
            unsent: bytes,
            held: Bytes::new(),
            trailer: None,
            is_verified: false,
            fork: Fork::default(),
        }
    }

    /// The same, with framing to take off.
    pub(crate) fn framed(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// The same, with mirrors that get the payload, too.
    pub(crate) fn forked(self, fork: Fork) -> Self {
        Self { fork, ..self }
    }

    /// Reads a body of no payload to its end, so that it is verified before anything is sent anywhere.
    pub(crate) async fn verify_empty(mut self) -> Result<(), S3Error> {
        self.piece().await.map_or(Ok(()), |piece| piece.map(drop))
    }

    /// The next piece of payload that may leave; none at the verified end.
    pub(crate) async fn piece(&mut self) -> Option<Result<Bytes, S3Error>> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    /// The checksum that came behind the body, once that has been verified.
    pub(super) fn trailer(&self) -> Option<&Checksum> {
        self.trailer.as_ref().filter(|_| self.is_verified)
    }

    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        let piece = ready!(self.poll_verified(context));
        match &piece {
            Some(Ok(piece)) => self.fork.feed(piece),
            // Breaks the mirrors' requests off.
            Some(Err(_)) => self.fork = Fork::default(),
            None => {}
        }
        Poll::Ready(piece)
    }

    fn poll_verified(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        loop {
            if self.is_verified {
                let held = std::mem::take(&mut self.held);
                return Poll::Ready((!held.is_empty()).then_some(Ok(held)));
            }
            let step = match self.unwrap_payload() {
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
    fn unwrap_payload(&mut self) -> Result<Option<Bytes>, S3Error> {
        match &mut self.framing {
            Framing::Chunked(decoder) => Ok(decoder.decode(&mut self.wrapped)?),
            Framing::Form(reader) => Ok(reader.next(&mut self.wrapped)?),
            Framing::None if self.wrapped.is_empty() => Ok(None),
            Framing::None => Ok(Some(std::mem::take(&mut self.wrapped))),
        }
    }

    /// Waits for more, and at the end verifies the whole. Nothing of it may leave yet.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, S3Error>> {
        let outcome = match ready!(self.source.poll_next(context)) {
            Some(Ok(piece)) => {
                self.wrapped = piece;
                Ok(())
            }
            Some(Err(error)) => Err(error),
            None => self.finish(),
        };
        Poll::Ready(outcome.map(|()| Bytes::new()))
    }

    /// Counts and digests a piece of payload, and gives what of it may leave.
    fn take(&mut self, mut payload: Bytes) -> Result<Bytes, S3Error> {
        let bytes = payload.len() as u64;
        let Some(missing) = self.missing.checked_sub(bytes) else {
            return Err(self.framing.longer());
        };
        self.checks.update(&payload);
        self.missing = missing;
        if missing == 0 && bytes > 0 {
            if matches!(self.framing, Framing::None) {
                self.finish()?;
            } else {
                // A copy: a slice would keep the whole piece in memory.
                self.held = Bytes::copy_from_slice(&payload.split_off(payload.len() - 1));
            }
        }
        Ok(payload)
    }

    /// The end of the body: whatever was not proven until now is proven here.
    fn finish(&mut self) -> Result<(), S3Error> {
        let is_short = self.missing > 0;
        self.trailer = match std::mem::take(&mut self.framing) {
            Framing::Form(reader) => {
                reader.finish()?;
                if is_short {
                    return Err(not_last());
                }
                None
            }
            Framing::None | Framing::Chunked(_) if is_short => return Err(ErrorCode::IncompleteBody.into()),
            Framing::Chunked(decoder) => decoder.finish()?,
            Framing::None => None,
        };
        self.checks.finish(self.trailer.as_ref())?;
        self.is_verified = true;
        Ok(())
    }
}

impl Framing {
    /// More payload came than there should be.
    fn longer(&self) -> S3Error {
        match self {
            Self::Form(_) => not_last(),
            Self::None | Self::Chunked(_) => {
                S3Error::new(ErrorCode::InvalidRequest, "The body is longer than it was declared.")
            }
        }
    }
}

/// How long a form's file is was told from the length of the form.
pub(crate) fn not_last() -> S3Error {
    S3Error::new(
        ErrorCode::MalformedPOSTRequest,
        "The form does not end right behind its file, and nothing was stored. Make `file` the last field, without a submit \
         button that has a name, and end the form with its boundary, `--` and a line end (CRLF).",
    )
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
