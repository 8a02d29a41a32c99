//! From an endpoint rule and settings to hosts, and from a bucket and a key to a place on them.

use std::ops::RangeInclusive;

use wharf_wire::endpoint::{Endpoint, Host, Scheme};

use crate::{
    Addressing, EndpointRule, Location, Partition, SettingProblem, Settings,
    region::{Named, options},
};

/// How long a bucket's name is where it stands in a host name.
const BUCKET_BYTES: RangeInclusive<usize> = 3..=63;

/// An endpoint, and the path below which the S3 protocol is spoken there (empty, or `/storage/v1/s3`).
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: String,
}

impl Base {
    /// Parses what `setting` says: `http(s)://host[:port][/path]`. The path holds unreserved characters alone, so that
    /// it is the same encoded and not.
    pub(crate) fn parse(setting: &'static str, text: &str) -> Result<Self, SettingProblem> {
        let authority_at = text.find("://").map_or(0, |at| at + "://".len());
        let path_at = text.get(authority_at..).and_then(|rest| rest.find('/')).map(|at| authority_at + at);
        let (origin, path) = path_at.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.split('/').skip(1).all(is_plain_segment) {
            let message = "a path holds letters, digits, `-`, `_`, `~` and dots, between single slashes";
            return Err(SettingProblem::new(setting, message));
        }
        let endpoint =
            Endpoint::parse(origin).map_err(|error| SettingProblem::new(setting, error.to_string()))?;
        Ok(Self { endpoint, path: path.to_owned() })
    }
}

fn is_plain_segment(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.');
    segment.bytes().all(plain) && segment.bytes().any(|byte| byte != b'.')
}

/// Where an account's buckets are.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    pub(crate) endpoint: Endpoint,
    /// The endpoint's authority, kept because every request needs it.
    authority: String,
    /// Empty, or the path of a custom endpoint.
    base_path: String,
    style: Addressing,
    /// The authority for transfer acceleration, without a bucket.
    accelerated: Option<String>,
}

impl Hosts {
    pub(crate) fn new(base: Base, accelerated: Option<String>, style: Addressing) -> Self {
        let authority = base.endpoint.authority();
        let style = match base.endpoint.host() {
            Host::Name(_) => style,
            Host::Address(_) => Addressing::Path,
        };
        Self { endpoint: base.endpoint, authority, base_path: base.path, style, accelerated }
    }

    /// Where `key` in `bucket` is on the plain hosts.
    pub(crate) fn plain(&self, bucket: Option<&str>, key: Option<&str>) -> Location {
        match bucket.filter(|bucket| self.can_stand_in_host(bucket)) {
            Some(bucket) => self.place(under(bucket, &self.authority), None, key),
            None => self.place(self.authority.clone(), bucket, key),
        }
    }

    /// As [`Self::plain`], on the acceleration hosts where the account uses them; the bucket is one that
    /// [`Self::can_address`].
    pub(crate) fn preferred(&self, bucket: Option<&str>, key: Option<&str>) -> Location {
        match (&self.accelerated, bucket) {
            (Some(accelerated), Some(bucket)) => self.place(under(bucket, accelerated), None, key),
            (None, _) | (_, None) => self.plain(bucket, key),
        }
    }

    /// Whether `bucket` can stand in the acceleration hosts, where the account uses them.
    pub(crate) fn can_address(&self, bucket: &str) -> bool {
        self.accelerated.is_none() || (is_host_label(bucket) && BUCKET_BYTES.contains(&bucket.len()))
    }

    /// A certificate's `*` stands for one label, so a bucket with dots has a host of its own only without TLS.
    fn can_stand_in_host(&self, bucket: &str) -> bool {
        let fits = match self.endpoint.scheme() {
            Scheme::Https => is_host_label(bucket),
            Scheme::Http => bucket.split('.').all(is_host_label),
        };
        self.style == Addressing::VirtualHost && fits && BUCKET_BYTES.contains(&bucket.len())
    }

    fn place(&self, authority: String, bucket: Option<&str>, key: Option<&str>) -> Location {
        let lengths = [bucket, key].map(|part| part.map_or(0, |part| part.len() + 1));
        let mut path = String::with_capacity(self.base_path.len() + lengths.iter().sum::<usize>() + 1);
        path.push_str(&self.base_path);
        for part in [bucket, key].into_iter().flatten() {
            path.push('/');
            path.push_str(part);
        }
        if path.is_empty() {
            path.push('/');
        }
        Location { scheme: self.endpoint.scheme(), authority, path }
    }
}

/// Lower-case letters, digits and inner hyphens: one label of a host name.
fn is_host_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

/// A provider's own hosts.
pub(crate) struct Own {
    pub(crate) base: Base,
    pub(crate) accelerated: Option<String>,
}

