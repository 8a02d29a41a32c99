//! When a key, or a whole mirror, is tried again.

use std::time::Duration;

use super::{Class, Finish};

/// Doubles with every attempt.
const PAUSE_BASE: Duration = Duration::from_secs(1);
/// So that a store which is well again is noticed within minutes.
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// Tries of a key whose failures could pass: about six hours. Then it waits for an operator, as one that never works
/// would else be tried for ever.
const TRANSIENT_ATTEMPTS_MAX: u32 = 32;
/// Tries of a key that its store refuses. The first refusal may have had another reason than it says.
const PERMANENT_ATTEMPTS_MAX: u32 = 3;

/// A worker rests this long when its store is at fault, doubling up to [`REST_MAX`]. The first key after a rest is the probe.
const REST_BASE: Duration = Duration::from_secs(1);
/// Between the probes of a store that stays unreachable.
const REST_MAX: Duration = Duration::from_secs(30);
/// Between the probes of a store that waits for its operator.
const REST_FOR_OPERATOR: Duration = Duration::from_mins(5);

/// What went wrong with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub class: Class,
    /// The store's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the target may do what it was asked after all, or has: there was no answer, or one that says nothing.
    pub is_unsure: bool,
}

/// What becomes of a row that was tried `attempts` times before, and failed again. `random` spreads what failed together.
pub fn after_failure(failure: Failure, attempts: u32, random: u64) -> Finish {
    let Failure { class, retry_after, is_unsure } = failure;
    let attempts_max = match class {
        Class::Auth | Class::Config | Class::Unreachable | Class::Throttled => u32::MAX,
        Class::Transient => TRANSIENT_ATTEMPTS_MAX,
        Class::Permanent => PERMANENT_ATTEMPTS_MAX,
        Class::Absence | Class::CustomerKey | Class::Archived | Class::Conflict => 0,
    };
    if attempts.saturating_add(1) >= attempts_max {
        return Finish::Dead { class, is_unsure };
    }
    let pause = spread(doubled(PAUSE_BASE, attempts, PAUSE_MAX), random);
    Finish::Retry { class, pause: pause.max(retry_after.unwrap_or_default()), is_unsure }
}

/// How long a worker leaves its mirror alone after a failure that was the store's, and `failures` of that kind in a row
/// before it.
pub fn rest(failure: Failure, failures: u32, random: u64) -> Duration {
    let rest = if failure.class.needs_an_operator() {
        REST_FOR_OPERATOR
    } else {
        doubled(REST_BASE, failures, REST_MAX)
    };
    spread(rest, random).max(failure.retry_after.unwrap_or_default())
}

fn doubled(base: Duration, times: u32, max: Duration) -> Duration {
    base.saturating_mul(1 << times.min(16)).min(max)
}

/// Half of `pause`, and anything up to the other half.
fn spread(pause: Duration, random: u64) -> Duration {
    let half = pause / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(random % millis.saturating_add(1))
}
