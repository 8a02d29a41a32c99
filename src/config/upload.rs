//! `[upload]`: browsers, callers with credentials of their own, expiry, rates.

use std::time::Duration;

use wharf_wire::endpoint::{Endpoint, Host, Scheme};

use super::{
    checked::{Callers, Cors, EndpointRule, Origins, Upload},
    providers::plugin_kinds,
    rate_limit,
    raw::{Entry, Table, quoted},
};

const ORIGIN_HINT: &str = "write what browsers send: `https://app.example.com`, or `*` alone for any";
const ENDPOINT_HINT: &str =
    "write `https://host[:port]`, or `https://*.example.com` for every host below a domain";

/// Reads `[upload]`.
pub(super) fn read(table: &mut Table<'_>) -> Upload {
    Upload {
        cors: table.section("cors", cors),
        callers: table.section("callers", callers),
        access_tokens: table.boolean("access_tokens", false),
        expires_default_seconds: table.number_u32("expires_default_seconds", 3600, 60..=604_800),
        stale_uploads_after: stale_uploads_after(table),
        rate_limit_per_ip: rate_limit::read(table, "rate_limit_per_ip"),
        rate_limit_callers: rate_limit::read(table, "rate_limit_callers"),
        rate_limit_clients_max: table.count("rate_limit_clients_max", 100_000, 1000..=10_000_000),
    }
}

fn stale_uploads_after(table: &mut Table<'_>) -> Option<Duration> {
    let hours = table.number("stale_upload_hours", 168, 0..=8760);
    (hours > 0).then(|| Duration::from_hours(hours))
}

/// Reads a section `cors`.
pub(super) fn cors(table: &mut Table<'_>) -> Cors {
    let origins = table.list("origins", |entry| entry.parsed(ORIGIN_HINT, origin));
    let has_any = origins.iter().any(|origin| origin == "*");
    if has_any && origins.len() > 1 {
        table.problem("origins", "names `*` and others", "write `*` alone, or leave it out");
    }
    Cors {
        origins: if has_any { Origins::Any } else { Origins::Listed(origins) },
        max_age_seconds: table.number_u32("max_age_seconds", 600, 0..=86_400),
    }
}

/// An origin as browsers write it: scheme, host, port unless it is the scheme's own. Apps have schemes of their own,
/// `capacitor://localhost`.
fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let (scheme, host) = text.split_once("://").ok_or("has no scheme")?;
    if scheme == "http" || scheme == "https" {
        let origin = Endpoint::parse(text).map_err(|error| error.to_string())?.origin();
        return if origin == text { Ok(origin) } else { Err("is not how a browser writes it".to_owned()) };
    }
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:_".contains(&byte);
    if scheme.is_empty() || host.is_empty() || !scheme.bytes().all(is_scheme) || !host.bytes().all(is_host) {
        return Err("is no origin".to_owned());
    }
    Ok(text.to_owned())
}

fn callers(table: &mut Table<'_>) -> Callers {
    Callers {
        allowed: table.boolean("allowed", false),
        endpoints: table.list("endpoints", |entry| entry.parsed(ENDPOINT_HINT, endpoint_rule)),
        default_endpoints: table
            .named_entries("default_endpoints")
            .into_iter()
            .filter_map(|(kind, entry)| default_endpoint(kind, entry))
            .collect(),
    }
}

fn default_endpoint(kind: String, entry: Entry<'_>) -> Option<(String, Endpoint)> {
    if wharf_plugins::by_kind(&kind).is_none() {
        entry.problem("is no plugin", &format!("use one of {}", quoted(&plugin_kinds())));
        return None;
    }
    Some((kind, entry.parsed("write `https://host[:port]`", Endpoint::parse)?))
}

fn endpoint_rule(text: &str) -> Result<EndpointRule, String> {
    let Some(below) = text.strip_prefix("https://*.") else {
        return Endpoint::parse(text).map(EndpointRule::Exact).map_err(|error| error.to_string());
    };
    let endpoint = Endpoint::parse(&format!("https://{below}")).map_err(|error| error.to_string())?;
    match (endpoint.scheme(), endpoint.host()) {
        (Scheme::Https, Host::Name(domain)) if domain.contains('.') => {
            Ok(EndpointRule::Below { domain: domain.clone(), port: endpoint.port() })
        }
        _ => Err("needs a domain of its own behind `*.`".to_owned()),
    }
}
