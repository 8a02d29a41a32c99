//! `CopyObject` and `UploadPartCopy` between buckets at one store and at two, as clients ask for them.

use http::Method;
use wharf_demo::Store;
use wharf_wire::{
    encode,
    xml::{read_copied, read_copied_part, read_upload_id, write_complete_multipart},
};

use crate::support::{
    gateway::TestGateway,
    raw::Reply,
    s3_client::{Ask, Mode, S3_KEYS},
    store,
};

/// Two buckets at the store `one`, and one at `two`, each below a prefix.
pub(crate) fn config(one: &str, two: &str, keys: &str) -> String {
    let providers = [("one", one), ("two", two)].map(|(name, endpoint)| store::provider(name, endpoint));
    let buckets = [("photos", "one", "a/"), ("albums", "one", "b/"), ("copies", "two", "c/")];
    let buckets = buckets.map(|(bucket, provider, prefix)| {
        format!(
            "[buckets.{bucket}]\nprovider = \"{provider}\"\nbucket = \"stored-photos\"\nkey_prefix = \"{prefix}\"\n"
        )
    });
    [keys, &providers.concat(), &buckets.concat()].concat()
}

/// Two stores with a gateway in front.
struct Pair {
    one: Store,
    two: Store,
    gateway: TestGateway,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(S3_KEYS).await
    }

    async fn start_with(keys: &str) -> Self {
        let (one, two) = (store::start("stored-photos").await, store::start("stored-photos").await);
        let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), keys)).await;
        Self { one, two, gateway }
    }

    async fn put(&self, target: &str, body: &str) {
        let ask = Ask::put(target, Mode::Hash, body.as_bytes());
        let ask = ask.header("content-type", "text/x-test").header("x-amz-meta-author", "Zoë");
        let reply = ask.header("cache-control", "max-age=5").sign().send(&self.gateway).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    async fn get(&self, target: &str) -> Reply {
        Ask::get(target).sign().send(&self.gateway).await
    }

    async fn copy(&self, source: &str, target: &str) -> Reply {
        copying(source, target).sign().send(&self.gateway).await
    }
}

fn copying<'a>(source: &str, target: &str) -> Ask<'a> {
    Ask::new(Method::PUT, target).header("x-amz-copy-source", source)
}

fn path(bucket: &str, key: &str) -> String {
    let mut path = ["/", bucket, "/"].concat();
    encode::path(key, &mut path);
    path
}

#[tokio::test]
async fn an_object_is_copied_within_a_store_and_to_another() {
    let two = Pair::start().await;
    for key in ["plain.txt", "a b+c%2F&=?#ü'\"<.txt", "in/a/folder", "%C3%BC"] {
        two.put(&path("photos", key), key).await;
        // In ASCII, as S3 hands it out.
        let author = two.get(&path("photos", key)).await.header("x-amz-meta-author").map(str::to_owned);
        assert!(author.is_some());
        for target in ["albums", "copies"] {
            let reply = two.copy(&path("photos", key), &path(target, &["copy of ", key].concat())).await;
            assert_eq!(reply.status, 200, "{key} {reply:?}");
            let result = read_copied(reply.body.as_bytes()).unwrap();
            assert!(result.last_modified.is_some(), "{reply:?}");
            let read = two.get(&path(target, &["copy of ", key].concat())).await;
            assert_eq!((read.status, read.body.as_str()), (200, key));
            assert_eq!(read.header("etag"), Some(result.etag.as_str()));
            assert_eq!(read.header("content-type"), Some("text/x-test"));
            assert_eq!(read.header("cache-control"), Some("max-age=5"));
            assert_eq!(read.header("x-amz-meta-author"), author.as_deref());
        }
    }
    assert!(two.one.directory().join("stored-photos/b/copy of plain.txt").is_file());
    assert!(two.two.directory().join("stored-photos/c/copy of plain.txt").is_file());
}

