//! `DeleteObjects`: each key by the caller's own rights, in batches that the provider takes, answered in the caller's names.

use http::Method;
use wharf_wire::xml::{DeleteResult, read_delete_result};

use crate::support::{
    gateway::TestGateway,
    raw::Reply,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS},
    store,
};

/// A key that may delete below `uploads/` alone.
const SOME_RIGHTS: &str = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [
    { bucket = "photos", prefix = "uploads/", actions = ["delete"] },
    { bucket = "photos", actions = ["write"] },
]
"#;

/// The bucket `photos` below `tenant/` at a store that takes 700 keys in a batch.
fn config(endpoint: &str, keys: &str) -> String {
    format!(
        "{keys}
[providers.store]
plugin = \"r2\"
endpoint = \"{endpoint}\"
access_key_id = \"{}\"
secret_access_key = \"{}\"
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
key_prefix = \"tenant/\"
[buckets.elsewhere]
provider = \"store\"
bucket = \"stored-elsewhere\"
",
        store::ACCESS_KEY,
        store::SECRET_KEY
    )
}

fn document(keys: &[&str], quiet: bool) -> String {
    let objects: String = keys.iter().map(|key| ["<Object><Key>", key, "</Key></Object>"].concat()).collect();
    format!("<Delete>{objects}<Quiet>{quiet}</Quiet></Delete>")
}

async fn delete(gateway: &TestGateway, keys: &[&str], quiet: bool) -> Reply {
    let body = document(keys, quiet);
    Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, body.as_bytes()).sign().send(gateway).await
}

fn result(reply: &Reply) -> DeleteResult {
    assert_eq!(reply.status, 200, "{reply:?}");
    read_delete_result(reply.body.as_bytes()).unwrap_or_else(|error| panic!("{error} in {reply:?}"))
}

/// The codes of what was not deleted, by key.
fn errors(result: &DeleteResult) -> Vec<(&str, &str)> {
    result.errors.iter().map(|error| (error.key.as_str(), error.code.as_str())).collect()
}

fn deleted(result: &DeleteResult) -> Vec<&str> {
    let mut keys: Vec<&str> = result.deleted.iter().map(|deleted| deleted.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_key_without_the_right_is_an_error_beside_the_others() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store.endpoint(), SOME_RIGHTS)).await;
    for path in ["/photos/uploads/a%20%26%20b", "/photos/uploads/%C3%BC", "/photos/others/c"] {
        assert_eq!(Ask::put(path, Mode::Hash, b"hello").sign().send(&gateway).await.status, 200);
    }
    let reply =
        delete(&gateway, &["uploads/a &amp; b", "others/c", "uploads/../others/c", "uploads/ü"], false);
    let result = result(&reply.await);
    assert_eq!(deleted(&result), ["uploads/a & b", "uploads/ü"]);
    assert_eq!(errors(&result), [("others/c", "AccessDenied"), ("uploads/../others/c", "AccessDenied")]);
    let below = store.directory().join("stored-photos/tenant");
    assert!(below.join("others/c").is_file());
    assert!(!below.join("uploads/ü").exists() && !below.join("uploads/a & b").exists());
}

#[tokio::test]
async fn nobody_without_a_right_in_the_bucket_is_listened_to() {
    let recorder = Recorder::start().await;
    let elsewhere = SOME_RIGHTS.replace("bucket = \"photos\"", "bucket = \"elsewhere\"");
    for (keys, code) in [(elsewhere.as_str(), "AccessDenied"), (S3_KEYS, "MalformedXML")] {
        let gateway = TestGateway::start(&config(&recorder.endpoint(), keys)).await;
        let ask = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, b"<Delete></Delete>").sign();
        assert_eq!(ask.send(&gateway).await.s3_code(), code);
        assert_eq!(ask.without("authorization").send(&gateway).await.s3_code(), "AccessDenied");
    }
    assert_eq!(recorder.requests().len(), 0);
}

/// Says that everything was deleted that a request names, but what a later batch names.
fn first_batch_alone(request: &Recorded) -> Option<Answer> {
    if !request.is_complete {
        return None;
    }
    let body = String::from_utf8_lossy(&request.body);
    if body.contains("<Key>tenant/k0</Key>") {
        let deleted: String =
            keys(&body).iter().map(|key| ["<Deleted><Key>", key, "</Key></Deleted>"].concat()).collect();
        return Some(xml("200 OK", &["<DeleteResult>", &deleted, "</DeleteResult>"].concat()));
    }
    Some(xml("403 Forbidden", "<Error><Code>AccountProblem</Code><Message>Pay.</Message></Error>"))
}

