//! What a request may not use up, smuggle in or find out.

use std::net::Ipv4Addr;

use serde_json::json;
use wharf_wire::date::Timestamp;

use super::{BASE, CONFIG, Call, Context, FILE, Identity, Method, NOW, UploadApi, api, own, route};
use crate::error::Code;

fn code_as(api: &UploadApi, key: &str, path: &str, body: &str) -> Result<(), Code> {
    api.ask_as(&api.key(key), path, body).map(drop).map_err(|error| error.code)
}

#[test]
fn a_limit_on_one_provider_slows_no_other() {
    let api = api(&CONFIG.replace(
        "[providers.spare]",
        "rate_limit = { requests_per_second = 1, burst = 1 }\n\n[providers.spare]",
    ));
    let body = format!("{{{FILE}}}");
    api.ask("photos/signed-url", &body);
    let limited = api.refusal("photos/signed-url", &body);
    assert_eq!(limited.code, Code::RateLimited);
    api.ask("notes/signed-url", &body);
    api.ask("s3/signed-url", &own(""));
}

#[test]
fn a_caller_without_rights_uses_up_no_limit() {
    let api = api(&CONFIG.replace(
        "[providers.spare]",
        "rate_limit = { requests_per_second = 1, burst = 1 }\n\n[providers.spare]",
    ));
    let body = format!("{{{FILE}}}");
    for _ in 0..3 {
        assert_eq!(code_as(&api, "reader", "photos/signed-url", &body), Err(Code::AccessDenied));
    }
    api.ask("photos/signed-url", &body);
}

#[test]
fn what_sanitising_drops_hides_no_extension() {
    let api = api(CONFIG);
    let cut = format!("{}.php.{}", "a".repeat(96), "b".repeat(30));
    for name in ["shell.php", "shell.php.", "shell.php/", "shell.ph\u{200b}p", "shell.php\r", &cut] {
        for rules in [json!("any"), json!({"blockDangerous": false, "blockedExtensions": ["php"]})] {
            let body = json!({"filename": name, "contentType": "text/plain", "validation": rules});
            let error = api.refusal("photos/signed-url", &body.to_string());
            assert_eq!(error.code, Code::ValidationFailed, "{body}");
        }
    }
    let fine = json!({"filename": "a.mp4.", "contentType": "video/mp4", "fileSize": 1});
    let reply = api.ask("films/signed-url", &fine.to_string());
    assert!(reply["key"].as_str().unwrap().ends_with("_a.mp4"), "{reply}");
    assert_eq!(reply["data"]["originalFilename"], "a.mp4.");
}

#[test]
fn what_every_result_repeats_is_bounded() {
    let api = api(CONFIG);
    let token = |bytes: usize| own(&format!(r#""s3SessionToken":"{}""#, "t".repeat(bytes)));
    api.ask("s3/signed-url", &token(8192));
    assert_eq!(api.refusal("s3/signed-url", &token(8193)).code, Code::InvalidCredentials);
    let url = |bytes: usize| {
        let base = "https://pub.example.com/";
        own(&format!(r#""s3PublicUrl":"{base}{}""#, "p".repeat(bytes - base.len())))
    };
    let long = api.refusal("s3/signed-url", &url(2049));
    assert_eq!((long.code, long.message.contains("2048")), (Code::InvalidField, true));
    let fits = api.ask_as(&api.key("everything"), "s3/signed-url", &url(2048));
    assert!(fits.is_ok_and(|reply| reply["success"] == true));
}

#[test]
fn a_mistake_in_what_files_share_fails_the_whole_batch() {
    let api = api(CONFIG);
    for (fields, code) in [
        (r#""expiresIn":59"#, Code::ExpiryTooShort),
        (r#""maxExpirySeconds":604801"#, Code::ExpiryTooLong),
        (r#""minExpirySeconds":300,"maxExpirySeconds":200"#, Code::InvalidField),
        (r#""bufferMultiplier":11"#, Code::InvalidField),
        (r#""validation":"virus-free""#, Code::InvalidField),
        (r#""validation":{"preset":"virus-free"}"#, Code::InvalidField),
        (r#""validation":{"maxSize":-1}"#, Code::InvalidField),
    ] {
        let body = format!(r#"{{"files":[{{{FILE},"fileSize":1}}],{fields}}}"#);
        assert_eq!(api.refusal("photos/batch-signed-url", &body).code, code, "{fields}");
    }
    let reserved = own("").replace("my-bucket", "logs--x-s3");
    let reserved = reserved.replacen('{', &format!(r#"{{"files":[{{{FILE}}}],"#), 1);
    assert_eq!(api.refusal("s3/batch-signed-url", &reserved).code, Code::InvalidBucketName);
}

#[test]
fn null_is_absent_beside_an_alias_too() {
    let api = api(CONFIG);
    for body in [r#"{"key":"a.txt","fileKey":null}"#, r#"{"fileKey":null,"key":"a.txt"}"#] {
        assert_eq!(api.ask("download/photos/signed-url", body)["key"], "a.txt", "{body}");
    }
    let body = own(r#""s3SecretAccessKey":null,"s3AccessKeyId":null"#);
    assert_eq!(api.ask("s3/signed-url", &body)["success"], true);
    let twice = api.refusal("s3/signed-url", &own(r#""s3SecretAccessKey":"another""#));
    assert_eq!((twice.code, &*twice.message), (Code::InvalidJson, "`s3SecretKey` is there more than once."));
}

#[test]
fn empty_fields_bring_no_account() {
    let api = api(CONFIG);
    for field in ["s3Endpoint", "s3AccountId", "s3SessionToken"] {
        let reply = api.ask("photos/signed-url", &format!(r#"{{{FILE},"{field}":""}}"#));
        assert_eq!(reply["data"]["bucket"], "photos", "{field}");
    }
}

#[test]
fn a_size_that_no_number_holds_exactly_is_too_large() {
    let api = api(CONFIG);
    for size in ["1e16", "1e300"] {
        let body = format!(r#"{{{FILE},"fileSize":{size}}}"#);
        assert_eq!(api.refusal("photos/signed-url", &body).code, Code::FileTooLarge, "{size}");
    }
}

#[test]
fn a_bucket_that_no_grant_names_is_not_there() {
    let api = api(CONFIG);
    let answer = |path: &str, bucket: &str| {
        let body = format!(r#"{{{FILE},"bucket":{bucket}}}"#);
        let error = api.ask_as(&api.key("inbox"), path, &body).unwrap_err();
        (error.code, error.message, error.valid_options)
    };
    let hidden = answer("photos/signed-url", r#""films""#);
    assert_eq!(hidden, answer("photos/signed-url", r#""nothing""#));
    assert_eq!(hidden.0, Code::UnknownProvider);
    assert_eq!(answer("films/signed-url", "null"), answer("nothing/signed-url", "null"));
}

#[test]
fn a_call_shows_how_long_its_body_is_and_no_more() {
    let context = Context {
        request_id: "req-1".to_owned(),
        client_ip: Ipv4Addr::LOCALHOST.into(),
        is_loopback: true,
        received: Timestamp::from_unix_millis(NOW),
    };
    let route = route(&Method::POST, &format!("{BASE}photos/signed-url")).unwrap();
    let call = Call {
        route: &route,
        identity: &Identity::Loopback,
        context: &context,
        method: &Method::POST,
        query: "",
        body: b"cccccccc",
    };
    let shown = format!("{call:?}");
    assert!(shown.contains("body_bytes: 8") && !shown.contains("99, 99"), "{shown}");
}
