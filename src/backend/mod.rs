//! Configured providers at run time: signing keys, requests to providers, the client that sends them.

mod address;
mod call;
pub mod origin;
pub mod probe;
mod signing_keys;
pub mod upstream;

pub use address::is_forbidden;
pub use call::{Call, CallError};
pub use origin::{Origin, Origins, Outgoing, Payload};
pub use signing_keys::SigningKeys;
