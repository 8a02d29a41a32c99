//! How a mirror is, as far as its worker's jobs have found out: whether it is given work, a trial, or nothing.
//!
//! ```text
//!          the store refuses one key            it refuses another one, or cannot be reached
//!   Well ─────────────────────────▶ Suspect ───────────────────────────────────────────────▶ Resting
//!    ▲                                 │ a trial succeeds: it was the key                       │ one trial at a time
//!    └─────────────────────────────────┴────────────────────────────────────────────────────────┘
//! ```
//!
//! A refusal says of itself that it holds for every key, and some stores say so of one. So a mirror is left alone only when
//! it has refused two keys; and a key that is refused again and again while others pass is given up by itself.
//!
//! No clock: the time is an argument, since some start.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::mirror::state::{Class, Failure, rest};

/// Refusals of one key, while others pass, after which it is the key.
const STRIKES_MAX: u8 = 3;
/// Keys whose refusals are counted. Those that come later are tried for as long as it takes.
const STRUCK_KEYS_MAX: usize = 1000;
/// Refused keys that are remembered until something succeeds.
const REFUSED_KEYS_MAX: usize = 16;
/// A key that is refused alone waits this long, doubling up to [`REFUSED_PAUSE_MAX`].
const REFUSED_PAUSE_BASE: Duration = Duration::from_secs(1);
const REFUSED_PAUSE_MAX: Duration = Duration::from_mins(1);

/// What is known of a mirror.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: State,
    /// Failures that were the store's since something succeeded.
    failures: u32,
    /// Failures of any kind since something succeeded.
    in_a_row: u32,
    /// A job is under way that was begun on trial.
    is_on_trial: bool,
    /// Keys that were refused since something succeeded.
    refused: Vec<Arc<str>>,
    /// How often each key was refused alone.
    strikes: HashMap<Arc<str>, u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Well,
    /// The store refused a key; the next one will tell.
    Suspect,
    /// Left alone until then.
    Resting(Duration),
}

/// What a failure turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The failure, in the light of what else happens.
    pub(super) failure: Failure,
    /// The mirror is left alone from now on, for so long.
    pub(super) rest: Option<Duration>,
    /// The key itself has to wait for at least so long.
    pub(super) pause_min: Duration,
}

impl Health {
    /// How many jobs may be begun, where there is room for `room`; or how long none may.
    pub(super) fn admit(&self, room: usize, now: Duration) -> Result<usize, Duration> {
        match self.state {
            State::Well => Ok(room),
            State::Resting(until) if now < until => Err(until.saturating_sub(now)),
            State::Suspect | State::Resting(_) if self.is_on_trial => Ok(0),
            State::Suspect | State::Resting(_) => Ok(room.min(1)),
        }
    }

    /// A job is begun. Returns whether it is a trial.
    pub(super) fn begin(&mut self) -> bool {
        let is_trial = self.state != State::Well;
        self.is_on_trial |= is_trial;
        is_trial
    }

