//! Browsers' forms: what becomes of one, what is refused, and that nothing is ever stored of a form that does not end as it
//! should.

use http::Method;
use serde_json::json;
use wharf::{
    clock::Clock,
    config::{
        Environment,
        checked::{Action, Grant, GrantBucket},
        from_toml_text,
    },
    request::authenticate::begin_session,
    sealing_key::sealer,
};
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    recorder::Recorder,
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    s3_form::PostForm,
    store,
    witness::Witnesses,
};

const ETAG: &str = "\"0123456789abcdef0123456789abcdef\"";

/// More than one piece of a body, with line ends and beginnings of a boundary in it.
fn large() -> Vec<u8> {
    b"\r\n------WharfFormBoundary\r\n--\r\n".repeat(20_000)
}

async fn recorded(configuration: &str) -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), configuration)).await;
    (recorder, gateway)
}

#[tokio::test]
async fn a_form_becomes_a_put_of_its_file() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    let tagging = "<Tagging><TagSet><Tag><Key>a b</Key><Value>c</Value></Tag></TagSet></Tagging>";
    let form = PostForm::new("up/${filename}", large())
        .field("Content-Type", "image/jpeg")
        .field("x-amz-meta-who", "ada")
        .field("acl", "public-read")
        .field("tagging", tagging)
        .field("submit", "Upload")
        .extra_field("x-ignore-me", "1")
        .condition(json!(["content-length-range", 1, 1_000_000]));
    let reply = form.sign().send(&gateway).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{reply:?}");
    assert_eq!(reply.header("etag"), Some(ETAG));
    assert_eq!(reply.header("location"), Some("http://s3.wharf.test/photos/up/cat.jpg"));

    let requests = recorder.requests();
    let [put] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((put.method(), put.target()), ("PUT", "/stored-photos/up/cat.jpg"));
    assert!(put.is_complete && put.body == large());
    for (name, value) in [
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("content-type", "image/jpeg"),
        ("x-amz-meta-who", "ada"),
        ("x-amz-acl", "public-read"),
        ("x-amz-tagging", "a%20b=c"),
    ] {
        assert_eq!(put.header(name), Some(value), "{name}");
    }
    for name in ["key", "policy", "submit", "x-ignore-me", "x-amz-signature", "x-amz-credential"] {
        assert_eq!(put.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_store_keeps_the_file_of_a_form() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&in_front_of(&store.endpoint(), S3_KEYS)).await;
    for (key, file) in [("cat.jpg", large()), ("empty", Vec::new()), ("one", b"1".to_vec())] {
        let reply = PostForm::new(key, file.clone()).sign().send(&gateway).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        assert_eq!(std::fs::read(store.directory().join("stored-photos").join(key)).unwrap(), file);
    }
}

#[tokio::test]
async fn a_form_chooses_the_answer_to_its_success() {
    let (_recorder, gateway) = recorded(S3_KEYS).await;
    let post = |name: &'static str, value: &'static str| {
        let wire = PostForm::new("a b&c", "file").field(name, value).sign();
        let gateway = &gateway;
        async move { wire.send(gateway).await }
    };
    assert_eq!(post("success_action_status", "200").await.status, 200);
    assert_eq!(post("success_action_status", "500").await.status, 204);
    let created = post("success_action_status", "201").await;
    assert_eq!((created.status, created.header("content-type")), (201, Some("application/xml")));
    assert!(
        created.body.ends_with(
            "<PostResponse><Location>http://s3.wharf.test/photos/a%20b%26c</Location><Bucket>photos</Bucket>\
             <Key>a b&amp;c</Key><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag></PostResponse>"
        ),
        "{created:?}"
    );
    let redirected = post("success_action_redirect", "https://app.example/done?a=b").await;
    assert_eq!(redirected.status, 303);
    assert_eq!(
        redirected.header("location"),
        Some(
            "https://app.example/done?a=b&bucket=photos&key=a%20b%26c\
             &etag=%220123456789abcdef0123456789abcdef%22"
        )
    );
    let elsewhere = post("success_action_redirect", "javascript:alert(1)").await;
    assert_eq!(elsewhere.status, 204);
}

