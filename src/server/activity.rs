//! What a connection is doing, and by when it must have moved on.
//!
//! Timers per request would cost more than many requests do. Instead each connection keeps one [`Activity`], written by
//! the byte stream and by the requests, and one timer ([`Overdue`]) that looks at it:
//!
//! ```text
//!            bytes                begin                 last reply dropped
//!  Idle ───────────────▶ Head ───────────────▶ Busy ───────────────────────▶ Idle
//!  idle_timeout          header_timeout        (the body has its own clock)
//!
//!  in every phase: a write that has been stuck for write_timeout, or less if the reply was taken too slowly before
//! ```

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Tunnel, allowance::Allowance};
use crate::{clock, config::checked::ServerLimits};

/// Shared by a connection's byte stream, its requests and its timer.
#[derive(Debug)]
pub(super) struct Activity {
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    state: Mutex<State>,
    /// To whom the connection belongs once the reply that says so is out.
    tunnel: OnceLock<Tunnel>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When a write first found no room; a write that moves clears it.
    stuck_since: Option<Instant>,
    /// How slowly the client may take its reply. HTTP/2 has one for each stream instead.
    allowance: Allowance,
    /// Whether the peer may still be sending something that nobody will read.
    unread: bool,
    /// HTTP/2: bytes between requests are not the beginning of a head, but pings and window updates as well.
    multiplexed: bool,
    /// Whether hyper may hold bytes of a reply: from a request's head until all of its reply has been written.
    replying: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// A head is awaited, or has begun to arrive.
    Head { since: Instant },
    /// Requests are being answered.
    Busy { requests: usize },
    /// Kept alive, nothing begun.
    Idle { since: Instant },
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// A head (or the first one, with the TLS handshake) did not arrive in time.
    Head,
    /// Kept alive for too long without a request.
    Idle,
    /// The peer takes nothing of its reply, or too little.
    Write,
}

impl Activity {
    /// Of a connection that was opened at `opened` and owes its first head.
    pub(super) fn new(limits: &ServerLimits, opened: Instant) -> Self {
        Self {
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            state: Mutex::new(State {
                phase: Phase::Head { since: opened },
                stuck_since: None,
                allowance: Allowance::new(limits.reply_bytes_per_second_min),
                unread: false,
                multiplexed: false,
                replying: false,
            }),
            tunnel: OnceLock::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle { .. } if !state.multiplexed => {
                state.phase = Phase::Head { since: clock::instant() };
                state.unread = true;
            }
            Phase::Head { .. } => state.unread = true,
            Phase::Idle { .. } | Phase::Busy { .. } => {}
        }
    }

    /// A write moved, by so many bytes.
    pub(super) fn write_moved(&self, bytes: usize) {
        let mut state = self.state();
        state.end_wait();
        state.allowance.took(bytes);
    }

    /// Everything that hyper held has been written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        state.end_wait();
        state.replying = matches!(state.phase, Phase::Busy { .. });
    }

    /// Whether what is written may belong to the reply of a request. If not, hyper itself has something to say.
    pub(super) fn is_replying(&self) -> bool {
        self.state().replying
    }

    /// A write found no room.
    pub(super) fn write_stuck(&self) {
        self.state().stuck_since.get_or_insert_with(clock::instant);
    }

    /// A request's head is complete. It counts until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool, has_body: bool) -> Request {
        let mut state = self.state();
        let others = match state.phase {
            Phase::Busy { requests } => requests,
            Phase::Head { .. } | Phase::Idle { .. } => 0,
        };
        state.phase = Phase::Busy { requests: others.saturating_add(1) };
        state.multiplexed = multiplexed;
        state.unread = has_body && !multiplexed;
        state.allowance.renew();
        state.replying = true;
        Request(Arc::clone(self))
    }

    /// Where the connection was handed over to, if it was.
    pub(super) fn tunnel(&self) -> Option<&Tunnel> {
        self.tunnel.get()
    }

    /// Whether the peer may still be sending something that nobody will read.
    pub(super) fn has_unread(&self) -> bool {
        self.state().unread
    }

    /// Whether the peer has connected and said nothing so far: nothing is lost when it is cut.
    pub(super) fn is_silent(&self) -> bool {
        let state = self.state();
        matches!(state.phase, Phase::Head { .. }) && !state.unread
    }

    /// When the connection will be overdue, as things stand, and with what.
    fn due(&self) -> Option<(Instant, Late)> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Head { since } => Some((since + self.header_timeout, Late::Head)),
            Phase::Idle { since } => Some((since + self.idle_timeout, Late::Idle)),
            Phase::Busy { .. } => None,
        };
        let patience =
            if state.multiplexed { self.write_timeout } else { state.allowance.at_most(self.write_timeout) };
        let write = state.stuck_since.map(|since| (since + patience, Late::Write));
        match (phase, write) {
            (Some(phase), Some(write)) => Some(if write.0 < phase.0 { write } else { phase }),
            (phase, write) => phase.or(write),
        }
    }
}

impl State {
    /// The client has made room.
    fn end_wait(&mut self) {
        if let Some(since) = self.stuck_since.take() {
            self.allowance.waited(since.elapsed());
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Request(Arc<Activity>);

impl Request {
    /// Hands the connection over, behind the reply to this request. Only one reply on a connection can do that.
    pub(super) fn hand_over(&self, tunnel: Tunnel) {
        let _ = self.0.tunnel.set(tunnel);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let Phase::Busy { requests } = state.phase {
            state.phase = match requests.saturating_sub(1) {
                0 => Phase::Idle { since: clock::instant() },
                requests => Phase::Busy { requests },
            };
        }
    }
}

pin_project! {
    /// Resolves when the connection is overdue. It must be polled after every poll of the connection: a deadline that
    /// came closer is noticed then.
    pub(super) struct Overdue {
        activity: Arc<Activity>,
        #[pin]
        timer: Sleep,
    }
}

impl Overdue {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        let first = activity.due().map_or_else(clock::instant, |(due, _)| due);
        Self { activity, timer: sleep_until(first) }
    }
}

impl Future for Overdue {
    type Output = Late;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Late> {
        let mut this = self.project();
        loop {
            let due = this.activity.due();
            if let Some((due, _)) = due
                && due < this.timer.deadline()
            {
                this.timer.as_mut().reset(due);
            }
            ready!(this.timer.as_mut().poll(context));
            // The timer may be older than what it rings for: a deadline that moved away is only noticed here.
            let now = clock::instant();
            match due {
                Some((due, late)) if due <= now => return Poll::Ready(late),
                Some((due, _)) => this.timer.as_mut().reset(due),
                None => this.timer.as_mut().reset(now + this.activity.idle_timeout),
            }
        }
    }
}
