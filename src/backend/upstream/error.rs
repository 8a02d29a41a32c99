//! Why a provider gave no reply.

use std::{error::Error, io, iter, net::IpAddr, time::Duration};

use thiserror::Error;

use super::SendError;

/// Why there is no reply. A reply with an error status is a reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpstreamError {
    /// The name has no address, or there is no name service.
    #[error("the host name has no address: {0}")]
    Resolve(String),
    /// The address is not of the public Internet, and only such may be reached for this caller.
    #[error("{0} is not an address of the public Internet")]
    Forbidden(IpAddr),
    /// Nobody answers there.
    #[error("no connection: {0}")]
    Connect(String),
    /// The peer has no certificate for this name that is trusted here, or speaks no TLS.
    #[error("no TLS: {0}")]
    Tls(String),
    /// It took too long.
    #[error("no answer within {} seconds", .0.as_secs_f32())]
    Timeout(Duration),
    /// The peer does not speak HTTP, or hung up.
    #[error("no sound HTTP reply: {0}")]
    Http(String),
    /// The request cannot be made: the account cannot address the bucket, or HTTP cannot carry it.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// The request's own body broke off; nothing of it was stored.
    #[error("the request's body broke off: {0}")]
    Body(SendError),
    /// The provider failed so often that it is left alone for a while. Nothing was sent.
    #[error("the provider is left alone for {} seconds", .0.as_secs_f32())]
    Open(Duration),
    /// The provider has as many requests in flight as it takes. Nothing was sent.
    #[error("the provider is busy; try again in {} seconds", .0.as_secs_f32())]
    Busy(Duration),
    /// The reply is longer than it may be.
    #[error("a reply above {0} bytes")]
    TooLarge(usize),
}

impl UpstreamError {
    /// Whether the provider got nothing of the request. TLS may fail after it did.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Forbidden(_)
            | Self::Connect(_)
            | Self::Request(_)
            | Self::Open(_)
            | Self::Busy(_) => true,
            Self::Tls(_) | Self::Timeout(_) | Self::Http(_) | Self::Body(_) | Self::TooLarge(_) => false,
        }
    }

    /// Of a connection that was not made.
    pub(super) fn of_connecting(error: &(dyn Error + 'static)) -> Self {
        Self::of_causes(error, Self::Connect)
    }

    /// Of a request that got no reply, or of a reply that broke off.
    pub(super) fn of_hyper(error: &hyper::Error) -> Self {
        Self::of_causes(error, Self::Http)
    }

    /// Finds, among an error's causes, the one that says what happened; else `other` of the deepest.
    fn of_causes(error: &(dyn Error + 'static), other: impl FnOnce(String) -> Self) -> Self {
        let causes = || iter::successors(Some(error), |cause: &&(dyn Error + 'static)| (*cause).source());
        causes().find_map(known).unwrap_or_else(|| other(causes().last().unwrap_or(error).to_string()))
    }
}

/// One of ours, or of TLS. An [`io::Error`] is transparent: it has the source of what it wraps, not that itself.
fn known(error: &(dyn Error + 'static)) -> Option<UpstreamError> {
    if let Some(ours) = error.downcast_ref::<UpstreamError>() {
        return Some(ours.clone());
    }
    if let Some(body) = error.downcast_ref::<SendError>() {
        return Some(UpstreamError::Body(body.clone()));
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(UpstreamError::Tls(tls.to_string()));
    }
    error.downcast_ref::<io::Error>()?.get_ref().and_then(|inner| known(inner))
}
