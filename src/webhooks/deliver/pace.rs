//! How deliveries are spread: over time, and over receivers.
//!
//! A receiver that hangs would hold every slot, and everybody else's deliveries with it. So each has at most
//! [`IN_FLIGHT_MAX`] under way, and one that failed a few times in a row gets one on trial, after a rest. Deliveries that
//! wait because their receiver rests have not been tried.
//!
//! No clock: the time is an argument, since some start.

use std::{collections::HashMap, sync::Arc, time::Duration};

/// Deliveries to one receiver at once.
const IN_FLIGHT_MAX: usize = 8;
/// Failures in a row after which a receiver rests.
const FAILURES_MAX: u32 = 3;
/// Its first rest, which doubles up to [`REST_MAX`].
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_mins(1);
/// Receivers that are remembered while nothing is under way. Harm: memory, and a longer question for what is due.
const KNOWN_MAX: usize = 200;

/// The pause before try `attempts + 1`, by `random`: from a half to the whole of a bound that doubles from `first` to `longest`.
pub(super) fn pause(attempts: u32, (first, longest): (Duration, Duration), random: u64) -> Duration {
    let bound =
        first.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX)).min(longest);
    let half = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX) / 2;
    Duration::from_millis(half + random % half.saturating_add(1))
}

/// How receivers are, as far as deliveries have found out.
#[derive(Debug, Default)]
pub(super) struct Receivers(HashMap<Arc<str>, Receiver>);

#[derive(Debug, Default)]
struct Receiver {
    in_flight: usize,
    failures: u32,
    /// Left alone until then; past it, one is on trial.
    rests_until: Duration,
}

impl Receiver {
    fn is_resting(&self, now: Duration) -> bool {
        self.failures >= FAILURES_MAX && (self.in_flight > 0 || now < self.rests_until)
    }
}

impl Receivers {
    /// Those that get nothing now.
    pub(super) fn busy(&self, now: Duration) -> Vec<Arc<str>> {
        let is_busy = |receiver: &Receiver| receiver.in_flight >= IN_FLIGHT_MAX || receiver.is_resting(now);
        self.0.iter().filter(|(_, receiver)| is_busy(receiver)).map(|(name, _)| Arc::clone(name)).collect()
    }

    /// How many deliveries may begin now, whomever they are for, so that nobody gets more than their share.
    pub(super) fn room(&self, now: Duration) -> usize {
        let is_free = |receiver: &&Receiver| receiver.in_flight < IN_FLIGHT_MAX && !receiver.is_resting(now);
        let most =
            self.0.values().filter(is_free).map(|receiver| receiver.in_flight).max().unwrap_or_default();
        IN_FLIGHT_MAX.saturating_sub(most)
    }

    /// When the first rest ends, if anybody rests.
    pub(super) fn next_trial(&self, now: Duration) -> Option<Duration> {
        let resting = self.0.values().filter(|receiver| receiver.in_flight == 0 && receiver.is_resting(now));
        resting.map(|receiver| receiver.rests_until).min()
    }

    /// A delivery begins.
    pub(super) fn begin(&mut self, name: &Arc<str>) {
        self.0.entry(Arc::clone(name)).or_default().in_flight += 1;
    }

    /// One has ended.
    pub(super) fn ended(&mut self, name: &Arc<str>, is_delivered: bool, now: Duration) {
        let Some(receiver) = self.0.get_mut(name) else { return };
        receiver.in_flight = receiver.in_flight.saturating_sub(1);
        if is_delivered {
            receiver.failures = 0;
        } else {
            receiver.failures = receiver.failures.saturating_add(1);
            let doubled =
                1_u32.checked_shl(receiver.failures.saturating_sub(FAILURES_MAX)).unwrap_or(u32::MAX);
            receiver.rests_until = now + REST.saturating_mul(doubled).min(REST_MAX);
        }
        let is_idle = receiver.in_flight == 0 && receiver.failures == 0;
        if is_idle {
            self.0.remove(name);
        } else if self.0.len() > KNOWN_MAX {
            self.0.retain(|_, receiver| receiver.in_flight > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn pauses_double_up_to_the_longest_and_a_half_of_each_is_random() {
        let bounds = (Duration::from_secs(5), Duration::from_hours(1));
        let shortest = |attempts| pause(attempts, bounds, 0).as_millis();
        assert_eq!([1, 2, 3, 10, 99].map(shortest), [2500, 5000, 10_000, 1_280_000, 1_800_000]);
        assert!((1..100).all(|attempts| pause(attempts, bounds, u64::MAX) <= Duration::from_hours(1)));
        let spread: Vec<_> = (0..1000).map(|random| pause(1, bounds, random * 7).as_millis()).collect();
        assert!(spread.iter().all(|pause| (2500..=5000).contains(pause)));
        assert!(spread.iter().max() > Some(&4900) && spread.iter().min() < Some(&2600));
    }

    #[test]
    fn a_receiver_gets_its_share_and_no_more() {
        let (name, mut receivers): (Arc<str>, _) = ("https://a.example".into(), Receivers::default());
        for begun in 0..IN_FLIGHT_MAX {
            assert!(receivers.busy(NOW).is_empty());
            assert_eq!(receivers.room(NOW), IN_FLIGHT_MAX - begun);
            receivers.begin(&name);
        }
        assert_eq!((receivers.busy(NOW), receivers.room(NOW)), (vec![Arc::clone(&name)], IN_FLIGHT_MAX));
        receivers.ended(&name, true, NOW);
        assert!(receivers.busy(NOW).is_empty());
        for _ in 1..IN_FLIGHT_MAX {
            receivers.ended(&name, true, NOW);
        }
        assert!(receivers.0.is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn one_that_fails_rests_and_is_tried_once() {
        let (name, mut receivers): (Arc<str>, _) = ("https://a.example".into(), Receivers::default());
        for _ in 0..FAILURES_MAX {
            assert!(receivers.busy(NOW).is_empty());
            receivers.begin(&name);
            receivers.ended(&name, false, NOW);
        }
        assert_eq!((receivers.busy(NOW).len(), receivers.next_trial(NOW)), (1, Some(NOW + REST)));
        let later = NOW + REST;
        assert!(receivers.busy(later).is_empty());
        receivers.begin(&name);
        assert_eq!((receivers.busy(later).len(), receivers.next_trial(later)), (1, None), "one is on trial");
        receivers.ended(&name, false, later);
        assert_eq!(receivers.next_trial(later), Some(later + 2 * REST));
        receivers.begin(&name);
        receivers.ended(&name, true, later);
        assert!(receivers.busy(later).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut receivers = Receivers::default();
        for number in 0..10 * KNOWN_MAX {
            let name: Arc<str> = format!("https://{number}.example").into();
            receivers.begin(&name);
            receivers.ended(&name, false, NOW);
        }
        assert!(receivers.0.len() <= KNOWN_MAX + 1);
    }
}
