//! Uppy's uploads in parts, against a store that checks signatures.

use serde_json::{Value, json};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    store,
    uppy::{Page, config, named, send, stored},
};

const MIB: usize = 1024 * 1024;

/// Two parts, the first of the least size that S3 takes.
fn parts() -> [Vec<u8>; 2] {
    [vec![b'a'; 5 * MIB], vec![b'b'; 7]]
}

fn create() -> Value {
    json!({ "filename": "Möwe.png", "type": "image/png", "metadata": { "name": "Möwe", "size": 7, "relativePath": null } })
}

/// Sends one part, and gives its `ETag`.
async fn upload(page: &Page<'_>, (id, key): &(String, String), number: usize, part: &[u8]) -> String {
    let signed = page.get(&format!("multipart/{id}/{number}?key={key}")).await;
    assert_eq!(signed["expires"], 3600);
    let sent = send(None, "PUT", signed["url"].as_str().unwrap(), part).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    sent.header("etag").unwrap().to_owned()
}

#[tokio::test]
async fn parts_are_sent_listed_and_put_together() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let page = Page::with_key(&gateway);
    let created = page.post("multipart", create()).await;
    assert_eq!(created["bucket"], "photos");
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("upl") && key.ends_with("_Möwe.png"), "{key}");
    let upload_of = named(&created);
    let (id, encoded) = &upload_of;
    assert_eq!(page.get(&format!("multipart/{id}?key={encoded}")).await, json!([]));

    let [first, second] = parts();
    // Out of order, and one of them twice.
    let second_etag = upload(&page, &upload_of, 2, &second).await;
    upload(&page, &upload_of, 1, &second).await;
    let first_etag = upload(&page, &upload_of, 1, &first).await;
    let listed = page.get(&format!("multipart/{id}?key={encoded}")).await;
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    // This store's lists have no ETags.
    assert_eq!((&listed[0]["PartNumber"], &listed[0]["Size"]), (&json!(1), &json!(5 * MIB)));
    assert_eq!((&listed[1]["PartNumber"], &listed[1]["Size"]), (&json!(2), &json!(7)));
    assert!(listed[0]["LastModified"].as_str().unwrap().ends_with('Z'), "{listed:?}");

    // Version 5 sends what it was given, version 6 takes the quotes off.
    let sent = json!({ "parts": [
        { "PartNumber": 2, "ETag": second_etag },
        { "PartNumber": 1, "ETag": first_etag.trim_matches('"') },
    ] });
    let path = format!("multipart/{id}/complete?key={encoded}");
    let completed = page.post(&path, sent.clone()).await;
    assert_eq!((&completed["key"], &completed["bucket"]), (&created["key"], &json!("photos")));
    assert!(completed["location"].as_str().unwrap().starts_with(&store.endpoint()), "{completed}");
    assert_eq!(stored(&store, &created["key"]).unwrap(), [first, second].concat());
    // A client that did not hear of it asks again.
    assert_eq!(page.post(&path, sent).await, completed);
}

#[tokio::test]
async fn several_parts_are_signed_at_once() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let page = Page::with_key(&gateway);
    let (id, key) = named(&page.post("multipart", create()).await);
    let signed = page.get(&format!("multipart/{id}/batch?key={key}&partNumbers=1,2,10000")).await;
    let urls = signed["presignedUrls"].as_object().unwrap();
    assert_eq!(urls.keys().collect::<Vec<_>>(), ["1", "10000", "2"]);
    let sent = send(None, "PUT", urls["2"].as_str().unwrap(), b"second").await;
    assert_eq!(sent.status, 200, "{sent:?}");
    for numbers in ["", "0", "1,,2", "1,a", "10001"] {
        let path = format!("multipart/{id}/batch?key={key}&partNumbers={numbers}");
        let (status, body) = page.refusal("GET", &path, None).await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("s3: the part number must be a number between 1 and 10000."))
        );
    }
    assert_eq!(page.refusal("GET", &format!("multipart/{id}/batch?key={key}"), None).await.0, 400);
    assert_eq!(page.refusal("GET", &format!("multipart/{id}/10001?key={key}"), None).await.0, 400);
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_gone() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let page = Page::with_key(&gateway);
    let created = page.post("multipart", create()).await;
    let upload_of = named(&created);
    upload(&page, &upload_of, 1, b"some").await;
    let path = format!("multipart/{}?key={}", upload_of.0, upload_of.1);
    let aborted = page.ask("DELETE", &path, None).await;
    assert_eq!((aborted.status, aborted.body.as_str()), (200, "{}"));
    // The provider's own word, and not a bare 500. This store calls an upload that is gone a forbidden one.
    let complete = format!("multipart/{}/complete?key={}", upload_of.0, upload_of.1);
    let parts = json!({ "parts": [{ "PartNumber": 1, "ETag": "a" }] });
    let gone = page.ask("POST", &complete, Some(parts)).await;
    let body: Value = serde_json::from_str(&gone.body).unwrap();
    assert_eq!(body["message"].as_str(), Some(gone.reason()));
    assert!(gone.reason().contains("The provider answered 403 AccessDenied"), "{gone:?}");
    assert_eq!((gone.status, body["requestId"].as_str()), (403, gone.header("x-request-id")));
    assert_eq!(stored(&store, &created["key"]), None);
}