#[tokio::test]
async fn only_a_signed_policy_that_allows_the_form_lets_it_in() {
    let witnesses = Witnesses::start().await;
    let form = || PostForm::new("k", "file");
    let ago = |seconds: u64| Timestamp::from_unix_millis(Clock::System.now().unix_millis() - seconds * 1000);
    for (wire, status, code) in [
        (form().wire(), 403, "AccessDenied"),
        (form().extra_field("policy", "e30=").wire(), 400, "InvalidArgument"),
        (form().secret("another-secret-0123456789abcdefghi").sign(), 403, "SignatureDoesNotMatch"),
        (form().at(ago(700), 600).sign(), 403, "AccessDenied"),
        (form().at(ago(8 * 86_400), 9 * 86_400).sign(), 403, "AccessDenied"),
        (form().at(Clock::System.now().plus_seconds(3600), 600).sign(), 403, "AccessDenied"),
        (form().extra_field("acl", "public-read").sign(), 403, "AccessDenied"),
        (form().extra_field("success_action_redirect", "https://evil.example/").sign(), 403, "AccessDenied"),
        (form().condition(json!({"bucket": "other"})).sign(), 403, "AccessDenied"),
        (form().condition(json!(["starts-with", "$key", "up/"])).sign(), 403, "AccessDenied"),
        (form().condition(json!(["content-length-range", 0, 3])).sign(), 400, "EntityTooLarge"),
        (form().condition(json!(["content-length-range", 5, 9])).sign(), 400, "EntityTooSmall"),
        (form().field("x-amz-security-token", "t").sign(), 400, "InvalidToken"),
        (PostForm::new("", "file").sign(), 400, "UserKeyMustBeSpecified"),
        (form().field("x-amz-meta-snowball-auto-extract", "true").sign(), 501, "NotImplemented"),
        (form().field("tagging", "a=b").sign(), 400, "MalformedXML"),
        (form().field("x-amz-checksum-crc32", "AAAAAA==").sign(), 400, "BadDigest"),
        (form().sign().without("content-type"), 400, "MalformedPOSTRequest"),
        (form().sign().without("content-length").line("content-length: 100"), 400, "IncompleteBody"),
    ] {
        let reply = witnesses.refuse(&wire).await;
        assert_eq!((reply.status, reply.s3_code()), (status, code), "{reply:?}");
    }
    // Signed as a request besides: which of the two would count?
    let signed = Ask::new(Method::POST, "/photos")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Mode::Unsigned, b"--b--\r\n")
        .sign();
    assert_eq!(witnesses.refuse_unsent(&signed).await.s3_code(), "InvalidRequest");
}

