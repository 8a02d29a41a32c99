//! What a request asks of S3, and what S3 answers: addresses, operations, headers and error codes.
//!
//! ```text
//! Host, path ──▶ Address ──┐
//! method, query, headers ──┴─▶ Request { bucket, key, operation, parameters }   or a Refusal
//! ```
//!
//! Everything here is an allow-list: a method, sub-resource, query parameter or `x-amz-*` header that is not in a table
//! of this module is answered with 501, so that no request is ever taken for another one. What goes to a provider
//! is written anew from these values, so a spelling that two parsers could read in two ways ends here.

pub mod address;
mod bucket_arn;
pub mod copy_source;
mod error_code;
pub mod headers;
mod operation;
mod parameter;
mod refusal;
mod request;
mod uri;

pub use address::Address;
pub use bucket_arn::{begins_names_in_policy, rename_in_policy};
pub use copy_source::CopySource;
pub use error_code::ErrorCode;
pub use operation::{Body, Group, Level, Operation, Right, Verb};
pub use parameter::{Parameter, Parameters};
pub use refusal::Refusal;
pub use request::{Head, Request, parse};

#[cfg(test)]
mod tests;