    /// Whether the mirror is left alone, also by jobs that were begun before and had to wait.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self.state, State::Resting(_))
    }

    /// A job has done its work. Returns whether the mirror had been left alone.
    pub(super) fn succeeded(&mut self, key: &str) -> bool {
        let was = std::mem::take(&mut self.state);
        (self.failures, self.in_a_row, self.is_on_trial) = (0, 0, false);
        self.strikes.remove(key);
        for refused in std::mem::take(&mut self.refused) {
            if *refused != *key {
                self.strike(&refused);
            }
        }
        matches!(was, State::Resting(_))
    }

    fn strike(&mut self, key: &Arc<str>) {
        if self.strikes.len() < STRUCK_KEYS_MAX || self.strikes.contains_key(key) {
            let strikes = self.strikes.entry(Arc::clone(key)).or_default();
            *strikes = strikes.saturating_add(1);
        }
    }

    /// A job ended without finding out anything about the mirror.
    pub(super) fn ended(&mut self) {
        self.is_on_trial = false;
    }

    /// A job on `key` has failed.
    pub(super) fn failed(&mut self, key: &Arc<str>, failure: Failure, now: Duration, random: u64) -> Verdict {
        self.is_on_trial = false;
        let failure = self.judged(key, failure);
        self.in_a_row = self.in_a_row.saturating_add(1);
        if !failure.class.is_of_the_store() {
            return Verdict { failure, rest: None, pause_min: Duration::ZERO };
        }
        if failure.class.needs_an_operator() && self.is_refused_alone(key) {
            self.state = State::Suspect;
            let pause_min = (REFUSED_PAUSE_BASE * (1 << self.in_a_row.min(16))).min(REFUSED_PAUSE_MAX);
            return Verdict { failure, rest: None, pause_min };
        }
        // Jobs that were under way together fail together: that is one failure, and one rest.
        if matches!(self.state, State::Resting(until) if now < until) {
            return Verdict { failure, rest: None, pause_min: Duration::ZERO };
        }
        let pause = rest(failure, self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Resting(now + pause);
        Verdict { failure, rest: Some(pause), pause_min: Duration::ZERO }
    }

    /// Notes that `key` is refused; whether no other was, and the mirror has no other trouble.
    fn is_refused_alone(&mut self, key: &Arc<str>) -> bool {
        if self.refused.len() < REFUSED_KEYS_MAX && !self.refused.contains(key) {
            self.refused.push(Arc::clone(key));
        }
        self.refused.len() == 1 && !matches!(self.state, State::Resting(_))
    }

    /// What `failure` is: the key's, if it alone is refused; the store's, if nothing at all succeeds.
    fn judged(&self, key: &Arc<str>, failure: Failure) -> Failure {
        let is_struck_out = || self.strikes.get(key).is_some_and(|strikes| *strikes >= STRIKES_MAX);
        let class = if failure.class.needs_an_operator() && is_struck_out() {
            Class::Permanent
        } else if failure.class == Class::Transient && self.in_a_row > 0 {
            Class::Unreachable
        } else {
            failure.class
        };
        Failure { class, ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure(class: Class) -> Failure {
        Failure { class, retry_after: None, is_unsure: false }
    }

    fn key(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    fn fail(health: &mut Health, name: &str, class: Class) -> Verdict {
        health.begin();
        health.failed(&key(name), failure(class), SECOND, 0)
    }

    #[test]
    fn a_store_that_cannot_be_reached_rests_and_is_tried_once() {
        let mut health = Health::default();
        let verdict = fail(&mut health, "a", Class::Unreachable);
        let pause = verdict.rest.unwrap();
        assert_eq!(health.admit(9, SECOND), Err(pause));
        assert_eq!(health.admit(9, SECOND + pause), Ok(1));
        health.begin();
        assert_eq!(health.admit(9, SECOND + pause), Ok(0), "one at a time");
        assert!(health.succeeded("a"), "it had been left alone");
        assert_eq!(health.admit(9, SECOND), Ok(9));
    }

    #[test]
    fn what_fails_together_is_one_failure() {
        let mut health = Health::default();
        let first = fail(&mut health, "a", Class::Unreachable);
        for name in ["b", "c"] {
            assert_eq!(fail(&mut health, name, Class::Unreachable).rest, None);
        }
        assert_eq!(health.admit(9, SECOND), Err(first.rest.unwrap()));
    }

    #[test]
    fn a_refusal_is_the_stores_when_another_key_is_refused_as_well() {
        let mut health = Health::default();
        for _ in 0..2 {
            let verdict = fail(&mut health, "a", Class::Auth);
            assert!(verdict.rest.is_none() && verdict.pause_min > Duration::ZERO);
            assert_eq!(health.admit(9, SECOND), Ok(1), "another key, at once");
        }
        let verdict = fail(&mut health, "b", Class::Auth);
        assert_eq!((verdict.failure.class, verdict.rest.is_some()), (Class::Auth, true));
        let later = SECOND + verdict.rest.unwrap();
        assert_eq!(health.admit(9, later), Ok(1));
        health.begin();
        let verdict = health.failed(&key("a"), failure(Class::Auth), later, 0);
        assert!(verdict.rest.is_some(), "and again");
    }

    #[test]
    fn a_key_that_is_refused_alone_is_given_up_and_holds_up_nobody() {
        let mut health = Health::default();
        for _ in 0..STRIKES_MAX {
            assert_eq!(fail(&mut health, "poison", Class::Auth).failure.class, Class::Auth);
            assert_eq!(health.admit(9, SECOND), Ok(1));
            health.begin();
            assert!(!health.succeeded("healthy"));
            assert_eq!(health.admit(9, SECOND), Ok(9));
        }
        let verdict = fail(&mut health, "poison", Class::Auth);
        assert_eq!((verdict.failure.class, verdict.rest), (Class::Permanent, None));
        assert_eq!(health.admit(9, SECOND), Ok(9));
        health.succeeded("poison");
        assert_eq!(
            fail(&mut health, "poison", Class::Auth).failure.class,
            Class::Auth,
            "and then it was mended"
        );
    }

    #[test]
    fn failures_that_could_pass_are_the_stores_when_nothing_succeeds() {
        let mut health = Health::default();
        assert_eq!(fail(&mut health, "a", Class::Transient).failure.class, Class::Transient);
        assert_eq!(fail(&mut health, "a", Class::Transient).failure.class, Class::Unreachable);
        health.succeeded("b");
        assert_eq!(fail(&mut health, "a", Class::Transient).failure.class, Class::Transient);
    }

    #[test]
    fn what_a_store_refuses_of_one_key_is_no_matter_of_others() {
        let mut health = Health::default();
        assert_eq!(fail(&mut health, "a", Class::Permanent).rest, None);
        assert_eq!(health.admit(9, SECOND), Ok(9));
    }
}
