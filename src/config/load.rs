//! From a file and an environment to a [`Config`], or to every problem in them.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::Dict,
};

use wharf_wire::names::BucketName;

use super::{
    Config, ConfigError, Environment, buckets,
    checked::{BucketConfig, DirectUploads},
    companion,
    files::{self, Fingerprint},
    jwt, keys, lines, log, mirrors,
    problem::{Origins, Problem},
    providers,
    raw::{Document, Table},
    s3, server, store, upload, upstream, usage, webhooks,
};

/// The config file when neither the command line nor the environment names one, and it is there.
const DEFAULT_FILE: &str = "config.toml";

/// Loads the file at `path`, or else the one that `WHARF_CONFIG` names, or else `config.toml` if there is one here;
/// then the environment.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    read_sources(locate(path, environment).as_deref(), environment).config
}

/// Loads from the text of a file; relative paths in it begin in the working directory.
pub fn from_toml_text(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let source = Source { text, name: "config.toml", directory: Path::new("") };
    read(&source, environment).config
}

/// What was loaded, and from where.
pub(super) struct Loaded {
    pub(super) config: Result<Config, ConfigError>,
    /// Every file that was read or should have been, as it was then.
    pub(super) files: BTreeMap<PathBuf, Fingerprint>,
}

/// The file that [`load`] reads, if any.
pub fn locate(path: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let named = path.or_else(|| environment.config_file().map(Path::new));
    let default = Path::new(DEFAULT_FILE);
    named.or_else(|| default.exists().then_some(default)).map(Path::to_owned)
}

/// Reads `path`, if there is one, then the environment.
pub(super) fn read_sources(path: Option<&Path>, environment: &Environment) -> Loaded {
    let Some(path) = path else {
        return read(&Source { text: "", name: "", directory: Path::new("") }, environment);
    };
    let content = files::read(path);
    let mut loaded = match content.text {
        Ok(text) => {
            let directory = path.parent().unwrap_or(Path::new(""));
            read(&Source { text: &text, name: &path.display().to_string(), directory }, environment)
        }
        Err(error) => Loaded::failed(Problem {
            path: String::new(),
            message: error.to_string(),
            hint: Some("name the config file with --config or WHARF_CONFIG".to_owned()),
            origin: None,
        }),
    };
    loaded.files.insert(path.to_owned(), content.fingerprint);
    loaded
}

impl Loaded {
    fn failed(problem: Problem) -> Self {
        Self { config: Err(ConfigError(vec![problem])), files: BTreeMap::new() }
    }
}

/// The text of a config file.
struct Source<'a> {
    text: &'a str,
    /// What problems call it; empty when there is none.
    name: &'a str,
    /// Where relative paths begin.
    directory: &'a Path,
}

fn read(source: &Source<'_>, environment: &Environment) -> Loaded {
    let overrides = environment.overrides();
    let mut origins = Origins { variables: overrides.variables.clone(), ..Origins::default() };
    origins.file = (!source.name.is_empty()).then(|| source.name.into());
    match lines::index(source.text) {
        Ok(lines) => origins.lines = lines,
        Err((line, message)) => return Loaded::failed(syntax_problem(&origins, line, &message)),
    }
    let conflicts = overrides.conflicts.clone();
    let figment = Figment::from(Toml::string(source.text)).merge(overrides);
    let document = Document::new(environment, source.directory.to_owned(), origins);
    for path in conflicts {
        let message = "another variable sets a part or the whole of the same table";
        document.problem(&path, message, "set the table in one variable, or each of its settings in one");
    }
    finish(&document, figment.find_value("").ok().and_then(figment::value::Value::into_dict))
}

fn syntax_problem(origins: &Origins, line: usize, message: &str) -> Problem {
    let origin = origins.file.clone().map(|file| super::Origin::Line { file, line });
    Problem { path: String::new(), message: format!("is not TOML: {message}"), hint: None, origin }
}

fn finish(document: &Document<'_>, entries: Option<Dict>) -> Loaded {
    let mut root = document.root(entries.unwrap_or_default());
    let config = config(&mut root);
    root.close();
    let problems = RefCell::take(&document.problems);
    let config = if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) };
    Loaded { config, files: document.files.take() }
}

