//! From settings to an account: every check that a provider's facts call for.

use std::ops::RangeInclusive;

use secrecy::ExposeSecret;
use wharf_wire::sigv4::Credentials;

use crate::{
    Account, Addressing, EndpointRule, Profile, SettingProblem, Settings,
    endpoint::{self, Base, Hosts, Own},
    region,
};

/// Checks `settings` against `profile`.
pub(crate) fn bind(profile: &'static Profile, settings: Settings) -> Result<Account, Vec<SettingProblem>> {
    let mut problems = Problems(refused_switches(profile, &settings));
    problems.keep(check_jurisdiction(profile, &settings));
    problems.0.extend(refused_credentials(profile, &settings));
    let style = problems.keep(addressing(profile, &settings));
    let public_base = problems.keep(public_base(settings.public_url.as_deref()));
    let custom = problems.keep(custom_endpoint(&settings)).flatten();
    let is_foreign =
        settings.endpoint.is_some() && !is_own_without_region(profile, &settings, custom.as_ref());
    let named = problems.keep(region::named(&profile.regions, settings.region.as_deref(), is_foreign));
    let hosts = match settings.endpoint {
        Some(_) => custom.map(|base| Own { base, accelerated: None }),
        None => problems.keep(endpoint::own(&profile.endpoint, &settings, named.as_ref())).flatten(),
    };
    match (problems.0.is_empty(), style, public_base, named, hosts) {
        (true, Some(style), Some(public_base), Some(named), Some(own)) => Ok(Account {
            profile,
            credentials: settings.credentials,
            region: named.region,
            hosts: Hosts::new(own.base, own.accelerated, style),
            is_custom_endpoint: settings.endpoint.is_some(),
            takes_trailers: settings
                .trailers
                .unwrap_or(profile.features.trailers && settings.endpoint.is_none()),
            takes_forms: settings
                .forms
                .unwrap_or(profile.features.forms && (settings.endpoint.is_none() || has_no_hosts(profile))),
            holds_conditions: settings
                .conditional_writes
                .unwrap_or(profile.features.conditional_writes && settings.endpoint.is_none()),
            public_base,
        }),
        _ => Err(problems.0),
    }
}

/// Whatever is known of such a provider is known of custom endpoints.
fn has_no_hosts(profile: &Profile) -> bool {
    matches!(profile.endpoint, EndpointRule::CustomOnly)
}

/// Every problem so far: a person wants to read all of them at once.
struct Problems(Vec<SettingProblem>);

impl Problems {
    fn keep<T>(&mut self, result: Result<T, SettingProblem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }
}

fn custom_endpoint(settings: &Settings) -> Result<Option<Base>, SettingProblem> {
    settings.endpoint.as_deref().map(|text| Base::parse("endpoint", text)).transpose()
}

/// The provider's own host, written out, without its region beside it: to sign for the region that other stores take
/// by default would be refused there.
fn is_own_without_region(profile: &Profile, settings: &Settings, custom: Option<&Base>) -> bool {
    settings.region.is_none()
        && custom.is_some_and(|base| endpoint::is_own(&profile.endpoint, &base.endpoint))
}

/// What can have no effect is refused, so that nobody believes that it has.
fn check_jurisdiction(profile: &Profile, settings: &Settings) -> Result<(), SettingProblem> {
    if settings.jurisdiction.is_none() {
        return Ok(());
    }
    let has_jurisdictions = matches!(profile.endpoint, EndpointRule::AccountHost { .. });
    let message = match (has_jurisdictions, &settings.endpoint) {
        (true, None) => return Ok(()),
        (true, Some(_)) => "a custom endpoint has no jurisdictions: leave one of the two out".to_owned(),
        (false, _) => format!("{} has no jurisdictions", profile.title),
    };
    Err(SettingProblem::new("jurisdiction", message))
}

/// The switches that cannot be on: the provider has no such hosts, or they exclude one another.
fn refused_switches(profile: &Profile, settings: &Settings) -> Vec<SettingProblem> {
    let features = &profile.features;
    let switches = [
        ("dualstack", settings.dualstack, features.dualstack),
        ("fips", settings.fips, features.fips),
        ("accelerate", settings.accelerate, features.accelerate),
    ];
    let refused = switches.into_iter().filter(|(_, on, _)| *on).filter_map(|(setting, _, has)| match has {
        false => Some(SettingProblem::new(setting, format!("{} has no hosts of this kind", profile.title))),
        true if settings.endpoint.is_some() => {
            Some(SettingProblem::new(setting, "a custom endpoint has no such form: leave one of the two out"))
        }
        true => None,
    });
    let mut problems: Vec<_> = refused.collect();
    if settings.accelerate && settings.fips {
        problems.push(SettingProblem::new("accelerate", "transfer acceleration has no FIPS hosts"));
    }
    if settings.accelerate && settings.addressing == Some(Addressing::Path) {
        problems.push(SettingProblem::new("accelerate", "transfer acceleration has no path-style addresses"));
    }
    problems
}

/// Keys of other lengths than the provider's own; a custom endpoint has its own ideas of them.
fn refused_credentials(profile: &Profile, settings: &Settings) -> Vec<SettingProblem> {
    let Some(rule) = profile.credentials.as_ref().filter(|_| settings.endpoint.is_none()) else {
        return Vec::new();
    };
    let Credentials { access_key_id, secret_access_key, .. } = &settings.credentials;
    let lengths = [
        ("access_key_id", &rule.access_key_id, access_key_id.as_str().len()),
        ("secret_access_key", &rule.secret_access_key, secret_access_key.expose_secret().len()),
    ];
    let refused = lengths.into_iter().filter(|(_, range, length)| !range.contains(length));
    let problem = |(setting, range, _): (_, &RangeInclusive<usize>, _)| {
        let message =
            format!("must have {} to {} characters on {}", range.start(), range.end(), profile.title);
        SettingProblem::new(setting, message)
    };
    refused.map(problem).collect()
}

fn addressing(profile: &Profile, settings: &Settings) -> Result<Addressing, SettingProblem> {
    let default = profile.addressing.first().copied().unwrap_or(Addressing::Path);
    let style = settings.addressing.unwrap_or(default);
    if profile.addressing.contains(&style) {
        return Ok(style);
    }
    let message = format!("{} does not take requests of this style", profile.title);
    Err(SettingProblem::new("addressing", message))
}

fn public_base(text: Option<&str>) -> Result<Option<String>, SettingProblem> {
    let Some(text) = text else { return Ok(None) };
    let base = Base::parse("public_url", text)?;
    Ok(Some(base.endpoint.origin() + &base.path))
}
