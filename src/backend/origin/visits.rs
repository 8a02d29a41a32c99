//! Providers that callers bring, each for one request.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use wharf_provider::Account;

use super::{Gate, Jitter, Known, Origin, OriginMetrics, Place, Shared, Skew};
use crate::{
    backend::upstream::{Reach, Upstream, UpstreamError},
    config::checked::Timeouts,
};

/// Requests of one visit that are in flight at once: a handler asks one thing after the other, or a few side by side.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;

/// The way to providers that no configuration names. What such a provider does is counted for none: a caller could make
/// any number of them.
pub(super) struct Visits {
    shared: Shared,
    /// Made for the first visit: most configurations never have one.
    upstream: OnceLock<Upstream>,
}

impl Visits {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { shared: shared.clone(), upstream: OnceLock::new() }
    }

    pub(super) fn origin(&self, account: Account, reach: Reach) -> Result<Arc<Origin>, UpstreamError> {
        let (upstream, clock) = (self.upstream()?.clone(), self.shared.clock);
        let place = Place {
            endpoint: account.endpoint().clone(),
            timeouts: Timeouts::default(),
            requests_in_flight_max: REQUESTS_IN_FLIGHT_MAX,
        };
        let gate = Gate::new(place.requests_in_flight_max, clock, OriginMetrics::default());
        let known = Known {
            patient: upstream.patient(),
            upstream,
            gate: Arc::new(gate),
            skew: Skew::default(),
            jitter: Jitter::default(),
            place,
        };
        Ok(Arc::new(Origin {
            name: account.profile().kind.to_owned(),
            account,
            signing_keys: Arc::clone(&self.shared.signing_keys),
            clock,
            reach,
            known: Arc::new(known),
        }))
    }

    fn upstream(&self) -> Result<&Upstream, UpstreamError> {
        if let Some(upstream) = self.upstream.get() {
            return Ok(upstream);
        }
        let upstream = Upstream::new(Timeouts::default(), &[])?;
        Ok(self.upstream.get_or_init(|| upstream))
    }
}

impl fmt::Debug for Visits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Visits").finish_non_exhaustive()
    }
}
