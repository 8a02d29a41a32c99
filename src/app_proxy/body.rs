//! A request's body on its way to the app: as it comes, no faster than the app takes it, no slower than the limits allow.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;

use crate::{
    backend::upstream::SendError,
    config::checked::ServerLimits,
    error::{Code, Error},
    request::body::Pace,
};

/// What the client sends, data and trailers.
pub(super) struct Passed {
    incoming: Incoming,
    pace: Pace,
}

/// Why it broke off, with what the client is told.
#[derive(Debug, Error)]
#[error("{}", .0.message)]
pub(super) struct Broken(pub(super) Error);

impl Passed {
    pub(super) fn new(incoming: Incoming, limits: &ServerLimits) -> Self {
        Self { incoming, pace: Pace::streaming(limits) }
    }
}

impl Body for Passed {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.received(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(SendError::new(Broken(cut(&error)))))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                this.pace.poll_overdue(context).map(|late| Some(Err(SendError::new(Broken(late)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn cut(error: &hyper::Error) -> Error {
    Error::new(Code::InvalidRequest, "The body ended before it was complete, or its framing is broken.")
        .cause(error.to_string())
}
