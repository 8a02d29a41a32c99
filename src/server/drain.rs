//! The end of the process in two steps: finish what is in flight, then abort what would not finish.

use std::time::Duration;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Owns every task of the gateway, so that none outlives it.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// Runs `task` until it ends or the drain runs out of patience.
    pub fn spawn<T>(&self, task: T)
    where
        T: Future + Send + 'static,
        T::Output: Send,
    {
        // A token of its own: every poll of the task locks the token, and one for all would be fought over.
        let abort = self.abort.child_token();
        self.tasks.spawn(async move {
            abort.run_until_cancelled_owned(task).await;
        });
    }

    /// Resolves when the drain begins: take no new work, finish what was begun.
    pub async fn begun(&self) {
        self.stop.child_token().cancelled().await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Begins the drain.
    pub fn begin(&self) {
        self.stop.cancel();
    }

    /// Aborts whatever still runs.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    /// Begins the drain, waits at most `patience` for the tasks, aborts the rest and waits for their end.
    /// Returns whether all ended by themselves.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.begin();
        self.tasks.close();
        let in_time = tokio::time::timeout(patience, self.tasks.wait()).await.is_ok();
        let all_by_themselves = in_time && !self.abort.is_cancelled();
        self.abort();
        self.tasks.wait().await;
        all_by_themselves
    }
}

#[cfg(test)]
mod tests {
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
}
