//! How far a provider's clock is from ours. Providers refuse what was signed 15 minutes ago or ahead, so requests are
//! signed with the provider's time.
//!
//! Its replies carry a `Date`, in whole seconds, made when the head was. Reading one now and then is enough.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, header};
use wharf_wire::date::Timestamp;

/// Less may be the way of the reply, and the second that `Date` is rounded to.
const MILLIS_MIN: u64 = 5_000;
/// A clock that is further off than a day is not a clock.
const MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How often a reply's `Date` is looked at.
const MEASURED_EVERY_MILLIS: u64 = 10_000;

/// The provider's time minus ours.
#[derive(Debug, Default)]
pub(super) struct Skew {
    millis: AtomicI64,
    /// When it is to be measured again, in milliseconds since some start.
    due: AtomicU64,
}

impl Skew {
    /// The provider's time.
    pub(super) fn applied_to(&self, now: Timestamp) -> Timestamp {
        let skew = self.millis.load(Ordering::Relaxed);
        Timestamp::from_unix_millis(now.unix_millis().saturating_add_signed(skew))
    }

    /// Looks at a reply that came at `now`, if it is time to; `elapsed` is the time since some start.
    pub(super) fn observe(&self, headers: &HeaderMap, now: Timestamp, elapsed: Duration) {
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if elapsed >= self.due.load(Ordering::Relaxed) {
            self.due.store(elapsed.saturating_add(MEASURED_EVERY_MILLIS), Ordering::Relaxed);
            self.measure(headers, now);
        }
    }

    /// Takes the skew from a reply that came at `now`. Returns whether it changed to what makes a difference.
    pub(super) fn measure(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(theirs) = date(headers) else { return false };
        // Half of the second that was cut off.
        let theirs = i64::try_from(theirs.unix_millis()).unwrap_or(i64::MAX).saturating_add(500);
        let skew = theirs.saturating_sub(i64::try_from(now.unix_millis()).unwrap_or(i64::MAX));
        let skew = match skew.unsigned_abs() {
            0..MILLIS_MIN => 0,
            MILLIS_MIN..=MILLIS_MAX => skew,
            _ => return false,
        };
        self.millis.swap(skew, Ordering::Relaxed).abs_diff(skew) >= MILLIS_MIN
    }
}

/// When the reply was made. One with an `Age` was kept somewhere on the way: its date is old.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    if headers.contains_key(header::AGE) {
        return None;
    }
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    millis(date).map(Timestamp::from_unix_millis)
}

fn millis(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// 2013-05-24T00:00:00Z
    const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

    fn dated(date: &str) -> HeaderMap {
        [(header::DATE, HeaderValue::from_str(date).unwrap())].into_iter().collect()
    }

    fn skew_seconds(date: &str) -> i64 {
        let skew = Skew::default();
        skew.measure(&dated(date), NOW);
        skew.millis.load(Ordering::Relaxed) / 1000
    }

    #[test]
    fn small_differences_are_none_and_absurd_ones_not_believed() {
        for (date, seconds) in [
            ("Fri, 24 May 2013 00:00:00 GMT", 0),
            ("Fri, 24 May 2013 00:00:04 GMT", 0),
            ("Fri, 24 May 2013 00:00:05 GMT", 5),
            ("Thu, 23 May 2013 23:59:56 GMT", 0),
            ("Thu, 23 May 2013 23:30:00 GMT", -1799),
            ("Fri, 24 May 2013 23:00:00 GMT", 82_800),
            ("Sun, 26 May 2013 00:00:00 GMT", 0),
            ("yesterday", 0),
        ] {
            assert_eq!(skew_seconds(date), seconds, "{date}");
        }
    }

    #[test]
    fn it_is_applied_and_taken_back() {
        let skew = Skew::default();
        assert!(skew.measure(&dated("Fri, 24 May 2013 01:00:00 GMT"), NOW));
        assert_eq!(skew.applied_to(NOW).unix_millis(), NOW.unix_millis() + 3_600_500);
        assert!(!skew.measure(&dated("Fri, 24 May 2013 01:00:01 GMT"), NOW), "no change worth a word");
        assert!(skew.measure(&dated("Fri, 24 May 2013 00:00:00 GMT"), NOW));
        assert_eq!(skew.applied_to(NOW), NOW);
    }

    #[test]
    fn a_reply_out_of_a_cache_says_nothing() {
        let mut headers = dated("Fri, 24 May 2013 01:00:00 GMT");
        headers.insert(header::AGE, HeaderValue::from_static("3600"));
        let skew = Skew::default();
        assert!(!skew.measure(&headers, NOW));
        assert_eq!(skew.applied_to(NOW), NOW);
    }

    #[test]
    fn it_is_measured_now_and_then() {
        let skew = Skew::default();
        skew.observe(&dated("Fri, 24 May 2013 00:00:00 GMT"), NOW, Duration::ZERO);
        let late = dated("Fri, 24 May 2013 00:10:00 GMT");
        skew.observe(&late, NOW, Duration::from_millis(MEASURED_EVERY_MILLIS / 2));
        assert_eq!(skew.applied_to(NOW), NOW);
        skew.observe(&late, NOW, Duration::from_millis(MEASURED_EVERY_MILLIS));
        assert_ne!(skew.applied_to(NOW), NOW);
    }
}
