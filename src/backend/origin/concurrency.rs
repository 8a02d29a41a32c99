//! How many requests a provider takes at once: as many as configured, until it says that it is too many.
//!
//! Additive increase, multiplicative decrease: each refusal for being too fast halves the limit, and as many good replies
//! as the limit is high raise it by one. What finds no place waits, in order, for a bounded time and in a bounded number.
//! No clock and no task here: the time is an argument, and the waiting is [`super::gate`]'s.

use std::time::Duration;

/// Refusals in one go count once: they answer requests that were sent under the same limit.
const HALVED_ONCE_PER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Concurrency {
    max: usize,
    limit: usize,
    /// Good replies since the limit last changed.
    good: usize,
    halved: Option<Duration>,
    in_flight: usize,
    waiting: usize,
}

impl Concurrency {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, limit: max, good: 0, halved: None, in_flight: 0, waiting: 0 }
    }

    /// Takes a place; whoever comes anew stands behind those who wait.
    pub(super) const fn enter(&mut self) -> bool {
        self.waiting == 0 && self.take()
    }

    /// Takes a place for one who waited.
    pub(super) const fn enter_from_queue(&mut self) -> bool {
        self.take()
    }

    const fn take(&mut self) -> bool {
        let is_free = self.in_flight < self.limit;
        if is_free {
            self.in_flight += 1;
        }
        is_free
    }

    /// Joins the queue, unless it is as long as the configured maximum.
    pub(super) const fn wait(&mut self) -> bool {
        let has_room = self.waiting < self.max;
        if has_room {
            self.waiting += 1;
        }
        has_room
    }

    /// Leaves the queue, with a place or without.
    pub(super) const fn stop_waiting(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Gives a place back.
    pub(super) const fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How many of those who wait can be called.
    pub(super) fn callable(&self) -> usize {
        self.limit.saturating_sub(self.in_flight).min(self.waiting)
    }

    /// The provider took a request.
    pub(super) const fn good(&mut self) {
        if self.limit < self.max {
            self.good += 1;
            if self.good >= self.limit {
                self.limit += 1;
                self.good = 0;
            }
        }
    }

    /// The provider refused a request for being too fast.
    pub(super) fn too_fast(&mut self, now: Duration) {
        if self.halved.is_some_and(|halved| now < halved + HALVED_ONCE_PER) {
            return;
        }
        // What the limit bounds is what was in flight, not what might have been.
        self.limit = (self.limit.min(self.in_flight.max(1)) / 2).max(1);
        self.good = 0;
        self.halved = Some(now);
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn full(max: usize) -> Concurrency {
        let mut concurrency = Concurrency::new(max);
        while concurrency.enter() {}
        concurrency
    }

    #[test]
    fn as_many_as_configured_and_no_more() {
        let mut concurrency = full(3);
        assert_eq!((concurrency.in_flight, concurrency.enter()), (3, false));
        concurrency.leave();
        assert!(concurrency.enter() && !concurrency.enter());
    }

    #[test]
    fn who_waits_is_served_before_who_comes() {
        let mut concurrency = full(2);
        assert!(concurrency.wait());
        concurrency.leave();
        assert!(!concurrency.enter(), "somebody waits");
        assert_eq!(concurrency.callable(), 1);
        assert!(concurrency.enter_from_queue());
        concurrency.stop_waiting();
        concurrency.leave();
        assert!(concurrency.enter(), "nobody waits");
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut concurrency = full(2);
        assert!(concurrency.wait() && concurrency.wait() && !concurrency.wait());
    }

    #[test]
    fn a_burst_of_refusals_halves_once_and_the_last_place_stays() {
        let mut concurrency = full(64);
        for _ in 0..64 {
            concurrency.too_fast(SECOND);
        }
        assert_eq!(concurrency.limit(), 32);
        let limits: Vec<_> = (2..9)
            .map(|second| {
                concurrency.too_fast(SECOND * second);
                concurrency.limit()
            })
            .collect();
        assert_eq!(limits, [16, 8, 4, 2, 1, 1, 1]);
    }

    #[test]
    fn a_limit_far_above_the_traffic_is_halved_to_where_it_matters() {
        let mut concurrency = Concurrency::new(512);
        for _ in 0..8 {
            concurrency.enter();
        }
        concurrency.too_fast(SECOND);
        assert_eq!(concurrency.limit(), 4);
    }

    #[test]
    fn good_replies_raise_it_slowly_up_to_the_configured() {
        let mut concurrency = full(4);
        concurrency.too_fast(SECOND);
        assert_eq!(concurrency.limit(), 2);
        let limits: Vec<_> = (0..9)
            .map(|_| {
                concurrency.good();
                concurrency.limit()
            })
            .collect();
        assert_eq!(limits, [2, 3, 3, 3, 4, 4, 4, 4, 4]);
    }
}
