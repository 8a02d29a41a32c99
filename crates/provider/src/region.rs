//! From a region as written to the one that requests are signed with.

use wharf_wire::names::Region;

use crate::{RegionRule, SettingProblem};

/// What S3-compatible stores take for their region when nobody named another.
const FOREIGN_ENDPOINT_REGION: &str = "us-east-1";

/// A region that was looked up.
pub(crate) struct Named {
    /// What requests are signed with.
    pub(crate) region: Region,
    /// The name stood for the endpoint without a region in its host.
    pub(crate) is_global: bool,
}

/// Looks `text` up. A foreign endpoint may have any region: only its operator knows which.
pub(crate) fn named(
    rule: &RegionRule,
    text: Option<&str>,
    is_foreign: bool,
) -> Result<Named, SettingProblem> {
    let text = match (rule, text) {
        (RegionRule::Closed { global: Some(global), .. }, Some(text)) if text == global.name => {
            return Ok(Named { region: parse(global.signs_as)?, is_global: true });
        }
        (RegionRule::Closed { names, .. }, Some(text)) if !is_foreign && !names.contains(&text) => {
            return Err(unknown("unknown region", names));
        }
        (RegionRule::Closed { default: None, names, .. }, None) if !is_foreign => {
            return Err(unknown("a region must be named", names));
        }
        (RegionRule::Closed { default, .. }, None) => default.unwrap_or(FOREIGN_ENDPOINT_REGION),
        (RegionRule::Any { default }, None) => default,
        (RegionRule::Closed { .. } | RegionRule::Any { .. }, Some(text)) => text,
    };
    Ok(Named { region: parse(text)?, is_global: false })
}

fn parse(text: &str) -> Result<Region, SettingProblem> {
    Region::parse(text).map_err(|error| SettingProblem::new("region", error.to_string()))
}

fn unknown(what: &str, names: &[&str]) -> SettingProblem {
    let message = format!("{what}; name one, or give a custom endpoint");
    SettingProblem { setting: "region", message, valid_options: options(names) }
}

/// A closed set, as people are shown it.
pub(crate) fn options(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
