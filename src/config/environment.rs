//! The environment, as a value: read once when the process starts, an argument from then on.
//!
//! `WHARF_SERVER__API_LISTEN` sets `server.api_listen`: after `WHARF_`, two underscores part the keys of a path, and
//! capitals are small letters. A text or secret is taken as it is; numbers, lists and tables are written as in TOML.

use std::{collections::BTreeMap, fmt};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

/// What every variable that sets something starts with.
const PREFIX: &str = "WHARF_";
/// What parts the keys of a path in a variable's name.
const SEPARATOR: &str = "__";
/// Names the config file; no setting.
const CONFIG_FILE: &str = "WHARF_CONFIG";

/// Environment variables. Those that are not UTF-8 are as good as unset.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl fmt::Debug for Environment {
    /// Names alone: values may be secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.variables.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(utf8).collect()
    }

    /// A variable's value.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The config file that the environment names.
    pub(super) fn config_file(&self) -> Option<&str> {
        self.variable(CONFIG_FILE).filter(|file| !file.is_empty())
    }

    /// The variables that set something.
    pub(super) fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        for (name, value) in &self.variables {
            if let Some(keys) = key_path(name) {
                overrides.add(name, &keys, value);
            }
        }
        overrides
    }
}

/// The keys that a variable sets, or `None` when it sets nothing.
fn key_path(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix(PREFIX)?;
    if rest.is_empty() || name == CONFIG_FILE || is_service_link(rest) {
        return None;
    }
    Some(rest.to_ascii_lowercase().split(SEPARATOR).map(str::to_owned).collect())
}

/// Kubernetes gives every pod variables about its services, and for a service called `wharf` they start like ours:
/// `WHARF_SERVICE_HOST`, `WHARF_PORT_8080_TCP`.
fn is_service_link(rest: &str) -> bool {
    let words = format!("_{rest}_");
    !rest.contains(SEPARATOR) && (words.contains("_SERVICE_") || words.contains("_PORT_"))
}

/// What the environment sets, as figment takes it.
#[derive(Default)]
pub(super) struct Overrides {
    settings: Dict,
    /// The variable behind each key path.
    pub(super) variables: BTreeMap<String, String>,
    /// Key paths of variables that another one contradicts, being set inside and as a whole.
    pub(super) conflicts: Vec<String>,
}

impl Overrides {
    fn add(&mut self, name: &str, keys: &[String], value: &str) {
        let path = keys.join(".");
        if !insert(&mut self.settings, keys, value) {
            self.conflicts.push(path.clone());
        }
        self.variables.insert(path, name.to_owned());
    }
}

impl Provider for Overrides {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.settings.clone()))
    }
}

/// Puts `text` at the end of `keys`; false when a value stands in its way.
fn insert(settings: &mut Dict, keys: &[String], text: &str) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    if rest.is_empty() {
        return settings.insert(first.clone(), Value::from(text)).is_none();
    }
    match settings.entry(first.clone()).or_insert_with(|| Value::from(Dict::new())) {
        Value::Dict(_, inner) => insert(inner, rest, text),
        Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..)
        | Value::Array(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(names: &[&str]) -> Overrides {
        names.iter().map(|name| (*name, "x")).collect::<Environment>().overrides()
    }

    #[test]
    fn two_underscores_part_keys_and_capitals_are_small() {
        let overrides =
            overrides(&["WHARF_SERVER__API_LISTEN", "WHARF_KEYS", "PATH", "WHARF_CONFIG", "WHARF_"]);
        let paths: Vec<_> = overrides.variables.keys().map(String::as_str).collect();
        assert_eq!(paths, ["keys", "server.api_listen"]);
        assert!(overrides.conflicts.is_empty());
    }

    #[test]
    fn what_kubernetes_says_of_a_service_called_wharf_is_no_setting() {
        let links =
            ["WHARF_PORT", "WHARF_SERVICE_HOST", "WHARF_SERVICE_PORT_HTTP", "WHARF_PORT_8080_TCP_ADDR"];
        assert!(overrides(&links).variables.is_empty());
        let meant = ["WHARF_PROVIDERS__PORT__REGION", "WHARF_SUPPORT"];
        assert_eq!(overrides(&meant).variables.len(), 2);
    }

    #[test]
    fn a_table_set_as_a_whole_and_inside_is_a_conflict() {
        let overrides = overrides(&["WHARF_SERVER", "WHARF_SERVER__API_LISTEN"]);
        assert_eq!(overrides.conflicts, ["server.api_listen"]);
    }

    #[test]
    fn debug_shows_no_values() {
        let environment: Environment = [("WHARF_KEYS", "hunter2")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"WHARF_KEYS"}"#);
    }
}
