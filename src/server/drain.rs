//! The end of the process in two steps: finish what is in flight, then abort what would not finish.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// Owns every task of the gateway, so that none outlives it.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    stop: Signal,
    abort: Signal,
    tasks: TaskTracker,
}

impl Drain {
    /// Runs `task` until it ends or the drain runs out of patience.
    pub fn spawn<T>(&self, task: T)
    where
        T: Future + Send + 'static,
        T::Output: Send,
    {
        let abort = self.abort.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = abort.given() => {}
                _ = task => {}
            }
        });
    }

    /// Resolves when the drain begins: take no new work, finish what was begun.
    pub async fn begun(&self) {
        self.stop.given().await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.stop.is_given()
    }

    /// Begins the drain.
    pub fn begin(&self) {
        self.stop.give();
    }

    /// Aborts whatever still runs.
    pub fn abort(&self) {
        self.abort.give();
    }

    /// Begins the drain, waits at most `patience` for the tasks, aborts the rest and waits for their end.
    /// Returns whether all ended by themselves.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.begin();
        self.tasks.close();
        let in_time = tokio::time::timeout(patience, self.tasks.wait()).await.is_ok();
        let all_by_themselves = in_time && !self.abort.is_given();
        self.abort();
        self.tasks.wait().await;
        all_by_themselves
    }
}

/// Something that is said once. Every task waits for it beside its work, so a poll in vain costs one load and no lock.
#[derive(Debug, Clone, Default)]
struct Signal(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_given: AtomicBool,
    waiting: Notify,
}

impl Signal {
    fn give(&self) {
        // In this order: whoever is not among the waiting yet looks at the flag afterwards.
        self.0.is_given.store(true, Ordering::Release);
        self.0.waiting.notify_waiters();
    }

    fn is_given(&self) -> bool {
        self.0.is_given.load(Ordering::Acquire)
    }

    async fn given(&self) {
        let mut notified = pin!(self.0.waiting.notified());
        let mut registered: Option<Waker> = None;
        poll_fn(|context| {
            let waker = context.waker();
            if !registered.as_ref().is_some_and(|registered| registered.will_wake(waker)) {
                registered = Some(waker.clone());
                if notified.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
            }
            if self.is_given() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_waited_for() {
        let drain = Drain::default();
        let (done, finished) = tokio::sync::oneshot::channel();
        let stop = drain.clone();
        drain.spawn(async move {
            stop.begun().await;
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        });
        assert!(drain.finish(Duration::from_mins(1)).await);
        finished.await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_aborted() {
        let drain = Drain::default();
        drain.spawn(std::future::pending::<()>());
        assert!(!drain.finish(Duration::from_millis(10)).await);
    }

    #[tokio::test]
    async fn a_signal_reaches_whoever_waits_and_whoever_comes_late() {
        let signal = Signal::default();
        let waiting = tokio::spawn({
            let signal = signal.clone();
            async move { signal.given().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && !signal.is_given());
        signal.give();
        waiting.await.unwrap();
        signal.given().await;
    }

    #[tokio::test]
    async fn a_wait_that_moves_to_another_task_is_woken_there() {
        let signal = Signal::default();
        let mut wait = Box::pin({
            let signal = signal.clone();
            async move { signal.given().await }
        });
        let mut elsewhere = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut elsewhere).is_pending());
        let waiting = tokio::spawn(wait);
        tokio::task::yield_now().await;
        signal.give();
        waiting.await.unwrap();
    }
}
