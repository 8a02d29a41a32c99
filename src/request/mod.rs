//! What every request goes through before a handler sees it: id, admission, rate limits, authentication, body.

pub(crate) mod accept;
pub mod admission;
pub mod authenticate;
pub mod authorize;
pub mod body;
pub mod client_ip;
pub mod cors;
pub mod exchange;
pub mod framing;
pub mod id;
pub(crate) mod media_type;
pub mod rate_limit;

use std::net::IpAddr;

use wharf_wire::date::Timestamp;

/// What is known of a request besides its bytes.
#[derive(Debug, Clone)]
pub struct Context {
    /// Unique; `x-request-id` of the reply and `requestId` in the body.
    pub request_id: String,
    /// Who sent it, behind trusted proxies.
    pub client_ip: IpAddr,
    /// Whether the TCP peer itself is on this machine and no proxy header came along.
    pub is_loopback: bool,
    /// When its head had arrived.
    pub received: Timestamp,
}