#[tokio::test]
async fn nothing_is_stored_of_a_form_that_does_not_end_behind_its_file() {
    let witnesses = Witnesses::start().await;
    for file in [Vec::new(), b"1".to_vec(), large()] {
        let form = PostForm::new("k", file);
        for wrong in [form.clone().field_behind("submit", "Upload"), form.clone().without_line_end()] {
            let reply = witnesses.refuse(&wrong.sign()).await;
            assert_eq!((reply.status, reply.s3_code()), (400, "MalformedPOSTRequest"), "{reply:?}");
            assert!(reply.body.contains("Make `file` the last field"), "{reply:?}");
        }
        let unended = witnesses.refuse(&form.without_end().sign()).await;
        assert_eq!(unended.status, 400, "{unended:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_its_file_leaves_nothing() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    let wire = PostForm::new("k", large()).sign();
    let body = wire.body();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.head()).await;
    raw.send(&body[..body.len() - 10]).await;
    recorder.until(|record| record.iter().any(|request| request.body.len() > 100_000)).await;
    drop(raw);
    recorder.until(|record| record.iter().all(|request| request.is_closed)).await;
    assert_eq!(recorder.complete(), 0);
}

#[tokio::test]
async fn a_form_does_what_its_signer_may_do() {
    let keys = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [{ bucket = "photos", prefix = "up/", actions = ["write"] }]
"#;
    let witnesses = Witnesses::start_with(keys).await;
    for form in [PostForm::new("down/a", "file"), PostForm::new("up/a", "file").field("acl", "public-read")] {
        let reply = witnesses.refuse_unsent(&form.sign()).await;
        assert_eq!((reply.status, reply.s3_code()), (403, "AccessDenied"), "{reply:?}");
    }
    let (recorder, gateway) = recorded(keys).await;
    assert_eq!(PostForm::new("up/a", "file").sign().send(&gateway).await.status, 204);
    assert_eq!(recorder.complete(), 1);
}

#[tokio::test]
async fn a_form_may_be_signed_with_a_short_lived_key() {
    let sealing = "[server]\nsealing_keys = [\"c2VhbGluZy1rZXktb2YtdGhlLXRlc3RzLTAxMjM0NTY=\"]\n";
    let configuration = [sealing, S3_KEYS].concat();
    let (recorder, gateway) = recorded(&configuration).await;
    let config = from_toml_text(&configuration, &Environment::default()).unwrap();
    let sealer = sealer(&config.server).unwrap();
    let expires_at = Clock::System.now().plus_seconds(600);
    let grant = Grant {
        bucket: GrantBucket::Named("photos".to_owned()),
        prefix: "up/".to_owned(),
        actions: vec![Action::Write],
    };
    let session = begin_session(&sealer, Some(&config.keys[0]), vec![grant], expires_at).unwrap();
    let beyond = PostForm::new("down/a", "file").session(&session).sign().send(&gateway).await;
    assert_eq!((beyond.status, beyond.s3_code()), (403, "AccessDenied"), "{beyond:?}");
    let stolen =
        PostForm::new("up/a", "file").session(&session).secret("guessed").sign().send(&gateway).await;
    assert_eq!((stolen.status, stolen.s3_code()), (403, "SignatureDoesNotMatch"), "{stolen:?}");
    assert_eq!(recorder.requests().len(), 0);
    let reply = PostForm::new("up/a", "file").session(&session).sign().send(&gateway).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

#[tokio::test]
async fn a_bucket_takes_of_any_client_what_it_accepts() {
    let recorder = Recorder::start().await;
    let accept = "accept = { file_bytes_max = 4, content_types = [\"image/*\"], extensions = [\"jpg\"] }";
    let toml = [&in_front_of(&recorder.endpoint(), S3_KEYS), accept].concat();
    let gateway = TestGateway::start(&toml).await;
    let put = |key: &str, content_type: &str, body: &'static [u8]| {
        Ask::put(key, Mode::Hash, body).header("content-type", content_type).sign()
    };
    let begin = |key: &str, content_type: &str| {
        Ask::new(Method::POST, &[key, "?uploads="].concat()).header("content-type", content_type).sign()
    };
    let form = |key: &str, content_type: &str, file: &str| {
        PostForm::new(key, file).field("content-type", content_type).sign()
    };
    for (wire, code) in [
        (put("/photos/a.jpg", "image/jpeg", b"12345"), "EntityTooLarge"),
        (put("/photos/a.jpg", "text/html", b"1234"), "InvalidRequest"),
        (put("/photos/a.exe", "image/jpeg", b"1234"), "InvalidRequest"),
        (Ask::put("/photos/a.jpg", Mode::Hash, b"1234").sign(), "InvalidRequest"),
        (Ask::put("/photos/a.jpg?partNumber=1&uploadId=u", Mode::Hash, b"12345").sign(), "EntityTooLarge"),
        (begin("/photos/a.exe", "image/jpeg"), "InvalidRequest"),
        (begin("/photos/a.jpg", "text/html"), "InvalidRequest"),
        (form("a.jpg", "image/jpeg", "12345"), "EntityTooLarge"),
        (form("a.jpg", "text/html", "1234"), "InvalidRequest"),
        (form("a.exe", "image/jpeg", "1234"), "InvalidRequest"),
    ] {
        let reply = wire.send(&gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (400, code), "{reply:?}");
    }
    assert_eq!(recorder.requests().len(), 0);
    let taken: [Reply; 2] = [
        put("/photos/a.JPG", "image/jpeg", b"1234").send(&gateway).await,
        form("a.jpg", "image/jpeg", "1234").send(&gateway).await,
    ];
    assert_eq!(taken.map(|reply| reply.status), [200, 204]);
}
