//! One upload's bytes on their way to several stores: the primary draws them, and every mirror gets what was drawn.
//!
//! ```text
//! client ── verified ──▶ Fork ──────────────────────────────▶ primary     (draws as fast as it takes them)
//!                         ├── queue of bounded bytes ── Branch ──▶ mirror  ┐ last byte: when the Hold lets it go
//!                         └── queue of bounded bytes ── Branch ──▶ mirror  ┘
//! ```
//!
//! The primary never waits for a mirror. A mirror that falls further behind than its queue is dropped from this transfer,
//! and so is one for whose bytes there is no memory left: its request is reset, never ended. No mirror has the whole of
//! anything before its [`Hold`] says so.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::backend::upstream::{SendBody, SendError};

/// A shorter piece is copied into a queue. A slice keeps all of the buffer alive that it was cut from, up to 64 KiB for a
/// byte of a client that sends single bytes.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// What a piece costs besides its bytes: single bytes would fill a queue with little but the memory that keeps them.
const PIECE_BYTES: usize = 128;

/// What all queues of the process may hold together.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    /// `bytes_max` of memory.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max.min(Semaphore::MAX_PERMITS))))
    }

    fn lend(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

/// Why a mirror does not get the rest of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Dropped {
    /// Its queue was full.
    #[error("the mirror fell behind the client")]
    Behind,
    /// All queues together were full.
    #[error("there was no memory left for what the mirror had not taken yet")]
    Memory,
    /// The client's bytes ended early, or were not what they should be; or the primary did not draw all of them.
    #[error("the upload broke off")]
    BrokeOff,
    /// Nobody wants it any more: the primary has not stored the object.
    #[error("the primary does not have it")]
    Unwanted,
}

/// Where the bytes go in. Dropped before all of them did, it drops every mirror.
#[derive(Debug, Default)]
pub struct Fork {
    mirrors: Vec<Arc<Shared>>,
}

/// What every mirror of a transfer has in common.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    /// Bytes of payload, at least one: there is no last byte of nothing to hold back.
    pub(super) bytes: u64,
    /// How far a mirror may fall behind.
    pub(super) skew_bytes_max: usize,
    /// Where the memory for that comes from.
    pub(super) memory: Memory,
}

impl Fork {
    /// Adds a mirror: the body of its request, and what holds back that body's last byte.
    pub(super) fn branch(&mut self, transfer: &Transfer) -> (SendBody, Hold) {
        let shared = Arc::new(Shared::new(transfer));
        self.mirrors.push(Arc::clone(&shared));
        let branch = Branch { shared: Arc::clone(&shared), left: transfer.bytes };
        (SendBody::stream(branch), Hold(shared))
    }

    /// Gives every mirror a piece that the primary has drawn.
    pub fn feed(&mut self, piece: &Bytes) {
        if self.mirrors.is_empty() || piece.is_empty() {
            return;
        }
        let is_short = piece.len() < SHARED_BYTES_MIN;
        let piece = if is_short { Bytes::copy_from_slice(piece) } else { piece.clone() };
        self.mirrors.retain(|mirror| mirror.feed(&piece));
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        for mirror in &self.mirrors {
            mirror.break_off();
        }
    }
}

/// What becomes of a mirror's last byte. Dropped before that byte has left, it drops the mirror.
#[derive(Debug)]
pub(super) struct Hold(Arc<Shared>);

impl Hold {
    /// The last byte may leave.
    pub(super) fn release(&self) {
        self.0.release();
    }

    /// Whether the last byte has left: from then on the mirror may store the object whenever it likes.
    pub(super) fn has_left(&self) -> bool {
        self.0.state().stage == Stage::Whole
    }

