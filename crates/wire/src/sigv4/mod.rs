//! AWS Signature Version 4 for S3.
//!
//! ```text
//! request ──▶ canonical::CanonicalRequest ──SHA-256──▶ ┐
//! time    ──▶ AmzDate ───────────────────────────────▶ ├─▶ SigningKey::sign ──▶ Signature
//! scope   ──▶ SigningKey::derive ────────────────────▶ ┘
//! ```
//!
//! [`presign`] signs a query, [`sign_headers`] signs the headers of the requests that Wharf sends, and [`verify`] holds
//! received requests of either form against the same canonical form.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

pub mod canonical;
mod chunk;
mod credential;
mod digest;
mod header;
mod key;
mod payload;
pub mod presign;
mod signature;
#[cfg(test)]
mod suite;
pub mod verify;

pub use chunk::ChunkSigner;
pub use credential::{AccessKeyId, Credentials};
pub use digest::{HexDigest, payload_sha256};
pub use header::{HeaderSigning, SignError, sign_headers};
pub use key::{Scope, SigningKey};
pub use payload::PayloadMode;
pub use signature::Signature;

/// The only algorithm of Signature Version 4.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// `x-amz-content-sha256` for a payload that is not part of the signature.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
