//! Whose bucket a request is about, and who may use it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CONFIG, FILE, Identity, api};
use crate::error::Code;

#[test]
fn whose_bucket_it_is_follows_from_body_and_path() {
    let api = api(CONFIG);
    for (path, body, bucket) in [
        ("photos/signed-url", "", "photos"),
        ("main/signed-url", "", "photos"),
        ("s3/signed-url", r#","bucket":"photos""#, "photos"),
        ("photos/signed-url", r#","bucket":"notes""#, "notes"),
        ("minio/signed-url", "", "notes"),
        ("local/signed-url", "", "notes"),
        ("photos/signed-url", r#","bucket":null,"s3Region":"us-east-1""#, "photos"),
        ("photos/signed-url", r#","bucket":"","r2Bucket":"theirs""#, "photos"),
    ] {
        let reply = api.ask(path, &format!("{{{FILE}{body}}}"));
        assert_eq!(reply["data"]["bucket"], bucket, "{path} {body}");
    }
    let ambiguous = api.refusal("s3/signed-url", &format!("{{{FILE}}}"));
    assert_eq!(ambiguous.code, Code::AmbiguousBucket);
    assert_eq!(ambiguous.valid_options, ["films", "photos"]);
    for (path, body) in [("supabase/signed-url", ""), ("photos/signed-url", r#","bucket":"nothing""#)] {
        let unknown = api.refusal(path, &format!("{{{FILE}{body}}}"));
        assert_eq!(unknown.code, Code::UnknownProvider);
        let known = unknown.valid_options.iter().map(String::as_str);
        assert!(known.clone().any(|name| name == "photos") && known.clone().any(|name| name == "r2"));
    }
}

#[test]
fn an_error_tells_a_caller_of_no_bucket_that_is_not_theirs() {
    let api = api(CONFIG);
    for path in ["supabase/signed-url", "s3/signed-url"] {
        let error = api.ask_as(&api.key("inbox"), path, &format!("{{{FILE}}}")).unwrap_err();
        assert!(error.valid_options.contains(&"photos".to_owned()), "{error:?}");
        assert!(!format!("{error:?}").contains("films"), "{error:?}");
    }
}

#[test]
fn grants_decide_who_may_upload_and_where() {
    let api = api(CONFIG);
    let body = format!("{{{FILE}}}");
    let inbox = api.ask_as(&api.key("inbox"), "photos/signed-url", &body).unwrap();
    assert!(inbox["key"].as_str().unwrap().starts_with("inbox/upl"), "{inbox}");
    assert!(inbox["publicUrl"].as_str().unwrap().contains(".com/site/inbox/upl"), "{inbox}");
    let download = format!(r#"{{"key":{}}}"#, inbox["key"]);
    let read = api.ask_as(&api.key("inbox"), "download/photos/signed-url", &download).unwrap();
    assert_eq!(read["publicUrl"], inbox["publicUrl"]);
    for (key, path, body) in [
        ("reader", "photos/signed-url", body.as_str()),
        ("inbox", "download/photos/signed-url", r#"{"key":"other/a.txt"}"#),
        ("reader", "photos/batch-signed-url", r#"{"files":[{"filename":"a","contentType":"a/b"}]}"#),
    ] {
        let error = api.ask_as(&api.key(key), path, body).unwrap_err();
        assert_eq!(error.code, Code::AccessDenied, "{key} {path}");
    }
    assert!(api.ask_as(&Identity::Loopback, "notes/signed-url", &body).is_ok());
}

#[test]
fn a_key_is_told_whose_it_is() {
    let api = api(CONFIG);
    let reply = api.ask("validate-key", "");
    assert_eq!((&reply["success"], &reply["valid"]), (&json!(true), &json!(true)));
    assert_eq!(reply["data"]["api_key"]["id"], "everything");
    assert_eq!(reply["data"]["user"]["email"], Value::Null);
    let user = Identity::User { subject: "ann".to_owned(), allow: Arc::from([]) };
    let reply = api.ask_as(&user, "validate-key", "").unwrap();
    assert_eq!((&reply["data"]["user"]["id"], &reply["data"]["api_key"]), (&json!("ann"), &Value::Null));
    assert_eq!(api.ask_as(&Identity::Loopback, "validate-key", "").unwrap()["valid"], true);
}
