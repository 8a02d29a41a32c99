//! What is said of an account before it is checked, and what is answered when it cannot be right.

use wharf_wire::sigv4::Credentials;

use crate::Addressing;

/// What a person or a caller says of an account. All text is as written; `bind` checks it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who signs.
    pub credentials: Credentials,
    /// The region, for providers that have several.
    pub region: Option<String>,
    /// A custom endpoint in place of the provider's own.
    pub endpoint: Option<String>,
    /// The account's id where it stands in the host name.
    pub account_id: Option<String>,
    /// The jurisdiction whose hosts are to be used, where a provider has such.
    pub jurisdiction: Option<String>,
    /// IPv6 hosts.
    pub dualstack: bool,
    /// FIPS 140 hosts.
    pub fips: bool,
    /// Transfer acceleration hosts.
    pub accelerate: bool,
    /// Path or virtual-host style, in place of the provider's default.
    pub addressing: Option<Addressing>,
    /// Where objects are public, in place of the endpoint (a custom domain or a development URL).
    pub public_url: Option<String>,
    /// Whether the endpoint takes checksums that follow a body, where that is known better than from the profile.
    pub trailers: Option<bool>,
    /// Whether the endpoint takes forms from browsers, where that is known better than from the profile.
    pub forms: Option<bool>,
    /// Whether the endpoint holds `If-None-Match: *` on writes, where that is known better than from the profile.
    pub conditional_writes: Option<bool>,
}

impl Settings {
    /// Settings that say who signs, and nothing else.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            region: None,
            endpoint: None,
            account_id: None,
            jurisdiction: None,
            dualstack: false,
            fips: false,
            accelerate: false,
            addressing: None,
            public_url: None,
            trailers: None,
            forms: None,
            conditional_writes: None,
        }
    }
}

/// A setting that cannot be used, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting's name as in [`Settings`]: `region`.
    pub setting: &'static str,
    /// What is wrong and what to write instead; it never holds a secret.
    pub message: String,
    /// The closed set of values, where there is one.
    pub valid_options: Vec<String>,
}

impl SettingProblem {
    pub(crate) fn new(setting: &'static str, message: impl Into<String>) -> Self {
        Self { setting, message: message.into(), valid_options: Vec::new() }
    }
}
