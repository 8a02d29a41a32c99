//! What can be told before anything is signed: name service, TLS, clock.

use std::time::{Duration, SystemTime};

use http::{Request, header};
use wharf_wire::{
    date::Timestamp,
    endpoint::{Endpoint, Host, Scheme},
};

use super::{Outcome, Probe, ProbeError};
use crate::{
    backend::upstream::{SendBody, UpstreamError},
    clock::Clock,
};

/// Providers refuse a request whose time is further off (S3: `RequestTimeTooSkewed`).
const SKEW_SECONDS_MAX: i64 = 15 * 60;
/// Above it the clock is worth a word.
const SKEW_SECONDS_NOTABLE: i64 = 60;
/// Bytes of a reply that is not looked at.
const REPLY_BYTES_MAX: usize = 64 * 1024;

impl Probe<'_> {
    pub(super) async fn resolve(&self) -> Outcome {
        let endpoint = self.account.endpoint();
        let (host, port) = host_and_port(endpoint);
        match self.upstream.resolve(&host, port, self.reach).await {
            Ok(_) if matches!(endpoint.host(), Host::Address(_)) => {
                Outcome::passed("it is an address already")
            }
            Ok(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
                Outcome::passed(format!("{host} is {}", addresses.join(", ")))
            }
            Err(error) => ProbeError::from(error).into(),
        }
    }

    pub(super) async fn tls(&self) -> Outcome {
        let endpoint = self.account.endpoint();
        if endpoint.scheme() == Scheme::Http {
            return Outcome::skipped(
                "the endpoint is plain http: whoever is on the way can read what is sent",
            );
        }
        let (host, port) = host_and_port(endpoint);
        match self.upstream.handshake(&host, port, self.reach).await {
            Ok(handshake) => Outcome::passed(format!("{}, certificate trusted", handshake.version)),
            Err(error) => ProbeError::from(error).into(),
        }
    }

    /// Compares the clocks. Where they differ by much, `corrected` becomes the provider's: then it is this row alone that
    /// fails, and not every one that signs something. It becomes none where nobody could be asked.
    pub(super) async fn clock_skew(&self, corrected: &mut Option<Clock>) -> Outcome {
        match self.provider_time().await {
            Err(error) => {
                if matches!(&error, ProbeError::Upstream(error) if error.is_unsent()) {
                    *corrected = None;
                }
                error.into()
            }
            Ok(None) => Outcome::skipped("the provider's replies carry no Date"),
            Ok(Some(theirs)) => {
                let ours = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().unix_millis());
                let outcome = judge(ours, theirs);
                if let (Outcome::Failed { .. }, Ok(time)) =
                    (&outcome, theirs.duration_since(SystemTime::UNIX_EPOCH))
                {
                    *corrected = Some(Clock::Fixed(Timestamp::from_unix_millis(time.as_secs() * 1000)));
                }
                outcome
            }
        }
    }

    /// The time in the reply to a request that nobody signed; any status will do.
    async fn provider_time(&self) -> Result<Option<SystemTime>, ProbeError> {
        let url = self.account.location(None, None)?.url();
        let request = Request::get(url)
            .body(SendBody::Empty)
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let reply = self.upstream.send(request, self.reach).await?;
        let date = reply.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| httpdate::parse_http_date(date).ok());
        // Read to its end, the connection can be used again; if it cannot be read, the time is still good.
        let _ = self.upstream.read(reply, REPLY_BYTES_MAX).await;
        Ok(time)
    }
}

fn judge(ours: SystemTime, theirs: SystemTime) -> Outcome {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let ahead = match ours.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    };
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let says = format!("this machine is {} seconds {direction} the provider", ahead.abs());
    if ahead.abs() > SKEW_SECONDS_MAX {
        return Outcome::failed(
            says,
            format!(
                "set this machine's clock, best by NTP, {} seconds {}: signatures hold for 15 minutes",
                ahead.abs(),
                if ahead > 0 { "back" } else { "forward" },
            ),
        );
    }
    if ahead.abs() > SKEW_SECONDS_NOTABLE {
        return Outcome::passed(format!("{says}; set its clock before it is 15 minutes"));
    }
    Outcome::passed("less than a minute")
}

fn host_and_port(endpoint: &Endpoint) -> (String, u16) {
    let host = match endpoint.host() {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
    };
    let own = match endpoint.scheme() {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    (host, endpoint.port().unwrap_or(own))
}
