//! The configuration as a whole: sources, defaults, and that every problem is reported at its key path.

use std::fs;

use proptest::{prelude::*, test_runner::Config as ProptestConfig};
use secrecy::ExposeSecret;
use wharf::config::{
    Config, ConfigError, Environment, Origin,
    checked::{Action, EncryptionChoice, EndpointRule, GrantBucket, JwtKeys, LogFormat, Origins},
    from_toml_text, load, restart_needed,
};

/// A provider, and a bucket on it.
const STORE: &str = r#"
[providers.store]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "storage-admin"
secret_access_key = "storage-secret"

[buckets.photos]
provider = "store"
bucket = "acme-photos"
"#;

fn from_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    from_toml_text(text, &variables.iter().copied().collect::<Environment>())
}

fn paths(error: &ConfigError) -> Vec<&str> {
    let mut paths: Vec<_> = error.0.iter().map(|problem| problem.path.as_str()).collect();
    paths.sort_unstable();
    paths
}

/// The paths of the problems of `text`.
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    let error = from_text(text, &[]).expect_err(text);
    assert_eq!(paths(&error), expected, "{text}\n{error}");
}

/// The one problem of `text`, as it is shown.
#[track_caller]
fn only_problem(text: &str, variables: &[(&str, &str)]) -> String {
    let error = from_text(text, variables).expect_err(text);
    assert_eq!(error.0.len(), 1, "{error}");
    error.0[0].to_string()
}

#[test]
fn nothing_at_all_is_a_configuration_for_this_machine_alone() {
    let config = from_text("", &[]).unwrap();
    assert_eq!(config.server.api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.admin.listen.to_string(), "127.0.0.1:9090");
    assert!(config.keys.is_empty() && config.jwt.is_none() && !config.upload.callers.allowed);
    assert_eq!(config.upload.cors.origins, Origins::Listed(Vec::new()));
}

