//! Mirrors in the configuration: what is taken, what is refused, and what `wharf check` says of them.

use std::process::ExitCode;

use wharf::{
    cli::check,
    config::{
        Config, ConfigError, Environment,
        checked::{EncryptionChoice, FailoverReads, FailoverWrites, MirrorMode},
        from_toml_text, notes,
    },
};

/// Three accounts, two of them at one store, and a bucket whose mirrors follow.
const STORES: &str = r#"
[providers.store]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "storage-admin"
secret_access_key = "storage-secret"
[providers.store-again]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "storage-reader"
secret_access_key = "storage-secret"
[providers.spare]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
[buckets.photos]
provider = "store"
bucket = "acme-photos"
"#;

fn from_text(text: &str) -> Result<Config, ConfigError> {
    from_toml_text(text, &Environment::default())
}

/// The bucket with these settings and mirrors, each as the inside of a table.
fn with_mirrors(settings: &str, mirrors: &[&str]) -> String {
    let tables: String =
        mirrors.iter().flat_map(|mirror| ["[[buckets.photos.mirrors]]\n", mirror, "\n"]).collect();
    format!("{STORES}{settings}\n{tables}")
}

/// Asserts the paths of the problems of `text`, and gives them as they are shown.
#[track_caller]
fn problems(text: &str, expected: &[&str]) -> String {
    let error = from_text(text).expect_err(text);
    let paths: Vec<_> = error.0.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, expected, "{text}\n{error}");
    error.to_string()
}

const SPARE: &str = "provider = 'spare'\nbucket = 'acme-copy'";

#[test]
fn a_mirror_is_a_place_with_a_name() {
    let offsite = "provider = 'spare'\nbucket = 'acme-cold'\nname = 'offsite'\nmode = 'tee'\nkey_prefix = 'photos/'\n\
                   storage_class = 'GLACIER'\nencryption = { type = 'SSE-KMS', key_id = 'alias/a' }";
    let config =
        from_text(&with_mirrors("failover = { reads = 'stale', writes = 'accept' }", &[SPARE, offsite]))
            .unwrap();
    let photos = &config.buckets["photos"];
    assert_eq!(photos.failover.reads, FailoverReads::Stale);
    assert_eq!(photos.failover.writes, FailoverWrites::Accept);
    let [plain, offsite] = photos.mirrors.as_slice() else { panic!("{:?}", photos.mirrors) };
    assert_eq!((&*plain.name, plain.bucket.as_str(), plain.mode), ("spare", "acme-copy", MirrorMode::Async));
    assert!(plain.storage_class.is_none() && plain.encryption.is_none() && plain.key_prefix.is_empty());
    assert_eq!((&*offsite.name, offsite.key_prefix.as_str()), ("offsite", "photos/"));
    assert_eq!(offsite.mode, MirrorMode::Tee);
    assert_eq!(offsite.storage_class.unwrap().name, "GLACIER");
    assert_eq!(offsite.encryption, Some(EncryptionChoice::SseKms { key_id: "alias/a".to_owned() }));
    assert_eq!(config.mirroring.copies_in_flight_max, 32);
}

#[test]
fn mirrors_can_come_from_the_environment() {
    let variable = ("WHARF_BUCKETS__PHOTOS__MIRRORS", "[{ provider = \"spare\", bucket = \"acme-copy\" }]");
    let config = from_toml_text(STORES, &[variable].into_iter().collect()).unwrap();
    assert_eq!(config.buckets["photos"].mirrors[0].bucket.as_str(), "acme-copy");
}

