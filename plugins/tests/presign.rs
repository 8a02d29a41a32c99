//! What goes into a presigned URL's query, what into signed headers, and what is refused.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use wharf_plugins::by_kind;
use wharf_provider::{
    Account, GetOptions, PresignError, PresignRequest, Presigned, Provider, PutOptions, Settings, Verb,
};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials, SigningKey},
};

/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

fn account(provider: &dyn Provider) -> Account {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    let endpoint = Some("https://store.example.com".to_owned());
    provider.bind(Settings { endpoint, ..Settings::new(credentials) }).unwrap()
}

fn presign(kind: &str, verb: Verb<'_>) -> Result<Presigned, PresignError> {
    let provider = by_kind(kind).unwrap();
    let account = account(provider);
    let (bucket, key) = (BucketName::parse("photos").unwrap(), ObjectKey::parse("a").unwrap());
    let request = PresignRequest { bucket: &bucket, key: &key, verb, expires_seconds: 3600 };
    let signing_key = SigningKey::derive(account.credentials(), account.scope(NOW));
    provider.presign(&account, &request, &signing_key, NOW)
}

/// The query without the parameters of the signature itself, and the signed headers.
fn parts(presigned: &Presigned) -> (Vec<&str>, &str) {
    let query = presigned.url.expose().split_once('?').unwrap().1;
    let asked = query.split('&').filter(|part| !part.starts_with("X-Amz-")).collect();
    let signed = query.split('&').find_map(|part| part.strip_prefix("X-Amz-SignedHeaders=")).unwrap();
    (asked, signed)
}

#[test]
fn a_plain_client_can_use_a_plain_upload() {
    for kind in ["s3", "r2", "minio", "wasabi", "b2"] {
        let presigned = presign(kind, Verb::Put(PutOptions::default())).unwrap();
        assert_eq!(parts(&presigned), (vec![], "host"), "{kind}");
        assert_eq!(presigned.required_headers, [], "{kind}");
    }
}

#[test]
fn class_and_metadata_go_into_the_query() {
    let metadata = [("owner".to_owned(), "J\u{fc}rgen & co".to_owned()), ("a".to_owned(), String::new())];
    let class = by_kind("s3").unwrap().profile().storage_class("GLACIER_INSTANT_RETRIEVAL").unwrap();
    let put = PutOptions { storage_class: Some(class), metadata: &metadata, ..PutOptions::default() };
    let presigned = presign("s3", Verb::Put(put)).unwrap();
    let expected =
        ["x-amz-meta-a=", "x-amz-meta-owner=J%C3%BCrgen%20%26%20co", "x-amz-storage-class=GLACIER_IR"];
    assert_eq!(parts(&presigned), (expected.to_vec(), "host"));
}

#[test]
fn a_class_of_another_provider_is_refused() {
    let class = by_kind("s3").unwrap().profile().storage_class("GLACIER").unwrap();
    let put = PutOptions { storage_class: Some(class), ..PutOptions::default() };
    let refusal = presign("r2", Verb::Put(put)).unwrap_err();
    assert_eq!(refusal.to_string(), "Cloudflare R2 has no storage class GLACIER");
}

#[test]
fn storage_classes_have_their_aliases_and_reasons() {
    let profile = by_kind("s3").unwrap().profile();
    for (alias, name) in [
        ("GLACIER_INSTANT_RETRIEVAL", "GLACIER_IR"),
        ("GLACIER_FLEXIBLE_RETRIEVAL", "GLACIER"),
        ("GLACIER_DEEP_ARCHIVE", "DEEP_ARCHIVE"),
        ("REDUCED_REDUNDANCY", "REDUCED_REDUNDANCY"),
    ] {
        assert_eq!(profile.storage_class(alias).unwrap().name, name);
    }
    let express = profile.storage_class("EXPRESS_ONEZONE").unwrap_err();
    assert!(express.message.starts_with("EXPRESS_ONEZONE is the class of directory buckets"));
    assert_eq!(express.valid_options.len(), 8);
    let unknown = profile.storage_class("standard").unwrap_err();
    assert!(unknown.valid_options.contains(&"STANDARD".to_owned()));
}

#[test]
fn kms_needs_signed_headers() {
    let put = |id| Verb::Put(PutOptions { kms_key_id: Some(id), ..PutOptions::default() });
    let kms = ("x-amz-server-side-encryption", "aws:kms".to_owned());
    let named = presign("s3", put("alias/photos")).unwrap();
    let id = ("x-amz-server-side-encryption-aws-kms-key-id", "alias/photos".to_owned());
    assert_eq!(named.required_headers, [kms.clone(), id]);
    let signed = "host%3Bx-amz-server-side-encryption%3Bx-amz-server-side-encryption-aws-kms-key-id";
    assert_eq!(parts(&named), (vec![], signed));
    let default = presign("s3", put("")).unwrap();
    assert_eq!(default.required_headers, [kms]);
    for kind in ["r2", "wasabi", "b2"] {
        assert!(matches!(presign(kind, put("")), Err(PresignError::Unsupported(_))), "{kind}");
    }
}

#[test]
fn the_providers_own_encryption_needs_a_header_where_it_is_not_unasked() {
    let put = Verb::Put(PutOptions { sse_s3: true, ..PutOptions::default() });
    for (kind, asks) in [("s3", false), ("r2", false), ("wasabi", false), ("minio", true), ("b2", true)] {
        let headers = presign(kind, put).unwrap().required_headers;
        let expected = [("x-amz-server-side-encryption", "AES256".to_owned())];
        assert_eq!(headers, if asks { expected.as_slice() } else { &[] }, "{kind}");
    }
}

#[test]
fn what_could_write_a_header_is_only_ever_encoded_or_refused() {
    let get =
        GetOptions { response_content_disposition: Some("a\r\nSet-Cookie: b\0"), ..GetOptions::default() };
    let presigned = presign("s3", Verb::Get(get)).unwrap();
    let expected = "response-content-disposition=a%0D%0ASet-Cookie%3A%20b%00";
    assert_eq!(parts(&presigned), (vec![expected], "host"));
    let put = PutOptions { kms_key_id: Some("key\r\nx-amz-acl: public-read"), ..PutOptions::default() };
    assert!(matches!(presign("s3", Verb::Put(put)), Err(PresignError::Signing(_))));
}

#[test]
fn a_key_of_another_day_signs_nothing() {
    let provider = by_kind("s3").unwrap();
    let account = account(provider);
    let (bucket, key) = (BucketName::parse("photos").unwrap(), ObjectKey::parse("a").unwrap());
    let verb = Verb::Get(GetOptions::default());
    let request = PresignRequest { bucket: &bucket, key: &key, verb, expires_seconds: 3600 };
    let yesterday = SigningKey::derive(account.credentials(), account.scope(NOW));
    let refusal = provider.presign(&account, &request, &yesterday, NOW.plus_seconds(86_400));
    assert!(matches!(refusal, Err(PresignError::Signing(_))));
}
