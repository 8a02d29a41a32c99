//! HTTP/2 streams: each is a task of the drain, and waits for its client only so long.
//!
//! A stream whose client opens no window would wait for ever, and no write of the connection is stuck meanwhile. A limit
//! on the whole stream would cut large objects off. So the client's silence is limited, and its slowness: from the moment
//! at which a piece of the reply is at hand until the client has room for the next. Every other wait has a limit of its own: the request's
//! body has its pace, and a provider its timeouts.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    body::{Body, Frame, SizeHint},
    rt::Executor,
};
use pin_project_lite::pin_project;
use tokio::{
    task_local,
    time::{Instant, Sleep, sleep_until},
};

use super::{Drain, activity, allowance::Allowance};
use crate::{clock, config::checked::ServerLimits};

/// What a client is handed at a time, as much as a frame has. Of a larger piece it could take some and never be seen to.
const PIECE_BYTES_MAX: usize = 16 * 1024;

task_local! {
    /// The client of the stream that the current task serves.
    static CLIENT: Cell<Client>;
}

/// How a stream's client takes its reply.
#[derive(Debug, Clone, Copy)]
struct Client {
    /// Since when it is waited for, if it is, with how many bytes.
    waited_for: Option<(Instant, usize)>,
    allowance: Allowance,
}

impl Client {
    fn begin_wait(mut self, bytes: usize) -> Self {
        self.waited_for = Some((clock::instant(), bytes));
        self
    }

    fn end_wait(mut self) -> Self {
        if let Some((since, bytes)) = self.waited_for.take() {
            self.allowance.waited(since.elapsed());
            self.allowance.took(bytes);
        }
        self
    }
}

/// Notes what the client does. Over HTTP/1.1 there is no stream.
fn note(change: impl FnOnce(Client) -> Client) {
    let _ = CLIENT.try_with(|client| client.set(change(client.get())));
}

/// Runs streams as tasks of the drain.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    drain: Drain,
    patience: Duration,
    allowance: Allowance,
}

impl Streams {
    /// Streams whose clients may be as silent and as slow as `limits` say.
    pub(super) fn new(drain: Drain, limits: &ServerLimits) -> Self {
        Self {
            drain,
            patience: limits.body_timeout + limits.write_timeout,
            allowance: Allowance::new(limits.reply_bytes_per_second_min),
        }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let patient = Patient { stream, patience: self.patience, timer: None };
        let client = Client { waited_for: None, allowance: self.allowance };
        self.drain.spawn(CLIENT.scope(Cell::new(client), patient));
    }
}

pin_project! {
    /// A stream that ends when its client is silent for too long, or too slow.
    struct Patient<F> {
        #[pin]
        stream: F,
        patience: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Patient<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Client { waited_for, allowance } = CLIENT.with(Cell::get);
        let Some((since, _)) = waited_for else { return Poll::Pending };
        let due = since + allowance.at_most(*this.patience);
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        loop {
            // An old timer may ring early; it is not set anew for every piece, of which an object has many.
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= due {
                tracing::debug!("an HTTP/2 stream was overdue");
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

pin_project! {
    /// A reply's body; the request counts as in flight on its connection until this is dropped.
    pub(super) struct Reply<B> {
        #[pin]
        body: B,
        // What a stream's client has no room for yet.
        rest: Bytes,
        is_multiplexed: bool,
        _guard: activity::Request,
    }
}

impl<B> Reply<B> {
    /// Made where the reply's head is at hand, which is the first thing that a client must take.
    pub(super) fn new(body: B, is_multiplexed: bool, guard: activity::Request) -> Self {
        note(|client| client.begin_wait(0));
        Self { body, rest: Bytes::new(), is_multiplexed, _guard: guard }
    }
}

impl<B: Body<Data = Bytes>> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !*this.is_multiplexed {
            return this.body.poll_frame(context);
        }
        note(Client::end_wait);
        if this.rest.is_empty() {
            let frame = match ready!(this.body.poll_frame(context)) {
                Some(Ok(frame)) => frame.into_data(),
                end => return Poll::Ready(end),
            };
            match frame {
                Ok(data) => *this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES_MAX));
        note(|client| client.begin_wait(piece.len()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}
