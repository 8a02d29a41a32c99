//! What of an upload in parts is refused, and leaves everything as it was. The stores here keep what they get and look at
//! each part's `ETag`, which is no MD5.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use wharf::{
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::{Environment, from_toml_text},
    upload_api::abort_stale_uploads,
};
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    recorder::{Answer, Recorder},
    s3_client::S3_KEYS,
    shelf::{Shelf, document, error},
    store,
    tee::{self, COPIES, PHOTOS, Teed},
    upload_client::{UploadClient, named, part_numbers, part_url, put, send_part, with_parts},
};

const MIB: u64 = 1024 * 1024;

/// The bucket `photos` at `store`, with keys of two callers.
fn config(store: &Recorder, more: &str) -> String {
    format!(
        "{KEY_CONFIG}
[[keys]]
id = \"another-key-0123456789abcdef\"
allow = [{{ bucket = \"*\", actions = [\"read\", \"write\"] }}]
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
{more}
[buckets.films]
provider = \"store\"
bucket = \"stored-films\"
",
        store::provider("store", &store.endpoint()),
    )
}

fn initiate(bytes: u64) -> Value {
    json!({ "filename": "a.mp4", "contentType": "video/mp4", "fileSize": bytes })
}

fn path(begun: &Value) -> String {
    [PHOTOS, begun["key"].as_str().unwrap()].concat()
}

#[tokio::test]
async fn a_completion_with_a_wrong_etag_fails_and_leaves_the_old_object() {
    let (shelf, recorder) = Shelf::start("photos").await;
    let gateway = TestGateway::start(&config(&recorder, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let first = send_part(part_url(&begun, 1), b"one").await;
    send_part(part_url(&begun, 2), b"two").await;
    shelf.keep(&path(&begun), b"old");
    let wrong = with_parts(&begun, &[(1, &first), (2, &first)]);
    let refused = client.ask("photos/multipart/complete", &wrong).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "INVALID_PART"), "{refused:?}");
    assert_eq!(shelf.object(&path(&begun)).as_deref(), Some(&b"old"[..]));
    // Nothing is lost: with the right one it goes on.
    let found = client.get("photos/multipart/parts", &named(&begun)).await;
    let etags: Vec<_> =
        found["parts"].as_array().unwrap().iter().map(|part| part["etag"].as_str().unwrap()).collect();
    let right = with_parts(&begun, &[(2, etags[1]), (1, etags[0])]);
    client.get("photos/multipart/complete", &right).await;
    assert_eq!(shelf.object(&path(&begun)).as_deref(), Some(&b"onetwo"[..]));
    // The ETag says nothing here, but the key was drawn for this upload alone.
    client.get("photos/multipart/complete", &right).await;
    let fewer = client.refusal("photos/multipart/complete", &with_parts(&begun, &[(1, etags[0])])).await;
    assert_eq!(fewer, (404, "UPLOAD_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn an_error_below_a_200_is_a_failure() {
    let late = |request: &crate::support::recorder::Recorded| {
        let is_complete =
            request.is_complete && request.method() == "POST" && request.target().contains("uploadId=");
        is_complete.then(|| document(" \n<Error><Code>InternalError</Code><Message>No.</Message></Error>"))
    };
    let (shelf, recorder) = Shelf::start_with("photos", late).await;
    let gateway = TestGateway::start(&config(&recorder, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let etag = send_part(part_url(&begun, 1), b"one").await;
    let reply = client.ask("photos/multipart/complete", &with_parts(&begun, &[(1, &etag)])).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_ERROR"), "{reply:?}");
    assert!(reply.body.contains("InternalError"), "{reply:?}");
    assert_eq!(shelf.object(&path(&begun)), None);
}

#[tokio::test]
async fn an_id_is_good_for_its_caller_its_bucket_and_its_key() {
    let (_shelf, recorder) = Shelf::start("photos").await;
    let gateway = TestGateway::start(&config(&recorder, "")).await;
    let client = UploadClient::new(&gateway);
    let other = UploadClient { gateway: &gateway, key: "another-key-0123456789abcdef" };
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let others = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let mut elsewhere = named(&begun);
    elsewhere["key"] = others["key"].clone();
    let mut changed = named(&begun);
    changed["uploadId"] = json!(begun["uploadId"].as_str().unwrap().replace(['A', 'a'], "b"));
    let provider_s_own = json!({ "uploadId": "photos-1", "key": begun["key"] });
    let asked = recorder.requests().len();
    for operation in ["parts", "abort", "complete"] {
        let with_a_part = |body: &Value| {
            let mut body = body.clone();
            body["parts"] = json!([{ "PartNumber": 1, "ETag": "a" }]);
            body
        };
        for (client, bucket, body, expected) in [
            (&other, "photos", &named(&begun), (403, "ACCESS_DENIED")),
            (&client, "films", &named(&begun), (400, "INVALID_UPLOAD_ID")),
            (&client, "photos", &elsewhere, (400, "INVALID_UPLOAD_ID")),
            (&client, "photos", &changed, (400, "INVALID_UPLOAD_ID")),
            (&client, "photos", &provider_s_own, (400, "INVALID_UPLOAD_ID")),
            (&client, "photos", &json!({ "key": begun["key"] }), (400, "MISSING_FIELDS")),
            (&client, "photos", &json!({ "uploadId": begun["uploadId"] }), (400, "MISSING_FIELDS")),
        ] {
            let path = format!("{bucket}/multipart/{operation}");
            let (status, code) = client.refusal(&path, &with_a_part(body)).await;
            assert_eq!((status, code.as_str()), expected, "{path} {body}");
        }
    }
    assert_eq!(recorder.requests().len(), asked, "nobody was asked");
}

#[tokio::test]
async fn an_id_expires_before_its_upload_is_stale() {
    let (_shelf, recorder) = Shelf::start("photos").await;
    let (now, day) = (Clock::System.now(), 24 * 60 * 60);
    let settings =
        format!("[upload]\nstale_upload_hours = 24\n[server]\nsealing_keys = [\"{}\"]\n", "00".repeat(32));
    let config = [config(&recorder, ""), settings].concat();
    let gateway = TestGateway::start_at(&config, now).await;
    let begun = UploadClient::new(&gateway).get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    // Another node has the same key.
    let in_time = TestGateway::start_at(&config, now.plus_seconds(day - 1)).await;
    UploadClient::new(&in_time).get("photos/multipart/parts", &named(&begun)).await;
    let late = TestGateway::start_at(&config, now.plus_seconds(day)).await;
    let refused = UploadClient::new(&late).refusal("photos/multipart/parts", &named(&begun)).await;
    assert_eq!(refused, (400, "INVALID_UPLOAD_ID".to_owned()));
}

#[tokio::test]
async fn sizes_and_lists_that_cannot_be_are_refused() {
    let (_shelf, recorder) = Shelf::start("photos").await;
    let more = "accept = { file_bytes_max = 20971520, content_types = [\"video/*\"] }";
    let gateway = TestGateway::start(&config(&recorder, more)).await;
    let client = UploadClient::new(&gateway);
    let sized = |bytes: u64, part: Value| {
        let mut body = initiate(bytes);
        body["partSize"] = part;
        body
    };
    for (bucket, body, code) in [
        ("films", sized(5 * MIB - 1, Value::Null), "FILE_TOO_SMALL"),
        ("films", sized(10_001 * 5 * 1024 * MIB, Value::Null), "FILE_TOO_LARGE"),
        ("photos", sized(20 * MIB + 1, Value::Null), "FILE_TOO_LARGE"),
        ("films", sized(10 * MIB, json!(5 * MIB - 1)), "INVALID_PART_SIZE"),
        ("films", sized(10 * MIB, json!(6.5 * 1024.0 * 1024.0 + 0.5)), "INVALID_PART_SIZE"),
        ("films", sized(10 * MIB, json!("6 MB")), "INVALID_PART_SIZE"),
        ("films", sized(60_000 * MIB, json!(5 * MIB)), "TOO_MANY_PARTS"),
        ("films", json!({ "filename": "a", "contentType": "b/c" }), "MISSING_FIELDS"),
        ("films", json!({ "filename": "a", "contentType": "b/c", "fileSize": 6_291_456.5 }), "INVALID_FIELD"),
        (
            "photos",
            json!({ "filename": "a", "contentType": "b/c", "fileSize": 6 * MIB }),
            "VALIDATION_FAILED",
        ),
    ] {
        let path = format!("{bucket}/multipart/initiate");
        let (status, found) = client.refusal(&path, &body).await;
        assert_eq!((status, found.as_str()), (400, code), "{body}");
    }
    assert!(recorder.requests().is_empty(), "nothing was begun");

    let begun = client.get("films/multipart/initiate", &initiate(6 * MIB)).await;
    let asked = recorder.requests().len();
    let many: Vec<Value> = (0..10_001).map(|_| json!({ "partNumber": 1, "etag": "a" })).collect();
    for parts in [
        json!([]),
        json!([{ "partNumber": 1 }]),
        json!([{ "etag": "a" }]),
        json!([{ "partNumber": 0, "etag": "a" }]),
        json!([{ "partNumber": 10_001, "etag": "a" }]),
        json!([{ "partNumber": 1.5, "etag": "a" }]),
        json!([{ "partNumber": 1, "etag": "" }]),
        json!([{ "partNumber": 1, "etag": "a" }, { "partNumber": 1, "etag": "a" }]),
        json!(many),
        json!("1:a"),
    ] {
        let mut body = named(&begun);
        body["parts"] = parts;
        let (status, code) = client.refusal("films/multipart/complete", &body).await;
        assert_eq!((status, code.as_str()), (400, "INVALID_PARTS_FORMAT"), "{body}");
    }
    let missing = client.refusal("films/multipart/complete", &named(&begun)).await;
    assert_eq!(missing, (400, "MISSING_FIELDS".to_owned()));
    assert_eq!(recorder.requests().len(), asked, "nobody was asked");
}

#[tokio::test]
async fn parts_that_are_more_than_was_said_make_no_object() {
    let (shelf, recorder) = Shelf::start("photos").await;
    let gateway = TestGateway::start(&config(&recorder, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(5 * MIB)).await;
    let urls = client.get("photos/multipart/initiate", &initiate(11 * MIB)).await;
    assert_eq!(part_numbers(&urls), [1, 2, 3]);
    let part = vec![7; 3 * 1024 * 1024];
    let first = send_part(part_url(&begun, 1), &part).await;
    // Nobody verifies signatures there: these are parts that the caller was given no URLs of.
    let url = |number: u16| part_url(&begun, 1).replace("partNumber=1", &format!("partNumber={number}"));
    let second = send_part(&url(2), &part).await;
    send_part(&url(3), &part).await;
    let both = with_parts(&begun, &[(1, &first), (2, &second)]);
    let (status, code) = client.refusal("photos/multipart/complete", &both).await;
    assert_eq!((status, code.as_str()), (400, "FILE_TOO_LARGE"));
    assert_eq!(shelf.object(&path(&begun)), None);
    // Listed in pages of two: what is not listed by the client does not count.
    client.get("photos/multipart/complete", &with_parts(&begun, &[(1, &first)])).await;
    assert_eq!(shelf.object(&path(&begun)), Some(part));
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_to_be() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let (_shelf, recorder) = Shelf::start_with("photos", move |_| {
        is_down.load(Ordering::Relaxed).then(|| error("500 Internal Server Error", "InternalError"))
    })
    .await;
    let gateway = TestGateway::start(&config(&recorder, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    down.store(true, Ordering::Relaxed);
    let with_a_part = with_parts(&begun, &[(1, "a")]);
    for (operation, body) in [
        ("initiate", &initiate(6 * MIB)),
        ("parts", &with_a_part),
        ("complete", &with_a_part),
        ("abort", &with_a_part),
    ] {
        let path = format!("photos/multipart/{operation}");
        let (status, code) = client.refusal(&path, body).await;
        assert_eq!((status, code.as_str()), (502, "UPSTREAM_ERROR"), "{operation}");
    }
}

#[tokio::test]
async fn a_teed_upload_through_wharf_ends_at_the_mirror_too() {
    let (photos, primary) = Shelf::start("photos").await;
    let (copies, mirror) = Shelf::start("copies").await;
    let more = format!("[s3]\npublic_endpoint = \"https://files.example\"\n{KEY_CONFIG}");
    let config = tee::config(&primary.endpoint(), &mirror.endpoint(), &more)
        .replace("[buckets.photos]\n", "[buckets.photos]\ndirect_uploads = \"wharf\"\n");
    assert!(config.contains(S3_KEYS) && config.contains("direct_uploads"));
    let gateway = TestGateway::start(&config).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let mut etags = Vec::new();
    for (number, part) in [(1, &b"one"[..]), (2, b"two")] {
        let target = part_url(&begun, number).strip_prefix("https://files.example").unwrap();
        let sent = put(gateway.s3(), "files.example", target, part).await;
        assert_eq!(sent.status, 200, "{sent:?}");
        etags.push(sent.header("etag").unwrap().to_owned());
    }
    let body = with_parts(&begun, &[(1, &etags[0]), (2, &etags[1])]);
    client.get("photos/multipart/complete", &body).await;
    assert_eq!(photos.object(&path(&begun)).as_deref(), Some(&b"onetwo"[..]));
    let copy = [COPIES, begun["key"].as_str().unwrap()].concat();
    tee::until(|| copies.object(&copy).as_deref() == Some(&b"onetwo"[..])).await;
    let completions = Teed::asked(&mirror, "POST");
    assert!(completions.iter().any(|request| request.target().contains("uploadId=")), "{completions:?}");

    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    client.get("photos/multipart/abort", &named(&begun)).await;
    tee::until(|| photos.uploads() + copies.uploads() == 0).await;
}

#[tokio::test]
async fn stale_uploads_are_aborted_and_those_of_others_left() {
    let drawn = Timestamp::from_unix_millis(1_795_307_826_434);
    let listed = |key: &str, id: &str, initiated: Timestamp| {
        let date = initiated.rfc3339();
        format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{date}</Initiated></Upload>")
    };
    let own = format!("site/upl{:012x}7abc8def0123456789ab_a.mp4", drawn.unix_millis());
    let pages = [
        [listed(&own, "stale", drawn), listed(&own, "begun-later-by-another", drawn.plus_seconds(7200))]
            .concat(),
        [listed("site/a.mp4", "another-s", drawn), listed(&own.replace("site/", "in/"), "elsewhere", drawn)]
            .concat(),
    ];
    let recorder = Recorder::answering(move |request| {
        let target = request.target();
        Some(match (request.method(), target.contains("key-marker")) {
            ("DELETE", _) => Answer::new("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
            (_, false) => document(&format!(
                "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>m</NextKeyMarker>\
                 <NextUploadIdMarker>n</NextUploadIdMarker>{}</ListMultipartUploadsResult>",
                pages[0]
            )),
            (_, true) => {
                document(&format!("<ListMultipartUploadsResult>{}</ListMultipartUploadsResult>", pages[1]))
            }
        })
    })
    .await;
    let text =
        config(&recorder, "key_prefix = \"site/\"").split("[buckets.films]").next().unwrap().to_owned();
    let config = from_toml_text(&text, &Environment::default()).unwrap();
    let shared = Shared {
        signing_keys: Arc::new(SigningKeys::new(10)),
        clock: Clock::System,
        metrics: Arc::default(),
    };
    let origins = Origins::new(&config, &shared, None).unwrap();
    let week = 7 * 24 * 60 * 60;
    abort_stale_uploads(&config, &origins, drawn.plus_seconds(week)).await;
    assert_eq!(Teed::asked(&recorder, "DELETE").len(), 0, "a client may still go on with it");
    abort_stale_uploads(&config, &origins, drawn.plus_seconds(week + 3601)).await;
    let aborted: Vec<_> =
        Teed::asked(&recorder, "DELETE").iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(aborted, [format!("/stored-photos/{own}?uploadId=stale")]);
    let off = from_toml_text(&format!("{text}\n[upload]\nstale_upload_hours = 0\n"), &Environment::default());
    let asked = recorder.requests().len();
    abort_stale_uploads(&off.unwrap(), &origins, drawn.plus_seconds(10 * week)).await;
    assert_eq!(recorder.requests().len(), asked);
}
