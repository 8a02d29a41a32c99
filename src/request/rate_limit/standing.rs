//! What a client is told of its limits: `RateLimit` and `RateLimit-Policy`, structured fields of
//! draft-ietf-httpapi-ratelimit-headers-10.

use std::{num::NonZeroU32, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    config::checked::RateLimit,
    error::{Code, Error},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How a request stands against the tightest limit that it met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing(Option<Met>);

/// A limit's public name and measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) name: &'static str,
    pub(super) limit: RateLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Met {
    policy: Policy,
    remaining: u32,
    /// Until there is more.
    wait_seconds: u64,
}

impl Standing {
    /// One request was admitted, and `remaining` more would be at once. More comes within a second, for no rate is
    /// below one per second.
    pub(super) fn admitted(policy: Policy, remaining: u32) -> Self {
        Self(Some(Met { policy, remaining, wait_seconds: 1 }))
    }

    /// Keeps the tighter of the two: the one with fewer requests left.
    pub fn tighten(&mut self, other: Self) {
        let is_tighter = match (self.0, other.0) {
            (Some(ours), Some(theirs)) => theirs.remaining < ours.remaining,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if is_tighter {
            *self = other;
        }
    }

    /// Writes the headers, unless the reply is a refusal of this module: it carries those of the limit that refused.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in self.0.iter().flat_map(Met::headers) {
            headers.entry(name).or_insert(value);
        }
    }
}

impl Policy {
    /// The refusal of a request that may come again after `wait`.
    pub(super) fn exceeded(self, wait: Duration) -> Error {
        // Seconds are sent: a client that comes a fraction too early would be refused again.
        let wait_seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        let error = Error::new(Code::RateLimited, "Too many requests.")
            .hint("Wait as long as Retry-After says.")
            .retry_after(Duration::from_secs(wait_seconds));
        Met { policy: self, remaining: 0, wait_seconds }
            .headers()
            .into_iter()
            .fold(error, |error, (name, value)| error.header(name, value))
    }

    /// The refusal of a request that counts for more than the limit ever admits at once.
    pub(super) fn never(self) -> Error {
        let most = self.limit.burst;
        self.exceeded(self.window())
            .hint(format!("One request counts for too many here: send batches of at most {most}."))
    }

    /// How long the whole burst takes to come back.
    fn window(self) -> Duration {
        let (burst, rate) = (self.limit.burst, self.limit.requests_per_second);
        Duration::from_secs(u64::from(burst.get().div_ceil(rate.get())))
    }
}

impl Met {
    fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let Policy { name, limit } = self.policy;
        let (quota, window): (NonZeroU32, u64) = (limit.burst, self.policy.window().as_secs());
        let (remaining, wait) = (self.remaining, self.wait_seconds);
        [
            (RATE_LIMIT, value(&format!("\"{name}\";r={remaining};t={wait}"))),
            (RATE_LIMIT_POLICY, value(&format!("\"{name}\";q={quota};w={window}"))),
        ]
    }
}

/// Names are literals without quotes, and the rest are digits, so there is always a value.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