#[tokio::test]
async fn metadata_is_replaced_where_that_is_asked() {
    let two = Pair::start().await;
    two.put("/photos/a", "hello").await;
    for target in ["/albums/a", "/copies/a"] {
        let ask = copying("photos/a", target).header("x-amz-metadata-directive", "REPLACE");
        let ask = ask.header("content-type", "text/y-test").header("x-amz-meta-editor", "me");
        assert_eq!(ask.sign().send(&two.gateway).await.status, 200);
        let read = two.get(target).await;
        assert_eq!(read.header("content-type"), Some("text/y-test"));
        assert_eq!((read.header("x-amz-meta-editor"), read.header("x-amz-meta-author")), (Some("me"), None));
    }
    let odd = copying("photos/a", "/copies/b").header("x-amz-metadata-directive", "KEEP");
    assert_eq!(odd.sign().send(&two.gateway).await.s3_code(), "InvalidArgument");
}

#[tokio::test]
async fn nothing_and_much_are_copied_to_another_store() {
    let two = Pair::start().await;
    let much: String = (0..).map(|number: u32| format!("{number:07} ")).take(9 * 128 * 1024).collect();
    for body in ["", much.as_str()] {
        two.put("/photos/a", body).await;
        let reply = two.copy("/photos/a", "/copies/a").await;
        assert_eq!(reply.status, 200);
        let result = read_copied(reply.body.as_bytes()).unwrap_or_else(|error| panic!("{error} {reply:?}"));
        let read = two.get("/copies/a").await;
        assert!(read.body == body && read.header("etag") == Some(&result.etag), "{} bytes", body.len());
        // Whoever waits long is told so before.
        assert_eq!(reply.header("content-length").is_none(), body.len() > 8 << 20);
    }
}

#[tokio::test]
async fn a_source_needs_the_right_to_read_it() {
    let keys = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [
    { bucket = "photos", prefix = "open/", actions = ["read"] },
    { bucket = "photos", actions = ["write"] },
    { bucket = "albums", actions = ["write"] },
    { bucket = "copies", prefix = "open/", actions = ["read", "write"] },
]
"#;
    let two = Pair::start_with(keys).await;
    two.put("/photos/open/a", "hello").await;
    two.put("/photos/closed/a", "hello").await;
    for (source, target, code) in [
        ("photos/open/a", "/albums/a", ""),
        ("photos/open/a", "/copies/open/a", ""),
        ("photos/closed/a", "/albums/a", "AccessDenied"),
        ("photos/closed/a", "/copies/open/a", "AccessDenied"),
        ("photos/open/../closed/a", "/copies/open/a", "AccessDenied"),
        ("photos/open%2F..%2Fclosed/a", "/copies/open/a", "AccessDenied"),
        ("photos/open/a", "/copies/closed/a", "AccessDenied"),
        ("albums/a", "/copies/open/a", "AccessDenied"),
        ("nowhere/a", "/copies/open/a", "NoSuchBucket"),
        ("stored-photos/a", "/copies/open/a", "NoSuchBucket"),
        ("photos/open/missing", "/copies/open/a", "NoSuchKey"),
        ("photos", "/copies/open/a", "InvalidArgument"),
    ] {
        let reply = two.copy(source, target).await;
        assert_eq!(reply.s3_code(), code, "{source} {target} {reply:?}");
    }
}

#[tokio::test]
async fn conditions_on_the_source_hold() {
    let two = Pair::start().await;
    two.put("/photos/a", "hello").await;
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let ask = copying("photos/a", "/copies/a").header("x-amz-copy-source-if-match", etag);
    assert_eq!(ask.sign().send(&two.gateway).await.status, 200);
}

/// One byte more than there are.
const BEYOND: &str = "bytes=5-5242896";

