//! The body of a provider's reply, which holds what the reply holds at the provider.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::UpstreamError;
use crate::backend::origin::Slot;

/// Pieces of a reply. It fails when the provider hangs up before the end, or sends nothing for too long; dropped before
/// its end, it frees the connection.
pub struct ReplyStream {
    body: Incoming,
    stall: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Counted as in flight until the reply has been read or dropped.
    slot: Option<Slot>,
}

impl ReplyStream {
    pub(super) fn new(body: Incoming, stall: Duration) -> Self {
        Self { body, stall, waiting: None, slot: None }
    }

    /// The same, holding `slot` until its end.
    #[must_use]
    pub(in crate::backend) fn holding(mut self, slot: Slot) -> Self {
        self.slot = Some(slot);
        self
    }
}

impl Body for ReplyStream {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.waiting = None;
                if frame.is_none() {
                    this.slot = None;
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|error| UpstreamError::of_body(&error))))
            }
            Poll::Pending => {
                let stall = this.stall;
                ready!(this.waiting.get_or_insert_with(|| Box::pin(sleep(stall))).as_mut().poll(context));
                Poll::Ready(Some(Err(UpstreamError::Timeout(stall))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReplyStream").field("size_hint", &self.body.size_hint()).finish_non_exhaustive()
    }
}
