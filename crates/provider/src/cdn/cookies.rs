//! Signed cookies: the same policy and signature as a signed address has, carried by the browser, so that addresses stay
//! bare and one signature opens many objects.

use std::fmt;

use wharf_wire::encode;

use super::{CdnDomain, CdnError, CdnObject};

/// What cookies open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnResource {
    address: String,
    is_pattern: bool,
}

impl CdnResource {
    /// One object.
    pub fn object(object: &CdnObject<'_>) -> Result<Self, CdnError> {
        Ok(Self { address: object.url()?, is_pattern: false })
    }

    /// Every object whose key begins with `prefix`, whatever query its address has. The encoder leaves no `*` or `?` of the
    /// prefix's own, so the `*` at the end is the only one.
    pub fn below(domain: &CdnDomain, prefix: &str) -> Self {
        let mut address = domain.root();
        encode::path(prefix, &mut address);
        address.push('*');
        Self { address, is_pattern: true }
    }

    /// As the policy has it.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// Whether only a custom policy can name it: a canned one is about the very address that is asked for.
    pub(super) const fn is_pattern(&self) -> bool {
        self.is_pattern
    }
}

/// One cookie. Its value is a credential, or a part of one: `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub struct CdnCookie {
    name: &'static str,
    value: String,
}

impl CdnCookie {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }

    /// `CloudFront-Signature` and the like.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The value, to be handed to whom it was made for. All of it can stand in a cookie as it is.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for CdnCookie {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CdnCookie").field("name", &self.name).finish_non_exhaustive()
    }
}
