//! A circuit breaker: a provider that fails is left alone for a while, so that requests fail at once instead of after a
//! timeout, and it is not kept down by them.
//!
//! ```text
//!          half of a window's requests failed           pause over
//!  Closed ────────────────────────────────────▶ Open ───────────────▶ HalfOpen
//!    ▲                                            ▲   trial failed       │  one trial at a time
//!    │                                            └──────────────────────┤
//!    └────────────────────── trial succeeded ────────────────────────────┘
//! ```
//!
//! No clock: the time is an argument, since some start.

use std::time::Duration;

/// Requests are judged by the share that failed in a window of this length.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer requests than these in a window say nothing about the provider.
const REQUESTS_MIN: u32 = 20;
/// The provider is left alone when one in so many requests failed.
const FAILED_ONE_IN: u32 = 2;
/// How long it is left alone, the first time; twice as long after each trial that failed.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A trial that never reports is forgotten after this long.
const TRIAL_MAX: Duration = Duration::from_mins(1);

/// What a request said about its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It answered.
    Good,
    /// It did not answer, or said that it cannot.
    Bad,
    /// Nothing: the request ended for reasons of its own.
    Unknown,
}

/// Where the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Requests pass.
    Closed,
    /// One request passes, to see.
    HalfOpen,
    /// None passes.
    Open,
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// How long the next pause is.
    pause: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { since: Duration, requests: u32, failed: u32 },
    Open { until: Duration },
    HalfOpen { trial: Option<Duration> },
}

impl State {
    const fn closed(since: Duration) -> Self {
        Self::Closed { since, requests: 0, failed: 0 }
    }
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self { state: State::closed(Duration::ZERO), pause: PAUSE_MIN }
    }

    pub(super) const fn position(&self) -> Position {
        match self.state {
            State::Closed { .. } => Position::Closed,
            State::HalfOpen { .. } => Position::HalfOpen,
            State::Open { .. } => Position::Open,
        }
    }

    /// Whether a request would pass, or when to come back.
    pub(super) fn check(&self, now: Duration) -> Result<(), Duration> {
        match self.state {
            State::Open { until } if now < until => Err(until.saturating_sub(now)),
            State::HalfOpen { trial: Some(began) } if now < began + TRIAL_MAX => Err(PAUSE_MIN),
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => Ok(()),
        }
    }

    /// Lets a request pass, or says when to come back.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        self.check(now)?;
        if !matches!(self.state, State::Closed { .. }) {
            self.state = State::HalfOpen { trial: Some(now) };
        }
        Ok(())
    }

    /// Notes what a request that was let pass came to.
    pub(super) fn record(&mut self, health: Health, now: Duration) {
        match (self.state, health) {
            (State::Closed { since, requests, failed }, Health::Good | Health::Bad) => {
                let (since, requests, failed) =
                    if now > since + WINDOW { (now, 0, 0) } else { (since, requests, failed) };
                let failed = failed + u32::from(health == Health::Bad);
                self.state = State::Closed { since, requests: requests.saturating_add(1), failed };
                if requests + 1 >= REQUESTS_MIN && failed.saturating_mul(FAILED_ONE_IN) > requests {
                    self.open(now);
                }
            }
            (State::HalfOpen { .. }, Health::Good) => {
                self.state = State::closed(now);
                self.pause = PAUSE_MIN;
            }
            (State::HalfOpen { .. }, Health::Bad) => self.open(now),
            (State::HalfOpen { .. }, Health::Unknown) => self.state = State::HalfOpen { trial: None },
            // Sent before it opened: what they say is old.
            (State::Open { .. }, _) | (State::Closed { .. }, Health::Unknown) => {}
        }
    }

    fn open(&mut self, now: Duration) {
        self.state = State::Open { until: now + self.pause };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failing(now: Duration) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..REQUESTS_MIN {
            breaker.admit(now).unwrap();
            breaker.record(Health::Bad, now);
        }
        breaker
    }

    #[test]
    fn a_few_failures_or_a_small_share_of_them_open_nothing() {
        let mut breaker = Breaker::new();
        for _ in 0..REQUESTS_MIN - 1 {
            breaker.record(Health::Bad, SECOND);
        }
        assert_eq!(breaker.position(), Position::Closed);
        let mut breaker = Breaker::new();
        for request in 0..1000 {
            breaker.record(if request % 3 == 0 { Health::Bad } else { Health::Good }, SECOND);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn half_of_many_opens_it_and_nothing_passes_until_the_pause_is_over() {
        let mut breaker = Breaker::new();
        for request in 0..REQUESTS_MIN {
            breaker.record(if request % 2 == 0 { Health::Bad } else { Health::Good }, SECOND);
        }
        assert_eq!(breaker.position(), Position::Open);
        assert_eq!(breaker.admit(SECOND + PAUSE_MIN / 4), Err(PAUSE_MIN / 4 * 3));
        assert_eq!(breaker.admit(SECOND + PAUSE_MIN), Ok(()));
        assert_eq!(breaker.position(), Position::HalfOpen);
    }

    #[test]
    fn an_old_window_is_forgotten() {
        let mut breaker = Breaker::new();
        for _ in 0..REQUESTS_MIN - 1 {
            breaker.record(Health::Bad, SECOND);
        }
        breaker.record(Health::Bad, SECOND * 20);
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn one_trial_decides() {
        let mut breaker = failing(SECOND);
        let after = SECOND + PAUSE_MIN;
        breaker.admit(after).unwrap();
        assert!(breaker.admit(after).is_err(), "one at a time");
        breaker.record(Health::Good, after);
        assert_eq!(breaker.position(), Position::Closed);
        assert_eq!(failing(after).admit(after), Err(PAUSE_MIN), "and the pauses begin anew");
    }

    #[test]
    fn pauses_grow_to_their_bound() {
        let mut breaker = failing(SECOND);
        let mut now = SECOND;
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let pause = breaker.admit(now).unwrap_err();
            pauses.push(pause.as_secs());
            now += pause;
            breaker.admit(now).unwrap();
            breaker.record(Health::Bad, now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_trial_that_says_nothing_makes_room_for_the_next() {
        let mut breaker = failing(SECOND);
        let after = SECOND + PAUSE_MIN;
        breaker.admit(after).unwrap();
        breaker.record(Health::Unknown, after);
        breaker.admit(after).unwrap();
        assert!(breaker.admit(after).is_err());
        breaker.admit(after + TRIAL_MAX).unwrap();
    }

    #[test]
    fn what_was_sent_before_it_opened_closes_nothing() {
        let mut breaker = failing(SECOND);
        breaker.record(Health::Good, SECOND);
        assert_eq!(breaker.position(), Position::Open);
    }
}
