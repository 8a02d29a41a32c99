//! Uploads in parts through the upload API, to a store that verifies signatures.

use http::Method;
use serde_json::{Value, json};
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::Raw,
    store,
    upload_client::{UploadClient, named, part_numbers, part_url, put, send_part, with_parts},
};

const MIB: usize = 1024 * 1024;

/// The bucket `photos` of `store`, below a prefix.
fn config(store: &Store, more: &str) -> String {
    format!(
        "{KEY_CONFIG}
{}
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
key_prefix = \"site/\"
{more}",
        store::callers(&store.endpoint()),
        store::provider("store", &store.endpoint()),
    )
}

/// A file whose parts differ.
fn file(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at / 1000 % 251).unwrap()).collect()
}

fn initiate(bytes: usize) -> Value {
    json!({ "filename": "../film (1).mp4", "contentType": "video/mp4", "fileSize": bytes,
            "metadata": { "author": "Zoë" } })
}

/// What the store has under the caller's `key`.
fn stored(store: &Store, key: &Value) -> Option<Vec<u8>> {
    std::fs::read(store.directory().join("stored-photos/site").join(key.as_str().unwrap())).ok()
}

async fn content_type(client: &UploadClient<'_>, begun: &Value) -> String {
    let signed = client.get("photos/download-url", &json!({ "key": begun["key"] })).await;
    let url = signed["downloadUrl"].as_str().unwrap().strip_prefix("http://").unwrap();
    let (host, target) = url.split_once('/').unwrap();
    let request = format!("{} /{target} HTTP/1.1\r\nhost: {host}\r\n\r\n", Method::GET);
    let mut raw = Raw::connect(host.parse().unwrap()).await;
    raw.send(request).await;
    raw.head().await.header("content-type").unwrap().to_owned()
}

#[tokio::test]
async fn a_file_goes_up_in_parts_in_any_order_and_one_of_them_twice() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let file = file(12 * MIB);
    let begun = client.get("photos/multipart/initiate", &initiate(file.len())).await;
    assert_eq!((begun["partSize"].as_u64(), begun["partCount"].as_u64()), (Some(5 * MIB as u64), Some(3)));
    assert_eq!(part_numbers(&begun), [1, 2, 3]);
    assert_eq!(begun["key"], begun["objectKey"]);
    assert!(begun["key"].as_str().unwrap().ends_with("_film_(1).mp4"), "{begun}");
    assert_eq!(begun["expiresIn"], 3600);

    let chunks: Vec<_> = file.chunks(5 * MIB).collect();
    let third = send_part(part_url(&begun, 3), chunks[2]).await;
    let wrong = send_part(part_url(&begun, 1), b"another").await;
    let second = send_part(part_url(&begun, 2), chunks[1]).await;
    let first = send_part(part_url(&begun, 1), chunks[0]).await;
    assert_ne!(first, wrong);
    let bare = second.trim_matches('"');
    let parts = with_parts(&begun, &[(3, &third), (1, &first), (2, bare)]);
    let completed = client.get("photos/multipart/complete", &parts).await;
    assert_eq!(completed["location"], begun["publicUrl"]);
    assert_eq!((&completed["bucket"], &completed["key"]), (&json!("photos"), &begun["key"]));
    assert!(completed["etag"].as_str().unwrap().ends_with("-3\""), "{completed}");
    assert!(stored(&store, &begun["key"]).unwrap() == file, "the object is not the file");
    assert_eq!(content_type(&client, &begun).await, "video/mp4");
}

#[tokio::test]
async fn a_completion_that_is_repeated_is_answered_the_same() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let file = file(5 * MIB + 1);
    let begun = client.get("photos/multipart/initiate", &initiate(file.len())).await;
    let etags = [
        send_part(part_url(&begun, 1), &file[..5 * MIB]).await,
        send_part(part_url(&begun, 2), &file[5 * MIB..]).await,
    ];
    let body = with_parts(&begun, &[(1, &etags[0]), (2, &etags[1])]);
    let mut first = client.get("photos/multipart/complete", &body).await;
    // By whichever node it is asked: nothing of it is kept in a process.
    gateway.reload_toml(&config(&store, "storage_class = \"STANDARD\"")).await;
    let mut again = client.get("photos/multipart/complete", &body).await;
    for reply in [&mut first, &mut again] {
        reply.as_object_mut().unwrap().remove("performance");
    }
    assert_eq!(first, again);
    // Other parts make another object, and there is no upload any more to make it of.
    let other = with_parts(&begun, &[(1, &etags[1]), (2, &etags[0])]);
    let (status, _) = client.refusal("photos/multipart/complete", &other).await;
    assert!((400..500).contains(&status), "{status}");
    assert!(stored(&store, &begun["key"]).unwrap() == file);
}

