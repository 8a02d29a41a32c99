//! Checks of what a profile says against what `bind` and `location` make of it.

use wharf_wire::{endpoint::Host, names::Region};

use crate::{
    Account, Addressing, CorsSupport, Encryption, EndpointRule, Location, PolicyRule, Profile, Provider,
    RegionRule, SettingProblem, Settings,
};

use super::{Outcome, are_distinct, ensure, sample};

/// A kind stands in a URL's path and in the config, a prefix in a JSON field's name.
pub(super) fn names(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    ensure(is_word(profile.kind), "the kind is not a word of a-z and 0-9")?;
    ensure(is_word(profile.field_prefix), "the field prefix is not a word of a-z and 0-9")?;
    ensure(!profile.title.is_empty(), "there is no title")
}

pub(super) fn links(provider: &dyn Provider) -> Outcome {
    let links = provider.profile().links;
    ensure(!links.is_empty(), "there is no link")?;
    ensure(links.iter().all(|link| link.starts_with("https://")), "a link is not https")
}

/// Every region binds, and is what requests are signed with.
pub(super) fn regions(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    match &profile.regions {
        RegionRule::Any { default } => signs_as(provider, None, default),
        RegionRule::Closed { names, default, global } => {
            ensure(are_distinct(names) && !names.is_empty(), "a region is there twice, or none")?;
            for name in *names {
                signs_as(provider, Some(name), name)?;
            }
            if let Some(global) = global {
                ensure(names.contains(&global.signs_as), "the global endpoint signs as no known region")?;
                signs_as(provider, Some(global.name), global.signs_as)?;
            }
            match default {
                Some(default) => {
                    ensure(names.contains(default), "the default is not one of the regions")?;
                    signs_as(provider, None, default)
                }
                None => refuses(provider, Settings { region: None, ..sample::settings(profile)? }, "region"),
            }
        }
    }
}

fn signs_as(provider: &dyn Provider, region: Option<&str>, signed: &str) -> Outcome {
    let account = bind_in(provider, region)?;
    ensure(account.region().as_str() == signed, format!("{region:?} is not signed as {signed}"))
}

/// Refused with the known ones on the provider's own hosts, taken on a custom endpoint.
pub(super) fn unknown_regions(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    for region in ["auto", "far-away-7"] {
        let settings = Settings { region: Some(region.to_owned()), ..sample::settings(profile)? };
        let custom = Settings { endpoint: Some(sample::CUSTOM_ENDPOINT.to_owned()), ..settings.clone() };
        let account = sample::bind(provider, custom)?;
        ensure(account.region().as_str() == region, "a custom endpoint does not keep its region")?;
        ensure(account.is_custom_endpoint(), "a custom endpoint is not told apart")?;
        let is_known = matches!(profile.regions, RegionRule::Closed { names, .. } if names.contains(&region));
        if is_known || matches!(profile.endpoint, EndpointRule::CustomOnly) {
            continue;
        }
        let problem = refusal(provider, settings, "region")?;
        ensure(!problem.valid_options.is_empty(), "an unknown region is refused without the known ones")?;
    }
    Ok(())
}

/// Each region is in one partition, and the other way round.
pub(super) fn partitions(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let EndpointRule::Partitions(partitions) = profile.endpoint else { return Ok(()) };
    let RegionRule::Closed { names, .. } = profile.regions else {
        return Err("partitions need a closed list of regions".to_owned());
    };
    let regions: Vec<&str> = partitions.iter().flat_map(|partition| partition.regions).copied().collect();
    ensure(are_distinct(&regions), "a region is in two partitions")?;
    ensure(regions.iter().all(|region| names.contains(region)), "a partition has a region of its own")
}

/// In every region a host that a resolver can read, under the provider's own name, over TLS.
pub(super) fn hosts(provider: &dyn Provider) -> Outcome {
    for region in known_regions(provider.profile()) {
        let account = bind_in(provider, region)?;
        let host = account.endpoint().host();
        let Host::Name(name) = host else { return Err(format!("{host} is not a name")) };
        ensure(Host::parse(name).as_ref() == Ok(host), format!("{name} is not a host"))?;
        ensure(account.endpoint().origin() == format!("https://{name}"), "the endpoint is not plain https")?;
        let has_none = matches!(provider.profile().endpoint, EndpointRule::CustomOnly);
        ensure(
            account.is_custom_endpoint() == has_none,
            "an own host is taken for a custom one, or the reverse",
        )?;
    }
    Ok(())
}