fn keys(body: &str) -> Vec<&str> {
    body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).collect()
}

fn xml(status: &str, body: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn more_keys_than_the_provider_takes_go_in_batches() {
    let recorder = Recorder::answering(first_batch_alone).await;
    let gateway = TestGateway::start(&config(&recorder.endpoint(), S3_KEYS)).await;
    let names: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();

    let result = result(&delete(&gateway, &all, false).await);
    let batches: Vec<usize> = recorder
        .requests()
        .iter()
        .map(|request| keys(&String::from_utf8_lossy(&request.body)).len())
        .collect();
    assert_eq!(batches, [700, 300]);
    assert!(recorder.requests().iter().all(|request| request.header("content-md5").is_some()));
    assert_eq!((result.deleted.len(), result.errors.len()), (700, 300));
    assert!(result.deleted.iter().all(|deleted| all[..700].contains(&deleted.key.as_str())));
    assert!(errors(&result).iter().all(|(key, code)| all[700..].contains(key) && *code == "AccountProblem"));

    let refused = delete(&gateway, &["other"], false).await;
    assert_eq!((refused.status, refused.s3_code()), (403, "AccountProblem"));
}

#[tokio::test]
async fn a_quiet_answer_has_errors_alone() {
    let recorder = Recorder::answering(first_batch_alone).await;
    let gateway = TestGateway::start(&config(&recorder.endpoint(), SOME_RIGHTS)).await;
    let reply = delete(&gateway, &["uploads/a", "others/b"], true).await;
    assert_eq!((reply.status, reply.s3_code()), (403, "AccountProblem"));

    let recorder = Recorder::answering(|request| {
        let result = "<DeleteResult><Deleted><Key>tenant/uploads/a</Key></Deleted></DeleteResult>";
        request.is_complete.then(|| xml("200 OK", result))
    })
    .await;
    let gateway = TestGateway::start(&config(&recorder.endpoint(), SOME_RIGHTS)).await;
    let result = result(&delete(&gateway, &["uploads/a", "others/b"], true).await);
    assert_eq!((deleted(&result).len(), errors(&result)), (0, vec![("others/b", "AccessDenied")]));
    assert!(String::from_utf8_lossy(&recorder.requests()[0].body).contains("<Quiet>true</Quiet>"));
}

#[tokio::test]
async fn an_answer_that_is_no_result_is_an_error() {
    for (answer, code) in [
        ("<Error><Code>InternalError</Code></Error>", "InternalError"),
        ("<html></html>", "InternalError"),
        ("<DeleteResult><Deleted><Key>stranger/a</Key></Deleted></DeleteResult>", "InternalError"),
        ("<Error><Code>SlowDown</Code></Error>", "SlowDown"),
    ] {
        let recorder =
            Recorder::answering(move |request| request.is_complete.then(|| xml("200 OK", answer))).await;
        let gateway = TestGateway::start(&config(&recorder.endpoint(), S3_KEYS)).await;
        let reply = delete(&gateway, &["a"], false).await;
        assert_eq!(reply.s3_code(), code, "{reply:?}");
        assert!(reply.status >= 500 && !reply.body.contains("stranger"), "{reply:?}");
    }
}

#[tokio::test]
async fn what_a_provider_says_of_the_operator_is_not_passed_on() {
    let words = "User: arn:aws:iam::123456789012:user/wharf may not touch stored-photos";
    for (status, code) in [("403 Forbidden", "AccessDenied"), ("403 Forbidden", "AccountProblem")] {
        let error = format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>");
        let of_key =
            format!("<Error><Key>tenant/a</Key><Code>{code}</Code><Message>{words}</Message></Error>");
        for answer in [xml(status, &error), xml("200 OK", &format!("<DeleteResult>{of_key}</DeleteResult>"))]
        {
            let recorder =
                Recorder::answering(move |request| request.is_complete.then(|| answer.clone())).await;
            let gateway = TestGateway::start(&config(&recorder.endpoint(), S3_KEYS)).await;
            let reply = delete(&gateway, &["a"], false).await;
            assert!(reply.body.contains(code) && reply.body.contains("<Message>"), "{reply:?}");
            assert!(!reply.body.contains("arn:") && !reply.body.contains("stored-"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn who_bypasses_governance_needs_the_right_to() {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&config(&recorder.endpoint(), SOME_RIGHTS)).await;
    let body = document(&["uploads/a"], false);
    let ask = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, body.as_bytes());
    let reply = ask.header("x-amz-bypass-governance-retention", "true").sign().send(&gateway).await;
    assert_eq!(reply.s3_code(), "AccessDenied");
    assert_eq!(recorder.requests().len(), 0);
}
