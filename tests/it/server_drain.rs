//! The end of a process: what was begun is finished, nothing new is begun.

use tokio::net::TcpStream;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, good_request, post_head},
};

const ROUTE: &str = "/api/v1/upload/validate-key";

async fn readiness(gateway: &TestGateway) -> Reply {
    Raw::connect(gateway.admin()).await.ask("GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n").await
}

/// A request whose head has been read and whose body is still to come.
async fn begun(gateway: &TestGateway) -> Raw {
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(post_head(ROUTE, 2).replace("content-length", "expect: 100-continue\r\ncontent-length")).await;
    assert_eq!(raw.reply().await.status, 100);
    raw
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_no_new_one_begun() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut idle = Raw::connect(gateway.api()).await;
    assert_eq!(idle.ask(good_request()).await.status, 200);
    let mut silent = Raw::connect(gateway.api()).await;
    let mut in_flight = begun(&gateway).await;
    assert_eq!(readiness(&gateway).await.status, 200);

    let client = async {
        // An idle connection and one that has said nothing are closed at once: that the drain has begun is seen by it.
        assert_eq!(idle.closed().await, "");
        assert_eq!(silent.closed().await, "");
        assert_eq!(readiness(&gateway).await.status, 503);
        assert!(TcpStream::connect(gateway.api()).await.is_err());
        let reply = in_flight.ask("{}").await;
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        assert_eq!(in_flight.closed().await, "");
    };
    let (in_time, ()) = tokio::join!(gateway.shutdown(), client);
    assert!(in_time);
    assert!(TcpStream::connect(gateway.admin()).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_aborted_at_the_deadline() {
    let gateway = TestGateway::start(&format!("[server]\ndrain_timeout_seconds = 1\n{KEY_CONFIG}")).await;
    let mut in_flight = begun(&gateway).await;
    assert!(!gateway.shutdown().await);
    assert_eq!(in_flight.closed().await, "");
}

#[tokio::test]
async fn a_drain_can_be_cut_short() {
    let gateway = TestGateway::start(&format!("[server]\ndrain_timeout_seconds = 3600\n{KEY_CONFIG}")).await;
    let mut in_flight = begun(&gateway).await;
    let impatient = async {
        while readiness(&gateway).await.status == 200 {}
        gateway.abort();
    };
    let (in_time, ()) = tokio::join!(gateway.shutdown(), impatient);
    assert!(!in_time);
    assert_eq!(in_flight.closed().await, "");
}
