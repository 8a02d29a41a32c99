//! A reply that begins before its work is done: 200 at once, white space while it lasts, and in the end what came of it.
//!
//! Clients and the proxies between give up a connection on which nothing comes. S3 itself answers a long copy so, and
//! its clients look for an `Error` below the 200.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Interval, interval_at};
use wharf_wire::xml::DECLARATION;

use crate::clock;

/// Less than any client or proxy waits for.
const PULSE: Duration = Duration::from_secs(5);

/// Work whose outcome is a document. It goes on only while its reply is sent: dropped with a client that leaves, it stops.
type Work = Pin<Box<dyn Future<Output = String> + Send>>;

/// The body of such a reply.
pub struct Working {
    /// `None` when it is done.
    work: Option<Work>,
    is_declared: bool,
    pulse: Interval,
}

impl Working {
    pub(super) fn new(work: impl Future<Output = String> + Send + 'static) -> Self {
        Self::with_pulse(work, PULSE)
    }

    fn with_pulse(work: impl Future<Output = String> + Send + 'static, pulse: Duration) -> Self {
        let pulse = interval_at(clock::instant() + pulse, pulse);
        Self { work: Some(Box::pin(work)), is_declared: false, pulse }
    }

    pub(in super::super) fn is_finished(&self) -> bool {
        self.work.is_none()
    }

    pub(in super::super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.is_declared {
            self.is_declared = true;
            return Poll::Ready(Some(Bytes::from_static(DECLARATION.as_bytes())));
        }
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        if let Poll::Ready(document) = work.as_mut().poll(context) {
            self.work = None;
            let root = document.strip_prefix(DECLARATION).unwrap_or(&document);
            return Poll::Ready(Some(Bytes::copy_from_slice(root.as_bytes())));
        }
        ready!(self.pulse.poll_tick(context));
        Poll::Ready(Some(Bytes::from_static(b" ")))
    }
}

impl fmt::Debug for Working {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Working").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::oneshot;
    use wharf_wire::xml::read_error;

    use super::*;

    async fn piece(working: &mut Working) -> Option<Bytes> {
        poll_fn(|context| working.poll_piece(context)).await
    }

    #[tokio::test]
    async fn white_space_comes_until_the_work_is_done() {
        let (done, outcome) = oneshot::channel::<String>();
        let work = async { outcome.await.unwrap() };
        let mut working = Working::with_pulse(work, Duration::from_millis(1));
        let mut document = piece(&mut working).await.unwrap().to_vec();
        for _ in 0..3 {
            let pulse = piece(&mut working).await.unwrap();
            assert_eq!(pulse, " ");
            document.extend(pulse);
        }
        done.send([DECLARATION, "<Error><Code>InternalError</Code></Error>"].concat()).unwrap();
        assert!(!working.is_finished());
        while let Some(piece) = piece(&mut working).await {
            document.extend(piece);
        }
        assert!(working.is_finished());
        assert_eq!(read_error(&document).unwrap().code, "InternalError");
        assert!(document.starts_with(b"<?xml "), "white space before a declaration is no XML");
    }

    #[tokio::test]
    async fn work_stops_with_its_reply() {
        let (held, mut stopped) = oneshot::channel::<()>();
        let mut working = Working::new(async move {
            let _held = held;
            std::future::pending::<String>().await
        });
        piece(&mut working).await;
        drop(working);
        assert!(stopped.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    }
}
