//! Bodies that are no request: each gets an error that quotes nothing.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{CONFIG, api, own};
use crate::error::Code;

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let api = api(CONFIG);
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in
        ["", "{", "[]", "null", "7", "\"x\"", "{}{}", r#"{"filename":"a"#, r#"{"filename":"\ud800"}"#, &deep]
    {
        for path in ["photos/signed-url", "photos/batch-signed-url", "download/photos/signed-url"] {
            let error = api.refusal(path, body);
            assert_eq!(error.code, Code::InvalidJson, "{path} {}", body.chars().take(40).collect::<String>());
        }
    }
    for (value, message) in [
        ("1e309", "`expiresIn` holds a number that is too large (line 2, column 17)."),
        ("1e", "The body stops being JSON that can be read at `expiresIn` (line 2, column 15)."),
    ] {
        let error = api.refusal("photos/signed-url", &format!("{{\n\"expiresIn\":{value}}}"));
        assert_eq!(error.message, message);
    }
}

#[test]
fn an_error_never_quotes_a_value() {
    let api = api(CONFIG);
    for body in [
        r#"{"expiresIn":"canary"}"#,
        r#"{"files":"canary"}"#,
        r#"{"s3SecretKey":["canary"]}"#,
        r#"{"s3SecretKey":"canary"}"#,
        r#"{"s3AccessKey":"canary","s3SecretKey":"canary","s3Bucket":"Canary canary"}"#,
        r#"{"metadata":{"canary":7}}"#,
        r#"{"s3SecretKey":"canary","s3SecretKey":"canary"}"#,
        r#"{"s3SecretKey":"canary"#,
        r#"{"networkInfo":{"rtt":"canary"}}"#,
        r#"{"filename":"a","contentType":"canary\u0000"}"#,
    ] {
        let error = api.refusal("s3/signed-url", body);
        assert!(!format!("{error:?}").contains("canary"), "{body} {error:?}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_an_answer_leaves(body in ".{0,200}", at in 0_usize..600, byte in proptest::num::u8::ANY) {
        let api = api(CONFIG);
        let mut nearly = own(r#""metadata":{"a":"b"},"networkInfo":{"rtt":1},"validation":{"minSize":1},"files":[{}]"#).into_bytes();
        if let Some(there) = nearly.get_mut(at) {
            *there = byte;
        }
        for path in ["s3/signed-url", "photos/signed-url", "s3/batch-signed-url", "download/s3/signed-url"] {
            for body in [body.as_bytes(), nearly.as_slice()] {
                match api.ask_bytes(&api.key("everything"), path, body) {
                    Ok(reply) => prop_assert_eq!(&reply["success"], true),
                    Err(error) => prop_assert!(error.code.status().is_client_error(), "{error:?}"),
                }
            }
        }
    }
}
