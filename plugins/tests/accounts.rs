//! Known answers: where each provider's objects are, and which settings are refused with which words.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use proptest::{option, prelude::*, test_runner::TestRunner};
use wharf_plugins::{PROVIDERS, by_kind};
use wharf_provider::{Account, Addressing, SettingProblem, Settings};
use wharf_wire::{
    endpoint::Endpoint,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials},
};

const ACCOUNT_ID: &str = "0123456789abcdef0123456789abcdef";

fn credentials(id: &str, secret: &str) -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse(id).unwrap(),
        secret_access_key: secret.to_owned().into(),
        session_token: None,
    }
}

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings =
        Settings::new(credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    change(&mut settings);
    settings
}

fn in_region(region: &str) -> Settings {
    settings(|it| it.region = Some(region.to_owned()))
}

fn at(endpoint: &str) -> Settings {
    settings(|it| it.endpoint = Some(endpoint.to_owned()))
}

fn bound(kind: &str, settings: Settings) -> Account {
    by_kind(kind).unwrap().bind(settings).unwrap()
}

fn problems(kind: &str, settings: Settings) -> Vec<SettingProblem> {
    by_kind(kind).unwrap().bind(settings).unwrap_err()
}

/// The names of the settings that were refused.
fn refused(kind: &str, settings: Settings) -> Vec<&'static str> {
    problems(kind, settings).iter().map(|problem| problem.setting).collect()
}

fn public_url(account: &Account, bucket: &str, key: &str) -> String {
    account.public_url(&BucketName::parse(bucket).unwrap(), &ObjectKey::parse(key).unwrap())
}

#[test]
fn objects_are_where_the_vendors_say() {
    let r2 = |jurisdiction: Option<&str>| {
        settings(|it| {
            it.account_id = Some(ACCOUNT_ID.to_owned());
            it.jurisdiction = jurisdiction.map(str::to_owned);
        })
    };
    let cases = [
        ("s3", in_region("eu-west-1"), "https://photos.s3.eu-west-1.amazonaws.com/a%20b"),
        ("s3", in_region("cn-north-1"), "https://photos.s3.cn-north-1.amazonaws.com.cn/a%20b"),
        ("s3", in_region("eusc-de-east-1"), "https://photos.s3.eusc-de-east-1.amazonaws.eu/a%20b"),
        ("s3", at("http://localhost:9000"), "http://photos.localhost:9000/a%20b"),
        ("r2", r2(None), "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/photos/a%20b"),
        (
            "r2",
            r2(Some("eu")),
            "https://0123456789abcdef0123456789abcdef.eu.r2.cloudflarestorage.com/photos/a%20b",
        ),
        ("r2", at("http://127.0.0.1:9000"), "http://127.0.0.1:9000/photos/a%20b"),
        ("minio", at("https://[2001:db8::1]:9000"), "https://[2001:db8::1]:9000/photos/a%20b"),
        (
            "minio",
            at("https://store.example.com/storage/v1/s3/"),
            "https://store.example.com/storage/v1/s3/photos/a%20b",
        ),
        ("wasabi", in_region("eu-central-1"), "https://s3.eu-central-1.wasabisys.com/photos/a%20b"),
        ("b2", in_region("us-west-004"), "https://s3.us-west-004.backblazeb2.com/photos/a%20b"),
    ];
    for (kind, settings, expected) in cases {
        assert_eq!(public_url(&bound(kind, settings), "photos", "a b"), expected);
    }
}

#[test]
fn requests_are_signed_for_the_providers_region() {
    let r2 = |region: Option<&str>| {
        settings(|it| {
            it.account_id = Some(ACCOUNT_ID.to_owned());
            it.region = region.map(str::to_owned);
        })
    };
    let cases = [
        ("s3", in_region("aws-global"), "us-east-1"),
        ("s3", at("http://localhost:9000"), "us-east-1"),
        ("r2", r2(None), "auto"),
        ("r2", r2(Some("us-east-1")), "us-east-1"),
        ("minio", at("http://localhost:9000"), "us-east-1"),
        ("wasabi", in_region("us-east-1"), "us-east-1"),
    ];
    for (kind, settings, expected) in cases {
        assert_eq!(bound(kind, settings).region().as_str(), expected, "{kind}");
    }
}