#[tokio::test]
async fn an_upload_goes_on_after_its_page_was_loaded_again() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let file = file(11 * MIB);
    let begun = client.get("photos/multipart/initiate", &initiate(file.len())).await;
    let second = send_part(part_url(&begun, 2), &file[5 * MIB..10 * MIB]).await;
    // Sent, but cut short.
    send_part(part_url(&begun, 3), &file[..1000]).await;

    let found = client.get("photos/multipart/parts", &named(&begun)).await;
    assert_eq!((&found["partSize"], &found["partCount"]), (&begun["partSize"], &json!(3)));
    let sizes: Vec<_> = found["parts"].as_array().unwrap().iter().map(|part| &part["size"]).collect();
    assert_eq!(sizes, [&json!(5 * MIB), &json!(1000)]);
    assert_eq!(part_numbers(&found), [1, 3], "what is missing, and what has another size than planned");
    let first = send_part(part_url(&found, 1), &file[..5 * MIB]).await;
    let third = send_part(part_url(&found, 3), &file[10 * MIB..]).await;
    // What is listed is what is completed: the page that sent the first parts has gone, and their ETags with it.
    let listed = client.get("photos/multipart/parts", &named(&begun)).await;
    let etags: Vec<_> = listed["parts"].as_array().unwrap().iter().map(|part| part["etag"].clone()).collect();
    assert_eq!(etags, [json!(first), json!(second), json!(third)]);
    let mut body = named(&begun);
    body["parts"] = listed["parts"].clone();
    client.get("photos/multipart/complete", &body).await;
    assert!(stored(&store, &begun["key"]).unwrap() == file);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(6 * MIB)).await;
    let etag = send_part(part_url(&begun, 1), &file(1000)).await;
    let aborted = client.get("photos/multipart/abort", &named(&begun)).await;
    assert_eq!((&aborted["uploadId"], &aborted["key"]), (&begun["uploadId"], &begun["key"]));
    let left: Vec<_> = std::fs::read_dir(store.directory()).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains(".part-")), "{left:?}");
    let (status, _) = client.refusal("photos/multipart/complete", &with_parts(&begun, &[(1, &etag)])).await;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(stored(&store, &begun["key"]), None);
}

#[tokio::test]
async fn whoever_brings_credentials_gets_the_provider_s_own_id() {
    let store = store::start("theirs").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let bring = |mut body: Value| {
        body["minioAccessKey"] = json!(store::ACCESS_KEY);
        body["minioSecretKey"] = json!(store::SECRET_KEY);
        body["minioBucket"] = json!("theirs");
        body["minioEndpoint"] = json!(store.endpoint());
        body
    };
    let file = file(7 * MIB);
    let begun = client.get("minio/multipart/initiate", &bring(initiate(file.len()))).await;
    assert!(begun["uploadId"].as_str().unwrap().len() < 64, "{begun}");
    let second = send_part(part_url(&begun, 2), &file[5 * MIB..]).await;
    let found = client.get("minio/multipart/parts", &bring(named(&begun))).await;
    assert_eq!((part_numbers(&found), &found["partCount"]), (vec![1], &Value::Null), "{found}");
    let mut sized = named(&begun);
    sized["fileSize"] = json!(12 * MIB);
    let found = client.get("minio/multipart/parts", &bring(sized)).await;
    assert_eq!(part_numbers(&found), [1, 2, 3], "for another size, another plan");
    let first = send_part(part_url(&found, 1), &file[..5 * MIB]).await;
    let parts = with_parts(&begun, &[(2, &second), (1, &first)]);
    client.get("minio/multipart/complete", &bring(parts)).await;
    let key = begun["key"].as_str().unwrap();
    assert!(std::fs::read(store.directory().join("theirs").join(key)).unwrap() == file);
}

#[tokio::test]
async fn ten_thousand_parts_have_their_urls_in_one_reply() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "")).await;
    let client = UploadClient::new(&gateway);
    let begun = client.get("photos/multipart/initiate", &initiate(50_000 * MIB)).await;
    assert_eq!(part_numbers(&begun), (1..=10_000).collect::<Vec<_>>());
    // The store verifies the signature of each.
    for number in [1, 128, 129, 9999, 10_000] {
        send_part(part_url(&begun, number), b"part").await;
    }
    let found = client.get("photos/multipart/parts", &named(&begun)).await;
    assert_eq!(found["parts"].as_array().unwrap().len(), 5);
    assert_eq!(part_numbers(&found).len(), 10_000, "none of them has the size that was planned");
}

#[tokio::test]
async fn parts_go_through_wharf_where_the_bucket_says_so() {
    let store = store::start("stored-photos").await;
    let more = "direct_uploads = \"wharf\"\n[s3]\npublic_endpoint = \"https://files.example\"\n";
    let gateway = TestGateway::start(&config(&store, more)).await;
    let client = UploadClient::new(&gateway);
    let file = file(6 * MIB);
    let begun = client.get("photos/multipart/initiate", &initiate(file.len())).await;
    let mut etags = Vec::new();
    for (number, part) in [(1, &file[..5 * MIB]), (2, &file[5 * MIB..])] {
        let target = part_url(&begun, number).strip_prefix("https://files.example").unwrap();
        let sent = put(gateway.s3(), "files.example", target, part).await;
        assert_eq!(sent.status, 200, "{sent:?}");
        etags.push(sent.header("etag").unwrap().to_owned());
    }
    let other = part_url(&begun, 1).strip_prefix("https://files.example").unwrap();
    let other = other.replace("partNumber=1", "partNumber=3");
    assert_eq!(put(gateway.s3(), "files.example", &other, b"part").await.status, 403);
    let body = with_parts(&begun, &[(1, &etags[0]), (2, &etags[1])]);
    client.get("photos/multipart/complete", &body).await;
    assert!(stored(&store, &begun["key"]).unwrap() == file);
}