#[tokio::test]
async fn nobody_touches_an_upload_of_somebody_else() {
    let store = store::start("stored-photos").await;
    let two = r#"
[[keys]]
id = "other-key-0123456789abcdef"
allow = [{ bucket = "*", actions = ["write"] }]
"#;
    let gateway = TestGateway::start(&config(&store, "", &format!("{KEY_CONFIG}{two}"))).await;
    let page = Page::with_key(&gateway);
    let [one, other] = [page.post("multipart", create()).await, page.post("multipart", create()).await];
    let ((id, key), (other_id, _)) = (named(&one), named(&other));
    let stranger =
        Page { headers: "x-api-key: other-key-0123456789abcdef\r\n".to_owned(), ..Page::with_key(&gateway) };
    for (method, path, body) in [
        ("GET", format!("multipart/{id}?key={key}"), None),
        ("GET", format!("multipart/{id}/1?key={key}"), None),
        ("GET", format!("multipart/{id}/batch?key={key}&partNumbers=1"), None),
        ("DELETE", format!("multipart/{id}?key={key}"), None),
        (
            "POST",
            format!("multipart/{id}/complete?key={key}"),
            Some(json!({ "parts": [{ "PartNumber": 1, "ETag": "a" }] })),
        ),
    ] {
        assert_eq!(stranger.refusal(method, &path, body.clone()).await.0, 403, "{method} {path}");
        // Nor does an id go with another key, or without one.
        let mixed = path.replacen(&id, &other_id, 1);
        assert_eq!(page.refusal(method, &mixed, body.clone()).await.0, 400, "{method} {mixed}");
        let keyless = path.replacen("key=", "k=", 1);
        assert_eq!(page.refusal(method, &keyless, body).await.0, 400, "{method} {keyless}");
    }
    let raw = page.refusal("GET", &format!("multipart/provider-id/1?key={key}"), None).await;
    assert_eq!(raw.0, 400);
}

#[tokio::test]
async fn what_cannot_begin_or_end_is_refused() {
    let store = store::start("stored-photos").await;
    let config = config(&store, "", KEY_CONFIG);
    let accept = "accept = { content_types = [\"image/*\"], extensions = [\"png\"] }\nkey_prefix";
    let gateway = TestGateway::start(&config.replace("key_prefix", accept)).await;
    let page = Page::with_key(&gateway);
    for body in [
        json!({}),
        json!({ "filename": "", "type": "image/png" }),
        json!({ "filename": 7, "type": "image/png" }),
        json!({ "filename": "a.exe", "type": "image/png" }),
        json!({ "filename": "a.png", "type": "text/html" }),
        json!({ "filename": "a.png", "type": "image/png", "metadata": { "a": "x".repeat(3000) } }),
        json!([]),
    ] {
        let (status, refused) = page.refusal("POST", "multipart", Some(body.clone())).await;
        assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("s3: "), "{body} {refused}");
    }
    let created = page.post("multipart", create()).await;
    let (id, key) = named(&created);
    for parts in
        [json!([]), json!([{ "PartNumber": 0, "ETag": "a" }]), json!([{ "PartNumber": 1 }]), json!("a")]
    {
        let path = format!("multipart/{id}/complete?key={key}");
        let (status, refused) = page.refusal("POST", &path, Some(json!({ "parts": parts }))).await;
        assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("s3: "), "{parts} {refused}");
    }
}
