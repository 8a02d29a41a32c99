//! The body of a provider's reply, which holds what the reply holds at the provider.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Response, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

use super::{UpstreamError, arriving::Arriving, patience::Patience, sending::Sending};
use crate::backend::origin::Slot;

/// Whether nothing but a closed connection ends `reply`: cut short, it would look complete.
pub(super) fn ends_with_connection<B: Body>(reply: &Response<B>) -> bool {
    let is_framed_apart = reply.version() >= Version::HTTP_2;
    let codings = reply.headers().get_all(header::TRANSFER_ENCODING);
    let is_chunked = codings
        .iter()
        .next_back()
        .is_some_and(|last| last.as_bytes().to_ascii_lowercase().ends_with(b"chunked"));
    !is_framed_apart && !is_chunked && reply.body().size_hint().exact().is_none()
}

/// Pieces of a reply. It fails when the provider hangs up before the end, or sends nothing for too long. Dropped before
/// its end, it frees the connection; and a request that is still being sent when its reply ends is broken off.
pub struct ReplyStream {
    /// What was looked at already.
    front: Option<Bytes>,
    body: Arriving,
    stall: Duration,
    silence: Patience,
    request: Option<Arc<Sending>>,
    /// Counted as in flight until the reply has been read or dropped.
    slot: Option<Slot>,
}

impl ReplyStream {
    pub(super) fn new(body: Arriving, stall: Duration, request: Option<Arc<Sending>>) -> Self {
        Self { front: None, body, stall, silence: Patience::default(), request, slot: None }
    }

    /// The same, holding `slot` until its end.
    #[must_use]
    pub(in crate::backend) fn holding(mut self, slot: Slot) -> Self {
        self.slot = Some(slot);
        self
    }

    /// The same, with `front` before what was not read yet.
    #[must_use]
    pub(in crate::backend) fn put_back(mut self, front: Bytes) -> Self {
        self.front = Some(front).filter(|front| !front.is_empty());
        self
    }

    /// Reads it whole, at most `bytes_max`.
    pub async fn read(mut self, bytes_max: usize) -> Result<Bytes, UpstreamError> {
        let mut read = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let piece = frame?.into_data().unwrap_or_default();
            if read.len() + piece.len() > bytes_max {
                return Err(UpstreamError::TooLarge(bytes_max));
            }
            read.extend_from_slice(&piece);
        }
        Ok(read.freeze())
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.silence.restart();
                Poll::Ready(frame.map(|frame| frame.map_err(|error| UpstreamError::of_hyper(&error))))
            }
            Poll::Pending => {
                ready!(self.silence.poll(self.stall, context));
                Poll::Ready(Some(Err(UpstreamError::Timeout(self.stall))))
            }
        }
    }

    fn end(&mut self) {
        self.slot = None;
        if let Some(request) = self.request.take() {
            request.cut();
        }
    }
}

impl Body for ReplyStream {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if let Some(front) = self.front.take() {
            return Poll::Ready(Some(Ok(Frame::data(front))));
        }
        let frame = ready!(self.poll_body(context));
        if !matches!(frame, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let front = self.front.as_ref().map_or(0, Bytes::len) as u64;
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(front));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(front));
        }
        hint
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReplyStream").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
