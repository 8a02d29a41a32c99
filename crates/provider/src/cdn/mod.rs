//! Addresses on a CDN in front of a bucket, signed where the distribution is private.
//!
//! A CDN is a domain ([`CdnDomain`]); an object on it has an address ([`CdnObject`]). CloudFront refuses the bare
//! address of an object in a private distribution: it wants a policy, a signature over it and the public key's id in
//! the query, or in cookies. [`CdnSigner`] makes both. The bytes of the address that are signed are the bytes that are sent, because one
//! encoder makes both.
//!
//! Facts and where AWS states them:
//! - the query, the policy's JSON and the base64 with `-_~` for `+=/`:
//!   <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html>,
//!   <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html>;
//! - the cookies' names, and that a canned policy is about one address and a custom one may end in `*`:
//!   <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-canned-policy.html>,
//!   <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html>;
//! - keys are RSA 2048 or ECDSA P-256, in PEM:
//!   <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-trusted-signers.html>;
//! - both kinds hash with SHA-1 unless `Hash-Algorithm=SHA256` stands in the query, or `CloudFront-Hash-Algorithm` among the
//!   cookies:
//!   <https://aws.amazon.com/about-aws/whats-new/2025/09/amazon-cloudfront-ecdsa-signed-urls/>,
//!   <https://aws.amazon.com/about-aws/whats-new/2026/04/amazon-cloudfront-sha-256-signed-urls/>.

mod cookies;
mod domain;
mod policy;
mod private_key;
mod signer;

use thiserror::Error;

pub use cookies::{CdnCookie, CdnResource};
pub use domain::{CdnDomain, CdnObject};
pub use policy::CdnPolicy;
pub use signer::{CdnHash, CdnSigner};

/// Why a CDN setting or request was refused, and what to write instead. It never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CdnError {
    /// The domain cannot be used.
    #[error(
        "`{0}` is not a CDN domain: write a host name such as `cdn.example.com`, with `http://` or `https://` in front \
         or without, and with neither port nor path"
    )]
    Domain(String),
    /// The public key's id cannot stand in a URL.
    #[error(
        "a key pair id is the letters and digits that CloudFront gave the public key, such as `K2JCJMDEHXQW5F`"
    )]
    KeyPairId,
    /// The private key cannot be used.
    #[error("the CDN's private key is {0}; write an unencrypted RSA 2048 or ECDSA P-256 private key in PEM")]
    PrivateKey(&'static str),
    /// A policy that would never hold.
    #[error("the CDN policy would begin after it ends")]
    EmptyPeriod,
    /// A query parameter that the signature's own would clash with.
    #[error("`{0}` is a query parameter of CloudFront's own")]
    ReservedParameter(String),
    /// The key's parts do not belong together: its signature failed its own check.
    #[error("the CDN's private key does not sign; its file may be damaged")]
    Signing,
}
