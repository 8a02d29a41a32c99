//! What several tests share.

pub(crate) mod gateway;
pub(crate) mod raw;
pub(crate) mod store;