    /// Resolves when the mirror has been dropped. Whoever sends the mirror's request ends it then: a connection that is
    /// stuck does not ask for more, and so would not learn of it.
    pub(super) async fn dropped(&self) -> Dropped {
        loop {
            if let Stage::Dropped(why) = self.0.state().stage {
                return why;
            }
            self.0.drop_noted.notified().await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.drop_mirror(Dropped::Unwanted);
    }
}

/// The body of a mirror's request.
struct Branch {
    shared: Arc<Shared>,
    left: u64,
}

impl Body for Branch {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let piece = ready!(self.shared.poll_piece(context));
        if let Some(Ok(piece)) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(SendError::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What the three ends of a branch share. Its lock is held for a moment and never across an await.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    drop_noted: Notify,
    skew_bytes_max: usize,
    memory: Memory,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Piece>,
    /// What the queue holds.
    queued_bytes: usize,
    /// Bytes of payload that are still to be fed.
    unfed: u64,
    stage: Stage,
    /// Whom to wake when there is something to send.
    connection: Option<Waker>,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    cost: usize,
    _lent: OwnedSemaphorePermit,
}

/// How far a mirror's request may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To its last byte.
    Held,
    /// To its end.
    Released,
    /// The last byte has left.
    Whole,
    /// No further.
    Dropped(Dropped),
}

impl Shared {
    fn new(transfer: &Transfer) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                queued_bytes: 0,
                unfed: transfer.bytes,
                stage: Stage::Held,
                connection: None,
            }),
            drop_noted: Notify::new(),
            skew_bytes_max: transfer.skew_bytes_max,
            memory: transfer.memory.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a piece. Returns whether the mirror is still part of the transfer.
    fn feed(&self, bytes: &Bytes) -> bool {
        let cost = bytes.len() + PIECE_BYTES;
        let mut state = self.state();
        if matches!(state.stage, Stage::Dropped(_)) {
            return false;
        }
        // A piece that alone is larger than the skew passes where nothing waits: the bound is on falling behind.
        let is_behind = !state.queue.is_empty() && state.queued_bytes + cost > self.skew_bytes_max;
        let lent = if is_behind { None } else { self.memory.lend(cost) };
        let Some(lent) = lent else {
            drop(state);
            self.drop_mirror(if is_behind { Dropped::Behind } else { Dropped::Memory });
            return false;
        };
        state.queued_bytes += cost;
        state.unfed = state.unfed.saturating_sub(bytes.len() as u64);
        state.queue.push_back(Piece { bytes: bytes.clone(), cost, _lent: lent });
        wake(state);
        true
    }

    fn release(&self) {
        let mut state = self.state();
        if state.stage == Stage::Held {
            state.stage = Stage::Released;
            wake(state);
        }
    }

    /// The bytes end here.
    fn break_off(&self) {
        let is_short = self.state().unfed > 0;
        if is_short {
            self.drop_mirror(Dropped::BrokeOff);
        }
    }

    /// Takes the mirror out of the transfer, unless it has got everything, and forgets what it was to get: its body may
    /// be kept for as long as its connection is stuck.
    fn drop_mirror(&self, why: Dropped) {
        let mut state = self.state();
        if matches!(state.stage, Stage::Whole | Stage::Dropped(_)) {
            return;
        }
        state.stage = Stage::Dropped(why);
        state.queue = VecDeque::new();
        wake(state);
        self.drop_noted.notify_one();
    }

    fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Dropped>>> {
        let mut state = self.state();
        match state.stage {
            Stage::Dropped(why) => return Poll::Ready(Some(Err(why))),
            Stage::Whole => return Poll::Ready(None),
            Stage::Held | Stage::Released => {}
        }
        let Some(piece) = state.next() else {
            state.connection = Some(context.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(Some(Ok(piece)))
    }
}

impl State {
    /// The next bytes that may leave.
    fn next(&mut self) -> Option<Bytes> {
        let is_last = self.unfed == 0 && self.queue.len() == 1;
        if is_last && self.stage == Stage::Held {
            let last = self.queue.front_mut()?;
            let at = last.bytes.len().checked_sub(1).filter(|at| *at > 0)?;
            let before = last.bytes.split_to(at);
            // A copy: a slice would keep the whole piece in memory.
            last.bytes = Bytes::copy_from_slice(&last.bytes);
            return Some(before);
        }
        let piece = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(piece.cost);
        if is_last {
            self.stage = Stage::Whole;
        }
        Some(piece.bytes)
    }
}

/// Wakes the connection, if it waits, once the state is no longer locked.
fn wake(mut state: MutexGuard<'_, State>) {
    let connection = state.connection.take();
    drop(state);
    if let Some(connection) = connection {
        connection.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    const SKEW: usize = 64 * 1024;

    fn transfer(bytes: usize) -> Transfer {
        Transfer { bytes: bytes as u64, skew_bytes_max: SKEW, memory: Memory::new(1 << 20) }
    }

    /// What can be had of a body now.
    fn available(body: &mut SendBody) -> Result<Vec<u8>, SendError> {
        let mut all = Vec::new();
        while let Some(Some(frame)) = body.frame().now_or_never() {
            all.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(all)
    }

    fn why(body: &mut SendBody) -> Dropped {
        *available(body).unwrap_err().downcast_ref().unwrap()
    }

    #[test]
    fn a_mirror_gets_every_byte_and_the_last_one_when_it_is_let_go() {
        let mut fork = Fork::default();
        let (mut body, hold) = fork.branch(&transfer(11));
        assert_eq!(available(&mut body).unwrap(), b"");
        fork.feed(&Bytes::from_static(b"hello "));
        assert_eq!(available(&mut body).unwrap(), b"hello ");
        fork.feed(&Bytes::from_static(b"world"));
        drop(fork);
        assert_eq!(available(&mut body).unwrap(), b"worl");
        assert_eq!((available(&mut body).unwrap(), hold.has_left()), (vec![], false));
        hold.release();
        assert_eq!((available(&mut body).unwrap(), hold.has_left()), (b"d".to_vec(), true));
        assert!(body.is_end_stream() && hold.dropped().now_or_never().is_none());
    }

    #[test]
    fn a_body_of_one_byte_is_all_held() {
        let mut fork = Fork::default();
        let (mut body, hold) = fork.branch(&transfer(1));
        fork.feed(&Bytes::from_static(b"a"));
        assert_eq!(available(&mut body).unwrap(), b"");
        hold.release();
        assert_eq!(available(&mut body).unwrap(), b"a");
    }

    #[test]
    fn what_breaks_off_is_never_whole() {
        let mut fork = Fork::default();
        let (mut body, hold) = fork.branch(&transfer(11));
        fork.feed(&Bytes::from_static(b"hello "));
        drop(fork);
        hold.release();
        assert_eq!(why(&mut body), Dropped::BrokeOff);
        assert_eq!(hold.dropped().now_or_never(), Some(Dropped::BrokeOff));
        assert!(!body.is_end_stream());
    }

    #[test]
    fn what_nobody_holds_any_more_is_never_whole() {
        let mut fork = Fork::default();
        let (mut body, hold) = fork.branch(&transfer(5));
        fork.feed(&Bytes::from_static(b"hello"));
        drop(hold);
        assert_eq!(why(&mut body), Dropped::Unwanted);
    }

    #[test]
    fn a_mirror_that_falls_behind_is_dropped_alone() {
        let mut fork = Fork::default();
        let transfer = transfer(1 << 20);
        let ((mut slow, hold), (mut fast, _kept)) = (fork.branch(&transfer), fork.branch(&transfer));
        let piece = Bytes::from(vec![7; SHARED_BYTES_MIN]);
        let mut fed = 0;
        while hold.dropped().now_or_never().is_none() {
            fork.feed(&piece);
            fed += piece.len();
            assert_eq!(available(&mut fast).unwrap(), piece);
        }
        assert!((SKEW - piece.len()..=SKEW + piece.len()).contains(&fed), "{fed}");
        assert_eq!(hold.dropped().now_or_never(), Some(Dropped::Behind));
        assert_eq!(why(&mut slow), Dropped::Behind);
        fork.feed(&piece);
        assert_eq!(available(&mut fast).unwrap(), piece);
    }

    #[test]
    fn single_bytes_cost_what_they_take() {
        let mut fork = Fork::default();
        let (_body, hold) = fork.branch(&transfer(1 << 20));
        let fed = (0..).take_while(|_| {
            fork.feed(&Bytes::from_static(b"a"));
            hold.dropped().now_or_never().is_none()
        });
        assert!(fed.count() <= SKEW / PIECE_BYTES);
    }

    #[test]
    fn memory_is_given_back_with_what_was_sent_and_what_was_dropped() {
        let memory = Memory::new(10_000);
        let transfer = Transfer { bytes: 9_000, skew_bytes_max: SKEW, memory: memory.clone() };
        let (mut first, mut second) = (Fork::default(), Fork::default());
        let (mut body, hold) = first.branch(&transfer);
        let (mut other, _hold) = second.branch(&transfer);
        first.feed(&Bytes::from(vec![1; 9_000]));
        second.feed(&Bytes::from(vec![2; 4_500]));
        assert_eq!(why(&mut other), Dropped::Memory);
        assert!(memory.0.available_permits() < 1_000);
        hold.release();
        assert_eq!(available(&mut body).unwrap().len(), 9_000);
        assert_eq!(memory.0.available_permits(), 10_000);

        let mut third = Fork::default();
        let (_stuck, hold) = third.branch(&transfer);
        third.feed(&Bytes::from(vec![3; 9_000]));
        drop(hold);
        assert_eq!(memory.0.available_permits(), 10_000);
    }

    /// Bytes that are counted for as long as anybody keeps them.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl Counted {
        fn piece(bytes: usize, live: &Arc<AtomicUsize>) -> Bytes {
            live.fetch_add(bytes, Ordering::Relaxed);
            Bytes::from_owner(Self(vec![7; bytes], Arc::clone(live)))
        }
    }

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
        }
    }

    #[test]
    fn many_uploads_to_mirrors_that_read_nothing_hold_no_more_than_the_memory_there_is() {
        const MEMORY: usize = 1 << 20;
        const PIECE: usize = 32 * 1024;
        const UPLOADS: usize = 200;
        let (live, memory) = (Arc::new(AtomicUsize::new(0)), Memory::new(MEMORY));
        let transfer = Transfer { bytes: 1 << 30, skew_bytes_max: 4 * PIECE, memory };
        let branch = |_| {
            let mut fork = Fork::default();
            let branch = fork.branch(&transfer);
            (fork, branch)
        };
        let mut uploads: Vec<_> = (0..UPLOADS).map(branch).collect();
        let mut most = 0;
        for _ in 0..8 {
            for (fork, _) in &mut uploads {
                fork.feed(&Counted::piece(PIECE, &live));
                most = most.max(live.load(Ordering::Relaxed));
            }
        }
        assert!((MEMORY / 2..=MEMORY).contains(&most), "{most} bytes were kept alive");
        let dropped = |hold: &Hold| hold.dropped().now_or_never();
        let why: Vec<_> = uploads.iter().filter_map(|(_, (_, hold))| dropped(hold)).collect();
        assert_eq!(why.len(), UPLOADS, "who reads nothing is left out");
        assert!(why.contains(&Dropped::Memory) && why.contains(&Dropped::Behind), "{why:?}");
        assert_eq!(live.load(Ordering::Relaxed), 0, "what was left out keeps nothing");
    }

    #[tokio::test]
    async fn a_body_that_waits_is_woken() {
        let mut fork = Fork::default();
        let (mut body, hold) = fork.branch(&transfer(4));
        let waiting = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(frame) = body.frame().await {
                all.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            all
        });
        for piece in [b"ab", b"cd"] {
            tokio::task::yield_now().await;
            fork.feed(&Bytes::from_static(piece));
        }
        tokio::task::yield_now().await;
        hold.release();
        assert_eq!(waiting.await.unwrap(), b"abcd");
    }
}
