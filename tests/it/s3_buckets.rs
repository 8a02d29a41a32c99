//! Buckets as such: regions, and what a bucket has that is but a part of its provider's.

use std::collections::BTreeSet;

use http::Method;

use crate::support::{
    gateway::TestGateway,
    recorder::{Answer, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
};

/// `photos` at a provider in `eu-west-1`, with more of the bucket's settings.
async fn gateway(recorder: &Recorder, bucket: &str) -> TestGateway {
    let toml = in_front_of(&recorder.endpoint(), S3_KEYS)
        .replace("plugin = \"minio\"\n", "plugin = \"minio\"\nregion = \"eu-west-1\"\n");
    TestGateway::start(&[&toml, bucket].concat()).await
}

#[tokio::test]
async fn a_bucket_is_made_in_the_providers_region_and_known_in_wharfs() {
    let recorder = Recorder::start().await;
    let gateway = gateway(&recorder, "").await;
    let document = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let (own, other) = (document("us-east-1"), document("eu-west-1"));
    for body in ["", own.as_str()] {
        let reply = Ask::put("/photos", Mode::Hash, body.as_bytes()).sign().send(&gateway).await;
        assert_eq!((reply.status, reply.header("location")), (200, Some("/photos")), "{reply:?}");
    }
    let refused = Ask::put("/photos", Mode::Hash, other.as_bytes()).sign().send(&gateway).await;
    assert_eq!(refused.s3_code(), "IllegalLocationConstraintException", "{refused:?}");
    let requests = recorder.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!((request.method(), request.target()), ("PUT", "/stored-photos"));
        let body = str::from_utf8(&request.body).unwrap();
        assert!(body.contains("<LocationConstraint>eu-west-1</LocationConstraint>"), "{body}");
    }

    let location = Ask::get("/photos?location=").sign().send(&gateway).await;
    assert!(location.body.ends_with("></LocationConstraint>"), "{location:?}");
    let head = Ask::new(Method::HEAD, "/photos").sign().send(&gateway).await;
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (200, Some("us-east-1")));
}

#[tokio::test]
async fn a_shared_bucket_has_no_settings_of_its_own() {
    let recorder = Recorder::start().await;
    let gateway = gateway(&recorder, "key_prefix = \"tenant-a/\"\n").await;
    let policy = br#"{"Statement":[]}"#.as_slice();
    for wire in [
        Ask::new(Method::DELETE, "/photos").sign(),
        Ask::get("/photos?policy=").sign(),
        Ask::put("/photos?policy=", Mode::Hash, policy).sign(),
        Ask::get("/photos?lifecycle=").sign(),
        Ask::get("/photos?acl=").sign(),
        Ask::new(Method::DELETE, "/photos?cors=").sign(),
        Ask::put("/photos?versioning=", Mode::Hash, b"<VersioningConfiguration/>").sign(),
    ] {
        let reply = wire.send(&gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (501, "NotImplemented"), "{reply:?}");
        assert!(reply.body.contains("shares a bucket"), "{reply:?}");
    }
    let created = Ask::put("/photos", Mode::Hash, b"").sign().send(&gateway).await;
    assert_eq!((created.status, created.s3_code()), (409, "BucketAlreadyOwnedByYou"), "{created:?}");
    assert_eq!(recorder.requests().len(), 0);
    let versioning = Ask::get("/photos?versioning=").sign().send(&gateway).await;
    assert_eq!(versioning.status, 200);
}

#[tokio::test]
async fn a_listing_begins_behind_the_key_prefix() {
    let listing = "<ListBucketResult><Name>stored-photos</Name></ListBucketResult>";
    let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{listing}", listing.len());
    let recorder =
        Recorder::answering(move |request| request.is_complete.then(|| Answer::new(reply.clone()))).await;
    let gateway = gateway(&recorder, "key_prefix = \"tenant-a/\"\n").await;
    for (asked, sent) in [
        ("", "prefix=tenant-a%2F&marker=tenant-a%2F"),
        ("marker=m", "prefix=tenant-a%2F&marker=tenant-a%2Fm"),
        ("list-type=2", "list-type=2&prefix=tenant-a%2F&start-after=tenant-a%2F"),
        ("list-type=2&prefix=p&start-after=s", "list-type=2&prefix=tenant-a%2Fp&start-after=tenant-a%2Fs"),
        ("prefix=p", "prefix=tenant-a%2Fp"),
        ("list-type=2&prefix=p", "list-type=2&prefix=tenant-a%2Fp"),
        ("uploads", "uploads=&prefix=tenant-a%2F"),
        ("uploads&key-marker=m", "uploads=&prefix=tenant-a%2F&key-marker=tenant-a%2Fm"),
        ("list-type=2&continuation-token=t", "list-type=2&prefix=tenant-a%2F&continuation-token=t"),
    ] {
        let reply = Ask::get(&["/photos?", asked].concat()).sign().send(&gateway).await;
        let requests = recorder.requests();
        let (path, query) = requests.last().unwrap().target().split_once('?').unwrap();
        let [found, sent]: [BTreeSet<&str>; 2] = [query, sent].map(|query| query.split('&').collect());
        assert_eq!((path, found), ("/stored-photos", sent), "{reply:?}");
    }
}

/// In a policy every resource names the bucket, and providers refuse one that names another.
#[tokio::test]
async fn a_policy_names_the_bucket_as_whoever_reads_it_does() {
    const STORED: &str = r#"{"Resource":["arn:aws:s3:::stored-photos","arn:aws:s3:::stored-photos/*","arn:aws:s3:::other/*"]}"#;
    const CALLERS: &str =
        r#"{"Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*","arn:aws:s3:::other/*"]}"#;
    let kept = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{STORED}", STORED.len());
    let recorder = Recorder::answering(move |request| {
        let answer = || if request.method() == "GET" { Answer::new(kept.clone()) } else { Answer::stored() };
        request.is_complete.then(answer)
    })
    .await;
    let gateway = gateway(&recorder, "").await;
    let put = Ask::put("/photos?policy=", Mode::Hash, CALLERS.as_bytes()).sign().send(&gateway).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(recorder.requests()[0].body, STORED.as_bytes());
    let read = Ask::get("/photos?policy=").sign().send(&gateway).await;
    assert_eq!((read.status, read.body.as_str()), (200, CALLERS));
    let begun = CALLERS.replace("photos/*", "photos*");
    let refused = Ask::put("/photos?policy=", Mode::Hash, begun.as_bytes()).sign().send(&gateway).await;
    assert_eq!((refused.status, refused.s3_code()), (400, "MalformedPolicy"), "{refused:?}");
    assert_eq!(recorder.complete(), 2, "it went nowhere");
}
