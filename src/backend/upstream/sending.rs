//! A body while it is sent: who is to move, and whether all of it came.
//!
//! ```text
//!            piece asked for        piece handed over                last byte handed over
//!  Provider ────────────────▶ Body ──────────────────▶ Provider … ────────────────────────▶ Sent
//!  stall                      (its maker's timeouts)                                        first byte
//! ```
//!
//! The body is polled where its connection is driven (over HTTP/2 by a task of hyper's), and the reply is awaited by the
//! request: they share one [`Sending`].

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::Instant;

use super::{SendBody, SendError};
use crate::clock;

/// Shared by a body that streams and by who waits for the reply.
#[derive(Debug)]
pub(super) struct Sending(Mutex<State>);

#[derive(Debug)]
struct State {
    turn: Turn,
    since: Instant,
    /// Whom to wake when the body is cut.
    connection: Option<Waker>,
    failure: Option<SendError>,
}

/// Who is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The provider: it has not asked for the next piece yet.
    Provider,
    /// The body: its next piece is not there yet.
    Body,
    /// The provider: it has everything and owes its reply.
    Sent,
    /// Nobody: the rest is not wanted.
    Cut,
}

/// A stream that does not keep to the length that was announced, or that nobody wants any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Broken {
    #[error("the body ended before its length")]
    Short,
    #[error("the body is longer than its length")]
    Long,
    #[error("the provider answered before the end of the body")]
    Unwanted,
    #[error("the provider hung up while it waited for the body")]
    Awaited,
}

impl Sending {
    fn new() -> Self {
        Self(Mutex::new(State {
            turn: Turn::Provider,
            since: clock::instant(),
            connection: None,
            failure: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is to move, and since when.
    pub(super) fn turn(&self) -> (Turn, Instant) {
        let state = self.state();
        (state.turn, state.since)
    }

    /// Why the body broke off, if it did.
    pub(super) fn failure(&self) -> Option<SendError> {
        self.state().failure.clone()
    }

    /// What it is when the provider does not wait for the body any longer.
    pub(super) fn awaited() -> SendError {
        SendError::new(Broken::Awaited)
    }

    /// Breaks the request off, unless all of it was sent.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        if state.turn == Turn::Sent {
            return;
        }
        state.turn = Turn::Cut;
        let connection = state.connection.take();
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Notes whose turn it is. Fails when the body was cut.
    fn pass_to(&self, turn: Turn) -> Result<(), SendError> {
        let mut state = self.state();
        if state.turn == Turn::Cut {
            return Err(SendError::new(Broken::Unwanted));
        }
        if state.turn != turn || turn == Turn::Provider {
            state.turn = turn;
            state.since = clock::instant();
        }
        Ok(())
    }

    fn wake_when_cut(&self, connection: &Waker) {
        let mut state = self.state();
        if !state.connection.as_ref().is_some_and(|waker| waker.will_wake(connection)) {
            state.connection = Some(connection.clone());
        }
    }

    fn fail(&self, error: &SendError) {
        self.state().failure = Some(error.clone());
    }
}

/// What the client sends: a body, watched where it streams.
#[derive(Debug)]
pub(super) struct Tracked {
    body: SendBody,
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    sending: Arc<Sending>,
    /// Bytes that are still owed, where the body said how many it has.
    left: Option<u64>,
}

impl Tracked {
    pub(super) fn new(body: SendBody) -> Self {
        let watch = match &body {
            SendBody::Empty | SendBody::Whole(_) => None,
            SendBody::Held(..) if body.is_end_stream() => None,
            SendBody::Stream(_) | SendBody::Held(..) => {
                Some(Watch { sending: Arc::new(Sending::new()), left: body.size_hint().exact() })
            }
        };
        Self { body, watch }
    }

    /// Whether it may be sent at all, as far as that is known before.
    pub(super) fn check(&self) -> Result<(), SendError> {
        self.body.check()
    }

    pub(super) fn sending(&self) -> Option<Arc<Sending>> {
        self.watch.as_ref().map(|watch| Arc::clone(&watch.sending))
    }
}

type Piece = Option<Result<Frame<Bytes>, SendError>>;

impl Watch {
    fn poll(&mut self, body: &mut SendBody, context: &mut Context<'_>) -> Poll<Piece> {
        if let Err(cut) = self.sending.pass_to(Turn::Body) {
            return Poll::Ready(Some(Err(cut)));
        }
        // Before the body is polled: it may be cut from another thread while it is.
        self.sending.wake_when_cut(context.waker());
        match Pin::new(body).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(piece) => Poll::Ready(self.check(piece)),
        }
    }

    /// A connection that was told a length passes on a longer body cut, and over HTTP/2 a shorter one as complete.
    fn check(&mut self, piece: Piece) -> Piece {
        let outcome = match piece {
            // Where no length was known, only now it is clear that everything was sent.
            None if self.left.is_none_or(|left| left == 0) => {
                return self.sending.pass_to(Turn::Sent).err().map(Err);
            }
            None => Err(SendError::new(Broken::Short)),
            Some(Err(error)) => Err(error),
            Some(Ok(frame)) => self.count(frame),
        };
        let turn = if self.left == Some(0) { Turn::Sent } else { Turn::Provider };
        let outcome = outcome.and_then(|frame| self.sending.pass_to(turn).map(|()| frame));
        Some(outcome.inspect_err(|error| self.sending.fail(error)))
    }

    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, SendError> {
        if let Some(left) = &mut self.left {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            *left = left.checked_sub(bytes).ok_or_else(|| SendError::new(Broken::Long))?;
        }
        Ok(frame)
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Piece> {
        let Self { body, watch } = &mut *self;
        match watch {
            Some(watch) => watch.poll(body, context),
            None => Pin::new(body).poll_frame(context),
        }
    }

    /// A stream that was not read to its end is not trusted to know that it has ended.
    fn is_end_stream(&self) -> bool {
        self.watch.as_ref().map_or_else(|| self.body.is_end_stream(), |watch| watch.left == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.watch.as_ref().and_then(|watch| watch.left);
        left.map_or_else(|| self.body.size_hint(), SizeHint::with_exact)
    }
}
