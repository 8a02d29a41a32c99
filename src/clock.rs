//! The only place that reads a clock. Everything else takes the time as an argument.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;
use wharf_wire::date::Timestamp;

/// The monotonic clock, for how long something took and when something is overdue. It never says what time it is.
pub fn instant() -> Instant {
    Instant::now()
}

/// Where the time comes from: the machine, or a test that holds it still or moves it.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands at one time.
    Fixed(Timestamp),
    /// A clock that stands where its owner puts it, in milliseconds since the Unix epoch.
    Moved(&'static AtomicU64),
}

/// What [`Clock::elapsed`] counts from on the machine's clock.
static START: LazyLock<Instant> = LazyLock::new(instant);

impl Clock {
    /// The time now. It can jump, when somebody sets the machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may read the clock")]
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_unix_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Fixed(timestamp) => timestamp,
            Self::Moved(millis) => Timestamp::from_unix_millis(millis.load(Ordering::Relaxed)),
        }
    }

    /// The time since some start. The machine's never runs backwards.
    pub fn elapsed(self) -> Duration {
        match self {
            Self::System => START.elapsed(),
            Self::Fixed(_) | Self::Moved(_) => Duration::from_millis(self.now().unix_millis()),
        }
    }
}
