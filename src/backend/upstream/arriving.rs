//! The body of a reply while it comes in, and what becomes of its connection.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::pool::Lent;

/// What comes of a reply. Over HTTP/1.1 whoever reads it drives its connection, which goes back to the pool with the last
/// byte, and is closed if the reply is dropped before. HTTP/2 drives itself.
pub(super) struct Arriving {
    body: Incoming,
    /// As long as it is needed for the rest of the reply, or of the request.
    lent: Option<Box<Lent>>,
    /// What broke it off, and is still to be told.
    broken: Option<hyper::Error>,
}

impl Arriving {
    /// A reply whose head came over `lent`. A small body comes together with its head, and hyper holds it then.
    pub(super) fn over(lent: Lent, body: Incoming) -> Self {
        if lent.is_idle() {
            lent.give_back();
            return Self::from(body);
        }
        Self { body, lent: Some(Box::new(lent)), broken: None }
    }

    fn give_back_if_idle(&mut self) {
        if let Some(lent) = self.lent.take_if(|lent| lent.is_idle()) {
            lent.give_back();
        }
    }
}

impl From<Incoming> for Arriving {
    fn from(body: Incoming) -> Self {
        Self { body, lent: None, broken: None }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        if let Some(lent) = &mut self.lent {
            lent.drive(context);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.give_back_if_idle();
        if let Some(Err(broken)) = frame {
            // Not at once: whoever passes the reply on drops what it has not written yet when it is told of an error.
            self.broken = Some(broken);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
