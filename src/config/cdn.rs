//! `cdn = { … }` of a bucket: its domain, what signs for a private distribution, and what its cookies are like.

use std::sync::Arc;

use wharf_provider::cdn::{CdnDomain, CdnError, CdnHash, CdnSigner};

use super::{
    checked::{CdnConfig, CdnCookies},
    raw::Table,
    secret,
};

/// Reads it.
pub(super) fn read(table: &mut Table<'_>) -> Option<CdnConfig> {
    let hint = "write the domain alone: `cdn.example.com`";
    let domain = table.required("domain", hint).and_then(|entry| entry.parsed(hint, parse_domain));
    let signer = signer(table);
    let cookies = table.section("cookies", |table| cookies(table, domain.as_ref()));
    Some(CdnConfig { domain: domain?, signer: signer.map(Arc::new), cookies })
}

/// The CDN's own error repeats what was written, which the configuration's never do.
fn parse_domain(text: &str) -> Result<CdnDomain, &'static str> {
    CdnDomain::parse(text).map_err(|_| "is no domain")
}

fn signer(table: &mut Table<'_>) -> Option<CdnSigner> {
    const HASHES: [(&str, CdnHash); 2] = [("SHA1", CdnHash::Sha1), ("SHA256", CdnHash::Sha256)];
    let key_pair_id = table.text("key_pair_id");
    let private_key = table.entry("private_key_file");
    let hash = table.choice("hash", &HASHES).unwrap_or_default();
    match (key_pair_id, private_key) {
        (Some(id), Some(file)) => {
            let signer = CdnSigner::from_pem(&id, &secret::from_file(file)?);
            let signer = signer.map_err(|error| {
                let at = if error == CdnError::KeyPairId { "key_pair_id" } else { "private_key_file" };
                table.problem(at, error.to_string(), "");
            });
            Some(signer.ok()?.with_hash(hash))
        }
        (None, Some(_)) => {
            table.problem("key_pair_id", "is missing", "write the id of the public key, `K…`");
            None
        }
        (Some(_), None) => {
            table.problem("private_key_file", "is missing", "name the PEM file of the private key");
            None
        }
        (None, None) => None,
    }
}

fn cookies(table: &mut Table<'_>, cdn: Option<&CdnDomain>) -> CdnCookies {
    let hint = "write the CDN's own host, or a domain above it that your pages share: `example.com`";
    let domain = table.parsed("domain", hint, |text| check_cookie_domain(text, cdn));
    let hint = "begin it with `/`: `/films/`";
    let path = table.parsed("path", hint, check_cookie_path);
    CdnCookies {
        domain,
        path: path.unwrap_or_else(|| "/".to_owned()),
        expires_seconds: table
            .optional_number("expires_seconds", 60..=604_800)
            .and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

/// A browser takes a cookie's domain from no other page than one below it, and sends it nowhere else.
fn check_cookie_domain(text: &str, cdn: Option<&CdnDomain>) -> Result<String, &'static str> {
    let is_above = |host: &str| {
        host.strip_suffix(text).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            && text.contains('.')
    };
    match cdn {
        Some(cdn) if !is_above(cdn.host()) => Err("is neither the CDN's host nor a domain above it"),
        Some(_) | None => Ok(text.to_owned()),
    }
}

fn check_cookie_path(text: &str) -> Result<String, &'static str> {
    let can_stand = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    if text.starts_with('/') && text.bytes().all(can_stand) {
        Ok(text.to_owned())
    } else {
        Err("is no path that a cookie can have")
    }
}