#[test]
fn a_whole_configuration_is_what_it_says() {
    let text = STORE.to_owned()
        + r#"
key_prefix = "app/"
storage_class = "STANDARD"
encryption = { type = "SSE-KMS", key_id = "uploads" }
public = true
accept = { file_bytes_max = 1000, content_types = ["Image/*"], extensions = ["PNG"] }

[upload]
expires_default_seconds = 60
rate_limit_per_ip = { requests_per_second = 5 }
[upload.cors]
origins = ["https://app.example.com", "capacitor://localhost"]
[upload.callers]
allowed = true
endpoints = ["https://*.example.com:9000", "http://127.0.0.1:9000"]
[upload.callers.default_endpoints]
minio = "http://127.0.0.1:9000"

[[keys]]
id = "app"
secret = "0123456789abcdef"
expires_at = 2030-01-31T00:00:00Z
allow = [{ bucket = "photos", prefix = "a/", actions = ["read", "list"] }, { bucket = "*", actions = ["write"] }]
rate_limit = { requests_per_second = 10, burst = 20 }

[jwt]
secret = "0123456789abcdef0123456789abcdef"
issuer = "app"
allow = []

[log]
format = "json"
filter = "wharf=debug,warn"
"#;
    let config = from_text(&text, &[]).unwrap();
    let photos = &config.buckets["photos"];
    assert_eq!((photos.provider.as_str(), photos.bucket.as_str()), ("store", "acme-photos"));
    assert_eq!((photos.key_prefix.as_str(), photos.public), ("app/", true));
    assert_eq!(photos.storage_class.map(|class| class.name), Some("STANDARD"));
    assert_eq!(photos.encryption, Some(EncryptionChoice::SseKms { key_id: "uploads".to_owned() }));
    assert_eq!(photos.accept.file_bytes_max, Some(1000));
    assert_eq!(
        (&*photos.accept.content_types, &*photos.accept.extensions),
        (&["image/*".to_owned()][..], &["png".to_owned()][..])
    );

    let limit = config.upload.rate_limit_per_ip.unwrap();
    assert_eq!((limit.requests_per_second.get(), limit.burst.get()), (5, 5));
    let [EndpointRule::Below { domain, port: Some(9000) }, EndpointRule::Exact(exact)] =
        &config.upload.callers.endpoints[..]
    else {
        panic!("{:?}", config.upload.callers.endpoints);
    };
    assert_eq!((domain.as_str(), exact.origin().as_str()), ("example.com", "http://127.0.0.1:9000"));
    assert_eq!(config.upload.callers.default_endpoints["minio"], *exact);

    let key = &config.keys[0];
    assert_eq!(key.expires_at.unwrap().unix_seconds(), 1_896_048_000);
    assert_eq!(key.allow[0].bucket, GrantBucket::Named("photos".to_owned()));
    assert_eq!(
        (key.allow[0].prefix.as_str(), &*key.allow[0].actions),
        ("a/", &[Action::Read, Action::List][..])
    );
    assert_eq!(key.allow[1].bucket, GrantBucket::Any);
    assert!(matches!(config.jwt.unwrap().keys, JwtKeys::Secret(_)));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn broken_configurations_name_every_broken_key() {
    for (text, expected) in [
        // Types, several at once, and whole sections of the wrong type.
        (
            "log.access = 'yes'\nserver.drain_timeout_seconds = '30'\nupload.cors.origins = 'x'",
            &["log.access", "server.drain_timeout_seconds", "upload.cors.origins"][..],
        ),
        ("server = 3\nkeys = {}\nproviders = []\njwt = 'x'", &["jwt", "keys", "providers", "server"]),
        (
            "server.trusted_proxies = [1, '10.0.0.0/8', '0.0.0.0/0', 'x']",
            &["server.trusted_proxies[0]", "server.trusted_proxies[2]", "server.trusted_proxies[3]"],
        ),
        // Bounds.
        (
            "[server.limits]\nheaders_max = 15\nbody_bytes_max = -1\nconnections_max = 1000001\nidle_timeout_seconds = 1.5",
            &[
                "server.limits.body_bytes_max",
                "server.limits.connections_max",
                "server.limits.headers_max",
                "server.limits.idle_timeout_seconds",
            ],
        ),
        (
            "upload.rate_limit_per_ip = { requests_per_second = 0 }",
            &["upload.rate_limit_per_ip.requests_per_second"],
        ),
        ("upload.rate_limit_per_ip = { burst = 1 }", &["upload.rate_limit_per_ip.requests_per_second"]),
        // Unknown keys at every depth.
        (
            "servr = 1\nserver.limits.header_max = 1\nupload.mirrors = []\nupload.rate_limit_per_ip = { requests_per_second = 1, bursts = 2 }",
            &["server.limits.header_max", "servr", "upload.mirrors", "upload.rate_limit_per_ip.bursts"],
        ),
        // Doors.
        ("server.s3_listen = '127.0.0.1:9000'", &["server.s3_listen"]),
        (
            "server.s3_listen = '127.0.0.1:8080'\nkeys = [{ id = 'a', secret = '0123456789abcdef' }]",
            &["server.s3_listen"],
        ),
        (
            "server.s3_tls = { certificate_file = 'x', private_key_file = 'y' }",
            &["server.s3_tls", "server.s3_tls.certificate_file", "server.s3_tls.private_key_file"],
        ),
        (
            "s3 = { region = 'US', domains = ['127.0.0.1', 'http://x', 'a_b'] }",
            &["s3.domains[0]", "s3.domains[1]", "s3.domains[2]", "s3.region"],
        ),
        (
            "server.api_listen = 'localhost'\nserver.admin_listen = '127.0.0.1'",
            &["server.admin_listen", "server.api_listen"],
        ),
        ("server.api_listen = '127.0.0.1:9090'", &["server.admin_listen"]),
        ("server.api_listen = '0.0.0.0:8080'", &["server.api_listen"]),
        ("server.api_listen = '[::]:8080'\nkeys = []", &["server.api_listen"]),
        (
            "server.api_tls = { certificate_file = 'none.pem', certificat = 'x' }",
            &[
                "server.api_tls.certificat",
                "server.api_tls.certificate_file",
                "server.api_tls.private_key_file",
            ],
        ),
        (
            "server.sealing_keys = ['short', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']",
            &["server.sealing_keys[0]"],
        ),
        // Words.
        ("log.format = 'xml'\nlog.filter = 'a=b=c'", &["log.filter", "log.format"]),
        ("upload.cors.origins = ['*', 'https://a.example']", &["upload.cors.origins"]),
        (
            "upload.cors.origins = ['https://a.example/', 'app.example.com', 'HTTPS://a.example', 'null', 'https://a.example:443']",
            &[
                "upload.cors.origins[0]",
                "upload.cors.origins[1]",
                "upload.cors.origins[2]",
                "upload.cors.origins[3]",
                "upload.cors.origins[4]",
            ],
        ),
        (
            "[upload.callers]\nendpoints = ['http://*.example.com', 'https://*.com', 'ftp://x.example', 'https://*.127.0.0.1']\ndefault_endpoints = { mini = 'https://x.example', minio = 'x' }",
            &[
                "upload.callers.default_endpoints.mini",
                "upload.callers.default_endpoints.minio",
                "upload.callers.endpoints[0]",
                "upload.callers.endpoints[1]",
                "upload.callers.endpoints[2]",
                "upload.callers.endpoints[3]",
            ],
        ),
        // Providers: what is missing does not hide what is wrong.
        (
            "[providers.a]\nregion = 'nowhere-1'\nplugin = 's3'\naddressing = 'host'\nrate_limit = {}",
            &[
                "providers.a.access_key_id",
                "providers.a.addressing",
                "providers.a.rate_limit.requests_per_second",
                "providers.a.region",
                "providers.a.secret_access_key",
            ],
        ),
        (
            "[providers.a]\nplugin = 'minioo'\naccess_key_id = 'a b'\nsecret_access_key = ''",
            &["providers.a.access_key_id", "providers.a.plugin", "providers.a.secret_access_key"],
        ),
        (
            "[providers.Big]\nplugin = 'minio'\nendpoint = 'http://a'\naccess_key_id = 'a'\nsecret_access_key = 'b'",
            &["providers.Big"],
        ),
        (
            "[providers.download]\nplugin = 'minio'\nendpoint = 'http://a'\naccess_key_id = 'a'\nsecret_access_key = 'b'",
            &["providers.download"],
        ),
        // Buckets: a provider with problems is still a provider.
        (
            "[providers.a]\n[buckets.b]\nprovider = 'a'\nbucket = 'abc'",
            &["providers.a.access_key_id", "providers.a.plugin", "providers.a.secret_access_key"],
        ),
        (
            "[buckets.b]\nprovider = 'a'\n[buckets.track]\nprovider = 1\nbucket = 'NO'",
            &[
                "buckets.b.bucket",
                "buckets.b.provider",
                "buckets.track",
                "buckets.track.bucket",
                "buckets.track.provider",
            ],
        ),
        // Keys.
        (
            "[[keys]]\n[[keys]]\nid = 'short'\n[[keys]]\nid = 'a b'\nsecret = 'tooshort'\nexpires_at = 'soon'",
            &["keys[0].id", "keys[1].id", "keys[2].expires_at", "keys[2].id", "keys[2].secret"],
        ),
        (
            "[[keys]]\nid = 'a'\nsecret = '0123456789abcdef'\n[[keys]]\nid = 'a'\nsecret = '0123456789abcdef'",
            &["keys[1].id"],
        ),
        (
            "[[keys]]\nid = '0123456789abcdef'\nallow = [{}, { bucket = 'x', actions = ['reed'] }, 3]",
            &[
                "keys[0].allow[0].actions",
                "keys[0].allow[0].bucket",
                "keys[0].allow[1].actions[0]",
                "keys[0].allow[1].bucket",
                "keys[0].allow[2]",
            ],
        ),
        (
            "[[keys]]\nid = '0123456789abcdef'\nsecret = '0123456789abcdef'\nsecret_file = 'x'",
            &["keys[0].secret_file"],
        ),
        ("[[keys]]\nid = '0123456789abcdef'\nsecret = 1234567890123456", &["keys[0].secret"]),
        ("[[keys]]\nid = '0123456789abcdef'\nexpires_at = 2030-01-31T00:00:00", &["keys[0].expires_at"]),
        ("[jwt]", &["jwt.secret"]),
        ("[jwt]\nsecret = '0123456789abcdef'", &["jwt.secret"]),
        ("[jwt]\nsecret = '0123456789abcdef0123456789abcdef'\njwks_file = 'x'", &["jwt.jwks_file"]),
        ("[jwt]\njwks_file = 'none.json'", &["jwt.jwks_file"]),
        // Variables.
        ("server.data_directory = '${NOT_SET}'\nlog.filter = '${'", &["log.filter", "server.data_directory"]),
    ] {
        assert_problems(text, expected);
    }
}

#[test]
fn what_is_wrong_with_a_bucket_is_measured_by_its_provider() {
    for (setting, path) in [
        ("storage_class = 'COLD'", "buckets.photos.storage_class"),
        ("encryption = { type = 'SSE-C' }", "buckets.photos.encryption.type"),
        ("encryption = { type = 'SSE-KMS' }", "buckets.photos.encryption.key_id"),
        ("encryption = { type = 'SSE-S3', key_id = 'x' }", "buckets.photos.encryption.key_id"),
        ("encryption = { type = 'SSE-KMS', key_id = 'a b' }", "buckets.photos.encryption.key_id"),
        ("key_prefix = 'folder'", "buckets.photos.key_prefix"),
        ("key_prefix = '/folder/'", "buckets.photos.key_prefix"),
        ("key_prefix = 'a/../b/'", "buckets.photos.key_prefix"),
        ("cdn = { domain = 'https://cdn.example.com/path' }", "buckets.photos.cdn.domain"),
        ("cdn = { domain = 'cdn.example.com', key_pair_id = 'K1' }", "buckets.photos.cdn.private_key_file"),
        ("cdn = { domain = 'cdn.example.com', private_key_file = 'x' }", "buckets.photos.cdn.key_pair_id"),
        ("accept = { content_types = ['png'] }", "buckets.photos.accept.content_types[0]"),
        ("accept = { extensions = ['.png'] }", "buckets.photos.accept.extensions[0]"),
        ("accept = { file_bytes_max = 0 }", "buckets.photos.accept.file_bytes_max"),
        ("public = 'no'", "buckets.photos.public"),
    ] {
        assert_problems(&format!("{STORE}{setting}"), &[path]);
    }
    let class = only_problem(&format!("{STORE}storage_class = 'COLD'"), &[]);
    assert!(class.contains("`STANDARD`"), "{class}");
    let no_kms = STORE.replace("plugin = \"minio\"\nendpoint", "plugin = \"r2\"\nendpoint");
    assert_problems(
        &format!("{no_kms}encryption = {{ type = 'SSE-KMS', key_id = 'x' }}"),
        &["buckets.photos.encryption.type"],
    );
}

#[test]
fn grants_must_be_written_where_there_is_something_to_grant() {
    let key = "\n[[keys]]\nid = '0123456789abcdef'\n";
    assert!(from_text(key, &[]).unwrap().keys[0].allow.is_empty());
    assert_problems(&format!("{STORE}{key}"), &["keys[0].allow"]);
    assert!(from_text(&format!("{STORE}{key}allow = []"), &[]).unwrap().keys[0].allow.is_empty());
    // A bucket with problems is still a bucket.
    let broken = STORE.replace("acme-photos", "NO");
    assert_problems(
        &format!("{broken}{key}allow = [{{ bucket = 'photos', actions = ['read'] }}]"),
        &["buckets.photos.bucket"],
    );
}

#[test]
fn the_nearest_name_is_suggested() {
    for (text, suggestion) in [
        ("server.api_lisen = 'x'", "did you mean `api_listen`?"),
        ("uplod = {}", "did you mean `upload`?"),
        ("[jwt]\nsecret = '0123456789abcdef0123456789abcdef'\naudiance = 'x'", "did you mean `audience`?"),
        ("log.xyz = 1", "settings here are `filter`, `format`, `access`"),
    ] {
        let problem = only_problem(text, &[]);
        assert!(problem.contains(suggestion), "{problem}");
    }
    let bucket = only_problem(&STORE.replace("provider = \"store\"", "provider = \"stor\""), &[]);
    assert!(bucket.contains("did you mean `store`?"), "{bucket}");
    let plugin = only_problem(&STORE.replace("\"minio\"", "\"mino\""), &[]);
    assert!(plugin.contains("did you mean `minio`?"), "{plugin}");
    let wasabi = "plugin = \"wasabi\"\nregion = \"eu-cental-1\"";
    let region = only_problem(&STORE.replace("plugin = \"minio\"", wasabi).replace("endpoint", "#"), &[]);
    assert!(region.contains("did you mean `eu-central-1`?"), "{region}");
}

#[test]
fn a_problem_says_where_its_value_was_written() {
    let text = "\n[log]\n\nformat = 'xml'\n";
    assert_eq!(
        only_problem(text, &[]),
        "log.format (config.toml, line 4): is none of the words that it can be; write one of `text`, `json`"
    );
    let variables = [("WHARF_LOG__FORMAT", "csv")];
    assert!(only_problem(text, &variables).starts_with("log.format (environment WHARF_LOG__FORMAT): "));
    let unknown = only_problem("", &[("WHARF_SERVER__API_LISTN", "x")]);
    assert!(unknown.starts_with("server.api_listn (environment WHARF_SERVER__API_LISTN): "), "{unknown}");
    let syntax = from_text("[log]\nfilter = \n", &[]).unwrap_err();
    assert_eq!(syntax.0[0].origin, Some(Origin::Line { file: "config.toml".into(), line: 2 }));
}

#[test]
fn the_environment_wins_and_writes_as_the_file_does() {
    let variables = [
        ("WHARF_SERVER__API_LISTEN", "127.0.0.1:1"),
        ("WHARF_SERVER__LIMITS__HEADERS_MAX", "20"),
        ("WHARF_LOG__ACCESS", "false"),
        ("WHARF_UPLOAD__CORS__ORIGINS", r#"["https://a.example"]"#),
        ("WHARF_UPLOAD__RATE_LIMIT_PER_IP", "{ requests_per_second = 7 }"),
        ("WHARF_BUCKETS__PHOTOS__PUBLIC", "true"),
        ("WHARF_PROVIDERS__STORE__ACCESS_KEY_ID", "0042"),
        ("WHARF_PROVIDERS__STORE__SECRET_ACCESS_KEY", "000123456789"),
        ("WHARF_KEYS", r#"[{ id = "from-the-environment", secret = "0000000000000000", allow = [] }]"#),
    ];
    let config = from_text(
        &format!("{STORE}\n[server]\napi_listen = '127.0.0.1:2'\n[log]\nfilter = 'warn'"),
        &variables,
    )
    .unwrap();
    assert_eq!(config.server.api.listen.port(), 1);
    assert_eq!(config.server.limits.headers_max, 20);
    assert_eq!((config.log.access, config.log.filter.as_str()), (false, "warn"));
    assert_eq!(config.upload.cors.origins, Origins::Listed(vec!["https://a.example".to_owned()]));
    assert_eq!(config.upload.rate_limit_per_ip.unwrap().burst.get(), 7);
    assert!(config.buckets["photos"].public);
    let credentials = config.providers["store"].account.credentials();
    assert_eq!(credentials.access_key_id.as_str(), "0042");
    assert_eq!(credentials.secret_access_key.expose_secret(), "000123456789");
    assert_eq!(config.keys[0].secret.as_ref().unwrap().expose_secret(), "0000000000000000");
}

#[test]
fn variables_of_the_wrong_type_or_place_are_problems() {
    for (name, value, path) in [
        ("WHARF_SERVER__LIMITS__HEADERS_MAX", "many", "server.limits.headers_max"),
        ("WHARF_LOG__ACCESS", "yes", "log.access"),
        ("WHARF_KEYS", "app", "keys"),
        ("WHARF_KEYS", "[]\nlog = {}", "keys"),
        ("WHARF_SERVER", "x", "server"),
        ("WHARF_UPLOAD__CORS__ORIGINS", "https://a.example", "upload.cors.origins"),
        ("WHARF_LOG____FILTER", "info", "log."),
    ] {
        let error = from_text("", &[(name, value)]).expect_err(name);
        assert_eq!(paths(&error), [path], "{error}");
        assert!(error.to_string().contains(&format!("environment {name}")), "{error}");
    }
    let both = [("WHARF_LOG", "{ access = false }"), ("WHARF_LOG__FILTER", "info")];
    let error = from_text("", &both).unwrap_err();
    assert!(paths(&error).contains(&"log.filter"), "{error}");
}

#[test]
fn a_secret_comes_as_it_is_from_wherever_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wharf.toml");
    fs::write(directory.path().join("secret"), "0123 ${NAME} 456789\r\n").unwrap();
    let environment: Environment =
        [("ID", "00000000000000000001"), ("SECRET", "00${ID}00 in quotes '\"")].into_iter().collect();
    let secret = |setting: &str| {
        fs::write(&file, format!("[[keys]]\nid = '${{ID}}'\n{setting}")).unwrap();
        let config = load(Some(&file), &environment).unwrap();
        assert_eq!(config.keys[0].id, "00000000000000000001");
        config.keys[0].secret.as_ref().unwrap().expose_secret().to_owned()
    };
    assert_eq!(secret("secret_file = 'secret'"), "0123 ${NAME} 456789");
    assert_eq!(secret("secret = '${SECRET}'"), "00${ID}00 in quotes '\"");
    assert_eq!(secret("secret = '<${ID}>-$${ID}'"), "<00000000000000000001>-${ID}");
}

#[test]
fn files_that_are_not_there_or_not_text_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("empty"), "\n").unwrap();
    fs::write(at("binary"), [0xff, 0xfe]).unwrap();
    fs::write(at("huge"), vec![b'a'; 1024 * 1024 + 1]).unwrap();
    for (name, words) in [
        ("empty", "is empty"),
        ("binary", "UTF-8"),
        ("huge", "larger than 1 MiB"),
        ("none", "cannot be read"),
    ] {
        fs::write(at("wharf.toml"), format!("[[keys]]\nid = '0123456789abcdef'\nsecret_file = '{name}'"))
            .unwrap();
        let error = load(Some(&at("wharf.toml")), &Environment::default()).unwrap_err();
        assert_eq!(paths(&error), ["keys[0].secret_file"]);
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = load(Some(&at("no.toml")), &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("no.toml cannot be read"), "{error}");
    let by_name = [("WHARF_CONFIG", at("no.toml").display().to_string())].into_iter().collect();
    assert!(load(None, &by_name).is_err());
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (made(), made());
    fs::write(at("one.crt"), one.cert.pem()).unwrap();
    fs::write(at("one.key"), one.signing_key.serialize_pem()).unwrap();
    fs::write(at("other.key"), other.signing_key.serialize_pem()).unwrap();
    fs::write(at("text"), "no PEM").unwrap();
    let problems = |certificate: &str, key: &str| {
        let tls =
            format!("server.api_tls = {{ certificate_file = '{certificate}', private_key_file = '{key}' }}");
        fs::write(at("wharf.toml"), tls).unwrap();
        load(Some(&at("wharf.toml")), &Environment::default()).map_err(|error| paths(&error).join(" "))
    };
    assert!(problems("one.crt", "one.key").unwrap().server.api.tls.is_some());
    let (certificate, key) = ("server.api_tls.certificate_file", "server.api_tls.private_key_file");
    assert_eq!(problems("one.crt", "other.key").unwrap_err(), key);
    assert_eq!(problems("one.crt", "one.crt").unwrap_err(), key);
    assert_eq!(problems("one.key", "one.key").unwrap_err(), certificate);
    assert_eq!(problems("text", "text").unwrap_err(), format!("{certificate} {key}"));
}

#[test]
fn a_key_set_with_a_private_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // The example of RFC 8037, appendix A: an Ed25519 key with its private part `d`.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let d = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let public = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let private = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{d}"}}]}}"#);
    let load_with = |set: &str| {
        fs::write(at("set.json"), set).unwrap();
        fs::write(at("wharf.toml"), "[jwt]\njwks_file = 'set.json'").unwrap();
        load(Some(&at("wharf.toml")), &Environment::default())
    };
    assert!(matches!(load_with(&public).unwrap().jwt.unwrap().keys, JwtKeys::Jwks(_)));
    for set in [private.as_str(), "[]", "{\"keys\":[]}", "\"hunter2\"", "hunter2"] {
        let error = load_with(set).unwrap_err();
        assert_eq!(paths(&error), ["jwt.jwks_file"]);
        assert!(!error.to_string().contains(d) && !error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn what_is_open_needs_a_restart() {
    let config = |text: &str| from_text(text, &[]).unwrap();
    let before = config("");
    let needed = |text: &str| restart_needed(&before, &config(text));
    assert_eq!(needed("server.limits.connections_max = 1\nlog.filter = 'debug'"), [""; 0]);
    assert_eq!(
        needed("server.api_listen = '127.0.0.1:1'\nserver.admin_listen = '127.0.0.1:2'"),
        ["server.api_listen", "server.admin_listen"]
    );
    assert_eq!(needed("log.format = 'json'"), ["log.format"]);
    assert_eq!(
        needed(
            "server.data_directory = 'elsewhere'\nstore.url = 'postgres://a:b@c/d'\nstore.lease_seconds = 9"
        ),
        ["server.data_directory", "store.url", "store.lease_seconds"]
    );
}

/// A configuration with `secret` wherever one can be, in the file or behind variables, and `more` that may be wrong.
fn with_secrets(secret: &str, more: &str) -> Result<Config, ConfigError> {
    let text = format!(
        r#"
[providers.store]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "storage-admin"
secret_access_key = '{secret}'
session_token = "${{TOKEN}}"
[buckets.photos]
provider = "store"
bucket = "acme-photos"
[[keys]]
id = "with-a-secret"
secret = '{secret}'
allow = []
[[keys]]
id = '{secret}'
allow = []
[jwt]
secret = "${{TOKEN}}"
allow = []
{more}
"#
    );
    let environment: Environment =
        [("TOKEN", secret), ("WHARF_PROVIDERS__STORE__SECRET_ACCESS_KEY", secret)].into_iter().collect();
    from_toml_text(&text, &environment)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_secret_is_ever_shown(secret in "[A-Za-z0-9!#%&()*+,/:;<=>?@^_|~-]{32,64}") {
        let config = with_secrets(&secret, "").unwrap();
        let shown = format!("{config:?}{config:#?}");
        prop_assert!(!shown.contains(&secret), "{}", shown);
        for more in [
            // A problem elsewhere, problems at the secrets, a secret in a place of another type, and no TOML at all.
            "[log]\nfilter = 1".to_owned(),
            format!("[[keys]]\nid = '{secret}'\nallow = []"),
            format!("[[keys]]\nid = 'x {secret}'\nsecret = '{secret}'\nsecret_file = 'x'"),
            format!("[[keys]]\nid = 'x'\nsecret = ['{secret}']\nallow = '{secret}'"),
            format!("[server]\nsealing_keys = ['{secret}-']\napi_listen = '{secret}'\ndrain_timeout_seconds = '{secret}'"),
            format!("[upload.cors]\norigins = ['{secret}', 'https://{secret}@a.example']"),
            format!("[upload.callers]\nendpoints = ['{secret}', 'https://user:{secret}@a.example']"),
            format!("[providers.two]\nplugin = 's3'\nregion = '{secret}'\nendpoint = 'https://user:{secret}@a.example'\naccess_key_id = 'a b'\nsecret_access_key = '{secret}'\npublic_url = '{secret}'"),
            format!("[buckets.two]\nprovider = 'store'\nbucket = '{secret}'\nkey_prefix = '{secret}'\nstorage_class = '{secret}'\ncdn = {{ domain = '{secret}' }}"),
            format!("[[keys]]\nsecret = {secret}"),
            format!("[[keys]]\nsecret = '{secret}"),
        ] {
            let error = with_secrets(&secret, &more).expect_err(&more);
            let shown = format!("{error}{error:?}");
            prop_assert!(!shown.contains(&secret), "{}\n{}", more, shown);
        }
    }
}
