//! What the upload API does with objects at a real store: described, listed, deleted, in the caller's own keys.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    memory_store::{Habits, MemoryStore},
    raw::{Raw, Reply, post},
    recorder::{Answer, Recorded, Recorder},
    store,
};

/// Keys that a URL, an XML document or a file system might take for something else.
const ODD_KEYS: [&str; 8] = [
    "plain.txt",
    "a b+c&d=e%20f.txt",
    "folder/résumé 日本.pdf",
    "<tag> \"quoted\" 'x'.txt",
    "#fragment?query",
    "~tilde!*().txt",
    "%2F",
    ".hidden;v=1,2",
];

/// The bucket `photos` at the store behind `endpoint`, below a prefix, for keys with all rights and with some; and callers
/// may bring their own credentials to it.
fn config(endpoint: &str) -> String {
    format!(
        "{KEY_CONFIG}
[[keys]]
id = \"inbox-key-0123456789\"
allow = [{{ bucket = \"photos\", prefix = \"inbox/\", actions = [\"read\", \"write\", \"delete\", \"list\"] }}]
[[keys]]
id = \"reader-key-0123456789\"
allow = [{{ bucket = \"photos\", actions = [\"read\", \"list\"] }}]
{}
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
key_prefix = \"site/\"
[buckets.nowhere]
provider = \"store\"
bucket = \"no-such-bucket\"
",
        store::callers(endpoint), store::provider("store", endpoint)
    )
}

/// The caller's own credentials for `bucket` at `endpoint`, as fields of a body.
fn own(endpoint: &str, bucket: &str) -> String {
    format!(
        r#""minioAccessKey":"{}","minioSecretKey":"{}","minioBucket":"{bucket}","minioEndpoint":"{endpoint}""#,
        store::ACCESS_KEY,
        store::SECRET_KEY
    )
}

async fn send(gateway: &TestGateway, wire: String) -> Reply {
    Raw::connect(gateway.api()).await.ask(wire).await
}

async fn try_ask(gateway: &TestGateway, path: &str, body: &Value) -> Reply {
    send(gateway, post(&format!("/api/v1/upload/{path}"), &body.to_string())).await
}

async fn ask(gateway: &TestGateway, path: &str, body: &Value) -> Value {
    let reply = try_ask(gateway, path, body).await;
    assert_eq!(reply.status, 200, "{body} {reply:?}");
    let json: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(json["success"], true);
    json
}

/// The status and the code of a refusal.
async fn refusal(gateway: &TestGateway, path: &str, body: &Value) -> (u16, String) {
    let reply = try_ask(gateway, path, body).await;
    (reply.status, reply.code())
}

async fn refusal_to(key: &str, gateway: &TestGateway, path: &str, body: &Value) -> (u16, String) {
    let wire = post(&format!("/api/v1/upload/{path}"), &body.to_string());
    let reply = send(gateway, wire.replace("test-key-0123456789abcdef", key)).await;
    (reply.status, reply.code())
}

/// A gateway in front of a real store.
struct Behind {
    store: Store,
    gateway: TestGateway,
}

impl Behind {
    async fn start() -> Self {
        let store = store::start("stored-photos").await;
        let gateway = TestGateway::start(&config(&store.endpoint())).await;
        Self { store, gateway }
    }

    /// Where the store keeps the object that callers call `key`.
    fn file(&self, key: &str) -> PathBuf {
        self.store.directory().join("stored-photos/site").join(key)
    }

    fn put(&self, key: &str, bytes: &str) {
        let file = self.file(key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

fn keys(files: &Value) -> BTreeSet<&str> {
    files.as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn odd_keys_are_listed_described_and_deleted_as_they_are() {
    let behind = Behind::start().await;
    for key in ODD_KEYS {
        behind.put(key, "hello");
    }
    behind.put("../beside", "none of the bucket's");
    let listed = ask(&behind.gateway, "photos/list", &json!({})).await;
    assert_eq!(keys(&listed["files"]), BTreeSet::from(ODD_KEYS));
    for key in ODD_KEYS {
        let described = ask(&behind.gateway, "photos/metadata", &json!({ "key": key })).await;
        assert_eq!((&described["metadata"]["key"], &described["metadata"]["size"]), (&json!(key), &json!(5)));
        let deleted = ask(&behind.gateway, "photos/delete", &json!({ "fileKey": key })).await;
        assert_eq!((&deleted["deleted"], &deleted["data"]["fileKey"]), (&json!(key), &json!(key)));
        assert!(!behind.file(key).exists(), "{key}");
    }
    assert!(behind.file("../beside").exists());
    assert_eq!(ask(&behind.gateway, "photos/list", &json!({})).await["count"], 0);
}

#[tokio::test]
async fn a_listing_has_the_contracts_fields_twice() {
    let behind = Behind::start().await;
    behind.put("in/a.txt", "hello");
    behind.put("out/b.txt", "hello");
    let listed = ask(&behind.gateway, "photos/list", &json!({"prefix": "in/", "maxKeys": 20})).await;
    assert_eq!((&listed["provider"], &listed["prefix"]), (&json!("minio"), &json!("in/")));
    let [file] = listed["files"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&file["key"], &file["size"]), (&json!("in/a.txt"), &json!(5)));
    assert!(file["lastModified"].as_str().unwrap().ends_with('Z') && file["storageClass"].is_string());
    for field in ["files", "count", "isTruncated", "nextContinuationToken", "bucket", "prefix", "maxKeys"] {
        assert_eq!(listed[field], listed["data"][field], "{field}");
    }
    assert_eq!((&listed["bucket"], &listed["maxKeys"]), (&json!("photos"), &json!(20)));
    assert_eq!((&listed["isTruncated"], &listed["nextContinuationToken"]), (&json!(false), &Value::Null));
    assert!(!listed.to_string().contains("site/"), "{listed}");
}

/// All keys of a listing, page by page.
async fn walk(gateway: &TestGateway, path: &str, asked: &Value) -> Vec<String> {
    let (mut found, mut asked) = (Vec::new(), asked.clone());
    loop {
        let page = ask(gateway, path, &asked).await;
        found.extend(
            page["files"].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap().to_owned()),
        );
        if page["isTruncated"] == false {
            return found;
        }
        let token = page["nextContinuationToken"].as_str().unwrap();
        assert!(!token.contains("site"), "{token}");
        asked["continuationToken"] = json!(token);
    }
}

#[tokio::test]
async fn every_store_is_listed_to_its_end_in_the_callers_keys() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start(&config(&store.endpoint())).await;
    let mut expected: Vec<&str> = ODD_KEYS.iter().copied().chain(["a+b", "a b", "bell\u{7}"]).collect();
    expected.sort_unstable();
    for key in &expected {
        store.put(&format!("stored-photos/site/{key}"), "hello");
    }
    // What stands before every key is no key of the caller's, and neither is what lies beside.
    store.put("stored-photos/site/", "");
    store.put("stored-photos/siteless", "");
    for habits in [
        Habits { page_keys: 3, ..Habits::default() },
        Habits { page_keys: 3, keeps_its_word: false, ..Habits::default() },
        Habits { page_keys: 3, knows_version_two: false, ..Habits::default() },
        Habits { keeps_its_word: false, knows_version_two: false, lists_etags: false, ..Habits::default() },
    ] {
        store.behave(habits);
        assert_eq!(walk(&gateway, "photos/list", &json!({})).await, expected, "{habits:?}");
    }
}

#[tokio::test]
async fn a_token_is_good_where_it_was_made() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start(&config(&store.endpoint())).await;
    for token in ["made up", "c2l0ZS9h"] {
        let refused = refusal(&gateway, "photos/list", &json!({"continuationToken": token})).await;
        assert_eq!(refused, (400, "INVALID_FIELD".to_owned()));
    }
    assert_eq!(ask(&gateway, "photos/list", &json!({"continuationToken": ""})).await["count"], 0);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let behind = Behind::start().await;
    let many = vec!["k"; 1001];
    for (path, body, status, code) in [
        ("photos/list", json!({"maxKeys": 0}), 400, "INVALID_MAX_KEYS"),
        ("photos/list", json!({"maxKeys": 1001}), 400, "INVALID_MAX_KEYS"),
        ("photos/list", json!({"maxKeys": 1.5}), 400, "INVALID_MAX_KEYS"),
        ("photos/list", json!({"maxKeys": "20"}), 400, "INVALID_MAX_KEYS"),
        ("photos/list", json!({"prefix": "../"}), 400, "INVALID_FIELD"),
        ("photos/list", json!({"prefix": "k".repeat(1100)}), 400, "INVALID_FIELD"),
        ("nowhere/list", json!({}), 404, "BUCKET_NOT_FOUND"),
        ("photos/versions", json!({"maxKeys": 0}), 400, "INVALID_MAX_KEYS"),
        ("photos/versions", json!({"versionIdMarker": "v"}), 400, "INVALID_FIELD"),
        ("photos/metadata", json!({}), 400, "MISSING_KEY"),
        ("photos/metadata", json!({"key": "a/../b"}), 400, "INVALID_FIELD"),
        ("photos/metadata", json!({"key": "a", "versionId": "v\n"}), 400, "INVALID_FIELD"),
        ("photos/metadata", json!({"key": "missing"}), 404, "FILE_NOT_FOUND"),
        ("photos/delete", json!({}), 400, "MISSING_KEY"),
        ("photos/delete", json!({"key": "missing"}), 404, "FILE_NOT_FOUND"),
        ("photos/batch-delete", json!({}), 400, "INVALID_KEYS"),
        ("photos/batch-delete", json!({"keys": []}), 400, "INVALID_KEYS"),
        ("photos/batch-delete", json!({"keys": "a"}), 400, "INVALID_KEYS"),
        ("photos/batch-delete", json!({"keys": ["a", 1]}), 400, "INVALID_KEYS"),
        ("photos/batch/delete", json!({ "fileKeys": many }), 400, "BATCH_TOO_LARGE"),
        ("elsewhere/list", json!({}), 404, "UNKNOWN_PROVIDER"),
        ("supabase/buckets", json!({"provider": "SUPABASE"}), 404, "UNKNOWN_PROVIDER"),
        ("uploadcare/scan-malware", json!({"provider": "UPLOADCARE"}), 404, "UNKNOWN_PROVIDER"),
        ("photos/buckets", json!({}), 404, "NOT_FOUND"),
    ] {
        assert_eq!(refusal(&behind.gateway, path, &body).await, (status, code.to_owned()), "{path} {body}");
    }
}

#[tokio::test]
async fn a_grants_prefix_is_the_end_of_what_its_key_sees() {
    let behind = Behind::start().await;
    for key in ["inbox/a", "inbox/b", "private/c"] {
        behind.put(key, "hello");
    }
    let inbox = "inbox-key-0123456789";
    let as_inbox = async |path: &str, body: Value| {
        let wire = post(&format!("/api/v1/upload/{path}"), &body.to_string());
        let reply = send(&behind.gateway, wire.replace("test-key-0123456789abcdef", inbox)).await;
        (reply.status, serde_json::from_str::<Value>(&reply.body).unwrap())
    };
    let (status, listed) = as_inbox("photos/list", json!({})).await;
    assert_eq!((status, &listed["prefix"]), (200, &json!("inbox/")));
    assert_eq!(keys(&listed["files"]), BTreeSet::from(["inbox/a", "inbox/b"]));
    let denied = (403, "ACCESS_DENIED".to_owned());
    for (path, body) in [
        ("photos/list", json!({"prefix": "private/"})),
        ("photos/list", json!({"prefix": "in"})),
        ("photos/versions", json!({"prefix": "private/"})),
        ("photos/metadata", json!({"key": "private/c"})),
        ("photos/delete", json!({"key": "private/c"})),
    ] {
        assert_eq!(refusal_to(inbox, &behind.gateway, path, &body).await, denied, "{path} {body}");
    }
    let body = json!({"keys": ["inbox/a", "private/c", "inbox/../private/c", "inbox/b"]});
    let (status, deleted) = as_inbox("photos/batch-delete", body).await;
    assert_eq!((status, &deleted["deleted"]), (200, &json!(["inbox/a", "inbox/b"])));
    let errors: Vec<_> =
        deleted["errors"].as_array().unwrap().iter().map(|error| (&error["key"], &error["code"])).collect();
    assert_eq!(
        errors,
        [
            (&json!("private/c"), &json!("ACCESS_DENIED")),
            (&json!("inbox/../private/c"), &json!("INVALID_FIELD")),
        ]
    );
    assert!(deleted["errors"][0]["message"].is_string());
    assert_eq!((&deleted["deletedCount"], &deleted["errorCount"]), (&json!(2), &json!(2)));
    assert_eq!(deleted["summary"], json!({"total": 4, "successful": 2, "failed": 2}));
    assert!(behind.file("private/c").exists() && !behind.file("inbox/a").exists());
    let reader = "reader-key-0123456789";
    for (path, body) in [
        ("photos/delete", json!({"key": "private/c"})),
        ("photos/batch-delete", json!({"keys": ["private/c"]})),
    ] {
        assert_eq!(refusal_to(reader, &behind.gateway, path, &body).await, denied, "{path}");
    }
}

#[tokio::test]
async fn delete_is_a_method_as_well() {
    let behind = Behind::start().await;
    behind.put("a.txt", "hello");
    let wire = post("/api/v1/upload/photos/delete", r#"{"key":"a.txt"}"#).replace("POST ", "DELETE ");
    let reply = send(&behind.gateway, wire).await;
    let json: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &json["deleted"]), (200, &json!("a.txt")));
    assert_eq!((&json["data"]["bucket"], &json["deleteMarker"]), (&json!("photos"), &json!(false)));
    assert_eq!(json["deletedAt"], json["data"]["deletedAt"]);
    let wire = post("/api/v1/upload/photos/list", "{}").replace("POST ", "DELETE ");
    let reply = send(&behind.gateway, wire).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn brought_credentials_do_the_same() {
    let store = store::start("theirs").await;
    let gateway = TestGateway::start(&config(&store.endpoint())).await;
    fs::write(store.directory().join("theirs/a b.txt"), "hello").unwrap();
    let with_own = |fields: &str| -> Value {
        serde_json::from_str(&format!("{{{fields},{}}}", own(&store.endpoint(), "theirs"))).unwrap()
    };
    let listed = ask(&gateway, "minio/list", &with_own(r#""prefix":"a""#)).await;
    assert_eq!((&listed["files"][0]["key"], &listed["bucket"]), (&json!("a b.txt"), &json!("theirs")));
    let described = ask(&gateway, "minio/metadata", &with_own(r#""key":"a b.txt""#)).await;
    assert_eq!(described["metadata"]["size"], 5);
    let deleted = ask(&gateway, "minio/batch/delete", &with_own(r#""keys":["a b.txt"]"#)).await;
    assert_eq!(deleted["deleted"], json!(["a b.txt"]));
    assert!(!store.directory().join("theirs/a b.txt").exists());
    let gone = refusal(&gateway, "minio/delete", &with_own(r#""key":"a b.txt""#)).await;
    assert_eq!(gone, (404, "FILE_NOT_FOUND".to_owned()));

    let text = with_own(r#""key":"a""#).to_string();
    let wrong_secret = serde_json::from_str(&text.replace(store::SECRET_KEY, "another-secret")).unwrap();
    assert_eq!(refusal(&gateway, "minio/metadata", &wrong_secret).await, (403, "ACCESS_DENIED".to_owned()));
    let elsewhere = serde_json::from_str(&text.replace(&store.endpoint(), "http://127.0.0.1:1")).unwrap();
    let refused = refusal(&gateway, "minio/metadata", &elsewhere).await;
    assert_eq!(refused, (400, "ENDPOINT_NOT_ALLOWED".to_owned()));
}

/// A reply of `status` with these header lines and this body.
fn reply(status: &str, headers: &str, body: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

/// A store with versions, as far as it is asked here.
fn versioned(request: &Recorded) -> Answer {
    let target = request.target();
    let page = "<ListVersionsResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>\
        <NextKeyMarker>site/a%26b</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>\
        <DeleteMarker><Key>site/a%26b</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>\
        <LastModified>2013-05-24T00:00:00.000Z</LastModified></DeleteMarker>\
        <Version><Key>site/a%26b</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>5</Size>\
        <ETag>&quot;e&quot;</ETag></Version></ListVersionsResult>";
    let marker = "x-amz-delete-marker: true\r\n";
    match request.method() {
        "GET" if target.contains("versions=") => reply("200 OK", "", page),
        "HEAD" if target.contains("versionId=v2") => reply("405 Method Not Allowed", marker, ""),
        "GET" if target.contains("versionId=v2") => {
            reply("405 Method Not Allowed", marker, "<Error><Code>MethodNotAllowed</Code></Error>")
        }
        "HEAD" if target.contains("versionId=v1") => {
            Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-amz-version-id: v1\r\n\r\n")
        }
        "HEAD" if target.contains("versionId=odd") => reply("400 Bad Request", "", ""),
        "DELETE" if target.contains("versionId=v2") => Answer::new(
            "HTTP/1.1 204 No Content\r\nx-amz-delete-marker: true\r\nx-amz-version-id: v2\r\n\r\n",
        ),
        "HEAD" => Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        "DELETE" => Answer::new(
            "HTTP/1.1 204 No Content\r\nx-amz-version-id: v3\r\nx-amz-delete-marker: true\r\n\r\n",
        ),
        _ => reply("400 Bad Request", "", "<Error><Code>InvalidArgument</Code></Error>"),
    }
}

#[tokio::test]
async fn versions_are_listed_described_and_deleted() {
    let recorder = Recorder::answering(|request| Some(versioned(request))).await;
    let gateway = TestGateway::start(&config(&recorder.endpoint())).await;
    let asked = json!({"prefix": "a", "keyMarker": "a", "versionIdMarker": "v0", "maxKeys": 2});
    let listed = ask(&gateway, "photos/versions", &asked).await;
    let target = recorder.requests()[0].target().to_owned();
    for part in
        ["prefix=site%2Fa", "key-marker=site%2Fa", "version-id-marker=v0", "max-keys=2", "encoding-type=url"]
    {
        assert!(target.contains(part), "{part} in {target}");
    }
    assert_eq!(
        listed["versions"],
        json!([{
            "key": "a&b", "size": 5, "lastModified": null, "etag": "\"e\"", "storageClass": "STANDARD",
            "versionId": "v1", "isLatest": false,
        }])
    );
    let marker = json!([{
        "key": "a&b", "versionId": "v2", "isLatest": true, "lastModified": "2013-05-24T00:00:00.000Z",
    }]);
    assert_eq!(listed["deleteMarkers"], marker);
    assert_eq!((&listed["nextKeyMarker"], &listed["nextVersionIdMarker"]), (&json!("a&b"), &json!("v1")));
    assert_eq!((&listed["count"], &listed["isTruncated"]), (&json!(2), &json!(true)));

    let described = ask(&gateway, "photos/metadata", &json!({"key": "a&b", "versionId": "v1"})).await;
    assert_eq!(described["metadata"]["versionId"], "v1");
    let hidden = refusal(&gateway, "photos/metadata", &json!({"key": "a&b", "versionId": "v2"})).await;
    assert_eq!(hidden, (404, "FILE_NOT_FOUND".to_owned()));
    let odd = refusal(&gateway, "photos/metadata", &json!({"key": "a&b", "versionId": "odd"})).await;
    assert_eq!(odd, (400, "INVALID_FIELD".to_owned()));

    let undeleted = ask(&gateway, "photos/delete", &json!({"key": "a&b", "versionId": "v2"})).await;
    assert_eq!((&undeleted["versionId"], &undeleted["deleteMarker"]), (&json!("v2"), &json!(true)));
    let hidden = ask(&gateway, "photos/delete", &json!({"key": "a&b"})).await;
    assert_eq!((&hidden["versionId"], &hidden["deleteMarker"]), (&json!("v3"), &json!(true)));
}

#[tokio::test]
async fn what_a_provider_refuses_or_answers_wrongly_is_told_apart() {
    for (answer, status, code) in [
        (
            reply(
                "403 Forbidden",
                "",
                "<Error><Code>AccessDenied</Code><Message>arn:aws:iam::1</Message></Error>",
            ),
            403,
            "ACCESS_DENIED",
        ),
        (reply("200 OK", "", "<Error><Code>InternalError</Code></Error>"), 502, "UPSTREAM_ERROR"),
        (reply("200 OK", "", "<html></html>"), 502, "UPSTREAM_ERROR"),
        (
            reply(
                "200 OK",
                "",
                "<ListBucketResult><Contents><Key>beside</Key><Size>1</Size></Contents></ListBucketResult>",
            ),
            502,
            "UPSTREAM_ERROR",
        ),
        (
            reply("200 OK", "", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
            502,
            "UPSTREAM_ERROR",
        ),
    ] {
        let recorder = Recorder::answering(move |_| Some(answer.clone())).await;
        let gateway = TestGateway::start(&config(&recorder.endpoint())).await;
        let refused = try_ask(&gateway, "photos/list", &json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{refused:?}");
        assert!(!refused.body.contains("arn:") && !refused.body.contains("site/"), "{refused:?}");
    }
}

#[tokio::test]
async fn what_head_does_not_say_is_asked_for() {
    for (status, code, expected) in [
        ("404 Not Found", "NoSuchBucket", (404, "BUCKET_NOT_FOUND")),
        ("404 Not Found", "NoSuchKey", (404, "FILE_NOT_FOUND")),
        ("403 Forbidden", "SignatureDoesNotMatch", (403, "ACCESS_DENIED")),
        ("503 Service Unavailable", "SlowDown", (503, "UPSTREAM_BUSY")),
        ("500 Internal Server Error", "InternalError", (502, "UPSTREAM_ERROR")),
    ] {
        let recorder = Recorder::answering(move |request| {
            let document = format!("<Error><Code>{code}</Code></Error>");
            Some(match request.method() {
                "HEAD" => Answer::new(format!("HTTP/1.1 {status}\r\n\r\n")),
                _ => reply(status, "", &document),
            })
        })
        .await;
        let gateway = TestGateway::start(&config(&recorder.endpoint())).await;
        let refused = try_ask(&gateway, "photos/metadata", &json!({"key": "a"})).await;
        assert_eq!((refused.status, refused.code().as_str()), expected, "{code} {refused:?}");
        assert!(refused.body.contains(code), "{refused:?}");
        let last = recorder.requests().last().map(|request| request.header("range").map(str::to_owned));
        assert_eq!(last.flatten().as_deref(), Some("bytes=0-0"), "{code}");
    }
}

#[tokio::test]
async fn a_batch_goes_in_the_providers_batches_and_is_answered_key_by_key() {
    let recorder = Recorder::answering(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let keys = || body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let told = |key: &str| match key {
            "site/k1" => {
                format!("<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>arn:</Message></Error>")
            }
            "site/k2" => String::new(),
            _ => format!("<Deleted><Key>{key}</Key></Deleted>"),
        };
        request.is_complete.then(|| {
            let result: String = keys().map(told).collect();
            reply("200 OK", "", &format!("<DeleteResult>{result}</DeleteResult>"))
        })
    })
    .await;
    let toml = config(&recorder.endpoint()).replace("plugin = \"minio\"", "plugin = \"r2\"");
    let gateway = TestGateway::start(&toml).await;
    let asked: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    let deleted = ask(&gateway, "photos/batch-delete", &json!({ "keys": asked })).await;
    let batches = recorder.requests();
    let count = |request: &Recorded| String::from_utf8_lossy(&request.body).matches("<Key>").count();
    assert_eq!(batches.iter().map(count).collect::<Vec<_>>(), [700, 300]);
    assert_eq!((&deleted["deletedCount"], &deleted["errorCount"]), (&json!(998), &json!(2)));
    assert_eq!((&deleted["deleted"][0], &deleted["deleted"][997]), (&json!("k0"), &json!("k999")));
    let codes: Vec<_> =
        deleted["errors"].as_array().unwrap().iter().map(|error| (&error["key"], &error["code"])).collect();
    let (k1, k2) = (json!("k1"), json!("k2"));
    assert_eq!(codes, [(&k1, &json!("ACCESS_DENIED")), (&k2, &json!("UPSTREAM_ERROR"))]);
    assert!(!deleted.to_string().contains("arn:"), "{}", deleted["errors"]);
}