#[test]
fn every_problem_of_a_mirror_has_its_path() {
    let path = |setting: &str| ["buckets.photos.mirrors[1].", setting].concat();
    for (mirror, setting) in [
        ("bucket = 'acme-copy'", "provider"),
        ("provider = 'spare'", "bucket"),
        ("provider = 'spare'\nbucket = 'NO'", "bucket"),
        ("provider = 'spare'\nbucket = 'acme-cold'\nname = 'Off Site'", "name"),
        ("provider = 'spare'\nbucket = 'acme-cold'", "name"),
        ("provider = 'spare'\nbucket = 'acme-cold'\nname = 'x'\nkey_prefix = 'folder'", "key_prefix"),
        ("provider = 'spare'\nbucket = 'acme-cold'\nname = 'x'\nstorage_class = 'COLD'", "storage_class"),
        ("provider = 'spare'\nbucket = 'acme-cold'\nname = 'x'\nmode = 'sync'", "mode"),
        (
            "provider = 'spare'\nbucket = 'acme-cold'\nname = 'x'\nencryption = { type = 'X' }",
            "encryption.type",
        ),
        ("provider = 'spare'\nbucket = 'acme-cold'\nname = 'x'\nbuckt = 'y'", "buckt"),
    ] {
        problems(&with_mirrors("", &[SPARE, mirror]), &[&path(setting)]);
    }
    let nearest = problems(
        &with_mirrors("", &["provider = 'spar'\nbucket = 'acme-copy'"]),
        &["buckets.photos.mirrors[0].provider"],
    );
    assert!(nearest.contains("did you mean `spare`?"), "{nearest}");
}

#[test]
fn failover_needs_somewhere_to_go() {
    problems(&with_mirrors("failover = { reads = 'off' }", &[]), &["buckets.photos.failover"]);
    problems(&with_mirrors("failover = { reads = 'yes' }", &[SPARE]), &["buckets.photos.failover.reads"]);
}

#[test]
fn no_two_places_share_keys() {
    const OTHER: &str = "[buckets.notes]\nprovider = 'spare'\nbucket = 'acme-copy'\nkey_prefix = 'notes/'\n";
    let place = |provider: &str, bucket: &str, key_prefix: &str, name: &str| {
        format!("provider = '{provider}'\nbucket = '{bucket}'\nkey_prefix = '{key_prefix}'\nname = '{name}'")
    };
    let at =
        |prefix: &str| place("spare", "acme-copy", prefix, &prefix.trim_end_matches('/').replace('/', "-"));
    let first = &["buckets.photos.mirrors[0].bucket"][..];
    let second = &["buckets.photos.mirrors[1].bucket"][..];
    for (bucket, mirrors, expected) in [
        // The primary itself, also by another account at the same store.
        ("", vec![place("store", "acme-photos", "", "a")], first),
        ("", vec![place("store-again", "acme-photos", "", "a")], first),
        ("", vec![place("store", "acme-photos", "below/", "a")], first),
        ("key_prefix = 'a/b/'", vec![place("store", "acme-photos", "a/", "a")], first),
        // Another mirror.
        ("", vec![at("a/"), place("spare", "acme-copy", "", "b")], second),
        ("", vec![at("a/"), at("a/b/")], second),
        // Another bucket.
        (OTHER, vec![place("spare", "acme-copy", "", "a")], first),
        (OTHER, vec![at("notes/")], first),
    ] {
        let mirrors: Vec<&str> = mirrors.iter().map(String::as_str).collect();
        let shown = problems(&with_mirrors(bucket, &mirrors), expected);
        assert!(shown.contains("leads to where buckets."), "{shown}");
    }
    for (bucket, mirrors) in [
        ("key_prefix = 'a/'", vec![place("store", "acme-photos", "b/", "a")]),
        ("", vec![at("a/"), at("b/")]),
        ("", vec![at("ab/"), at("a/")]),
        (OTHER, vec![at("photos/")]),
        ("", vec![place("spare", "acme-photos", "", "a")]),
    ] {
        let mirrors: Vec<&str> = mirrors.iter().map(String::as_str).collect();
        let text = with_mirrors(bucket, &mirrors);
        assert!(from_text(&text).is_ok(), "{text}\n{:?}", from_text(&text));
    }
}

#[test]
fn two_buckets_do_not_mirror_into_each_other() {
    let text = format!(
        "{}[buckets.notes]\nprovider = 'store'\nbucket = 'acme-notes'\n[[buckets.notes.mirrors]]\n{SPARE}\n",
        with_mirrors("", &[SPARE])
    );
    let shown = problems(&text, &["buckets.photos.mirrors[0].bucket"]);
    assert!(shown.contains("where buckets.notes.mirrors[0] keeps its objects"), "{shown}");
}