pub(super) fn config(root: &mut Table<'_>) -> Config {
    let server = root.section("server", server::read);
    let log = root.section("log", log::read);
    let upload = root.section("upload", upload::read);
    let companion = root.section("companion", companion::read);
    let s3 = root.section("s3", s3::read);
    let store = root.section("store", store::read);
    let usage = root.section("usage", usage::read);
    let webhooks = root.section("webhooks", webhooks::read);
    let upstream = root.table("upstream", |table| upstream::read(table, &server));
    let mirroring = root.section("mirroring", mirrors::settings);
    let providers = providers::read(root);
    let buckets = buckets::read(root, &providers);
    let keys = keys::read(root, &buckets);
    let jwt = root.table("jwt", |table| jwt::read(table, &buckets));
    let by_name = |(name, provider): (String, providers::NamedProvider)| Some((name, provider.config?));
    let config = Config {
        server,
        log,
        upload,
        companion,
        s3,
        store,
        usage,
        webhooks,
        upstream,
        mirroring,
        providers: providers.into_iter().filter_map(by_name).collect(),
        buckets: buckets.into_iter().filter_map(|(name, bucket)| Some((name, bucket?))).collect(),
        keys,
        jwt,
    };
    refuse_open_door(root, &config);
    refuse_useless_door(root, &config);
    refuse_urls_without_a_door(root, &config);
    config
}

/// Without keys everyone who can connect may do everything, so only this machine may connect.
fn refuse_open_door(root: &Table<'_>, config: &Config) {
    let has_keys = !config.keys.is_empty() || config.jwt.is_some();
    let has_refused_keys = ["keys", "jwt"].iter().any(|path| root.document().is_refused(path));
    if !config.server.api.listen.ip().to_canonical().is_loopback() && !has_keys && !has_refused_keys {
        let message = "serves other machines, and there is no key: everyone could sign with your accounts";
        root.problem("server.api_listen", message, "add [[keys]] or [jwt], or listen on 127.0.0.1");
    }
}

/// URLs that point at Wharf's own S3 endpoint need one, and an address for it that browsers know.
fn refuse_urls_without_a_door(root: &Table<'_>, config: &Config) {
    let at_wharf = |bucket: &&BucketConfig| bucket.direct_uploads == DirectUploads::Wharf;
    for bucket in config.buckets.values().filter(at_wharf) {
        let path = format!("buckets.{}.direct_uploads", bucket.name);
        if config.server.s3.is_none() {
            let message = "has URLs point at Wharf's S3 endpoint, and there is none";
            root.problem(&path, message, "set `server.s3_listen`, or write \"provider\"");
        } else if config.s3.public_endpoint.is_none() && !root.document().is_refused("s3.public_endpoint") {
            let message = "has URLs point at Wharf's S3 endpoint, and nothing says where browsers find that";
            root.problem(&path, message, "set `s3.public_endpoint`, or write \"provider\"");
        }
        if BucketName::parse(&bucket.name).is_err() {
            let message = "has URLs point at a bucket whose name here is none of S3's";
            root.problem(&path, message, "name it with 3 to 63 lower-case letters, digits, dots and hyphens");
        }
    }
}

/// Every S3 client signs, and a signature can be verified only with a secret.
fn refuse_useless_door(root: &Table<'_>, config: &Config) {
    let can_serve = config.keys.iter().any(|key| key.secret.is_some())
        // Then Wharf signs for it itself: forms, and keys for pages.
        || config.s3.public_endpoint.is_some()
        || config
            .buckets
            .values()
            .any(|bucket| bucket.public || bucket.direct_uploads == DirectUploads::Wharf);
    if config.server.s3.is_some() && !can_serve && !root.document().is_refused("keys") {
        let message = "opens a door that nobody can enter: S3 clients sign, and no key has a secret";
        root.problem(
            "server.s3_listen",
            message,
            "add [[keys]] with an id and a secret, or leave s3_listen out",
        );
    }
}
