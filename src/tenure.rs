//! The right to change something for a while: a lease, as whoever holds it knows it.
//!
//! A process can stand still at any moment and for any time: its machine is suspended, moved, or out of memory. Meanwhile
//! its leases run out and others take over; then it goes on where it was. No store has fencing, so it has to find out by
//! itself, before the last byte of a change leaves.
//!
//! ```text
//! renewed ──── held: changes may leave ────│── margin: none leaves any more ──│ over: others take over ─── late effects ───▶
//! ```
//!
//! Others judge by the time of day, which somebody may set back here; the monotonic clock may stand while the machine is
//! suspended. So it is over when either clock says so. The last look is taken when there is a connection, and when the last
//! byte is handed to it. What is left is the moment between that and the wire (over HTTP/2, where a request may have to wait
//! for its turn, a longer one): a process that stands still just there for longer than `late_effect_seconds` can still do harm.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use wharf_wire::date::Timestamp;

use crate::clock::Clock;

/// This part of a lease is not used: the clocks of others may be ahead, and a request takes a while to be on its way. A lease
/// is renewed when a third of it has passed.
const MARGIN_DIVISOR: u32 = 4;

/// A lease in the hands of its holder.
#[derive(Debug)]
pub struct Tenure {
    clock: Clock,
    margin: Duration,
    ends: Mutex<Ends>,
}

/// Its end by both clocks.
#[derive(Debug, Clone, Copy)]
struct Ends {
    at: Timestamp,
    elapsed: Duration,
    /// Whether something has left under it.
    is_used: bool,
}

/// The lease ran out before the request's last byte had left, which stays here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this process was away for so long that others may have taken over what it had begun")]
pub struct TenureOver;

impl Tenure {
    /// Of leases as long as `lease`. It is over until it is extended.
    pub fn new(clock: Clock, lease: Duration) -> Self {
        let ends = Ends { at: Timestamp::from_unix_millis(0), elapsed: Duration::ZERO, is_used: false };
        Self { clock, margin: lease / MARGIN_DIVISOR, ends: Mutex::new(ends) }
    }

    /// Holds it until `at`: others know that by now.
    pub fn extend(&self, at: Timestamp) {
        let left = at.unix_millis().saturating_sub(self.clock.now().unix_millis());
        let elapsed = self.clock.elapsed() + Duration::from_millis(left);
        let mut ends = self.ends();
        (ends.at, ends.elapsed) = (at, elapsed);
    }

    /// Gives it up. Returns whether something has left under it, which may have its effect even now.
    pub fn end(&self) -> bool {
        let mut ends = self.ends();
        (ends.at, ends.elapsed) = (Timestamp::from_unix_millis(0), Duration::ZERO);
        ends.is_used
    }

    /// Whether a change could leave now.
    pub fn check(&self) -> Result<(), TenureOver> {
        self.check_at(*self.ends())
    }

    /// The same; and if so, it leaves.
    pub fn spend(&self) -> Result<(), TenureOver> {
        let mut ends = self.ends();
        self.check_at(*ends)?;
        ends.is_used = true;
        Ok(())
    }

    fn check_at(&self, Ends { at, elapsed, .. }: Ends) -> Result<(), TenureOver> {
        let now = Duration::from_millis(self.clock.now().unix_millis()) + self.margin;
        let is_held =
            now < Duration::from_millis(at.unix_millis()) && self.clock.elapsed() + self.margin < elapsed;
        if is_held { Ok(()) } else { Err(TenureOver) }
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const LEASE: Duration = Duration::from_secs(40);

    #[test]
    fn it_is_held_from_its_renewal_to_its_margin() {
        let millis: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1_000_000)));
        let tenure = Tenure::new(Clock::Moved(millis), LEASE);
        assert_eq!(tenure.check(), Err(TenureOver), "nobody has been told of it");
        let end = Timestamp::from_unix_millis(1_040_000);
        tenure.extend(end);
        for (now, held) in [(1_000_000, Ok(())), (1_029_999, Ok(())), (1_030_000, Err(TenureOver))] {
            millis.store(now, Ordering::Relaxed);
            assert_eq!(tenure.check(), held, "{now}");
        }
        tenure.extend(end.plus_seconds(30));
        assert_eq!(tenure.check(), Ok(()), "what was renewed in time, or anew, is held");
        millis.store(2_000_000, Ordering::Relaxed);
        tenure.extend(end);
        assert_eq!(tenure.check(), Err(TenureOver), "what was over when it was known");
    }

    #[test]
    fn what_was_given_up_says_whether_something_has_left() {
        let until = Clock::System.now().plus_seconds(60);
        let tenure = || {
            let tenure = Tenure::new(Clock::System, Duration::ZERO);
            tenure.extend(until);
            tenure
        };
        let unused = tenure();
        assert_eq!(unused.check(), Ok(()));
        assert!(!unused.end(), "nothing has left");
        assert_eq!(unused.spend(), Err(TenureOver), "and nothing does now");
        let used = tenure();
        assert_eq!(used.spend(), Ok(()));
        assert!(used.end());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_it_longer() {
        let tenure = Tenure::new(Clock::System, Duration::ZERO);
        tenure.extend(Clock::System.now().plus_seconds(60));
        assert_eq!(tenure.check(), Ok(()));
        let later = Clock::System.now().plus_seconds(60);
        *tenure.ends() = Ends { at: later, elapsed: Duration::ZERO, is_used: false };
        assert_eq!(tenure.check(), Err(TenureOver), "as much time has passed as there was");
    }
}