fn checked(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut out = Vec::new();
    let code = check::run(Some(file.path()), &Environment::default(), &mut out).unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    String::from_utf8(out).unwrap()
}

#[test]
fn check_says_what_is_not_mirrored() {
    assert!(!checked(STORES).contains("note:"));
    let cold = "provider = 'spare'\nbucket = 'acme-cold'\nname = 'cold'\nstorage_class = 'DEEP_ARCHIVE'";
    let small = "provider = 'small'\nbucket = 'acme-copy'\nkey_prefix = 'photos/'";
    let wasabi = "[providers.small]\nplugin = 'wasabi'\nregion = 'eu-central-1'\n\
                  access_key_id = 'AKIAIOSFODNN7EXAMPLE'\nsecret_access_key = 'secret'\n";
    let out = checked(&(with_mirrors("", &[cold, small]) + wasabi));
    let notes: Vec<_> = out.lines().filter_map(|line| line.strip_prefix("note: ")).collect();
    let [all, direct, large, restored, smaller, longer] = notes.as_slice() else { panic!("{out}") };
    assert!(
        all.starts_with("buckets.photos.mirrors: ") && all.contains("retention") && all.contains("SSE-C")
    );
    assert!(direct.starts_with("buckets.photos.direct_uploads: "), "{direct}");
    assert!(large.starts_with("buckets.photos.mirrors[0]: Amazon S3 stores at most "), "{large}");
    assert!(restored.starts_with("buckets.photos.mirrors[0]: DEEP_ARCHIVE has to be restored"), "{restored}");
    assert!(smaller.contains("mirrors[1]: Wasabi stores at most 5000000000000 bytes"), "{smaller}");
    assert!(longer.contains("mirrors[1]: its key_prefix is 7 bytes longer"), "{longer}");
    // What can never happen is not said.
    let off = "failover = { reads = 'off' }\naccept = { file_bytes_max = 1000 }";
    let out = checked(&(with_mirrors(off, &[cold, "provider = 'small'\nbucket = 'acme-copy'"]) + wasabi));
    assert_eq!(out.lines().filter(|line| line.starts_with("note: ")).count(), 2, "{out}");
}

#[test]
fn a_bucket_is_filled_from_another_place_than_its_own() {
    let from = |old: &str| with_mirrors(&format!("backfill = {{ {old} }}"), &[SPARE]);
    let config = from_text(&from("provider = 'store', bucket = 'before', key_prefix = 'a/'")).unwrap();
    let old = config.buckets["photos"].backfill.as_ref().unwrap();
    assert_eq!((&*old.provider, old.bucket.as_str(), &*old.key_prefix), ("store", "before", "a/"));
    assert!(config.needs_database());
    for own in [
        "provider = 'store', bucket = 'acme-photos'",
        "provider = 'store-again', bucket = 'acme-photos', key_prefix = 'before/'",
        "provider = 'spare', bucket = 'acme-copy'",
    ] {
        problems(&from(own), &["buckets.photos.backfill.bucket"]);
    }
    problems(&from("provider = 'nowhere', bucket = 'before'"), &["buckets.photos.backfill.provider"]);
    problems(&from("provider = 'store'"), &["buckets.photos.backfill.bucket"]);
}

#[test]
fn it_is_said_where_nothing_is_kept() {
    let backfill = "backfill = { provider = 'spare', bucket = 'before' }\n";
    let noted = |text: &str| notes(&from_text(text).unwrap());
    let kept_not = noted(&[STORES, backfill].concat());
    assert!(kept_not.len() == 1 && kept_not[0].contains("conditional_writes = true"), "{kept_not:?}");
    let holds = STORES.replace("[providers.store]\n", "[providers.store]\nconditional_writes = true\n");
    assert!(noted(&[&holds, backfill].concat()).is_empty());
    assert!(noted(STORES).is_empty());
}
