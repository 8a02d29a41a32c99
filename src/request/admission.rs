//! How many requests are in flight in the whole process. Beyond the limit they are refused at once: a queue would only
//! make everyone late.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use crate::error::{Code, Error};

/// When a client that was refused should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The requests in flight. The gauge that is counted is the one that `/metrics` shows.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    in_flight: Gauge,
}

/// One request in flight, until this is dropped.
#[derive(Debug)]
pub struct Permit {
    in_flight: Gauge,
}

impl Admission {
    /// Counts in `in_flight`.
    pub fn new(in_flight: Gauge) -> Self {
        Self { in_flight }
    }

    /// Admits a request, unless `max` are in flight.
    pub fn admit(&self, max: usize) -> Result<Permit, Error> {
        let before = self.in_flight.inc();
        let permit = Permit { in_flight: self.in_flight.clone() };
        if usize::try_from(before).is_ok_and(|before| before >= max) {
            return Err(Error::new(Code::Overloaded, "Too many requests are in flight.")
                .hint("Try again later.")
                .retry_after(RETRY_AFTER));
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_free_again_when_dropped() {
        let admission = Admission::default();
        let first = admission.admit(1).unwrap();
        let refused = admission.admit(1).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::Overloaded, Some(RETRY_AFTER)));
        drop(first);
        admission.admit(1).unwrap();
    }
}
