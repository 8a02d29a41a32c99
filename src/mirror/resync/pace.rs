//! How fast a walk may go: requests and bytes a second, on one clock hand that each of them pushes on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::clock;

/// The bounds that an operator set. `None` is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests of the walk itself: listings, and questions after single objects.
    pub requests_per_second: Option<u32>,
    /// Bytes of the objects that it has copied.
    pub bytes_per_second: Option<u64>,
}

/// Spreads requests and bytes evenly, and counts the requests. What was not used is not saved up: nothing comes in a burst.
#[derive(Debug)]
pub struct Pace {
    rates: Rates,
    request: Mutex<Hand>,
    bytes: Mutex<Hand>,
    requests: AtomicU64,
}

impl Pace {
    /// A pace that starts now.
    pub fn new(rates: Rates) -> Self {
        let now = Hand(clock::instant());
        Self { rates, request: Mutex::new(now), bytes: Mutex::new(now), requests: AtomicU64::new(0) }
    }

    /// Waits until a request may be sent.
    pub async fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(rate) = self.rates.requests_per_second {
            wait(&self.request, Duration::from_secs(1) / rate.max(1)).await;
        }
    }

    /// Waits until an object of `bytes` may be copied.
    pub async fn copy(&self, bytes: u64) {
        if let Some(rate) = self.rates.bytes_per_second {
            wait(&self.bytes, spent(bytes, rate)).await;
        }
    }

    /// Requests that were let through.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// When the next turn is.
#[derive(Debug, Clone, Copy)]
struct Hand(Instant);

impl Hand {
    /// Takes the next turn, from `now` on at the earliest, and pushes the hand on.
    fn turn(&mut self, now: Instant, by: Duration) -> Instant {
        let turn = self.0.max(now);
        self.0 = turn.checked_add(by).unwrap_or(turn);
        turn
    }
}

async fn wait(hand: &Mutex<Hand>, by: Duration) {
    let turn = hand.lock().unwrap_or_else(PoisonError::into_inner).turn(clock::instant(), by);
    sleep_until(turn).await;
}

/// How long `bytes` take.
fn spent(bytes: u64, per_second: u64) -> Duration {
    let per_second = per_second.max(1);
    let nanos = u128::from(bytes % per_second) * 1_000_000_000 / u128::from(per_second);
    Duration::new(bytes / per_second, u32::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly_and_not_saved_up() {
        let start = clock::instant();
        let at = |millis| start + Duration::from_millis(millis);
        let tenth = Duration::from_millis(100);
        let mut hand = Hand(start);
        for turn in 0..20 {
            assert_eq!(hand.turn(start, tenth), at(turn * 100));
        }
        assert_eq!(hand.turn(at(5000), tenth), at(5000));
        assert_eq!(hand.turn(at(5000), tenth), at(5100));
    }

    #[test]
    fn a_large_object_is_paid_for_by_the_next_one() {
        let start = clock::instant();
        let mut hand = Hand(start);
        assert_eq!(hand.turn(start, spent(2500, 1000)), start);
        assert_eq!(hand.turn(start, spent(1, 1000)), start + Duration::from_millis(2500));
    }

    #[tokio::test]
    async fn without_a_bound_nobody_waits_and_requests_are_counted() {
        let pace = Pace::new(Rates::default());
        for _ in 0..21 {
            pace.request().await;
        }
        pace.copy(u64::MAX).await;
        assert_eq!(pace.requests(), 21);
    }

    #[test]
    fn bytes_take_their_time() {
        assert_eq!(spent(1500, 1000), Duration::from_millis(1500));
        assert_eq!(spent(u64::MAX, 1), Duration::from_secs(u64::MAX));
        assert_eq!(spent(1, u64::MAX), Duration::ZERO);
    }
}
