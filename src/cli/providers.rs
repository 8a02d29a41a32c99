//! `wharf providers`: what each plugin can do, read from its profile.

use std::{fmt::Write as _, io::Write};

use clap::Args;
use serde::Serialize;
use wharf_provider::{Addressing, CorsSupport, Encryption, PolicyRule, Profile, Provider, RegionRule};

use super::CliError;

/// What `wharf providers` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One plugin, with everything that is known of it.
    plugin: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A profile in words and numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    plugin: &'static str,
    title: &'static str,
    field_prefix: &'static str,
    /// `null`: any.
    regions: Option<&'static [&'static str]>,
    default_region: Option<&'static str>,
    addressing: Vec<&'static str>,
    storage_classes: Vec<&'static str>,
    encryption: Vec<&'static str>,
    object_bytes_max: u64,
    put_bytes_max: u64,
    part_bytes_min: u64,
    part_bytes_max: u64,
    parts_max: u16,
    presign_seconds_max: u32,
    delete_batch_max: usize,
    hosts: Vec<&'static str>,
    takes_policies: bool,
    takes_cors_rules: bool,
    takes_forms: bool,
    links: &'static [&'static str],
}

/// Writes a table of all plugins, or everything about one.
pub fn run(arguments: &Arguments, plugins: &[&dyn Provider], out: &mut impl Write) -> Result<(), CliError> {
    let descriptions = described(arguments.plugin.as_deref(), plugins)?;
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(&descriptions);
        json.map_err(|error| CliError::Output(error.into()))? + "\n"
    } else if arguments.plugin.is_some() {
        descriptions.iter().map(details).collect()
    } else {
        table(&descriptions)
    };
    out.write_all(text.as_bytes())?;
    Ok(())
}

fn described(wanted: Option<&str>, plugins: &[&dyn Provider]) -> Result<Vec<Description>, CliError> {
    let all = plugins.iter().map(|plugin| plugin.profile());
    let chosen = all.clone().filter(|profile| wanted.is_none_or(|kind| kind == profile.kind));
    let descriptions: Vec<_> = chosen.map(Description::of).collect();
    match wanted {
        Some(kind) if descriptions.is_empty() => Err(CliError::Unknown {
            what: "provider plugin",
            name: kind.to_owned(),
            known: all.map(|profile| profile.kind.to_owned()).collect(),
        }),
        Some(_) | None => Ok(descriptions),
    }
}

impl Description {
    fn of(profile: &'static Profile) -> Self {
        let (regions, default_region) = match &profile.regions {
            RegionRule::Closed { names, default, .. } => (Some(*names), *default),
            RegionRule::Any { default } => (None, Some(*default)),
        };
        Self {
            plugin: profile.kind,
            title: profile.title,
            field_prefix: profile.field_prefix,
            regions,
            default_region,
            addressing: profile.addressing.iter().map(|style| addressing_name(*style)).collect(),
            storage_classes: profile.storage_classes.iter().map(|class| class.name).collect(),
            encryption: profile.encryption.iter().copied().map(Encryption::name).collect(),
            object_bytes_max: profile.limits.object_bytes_max,
            put_bytes_max: profile.limits.put_bytes_max,
            part_bytes_min: *profile.limits.part_bytes.start(),
            part_bytes_max: *profile.limits.part_bytes.end(),
            parts_max: profile.limits.parts_max,
            presign_seconds_max: profile.limits.presign_seconds_max,
            delete_batch_max: profile.limits.delete_batch_max,
            hosts: special_hosts(profile),
            takes_policies: matches!(profile.policies, PolicyRule::Documents { .. }),
            takes_cors_rules: profile.cors == CorsSupport::Bucket,
            takes_forms: profile.features.forms,
            links: profile.links,
        }
    }

    fn region_count(&self) -> String {
        self.regions.map_or_else(|| "any".to_owned(), |regions| regions.len().to_string())
    }
}

