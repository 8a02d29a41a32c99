//! Pages that use the S3 endpoint: which may, and what they are told.

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    recorder::Recorder,
    s3_client::{Ask, HOST, Mode, S3_KEYS, in_front_of},
};

const APP: &str = "https://app.example";

async fn gateway(recorder: &Recorder) -> TestGateway {
    let cors = format!("[s3.cors]\norigins = [\"{APP}\"]\nmax_age_seconds = 300\n");
    TestGateway::start(&[in_front_of(&recorder.endpoint(), S3_KEYS), cors].concat()).await
}

async fn preflight(gateway: &TestGateway, origin: &str) -> Reply {
    let request = format!(
        "OPTIONS /photos/cat.jpg?partNumber=1&uploadId=u HTTP/1.1\r\nhost: {HOST}\r\norigin: {origin}\r\n\
         access-control-request-method: PUT\r\naccess-control-request-headers: authorization,x-amz-meta-who\r\n\r\n"
    );
    Raw::connect(gateway.s3()).await.ask(request).await
}

#[tokio::test]
async fn a_listed_page_may_send_what_it_asks_to_send() {
    let recorder = Recorder::start().await;
    let gateway = gateway(&recorder).await;
    let reply = preflight(&gateway, APP).await;
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "GET, HEAD, PUT, POST, DELETE"),
        ("access-control-allow-headers", "authorization,x-amz-meta-who"),
        ("access-control-max-age", "300"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let other = preflight(&gateway, "https://evil.example").await;
    for name in
        ["access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers"]
    {
        assert_eq!(other.header(name), None, "{name}");
    }
    assert_eq!(recorder.requests().len(), 0);
}

#[tokio::test]
async fn a_listed_page_may_read_every_reply_an_error_too() {
    let recorder = Recorder::start().await;
    let gateway = gateway(&recorder).await;
    let put = Ask::put("/photos/cat.jpg", Mode::Hash, b"file").sign();
    let unsigned = Ask::get("/photos/cat.jpg").anonymous();
    for (wire, status) in [(put, 200), (unsigned, 403)] {
        let reply = wire.clone().line(&format!("origin: {APP}")).send(&gateway).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(APP));
        assert_eq!(reply.header("access-control-expose-headers"), Some("*"));
        let other = wire.line("origin: https://evil.example").send(&gateway).await;
        assert_eq!(other.header("access-control-allow-origin"), None);
        assert_eq!(other.header("vary"), Some("origin"));
    }
}

#[tokio::test]
async fn what_only_looks_like_a_preflight_is_refused() {
    let recorder = Recorder::start().await;
    let gateway = gateway(&recorder).await;
    let request = format!("OPTIONS /photos HTTP/1.1\r\nhost: {HOST}\r\norigin: {APP}\r\n\r\n");
    let reply = Raw::connect(gateway.s3()).await.ask(request).await;
    assert_eq!((reply.status, reply.s3_code()), (405, "MethodNotAllowed"), "{reply:?}");
}
