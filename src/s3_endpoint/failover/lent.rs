//! A body that comes back from a request of which nothing was sent, so that another store can have it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::backend::upstream::{SendBody, SendError};

/// The right to have it back.
pub(super) struct Loan(Lent);

/// The body meanwhile.
#[derive(Clone)]
struct Lent(Arc<Mutex<Lending>>);

struct Lending {
    body: SendBody,
    is_touched: bool,
}

/// Lends `body` to one request.
pub(super) fn lend(body: SendBody) -> (SendBody, Loan) {
    let lent = Lent(Arc::new(Mutex::new(Lending { body, is_touched: false })));
    // What is at hand stays so: a stream could not be sent again when only the clock was wrong.
    let again = lent.lending().body.again();
    (again.unwrap_or_else(|| SendBody::stream(lent.clone())), Loan(lent))
}

impl Loan {
    /// The body as it was, unless any of it was asked for.
    pub(super) fn back(self) -> Option<SendBody> {
        let mut lending = self.0.lending();
        (!lending.is_touched).then(|| std::mem::take(&mut lending.body))
    }
}

impl Lent {
    fn lending(&self) -> MutexGuard<'_, Lending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let mut lending = self.lending();
        lending.is_touched = true;
        Pin::new(&mut lending.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lending().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lending().body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn stream() -> SendBody {
        SendBody::stream(SendBody::from(Bytes::from_static(b"hello")))
    }

    #[tokio::test]
    async fn only_a_body_that_nobody_asked_for_comes_back() {
        let (lent, loan) = lend(stream());
        assert_eq!(lent.size_hint().exact(), Some(5));
        drop(lent);
        let mut body = loan.back().unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
        let (mut lent, loan) = lend(stream());
        lent.frame().await.unwrap().unwrap();
        assert!(loan.back().is_none());
    }

    #[test]
    fn what_is_at_hand_can_be_sent_again() {
        let (lent, loan) = lend(SendBody::from(Bytes::from_static(b"hello")));
        assert!(lent.again().is_some());
        drop(lent);
        assert_eq!(loan.back().unwrap().size_hint().exact(), Some(5));
    }
}
