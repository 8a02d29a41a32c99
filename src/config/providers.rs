//! `[providers.NAME]`: accounts. What a provider can do is its plugin's to say.

use std::collections::BTreeMap;

use secrecy::SecretString;
use wharf_provider::{Addressing, Provider, SettingProblem, Settings};
use wharf_wire::sigv4::{AccessKeyId, Credentials};

use super::{
    checked::{ProviderConfig, Timeouts},
    names, rate_limit,
    raw::{Table, nearest, quoted},
    secret::SecretKeys,
};

const SECRET_ACCESS_KEY: SecretKeys =
    SecretKeys { inline: "secret_access_key", file: "secret_access_key_file" };
const SESSION_TOKEN: SecretKeys = SecretKeys { inline: "session_token", file: "session_token_file" };

/// Providers by name. One with problems keeps its name, so that the buckets on it are not reported as well.
pub(super) type Providers = BTreeMap<String, NamedProvider>;

/// A provider as far as it could be read.
pub(super) struct NamedProvider {
    /// The plugin, if there is such a one.
    pub(super) plugin: Option<&'static dyn Provider>,
    /// The provider, if it has no problems.
    pub(super) config: Option<ProviderConfig>,
}

/// Reads `[providers]`.
pub(super) fn read(root: &mut Table<'_>) -> Providers {
    let mut providers = Providers::new();
    root.named_tables("providers", |name, table| {
        names::refuse_route_words(name, table);
        let plugin = plugin(table);
        let config = provider(name, plugin, table);
        providers.insert(name.to_owned(), NamedProvider { plugin, config });
    });
    providers
}

/// The names of all plugins.
pub(super) fn plugin_kinds() -> Vec<&'static str> {
    wharf_plugins::PROVIDERS.iter().map(|provider| provider.profile().kind).collect()
}

fn plugin(table: &mut Table<'_>) -> Option<&'static dyn Provider> {
    let hint = format!("write one of {}", quoted(&plugin_kinds()));
    table.required("plugin", &hint)?.parsed(&hint, |kind| {
        wharf_plugins::by_kind(kind).ok_or_else(|| match nearest(kind, &plugin_kinds()) {
            Some(nearest) => format!("is no plugin; did you mean `{nearest}`?"),
            None => "is no plugin".to_owned(),
        })
    })
}

fn provider(
    name: &str,
    plugin: Option<&'static dyn Provider>,
    table: &mut Table<'_>,
) -> Option<ProviderConfig> {
    let credentials = credentials(table);
    let has_credentials = credentials.is_some();
    let settings = settings(credentials.or_else(stand_in)?, table);
    let region = settings.region.clone();
    let rate_limit = rate_limit::read(table, "rate_limit");
    let timeouts = table.section("timeouts", timeouts);
    let requests_in_flight_max = table.count("requests_in_flight_max", 512, 1..=100_000);
    let plugin = plugin?;
    match plugin.bind(settings) {
        Ok(account) => has_credentials.then(|| ProviderConfig {
            name: name.to_owned(),
            plugin,
            account,
            rate_limit,
            timeouts,
            requests_in_flight_max,
        }),
        Err(problems) => {
            for problem in problems.iter().filter(|problem| has_credentials || !is_of_credentials(problem)) {
                let written = if problem.setting == "region" { region.as_deref() } else { None };
                report(table, problem, written);
            }
            None
        }
    }
}

fn credentials(table: &mut Table<'_>) -> Option<Credentials> {
    let hint = "write the public half of the key pair, or access_key_id = \"${VARIABLE}\"";
    let access_key_id = table.required("access_key_id", hint);
    let access_key_id = access_key_id.and_then(|entry| entry.parsed(hint, AccessKeyId::parse));
    let secret_access_key = SECRET_ACCESS_KEY.required(table);
    let session_token = SESSION_TOKEN.read(table);
    Some(Credentials { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

/// Credentials in place of missing ones, so that the plugin can say what else is wrong. No account is made with them.
fn stand_in() -> Option<Credentials> {
    let access_key_id = AccessKeyId::parse("stand-in").ok()?;
    Some(Credentials { access_key_id, secret_access_key: SecretString::default(), session_token: None })
}

fn is_of_credentials(problem: &SettingProblem) -> bool {
    ["access_key_id", SECRET_ACCESS_KEY.inline, SESSION_TOKEN.inline].contains(&problem.setting)
}

fn settings(credentials: Credentials, table: &mut Table<'_>) -> Settings {
    let styles = [("path", Addressing::Path), ("virtual", Addressing::VirtualHost)];
    Settings {
        credentials,
        region: table.text("region"),
        endpoint: table.text("endpoint"),
        account_id: table.text("account_id"),
        jurisdiction: table.text("jurisdiction"),
        dualstack: table.boolean("dualstack", false),
        fips: table.boolean("fips", false),
        accelerate: table.boolean("accelerate", false),
        addressing: table.choice("addressing", &styles),
        public_url: table.text("public_url"),
        trailers: table.has("trailers").then(|| table.boolean("trailers", false)),
        forms: table.has("forms").then(|| table.boolean("forms", false)),
        conditional_writes: table
            .has("conditional_writes")
            .then(|| table.boolean("conditional_writes", false)),
    }
}

fn timeouts(table: &mut Table<'_>) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: table.seconds("connect_seconds", default.connect.as_secs(), 1..=300),
        first_byte: table.seconds("first_byte_seconds", default.first_byte.as_secs(), 1..=3600),
        stall: table.seconds("stall_seconds", default.stall.as_secs(), 1..=3600),
    }
}

/// Passes a plugin's problem on under the setting's own key, with the option that was probably meant by what was `written`.
pub(super) fn report(table: &Table<'_>, problem: &SettingProblem, written: Option<&str>) {
    let options: Vec<_> = problem.valid_options.iter().map(String::as_str).collect();
    let message = match written.and_then(|word| nearest(word, &options)) {
        Some(nearest) => format!("{}; did you mean `{nearest}`?", problem.message),
        None => problem.message.clone(),
    };
    let hint = if options.is_empty() { String::new() } else { format!("write one of {}", quoted(&options)) };
    table.problem(problem.setting, message, &hint);
}
