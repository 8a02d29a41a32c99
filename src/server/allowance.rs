//! How slowly a client may take its reply. One that takes a little now and then is never silent for long, and would hold
//! what its reply holds, a provider's slot among it, for as long as it likes.
//!
//! Bytes that a client takes earn it time, and waiting for it uses that up. Only so much is saved: whoever took a lot may
//! not stop for hours. It is enough for what the kernel takes on a client's behalf, which then waits for many bytes at
//! once.

use std::time::Duration;

/// A client may be as slow as it likes for this long.
const GRACE: Duration = Duration::from_secs(5);

/// What Linux keeps for a client that has not taken it yet, at most (`net.ipv4.tcp_wmem`).
const KERNEL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The time for which one reply may still wait for its client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    bytes_per_second_min: u64,
    left: Duration,
}

impl Allowance {
    /// Of a reply that begins; a least rate of 0 is none.
    pub(super) const fn new(bytes_per_second_min: u64) -> Self {
        Self { bytes_per_second_min, left: GRACE }
    }

    /// The same for the next reply.
    pub(super) const fn renew(&mut self) {
        self.left = GRACE;
    }

    /// The client took this much.
    pub(super) fn took(&mut self, bytes: usize) {
        let most = GRACE.saturating_add(self.time_for(KERNEL_BYTES_MAX));
        self.left = self.left.saturating_add(self.time_for(bytes as u64)).min(most);
    }

    /// It was waited for.
    pub(super) fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// How long the next wait may last: at most `limit`.
    pub(super) fn at_most(&self, limit: Duration) -> Duration {
        if self.bytes_per_second_min == 0 { limit } else { limit.min(self.left) }
    }

    fn time_for(&self, bytes: u64) -> Duration {
        let nanoseconds = bytes.saturating_mul(1_000_000_000).checked_div(self.bytes_per_second_min);
        nanoseconds.map_or(Duration::ZERO, Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_hours(10);

    #[test]
    fn bytes_earn_time_and_waiting_uses_it_up() {
        let mut allowance = Allowance::new(1000);
        assert_eq!(allowance.at_most(LIMIT), GRACE);
        allowance.took(3000);
        assert_eq!(allowance.at_most(LIMIT), GRACE + SECOND * 3);
        assert_eq!(allowance.at_most(SECOND), SECOND);
        allowance.waited(SECOND * 7);
        assert_eq!(allowance.at_most(LIMIT), SECOND);
        allowance.waited(SECOND * 7);
        assert_eq!(allowance.at_most(LIMIT), Duration::ZERO);
        allowance.renew();
        assert_eq!(allowance.at_most(LIMIT), GRACE);
    }

    #[test]
    fn a_client_at_the_least_rate_goes_on_for_ever_and_a_slower_one_does_not() {
        let lasts = |bytes_per_second: usize| {
            let mut allowance = Allowance::new(1000);
            (0..100_000)
                .take_while(|_| {
                    let may = SECOND < allowance.at_most(LIMIT);
                    allowance.waited(SECOND);
                    allowance.took(bytes_per_second);
                    may
                })
                .count()
        };
        assert_eq!(lasts(1000), 100_000);
        assert_eq!(lasts(900), 40);
        assert_eq!(lasts(1), 5);
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let mut allowance = Allowance::new(KERNEL_BYTES_MAX);
        (0..1000).for_each(|_| allowance.took(1 << 20));
        assert_eq!(allowance.at_most(LIMIT), GRACE + SECOND);
    }

    #[test]
    fn without_a_least_rate_there_is_only_the_limit() {
        let mut allowance = Allowance::new(0);
        allowance.waited(LIMIT);
        allowance.took(1);
        assert_eq!(allowance.at_most(LIMIT), LIMIT);
    }
}