#[tokio::test]
async fn parts_are_copied_by_their_ranges() {
    let two = Pair::start().await;
    let body = "0123456789abcdef".repeat((5 << 20) / 16 + 1);
    two.put("/photos/a", &body).await;
    for target in ["/albums/whole", "/copies/whole"] {
        let begun = Ask::new(Method::POST, &[target, "?uploads"].concat()).sign().send(&two.gateway).await;
        let id = read_upload_id(begun.body.as_bytes()).unwrap();
        let mut parts = Vec::new();
        for (number, range) in [(1, Some("bytes=0-5242879")), (2, None), (3, Some("bytes=5242887-5242889"))] {
            let mut ask = copying("photos/a", &format!("{target}?partNumber={number}&uploadId={id}"));
            if let Some(range) = range {
                ask = ask.header("x-amz-copy-source-range", range);
            }
            let reply = ask.sign().send(&two.gateway).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            parts.push((number, read_copied_part(reply.body.as_bytes()).unwrap().etag));
        }
        for range in ["bytes=0-", "bytes=5-4", BEYOND] {
            let ask = copying("photos/a", &format!("{target}?partNumber=4&uploadId={id}"));
            let reply = ask.header("x-amz-copy-source-range", range).sign().send(&two.gateway).await;
            // Within a provider the range is its own to judge.
            let is_the_stores = range == BEYOND && target.starts_with("/albums");
            let code = if is_the_stores { "InvalidRange" } else { "InvalidArgument" };
            assert_eq!(reply.s3_code(), code, "{target} {range}");
        }
        let parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        let document = write_complete_multipart(&parts);
        let complete = Ask::new(Method::POST, &format!("{target}?uploadId={id}"));
        let reply = complete.body(Mode::Hash, document.as_bytes()).sign().send(&two.gateway).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let expected = [&body[..5_242_880], &body, "789"].concat();
        assert!(two.get(target).await.body == expected, "{target}");
    }
}

#[tokio::test]
async fn a_copy_is_held_against_what_its_bucket_takes() {
    let (one, two) = (store::start("stored-photos").await, store::start("stored-photos").await);
    let accept =
        "accept = { file_bytes_max = 5, content_types = [\"text/x-test\"], extensions = [\"txt\"] }\n";
    let mut toml = config(&one.endpoint(), &two.endpoint(), S3_KEYS);
    for prefix in ["key_prefix = \"b/\"\n", "key_prefix = \"c/\"\n"] {
        toml = toml.replace(prefix, &[prefix, accept].concat());
    }
    let gateway = TestGateway::start(&toml).await;
    let two = Pair { one, two, gateway };
    two.put("/photos/small", "hello").await;
    two.put("/photos/large", "hello!").await;
    let untyped = Ask::put("/photos/other", Mode::Hash, b"hello").header("content-type", "text/html");
    assert_eq!(untyped.sign().send(&two.gateway).await.status, 200);
    for bucket in ["albums", "copies"] {
        for (source, key, code) in [
            ("small", "a.txt", ""),
            ("small", "a.exe", "InvalidRequest"),
            ("large", "a.txt", "EntityTooLarge"),
            ("other", "a.txt", "InvalidRequest"),
        ] {
            let reply = two.copy(&["photos/", source].concat(), &["/", bucket, "/", key].concat()).await;
            assert_eq!(reply.s3_code(), code, "{bucket} {source} {key} {reply:?}");
        }
        let target = ["/", bucket, "/a.txt"].concat();
        for (content_type, code) in [("text/x-test", ""), ("text/html", "InvalidRequest")] {
            let ask = copying("photos/other", &target).header("x-amz-metadata-directive", "REPLACE");
            let reply = ask.header("content-type", content_type).sign().send(&two.gateway).await;
            assert_eq!(reply.s3_code(), code, "{bucket} {content_type} {reply:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_served_says_why() {
    let two = Pair::start().await;
    for (method, target) in
        [(Method::GET, "/photos/a?torrent"), (Method::POST, "/photos/a?select&select-type=2")]
    {
        let reply = Ask::new(method, target).sign().send(&two.gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (501, "NotImplemented"), "{reply:?}");
    }
}