/// Ids of the right length and alphabet only; without one the provider's own hosts are unknown.
pub(super) fn account_ids(provider: &dyn Provider) -> Outcome {
    let EndpointRule::AccountHost { account_id_hex_digits: digits, .. } = provider.profile().endpoint else {
        return Ok(());
    };
    ensure((1..=63).contains(&digits), "an id of this length cannot stand in a host name")?;
    let with = |id: Option<String>| -> Outcome {
        let settings = Settings { account_id: id, ..sample::settings(provider.profile())? };
        refuses(provider, settings, "account_id")
    };
    with(None)?;
    with(Some("a".repeat(digits + 1)))?;
    with(Some("A".repeat(digits)))?;
    with(Some("x".repeat(digits)))
}

/// Each has a host of its own; others are refused with the known ones, and all of them beside a custom endpoint.
pub(super) fn jurisdictions(provider: &dyn Provider) -> Outcome {
    let with = |jurisdiction: &str| -> Result<Settings, String> {
        Ok(Settings { jurisdiction: Some(jurisdiction.to_owned()), ..sample::settings(provider.profile())? })
    };
    let EndpointRule::AccountHost { jurisdictions, .. } = provider.profile().endpoint else {
        return refuses(provider, with("eu")?, "jurisdiction");
    };
    let custom = Settings { endpoint: Some(sample::CUSTOM_ENDPOINT.to_owned()), ..with("eu")? };
    refuses(provider, custom, "jurisdiction")?;
    let plain = bind_in(provider, None)?;
    for name in jurisdictions {
        let account = sample::bind(provider, with(name)?)?;
        ensure(account.endpoint() != plain.endpoint(), format!("{name} has no host of its own"))?;
    }
    let problem = refusal(provider, with("atlantis")?, "jurisdiction")?;
    ensure(problem.valid_options == *jurisdictions, "an unknown one is refused without the known ones")
}

/// Styles that are claimed place the bucket where they say; others are refused.
pub(super) fn addressing(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let claimed = profile.addressing;
    ensure(
        matches!(
            claimed,
            [_] | [Addressing::Path, Addressing::VirtualHost] | [Addressing::VirtualHost, Addressing::Path]
        ),
        "a style is there twice, or none",
    )?;
    for style in [Addressing::Path, Addressing::VirtualHost] {
        let settings = Settings { addressing: Some(style), ..sample::settings(profile)? };
        if !claimed.contains(&style) {
            refuses(provider, settings, "addressing")?;
            continue;
        }
        let account = sample::bind(provider, settings)?;
        ensure(style_of(&account)? == style, format!("{style:?} is not kept"))?;
    }
    let default = sample::bind(provider, sample::settings(profile)?)?;
    ensure(Some(&style_of(&default)?) == claimed.first(), "the default is not the first style")
}

fn style_of(account: &Account) -> Result<Addressing, String> {
    let Location { authority, path, .. } = locate(account)?;
    let plain = account.endpoint().authority();
    let in_path = authority == plain && path == format!("/{}/{}", sample::BUCKET, sample::KEY);
    let in_host = authority == format!("{}.{plain}", sample::BUCKET) && path == format!("/{}", sample::KEY);
    match (in_path, in_host) {
        (true, false) => Ok(Addressing::Path),
        (false, true) => Ok(Addressing::VirtualHost),
        (true, true) | (false, false) => Err(format!("{authority}{path} is of no style")),
    }
}

/// Names that mark another kind of bucket are refused, and could be names at all.
pub(super) fn reserved_buckets(provider: &dyn Provider) -> Outcome {
    let account = bind_in(provider, None)?;
    for reserved in provider.profile().reserved_bucket_suffixes {
        ensure(!reserved.names.is_empty(), "a suffix without what it names")?;
        let is_ending = reserved
            .suffix
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        ensure(
            is_ending && !reserved.suffix.is_empty(),
            format!("no bucket's name ends in {:?}", reserved.suffix),
        )?;
        let name = format!("photos{}", reserved.suffix);
        ensure(account.locate(Some(&name), None).is_err(), format!("{name} is not refused"))?;
    }
    Ok(())
}