#[test]
fn a_custom_endpoint_keeps_any_region_and_any_keys() {
    for kind in ["s3", "r2", "minio", "wasabi", "b2"] {
        for region in ["auto", "home-1"] {
            let account = bound(
                kind,
                Settings {
                    region: Some(region.to_owned()),
                    credentials: credentials("a", "b"),
                    ..at("https://store.example.com")
                },
            );
            assert_eq!(account.region().as_str(), region);
            assert!(account.is_custom_endpoint());
        }
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let all = settings(|it| {
        it.credentials = credentials("short", "short");
        it.region = Some("nowhere-1".to_owned());
        it.public_url = Some("cdn.example.com".to_owned());
        it.jurisdiction = Some("eu".to_owned());
    });
    assert_eq!(
        refused("s3", all),
        ["jurisdiction", "access_key_id", "secret_access_key", "public_url", "region"]
    );
    let r2 = settings(|it| {
        it.region = Some("nowhere-1".to_owned());
        it.account_id = Some(ACCOUNT_ID.to_uppercase());
        it.fips = true;
    });
    assert_eq!(refused("r2", r2), ["fips", "region", "account_id"]);
    assert_eq!(refused("minio", settings(|_| ())), ["endpoint"]);
}

#[test]
fn no_problem_repeats_a_secret() {
    let problems = problems("s3", settings(|it| it.credentials = credentials("a", "hush")));
    assert!(!format!("{problems:?}").contains("hush"));
}

#[test]
fn unknown_regions_are_refused_with_the_known_ones() {
    for (kind, known) in [("s3", "eu-west-1"), ("wasabi", "eu-central-1"), ("b2", "us-west-004")] {
        for settings in [in_region("auto"), settings(|_| ())] {
            let problems = problems(kind, settings);
            let [problem] = problems.as_slice() else { panic!("{problems:?}") };
            assert_eq!(problem.setting, "region");
            assert!(problem.valid_options.iter().any(|option| option == known), "{kind}");
        }
    }
}

#[test]
fn a_providers_own_host_needs_its_region_named() {
    for (kind, endpoint) in [
        ("s3", "https://s3.eu-west-1.amazonaws.com"),
        ("wasabi", "https://s3.eu-central-1.wasabisys.com"),
        ("b2", "https://s3.us-west-004.backblazeb2.com"),
    ] {
        assert_eq!(refused(kind, at(endpoint)), ["region"]);
        bound(kind, Settings { region: Some("eu-west-1".to_owned()), ..at(endpoint) });
    }
    bound("s3", at("https://notamazonaws.com"));
}

#[test]
fn endpoints_that_could_mislead_are_refused() {
    for endpoint in [
        "",
        "store.example.com",
        "ftp://store.example.com",
        "https://",
        "https://user@store.example.com",
        "https://store.example.com/?x",
        "https://store.example.com/#",
        "https://store.example.com//s3",
        "https://store.example.com/a/../b",
        "https://store.example.com/.",
        "https://store.example.com/%2e%2e",
        "https://store.example.com/a b",
        "https://store.example.com\\@evil.example",
        "https://store.example.com/\u{e4}",
    ] {
        assert_eq!(refused("minio", at(endpoint)), ["endpoint"], "{endpoint:?}");
        let public = settings(|it| {
            it.endpoint = Some("http://localhost:9000".to_owned());
            it.public_url = Some(endpoint.to_owned());
        });
        assert_eq!(refused("minio", public), ["public_url"], "{endpoint:?}");
    }
}

#[test]
fn acceleration_takes_no_bucket_with_dots() {
    let account = bound("s3", Settings { accelerate: true, ..in_region("eu-west-1") });
    let place = |bucket: &str| account.location(Some(&BucketName::parse(bucket).unwrap()), None);
    assert_eq!(place("photos").unwrap().authority, "photos.s3-accelerate.amazonaws.com");
    let refusal = place("photos.2026").unwrap_err();
    assert!(refusal.to_string().starts_with("Amazon S3 has no transfer acceleration for bucket names"));
    // The public address is on the plain hosts, which take it.
    let plain = "https://s3.eu-west-1.amazonaws.com/photos.2026/a";
    assert_eq!(public_url(&account, "photos.2026", "a"), plain);
}

#[test]
fn names_of_other_buckets_are_refused_on_any_endpoint_of_s3() {
    let account = bound("s3", at("http://localhost:9000"));
    for suffix in ["--xa-s3", "--op-s3"] {
        let name = BucketName::parse(&format!("photos{suffix}")).unwrap();
        let refusal = account.location(Some(&name), None).unwrap_err();
        assert!(refusal.to_string().contains(suffix), "{refusal}");
    }
}

#[test]
fn buckets_are_listed_at_the_endpoint_itself() {
    let list = |settings| bound("s3", settings).location(None, None).unwrap().url();
    assert_eq!(list(in_region("eu-west-1")), "https://s3.eu-west-1.amazonaws.com/");
    assert_eq!(
        list(Settings { accelerate: true, ..in_region("eu-west-1") }),
        "https://s3.eu-west-1.amazonaws.com/"
    );
    assert_eq!(list(at("https://store.example.com/s3")), "https://store.example.com/s3");
}

#[test]
fn a_style_can_be_chosen() {
    let styled = |kind: &str, style, settings: Settings| {
        public_url(&bound(kind, Settings { addressing: Some(style), ..settings }), "photos", "a")
    };
    assert_eq!(
        styled("s3", Addressing::Path, in_region("eu-west-1")),
        "https://s3.eu-west-1.amazonaws.com/photos/a"
    );
    assert_eq!(
        styled("wasabi", Addressing::VirtualHost, in_region("eu-west-1")),
        "https://photos.s3.eu-west-1.wasabisys.com/a"
    );
    // Nothing can stand in front of an address.
    assert_eq!(
        styled("minio", Addressing::VirtualHost, at("http://127.0.0.1:9000")),
        "http://127.0.0.1:9000/photos/a"
    );
}

#[test]
fn odd_keys_stay_as_they_are() {
    let account = bound("s3", in_region("eu-west-1"));
    for (key, encoded) in [
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("a/../b/.", "a/../b/."),
        ("a+b%2Fc", "a%2Bb%252Fc"),
        ("\u{e9} ~*'()", "%C3%A9%20~%2A%27%28%29"),
    ] {
        let expected = format!("https://photos.s3.eu-west-1.amazonaws.com/{encoded}");
        assert_eq!(public_url(&account, "photos", key), expected);
    }
}

/// What somebody may write into a setting: what is right for some provider, what is near to it, or anything at all.
fn text(right: &'static str) -> impl Strategy<Value = Option<String>> {
    let near = r"(https?://)?[a-z0-9.-]{0,20}(\.amazonaws\.com|@evil\.example|/#|:443|%2e|\\)?";
    let near_or_any = option::of(prop_oneof![near, any::<String>()]);
    prop_oneof![8 => right.prop_map(|text| Some(text).filter(|text| !text.is_empty())), 1 => near_or_any]
}

/// What the hosts of all providers end with.
const OWN: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".r2.cloudflarestorage.com",
    ".wasabisys.com",
    ".backblazeb2.com",
];

