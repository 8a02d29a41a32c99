//! What the primary made of an upload, for those who wait for it.

use tokio::sync::watch;

/// What the primary made of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Stored {
        /// Under this `ETag`.
        etag: String,
    },
    /// It certainly has not: it refused, or was never asked.
    Refused,
    /// Nobody knows: a timeout, a broken connection, a 5xx.
    Unknown,
}

/// Who will say it. Dropped without a word, nobody knows.
#[derive(Debug)]
pub struct Judge(watch::Sender<Option<Verdict>>);

/// Who waits for it. Clones wait for the same.
#[derive(Debug, Clone)]
pub(super) struct Awaited(watch::Receiver<Option<Verdict>>);

/// One who says it, and those who wait.
pub(super) fn judge() -> (Judge, Awaited) {
    let (sender, receiver) = watch::channel(None);
    (Judge(sender), Awaited(receiver))
}

impl Judge {
    /// Says it.
    pub fn pass(self, verdict: Verdict) {
        self.0.send_replace(Some(verdict));
    }
}

impl Awaited {
    /// Waits for it. May be given up and begun again.
    pub(super) async fn verdict(&mut self) -> Verdict {
        let said = self.0.wait_for(Option::is_some).await;
        said.ok().and_then(|said| said.clone()).unwrap_or(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_verdict_reaches_all_and_silence_is_none() {
        let (judge, mut awaited) = super::judge();
        let mut other = awaited.clone();
        let waiting = tokio::spawn(async move { other.verdict().await });
        tokio::task::yield_now().await;
        let stored = Verdict::Stored { etag: "\"e\"".to_owned() };
        judge.pass(stored.clone());
        assert_eq!((waiting.await.unwrap(), awaited.verdict().await), (stored.clone(), stored));

        let (judge, mut awaited) = super::judge();
        drop(judge);
        assert_eq!(awaited.verdict().await, Verdict::Unknown);
    }
}
