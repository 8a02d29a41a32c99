//! A public bucket: what anyone may read of it, and what takes a grant all the same.

use http::Method;

use crate::support::{
    gateway::TestGateway,
    recorder::Recorder,
    s3_client::{Ask, Wire, in_front_of},
};

/// May read below `own/`, and has no grant beside it.
const KEYS: &str = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [{ bucket = "photos", prefix = "own/", actions = ["read"] }]
"#;

async fn recorded() -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let config = in_front_of(&recorder.endpoint(), KEYS);
    let gateway = TestGateway::start(&[&config, "public = true\n"].concat()).await;
    (recorder, gateway)
}

/// The same request of nobody, and of a key that has no grant for it.
fn without_grant(target: &str) -> [Wire; 2] {
    let ask = || Ask::get(target).header("x-amz-request-payer", "requester");
    [ask().anonymous(), ask().sign()]
}

#[tokio::test]
async fn anyone_reads_an_object_as_it_is() {
    let (recorder, gateway) = recorded().await;
    for wire in without_grant("/photos/a") {
        assert_eq!(wire.status(&gateway).await, 200);
        // And not at the expense of the account that Wharf reads with.
        assert_eq!(recorder.requests().pop().unwrap().header("x-amz-request-payer"), None);
    }
    let granted = Ask::get("/photos/own/a?versionId=v").header("x-amz-request-payer", "requester");
    assert_eq!(granted.sign().status(&gateway).await, 200);
    let last = recorder.requests().pop().unwrap();
    assert_eq!(last.target(), "/stored-photos/own/a?versionId=v");
    assert_eq!(last.header("x-amz-request-payer"), Some("requester"));
}

#[tokio::test]
async fn the_rest_takes_a_grant() {
    let (recorder, gateway) = recorded().await;
    for (target, anonymous) in [
        ("/photos/a?versionId=v", 403),
        ("/photos/a?response-content-type=text%2Fhtml", 400),
        ("/photos/a?acl", 403),
        ("/photos", 403),
    ] {
        let [nobody, stranger] = without_grant(target);
        assert_eq!(nobody.status(&gateway).await, anonymous, "{target}");
        assert_eq!(stranger.status(&gateway).await, 403, "{target}");
    }
    assert_eq!(Ask::new(Method::DELETE, "/photos/a").sign().status(&gateway).await, 403);
    assert_eq!(recorder.requests().len(), 0);
}