const fn addressing_name(style: Addressing) -> &'static str {
    match style {
        Addressing::Path => "path",
        Addressing::VirtualHost => "virtual host",
    }
}

fn special_hosts(profile: &Profile) -> Vec<&'static str> {
    let features = &profile.features;
    let all =
        [(features.accelerate, "accelerate"), (features.dualstack, "dualstack"), (features.fips, "FIPS")];
    all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
}

/// The columns of the table.
const COLUMNS: usize = 7;

fn table(descriptions: &[Description]) -> String {
    let heading =
        ["PLUGIN", "PROVIDER", "REGIONS", "ENCRYPTION", "LARGEST OBJECT", "LARGEST PUT", "SPECIAL HOSTS"]
            .map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = std::iter::once(heading).chain(descriptions.iter().map(row)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            line.push_str(cell);
            let padding = width.unwrap_or_default() - cell.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(description: &Description) -> [String; COLUMNS] {
    [
        description.plugin.to_owned(),
        description.title.to_owned(),
        description.region_count(),
        list(&description.encryption),
        size(description.object_bytes_max),
        size(description.put_bytes_max),
        list(&description.hosts),
    ]
}

fn details(description: &Description) -> String {
    let yes_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    let regions = description.regions.map_or_else(|| "any".to_owned(), list);
    let lines = [
        ("plugin", description.plugin.to_owned()),
        ("provider", description.title.to_owned()),
        ("fields of callers", format!("{0}AccessKey, {0}SecretKey, {0}Bucket, …", description.field_prefix)),
        ("regions", regions),
        ("default region", description.default_region.unwrap_or("none: name one").to_owned()),
        ("addressing", list(&description.addressing)),
        ("storage classes", list(&description.storage_classes)),
        ("encryption", list(&description.encryption)),
        ("largest object", size(description.object_bytes_max)),
        ("largest single PUT", size(description.put_bytes_max)),
        ("parts", parts(description)),
        ("longest signed URL", format!("{} s", description.presign_seconds_max)),
        ("keys per batch", description.delete_batch_max.to_string()),
        ("special hosts", list(&description.hosts)),
        ("takes IAM policies", yes_no(description.takes_policies)),
        ("takes CORS rules", yes_no(description.takes_cors_rules)),
        ("takes forms", yes_no(description.takes_forms)),
        ("read more", list(description.links)),
    ];
    lines.into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name:<19} {value}");
        text
    })
}

fn parts(description: &Description) -> String {
    let Description { part_bytes_min, part_bytes_max, parts_max, .. } = description;
    format!("up to {parts_max}, each {} to {}", size(*part_bytes_min), size(*part_bytes_max))
}

fn list(items: &[&str]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// Units of sizes, vendors' decimal ones among them, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("B", 1),
];

/// Bytes as a whole number of some unit, if that has at most four digits; else in the largest unit, rounded down to one
/// decimal: `5 GiB`, `5 TB`, `48.8 TiB`.
fn size(bytes: u64) -> String {
    let is_exact = |unit: u64| bytes >= unit && bytes.is_multiple_of(unit) && bytes / unit < 10_000;
    if let Some((name, unit)) = UNITS.into_iter().find(|(_, unit)| is_exact(*unit)) {
        return format!("{} {name}", bytes / unit);
    }
    let (name, unit) = UNITS.into_iter().find(|(_, unit)| bytes >= *unit).unwrap_or(("B", 1));
    let tenths = bytes.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_where_they_can_be_and_never_rounded_up() {
        for (bytes, text) in [
            (1, "1 B"),
            (1_500, "1500 B"),
            (5 << 30, "5 GiB"),
            (5_000_000_000_000, "5 TB"),
            ((5 << 40) - (5 << 30), "5115 GiB"),
            (10_000 * (5 << 30), "48.8 TiB"),
            ((5 << 40) - 1, "4.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
