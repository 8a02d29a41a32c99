//! Configured providers at run time: signing keys, requests to providers, the client that sends them.

mod address;
pub mod origin;
pub mod probe;
mod signing_keys;
pub mod upstream;

pub use address::is_forbidden;
pub use origin::{Jitter, Origin, OriginMetrics, Origins, Outcome, Outgoing, Payload, Shared};
pub use signing_keys::SigningKeys;
