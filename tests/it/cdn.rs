//! A bucket's CDN as the configuration names it.

use wharf::config::{Config, ConfigError, Environment, from_toml_text};

const BUCKET: &str = r#"
[providers.here]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "id"
secret_access_key = "secret"

[buckets.photos]
provider = "here"
bucket = "photos"
cdn = "#;

fn with_cdn(cdn: &str) -> Result<Config, ConfigError> {
    from_toml_text(&format!("{BUCKET}{cdn}\n"), &Environment::default())
}

/// A CDN with the test's private key, and `more`.
fn with_key(more: &str) -> Result<Config, ConfigError> {
    let key = "crates/provider/testdata/cdn/ecdsa.sec1.pem";
    with_cdn(&format!(r#"{{ domain = "cdn.eu.example.co.uk", private_key_file = "{key}", {more} }}"#))
}

#[test]
fn a_cdn_signs_with_the_key_and_the_hash_that_are_named() {
    for (hash, debug) in [("", "Sha1"), (r#", hash = "SHA1""#, "Sha1"), (r#", hash = "SHA256""#, "Sha256")] {
        let config = with_key(&format!(r#"key_pair_id = "K2JCJMDEHXQW5F"{hash}"#)).unwrap();
        let signer = config.buckets["photos"].cdn.as_ref().unwrap().signer.as_ref().unwrap();
        let expected = format!(r#"CdnSigner {{ key_pair_id: "K2JCJMDEHXQW5F", hash: {debug}, .. }}"#);
        assert_eq!(format!("{signer:?}"), expected);
    }
    let unsigned = with_cdn(r#"{ domain = "cdn.example.com" }"#).unwrap();
    assert!(unsigned.buckets["photos"].cdn.as_ref().unwrap().signer.is_none());
}

#[test]
fn what_is_wrong_with_a_cdn_is_reported_where_it_stands() {
    let no_key = r#"{ domain = "cdn.example.com", key_pair_id = "K2", private_key_file = "Cargo.toml" }"#;
    for (result, path) in [
        (with_key(r#"key_pair_id = "K2&Policy=""#), "key_pair_id"),
        (with_key(r#"hash = "SHA256""#), "key_pair_id"),
        (with_key(r#"key_pair_id = "K2", hash = "MD5""#), "hash"),
        (with_cdn(no_key), "private_key_file"),
        (with_cdn(r#"{ domain = "cdn.example.com/images" }"#), "domain"),
        (with_key(r#"key_pair_id = "K2", cookies = { domain = "example.org" }"#), "cookies.domain"),
        (with_key(r#"key_pair_id = "K2", cookies = { domain = "ample.co.uk" }"#), "cookies.domain"),
        (with_key(r#"key_pair_id = "K2", cookies = { path = "films/" }"#), "cookies.path"),
        (with_key(r#"key_pair_id = "K2", cookies = { path = "/a; Domain=b" }"#), "cookies.path"),
        (with_key(r#"key_pair_id = "K2", cookies = { expires_seconds = 59 }"#), "cookies.expires_seconds"),
    ] {
        let error = result.unwrap_err();
        let paths: Vec<_> = error.0.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [format!("buckets.photos.cdn.{path}")]);
    }
}