/// Whatever stands in the settings, an account on a provider's own hosts stays there, and a place has a host that reads
/// as itself: nothing is smuggled into it.
#[test]
fn no_setting_leads_elsewhere() {
    let texts = [
        text("us-east-1|eu-west-1|auto|eu-central-1|us-west-004|").boxed(),
        text("|https://store.example.com|http://[a-z]{1,9}").boxed(),
        text("[0-9a-f]{32}").boxed(),
        text("|eu").boxed(),
        text("|https://cdn.example.com").boxed(),
    ];
    let switches = any::<[bool; 4]>();
    let bound = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(texts, switches, 0..PROVIDERS.len()), |(texts, switches, provider)| {
        let [region, endpoint, account_id, jurisdiction, public_url] = texts;
        let [dualstack, fips, accelerate, path] = switches;
        let addressing = path.then_some(Addressing::Path);
        let settings = Settings {
            region,
            endpoint,
            account_id,
            jurisdiction,
            public_url,
            dualstack: dualstack && fips,
            fips: fips && path,
            accelerate: accelerate && fips,
            addressing,
            ..settings(|_| ())
        };
        let Ok(account) = PROVIDERS[provider].bind(settings) else { return Ok(()) };
        bound.set(bound.get() + 1);
        let location = account.location(Some(&BucketName::parse("photos").unwrap()), None).unwrap();
        let parsed =
            Endpoint::parse(&format!("{}://{}", location.scheme.as_str(), location.authority)).unwrap();
        prop_assert_eq!(parsed.authority(), location.authority.as_str());
        let is_own = OWN.iter().any(|suffix| location.authority.ends_with(suffix));
        prop_assert!(account.is_custom_endpoint() || is_own, "{}", location.authority);
        Ok(())
    });
    result.unwrap();
    assert!(bound.get() > 500, "only {} accounts were bound, too few to show anything", bound.get());
}