/// The provider's own hosts for `settings` in `region`; `None` where they depend on a region that was refused already.
pub(crate) fn own(
    rule: &EndpointRule,
    settings: &Settings,
    region: Option<&Named>,
) -> Result<Option<Own>, SettingProblem> {
    let host = match (rule, region) {
        (EndpointRule::Partitions(partitions), Some(region)) => {
            return in_partition(partitions, settings, region).map(Some);
        }
        (EndpointRule::RegionHost { suffix }, Some(region)) => {
            host_name(&["s3", region.region.as_str(), suffix])
        }
        (EndpointRule::Partitions(_) | EndpointRule::RegionHost { .. }, None) => return Ok(None),
        (EndpointRule::AccountHost { suffix, account_id_hex_digits, jurisdictions }, _) => {
            let account_id = account_id(settings.account_id.as_deref(), *account_id_hex_digits)?;
            let jurisdiction = jurisdiction(settings.jurisdiction.as_deref(), jurisdictions)?;
            host_name(&[account_id, jurisdiction, suffix])
        }
        (EndpointRule::CustomOnly, _) => {
            let message =
                "this provider has no hosts of its own: give the store's address, https://host[:port]";
            return Err(SettingProblem::new("endpoint", message));
        }
    };
    Ok(Some(Own { base: https(host), accelerated: None }))
}

/// Whether `endpoint` is one of the provider's hosts that have a region in them.
pub(crate) fn is_own(rule: &EndpointRule, endpoint: &Endpoint) -> bool {
    let Host::Name(name) = endpoint.host() else { return false };
    let is_under = |suffix: &str| name.strip_suffix(suffix).is_some_and(|start| start.ends_with('.'));
    match rule {
        EndpointRule::Partitions(partitions) => {
            partitions.iter().any(|partition| is_under(partition.dns_suffix))
        }
        EndpointRule::RegionHost { suffix } => is_under(suffix),
        EndpointRule::AccountHost { .. } | EndpointRule::CustomOnly => false,
    }
}

fn in_partition(partitions: &[Partition], settings: &Settings, named: &Named) -> Result<Own, SettingProblem> {
    let region = named.region.as_str();
    let Some(partition) = partitions.iter().find(|partition| partition.regions.contains(&region)) else {
        return Err(SettingProblem::new("region", "no partition has this region"));
    };
    if settings.fips && !partition.fips {
        return Err(SettingProblem::new("fips", format!("the partition {} has no FIPS hosts", partition.id)));
    }
    if settings.accelerate && !partition.accelerate {
        let message = format!("the partition {} has no transfer acceleration", partition.id);
        return Err(SettingProblem::new("accelerate", message));
    }
    let service = if settings.fips { "s3-fips" } else { "s3" };
    let dualstack = if settings.dualstack { "dualstack" } else { "" };
    // The global endpoint exists in the plain form alone; its other forms are those of the region that it signs with.
    let plain_global = named.is_global && !settings.fips && !settings.dualstack;
    let host_region = if plain_global { "" } else { region };
    let accelerated_region = if named.is_global && settings.dualstack { region } else { "" };
    let accelerated = ["s3-accelerate", dualstack, accelerated_region, partition.dns_suffix];
    Ok(Own {
        base: https(host_name(&[service, dualstack, host_region, partition.dns_suffix])),
        accelerated: settings.accelerate.then(|| host_name(&accelerated)),
    })
}

fn account_id(text: Option<&str>, hex_digits: usize) -> Result<&str, SettingProblem> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text {
        Some(id) if id.len() == hex_digits && id.bytes().all(is_hex) => Ok(id),
        Some(_) => {
            let message = format!("an account's id is {hex_digits} lower-case hexadecimal digits");
            Err(SettingProblem::new("account_id", message))
        }
        None => Err(SettingProblem::new("account_id", "give the account's id, or an endpoint")),
    }
}

fn jurisdiction<'a>(text: Option<&'a str>, known: &[&str]) -> Result<&'a str, SettingProblem> {
    match text {
        None => Ok(""),
        Some(text) if known.contains(&text) => Ok(text),
        Some(_) => Err(SettingProblem {
            setting: "jurisdiction",
            message: "no such jurisdiction has hosts of its own".to_owned(),
            valid_options: options(known),
        }),
    }
}

fn https(host: String) -> Base {
    Base { endpoint: Endpoint::from_parts(Scheme::Https, Host::Name(host), None), path: String::new() }
}

/// Joins the labels that are not empty.
fn host_name(labels: &[&str]) -> String {
    let mut host = String::with_capacity(labels.iter().map(|label| label.len() + 1).sum());
    for label in labels.iter().filter(|label| !label.is_empty()) {
        if !host.is_empty() {
            host.push('.');
        }
        host.push_str(label);
    }
    host
}

/// `bucket.authority`
fn under(bucket: &str, authority: &str) -> String {
    [bucket, ".", authority].concat()
}