/// Lengths count on the provider's own hosts alone.
pub(super) fn credentials(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let on_own = |id: usize, secret: usize| -> Result<Settings, String> {
        Ok(Settings { credentials: sample::credentials(id, secret)?, ..sample::settings(profile)? })
    };
    let custom = |id: usize, secret: usize| -> Result<Settings, String> {
        Ok(Settings { endpoint: Some(sample::CUSTOM_ENDPOINT.to_owned()), ..on_own(id, secret)? })
    };
    sample::bind(provider, custom(1, 1)?)?;
    let Some(rule) = &profile.credentials else {
        return sample::bind(provider, on_own(1, 1)?).map(drop);
    };
    let (id, secret) = (&rule.access_key_id, &rule.secret_access_key);
    for (id, secret) in [(*id.start(), *secret.end()), (*id.end(), *secret.start())] {
        sample::bind(provider, on_own(id, secret)?)?;
    }
    refuses(provider, on_own(*id.start() - 1, *secret.start())?, "access_key_id")?;
    refuses(provider, on_own(*id.start(), *secret.start() - 1)?, "secret_access_key")?;
    refuses(provider, on_own(*id.start(), *secret.end() + 1)?, "secret_access_key")
}

/// A setting that is on or off, whether the provider claims it, and what turns it on.
type Switch = (&'static str, bool, fn(&mut Settings));

/// A switch that is claimed leads to another host somewhere; one that is not, and any on a custom endpoint, is refused.
pub(super) fn switches(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let features = &profile.features;
    let all: [Switch; 3] = [
        ("accelerate", features.accelerate, |settings| settings.accelerate = true),
        ("dualstack", features.dualstack, |settings| settings.dualstack = true),
        ("fips", features.fips, |settings| settings.fips = true),
    ];
    for (name, claimed, turn_on) in all {
        let mut custom =
            Settings { endpoint: Some(sample::CUSTOM_ENDPOINT.to_owned()), ..sample::settings(profile)? };
        turn_on(&mut custom);
        refuses(provider, custom, name)?;
        let mut somewhere = false;
        for region in known_regions(profile) {
            let mut settings = settings_in(profile, region)?;
            let plain = locate(&sample::bind(provider, settings.clone())?)?;
            turn_on(&mut settings);
            match sample::bind(provider, settings) {
                Ok(account) => somewhere |= locate(&account)?.authority != plain.authority,
                Err(problem) => {
                    ensure(problem.contains(name), format!("{name} is not what is refused: {problem}"))?;
                }
            }
        }
        ensure(somewhere == claimed, format!("{name} is claimed without hosts, or not claimed with them"))?;
    }
    Ok(())
}

/// They are claimed for own hosts alone; of any other endpoint the settings must say it.
pub(super) fn trailers(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let has_none = matches!(profile.endpoint, EndpointRule::CustomOnly);
    ensure(!(has_none && profile.features.trailers), "trailers are claimed without hosts")?;
    let own = sample::bind(provider, sample::settings(profile)?)?;
    ensure(own.takes_trailers() == profile.features.trailers, "the own hosts are not as claimed")?;
    for said in [None, Some(false), Some(true)] {
        let endpoint = Some(sample::CUSTOM_ENDPOINT.to_owned());
        let settings = Settings { endpoint, trailers: said, ..sample::settings(profile)? };
        let takes = sample::bind(provider, settings)?.takes_trailers();
        ensure(takes == (said == Some(true)), "a custom endpoint is not as the settings say")?;
    }
    Ok(())
}

/// They are claimed for own hosts, or for any where there are none; of another endpoint the settings must say it.
pub(super) fn form_endpoints(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let own = sample::bind(provider, sample::settings(profile)?)?;
    ensure(own.takes_forms() == profile.features.forms, "the sample account is not as claimed")?;
    let has_none = matches!(profile.endpoint, EndpointRule::CustomOnly);
    for said in [None, Some(false), Some(true)] {
        let endpoint = Some(sample::CUSTOM_ENDPOINT.to_owned());
        let settings = Settings { endpoint, forms: said, ..sample::settings(profile)? };
        let takes = sample::bind(provider, settings)?.takes_forms();
        let expected = said.unwrap_or(has_none && profile.features.forms);
        ensure(takes == expected, "a custom endpoint is not as the settings say")?;
    }
    Ok(())
}

/// They are claimed for own hosts alone; of any other endpoint the settings must say it.
pub(super) fn conditional_writes(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let claimed = profile.features.conditional_writes;
    let has_none = matches!(profile.endpoint, EndpointRule::CustomOnly);
    ensure(!(has_none && claimed), "conditional writes are claimed without hosts")?;
    let own = sample::bind(provider, sample::settings(profile)?)?;
    ensure(own.holds_conditions() == claimed, "the own hosts are not as claimed")?;
    for said in [None, Some(false), Some(true)] {
        let endpoint = Some(sample::CUSTOM_ENDPOINT.to_owned());
        let settings = Settings { endpoint, conditional_writes: said, ..sample::settings(profile)? };
        let holds = sample::bind(provider, settings)?.holds_conditions();
        ensure(holds == (said == Some(true)), "a custom endpoint is not as the settings say")?;
    }
    Ok(())
}

pub(super) fn policies(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let grants_keys = match profile.policies {
        PolicyRule::Documents { grants_keys, .. } => grants_keys,
        PolicyRule::Otherwise(instead) => return is_advice(instead),
    };
    let has_keys = profile.encryption.contains(&Encryption::SseKms);
    ensure(has_keys || !grants_keys, "policies grant keys that encryption does not know")?;
    let partitions = match profile.endpoint {
        EndpointRule::Partitions(partitions) => partitions,
        EndpointRule::AccountHost { .. } | EndpointRule::RegionHost { .. } | EndpointRule::CustomOnly => &[],
    };
    let elsewhere = profile.arn_partition("far-away-7")?;
    // It stands between colons, by the same rules as a region.
    ensure(Region::parse(elsewhere).is_ok(), format!("{elsewhere:?} cannot stand in an ARN"))?;
    for partition in partitions {
        let named = partition.regions.iter().map(|region| profile.arn_partition(region));
        ensure(
            named.into_iter().all(|name| name == Ok(partition.id)),
            format!("ARNs do not name {}", partition.id),
        )?;
    }
    Ok(())
}

pub(super) fn browser_rules(provider: &dyn Provider) -> Outcome {
    match provider.profile().cors {
        CorsSupport::Bucket => Ok(()),
        CorsSupport::Otherwise(instead) => is_advice(instead),
    }
}

fn is_advice(text: &str) -> Outcome {
    ensure(!text.is_empty() && !text.ends_with('.'), "advice is a sentence without its full stop")
}

pub(super) fn sizes(provider: &dyn Provider) -> Outcome {
    let limits = &provider.profile().limits;
    ensure(limits.put_bytes_max > 0, "nothing can be stored")?;
    ensure(limits.put_bytes_max <= limits.object_bytes_max, "a PUT may be larger than an object")
}

/// Parts are numbered as S3 numbers them, and one may be as large as the least that any may be.
pub(super) fn part_sizes(provider: &dyn Provider) -> Outcome {
    let limits = &provider.profile().limits;
    ensure((1..=10_000).contains(&limits.parts_max), "there are no parts, or more than S3 numbers")?;
    ensure(*limits.part_bytes.start() > 0 && !limits.part_bytes.is_empty(), "no part has such a size")
}

/// A client sends at most S3's thousand keys.
pub(super) fn batches(provider: &dyn Provider) -> Outcome {
    let keys_max = provider.profile().limits.delete_batch_max;
    ensure((1..=1000).contains(&keys_max), "a batch of keys to delete is none, or larger than S3's")
}

/// The names that a region may be called by; `None` alone where there is no list.
fn known_regions(profile: &Profile) -> Vec<Option<&'static str>> {
    match &profile.regions {
        RegionRule::Any { .. } => vec![None],
        RegionRule::Closed { names, global, .. } => {
            names.iter().copied().chain(global.iter().map(|global| global.name)).map(Some).collect()
        }
    }
}

fn settings_in(profile: &Profile, region: Option<&str>) -> Result<Settings, String> {
    let sample = sample::settings(profile)?;
    Ok(match region {
        Some(region) => Settings { region: Some(region.to_owned()), ..sample },
        None => sample,
    })
}

fn bind_in(provider: &dyn Provider, region: Option<&str>) -> Result<Account, String> {
    sample::bind(provider, settings_in(provider.profile(), region)?)
}

fn locate(account: &Account) -> Result<Location, String> {
    account.location(Some(&sample::bucket()?), Some(&sample::key()?)).map_err(|error| error.to_string())
}

fn refuses(provider: &dyn Provider, settings: Settings, setting: &str) -> Outcome {
    refusal(provider, settings, setting).map(drop)
}

/// The problem that is found with `setting`.
fn refusal(provider: &dyn Provider, settings: Settings, setting: &str) -> Result<SettingProblem, String> {
    let problems = provider.bind(settings).err().unwrap_or_default();
    let found = problems.into_iter().find(|problem| problem.setting == setting);
    found.ok_or_else(|| format!("what is wrong with {setting} is not refused as such"))
}
