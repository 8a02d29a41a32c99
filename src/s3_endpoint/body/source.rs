//! Where the bytes of a body come from: a client, which may be slow, but not too slow.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use wharf_wire::s3::ErrorCode;

use crate::{config::checked::ServerLimits, error::S3Error, request::body::Pace};

/// What a client sends, piece by piece.
pub(crate) struct Source {
    incoming: Incoming,
    pace: Pace,
    /// Was read, and is to be read again.
    unread: Bytes,
}

impl Source {
    /// The body of a request, no slower than `limits` allow.
    pub(crate) fn new(incoming: Incoming, limits: &ServerLimits) -> Self {
        Self { incoming, pace: Pace::streaming(limits), unread: Bytes::new() }
    }

    /// Puts `piece` back before the next one.
    pub(crate) fn unread(&mut self, piece: Bytes) {
        self.unread = piece;
    }

    /// The next piece; none at the end of the body.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, S3Error>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return self.pace.poll_overdue(context).map(|error| Some(Err(error.into()))),
        };
        Poll::Ready(frame.map(|frame| match frame {
            // Trailers of HTTP itself mean nothing here.
            Ok(frame) => {
                let piece = frame.into_data().unwrap_or_default();
                self.pace.received(piece.len());
                Ok(piece)
            }
            Err(error) => Err(S3Error::from(ErrorCode::IncompleteBody).cause(error.to_string())),
        }))
    }
}
