//! An app behind Wharf: what reaches it, what it is told of its clients, and what comes back.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    app::{App, config_for, nothing, read, whole},
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, neighbour_is_served, post},
};

#[tokio::test]
async fn what_wharf_does_not_own_is_the_apps() {
    let app = App::friendly().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/api/v1"),
        ("DELETE", "/api/v1/uploads/photos/signed-url"),
        ("PROPFIND", "/files"),
        ("REPORT", "/calendar"),
        ("PURGE", "/cache"),
    ] {
        let reply = raw.ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"), "{method} {path}");
        assert_eq!((app.last().method.as_str(), app.last().target.as_str()), (method, path));
    }
    let passed = app.count();
    assert_eq!(raw.ask(good_request()).await.status, 200);
    assert_eq!(raw.ask(post("/api/v1/upload/nowhere", "")).await.code(), "NOT_FOUND");
    assert_eq!(raw.ask(post("/api/v1/upload", "")).await.code(), "NOT_FOUND");
    for head in ["TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"] {
        assert_eq!(Raw::connect(gateway.api()).await.ask(head).await.code(), "NOT_IMPLEMENTED");
    }
    assert_eq!(app.count(), passed, "none of these is the app's");
}

#[tokio::test]
async fn without_an_app_nothing_is_passed_on() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let reply = Raw::connect(gateway.api()).await.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn the_target_arrives_byte_for_byte() {
    let app = App::friendly().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    for target in [
        "//a//b/",
        "/a%2Fb%2f..%2e",
        "/a/../b/./c/..",
        "/?",
        "/a?b=c&b=%20+&=&?#".trim_end_matches('#'),
        "/search?q=100%",
        "/%zz",
        "/a;b=c,d:e@f!$'()*",
        "/api/v1/upload%2Fphotos/signed-url",
        "/api/v1/./upload/photos/signed-url",
        "//api/v1/upload/validate-key",
    ] {
        let reply = raw.ask(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!((reply.status, app.last().target.as_str()), (200, target));
    }
}

#[tokio::test]
async fn the_app_is_told_who_asks_and_clients_cannot_tell_it_otherwise() {
    let app = App::friendly().await;
    let gateway = app.behind_wharf().await;
    let claims = "GET / HTTP/1.1\r\nhost: shop.example:81\r\nx-forwarded-for: 203.0.113.1\r\n\
                  x-forwarded-proto: https\r\nx-forwarded-host: evil.example\r\nforwarded: for=203.0.113.2\r\n\
                  x-real-ip: 203.0.113.3\r\nX_Forwarded_For: 203.0.113.4\r\n\
                  connection: x-forwarded-for, x-forwarded-host\r\n\r\n";
    Raw::connect_from([127, 0, 0, 9], gateway.api()).await.ask(claims).await;
    let seen = app.last();
    assert_eq!(seen.all("host"), ["shop.example:81"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.9"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["shop.example:81"]);
    for name in ["forwarded", "x-real-ip", "x_forwarded_for", "connection"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }

    let trusting = format!("[server]\ntrusted_proxies = [\"127.0.0.9\"]\n{}", app.config());
    let gateway = TestGateway::start(&trusting).await;
    let told = claims.replace("connection: x-forwarded-for, x-forwarded-host\r\n", "");
    Raw::connect_from([127, 0, 0, 9], gateway.api()).await.ask(told.as_str()).await;
    let seen = app.last();
    assert_eq!(seen.all("x-forwarded-for"), ["203.0.113.1, 127.0.0.9"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["evil.example"]);
    assert!(!seen.headers.contains_key("x_forwarded_for"));
}

#[tokio::test]
async fn a_connection_header_takes_nothing_from_the_app_that_is_meant_for_it() {
    let app = App::start(async |request: Request<_>| {
        let body = read(request.into_body()).await;
        Response::new(whole(body))
    })
    .await;
    let gateway = app.behind_wharf().await;
    let reply = Raw::connect(gateway.api())
        .await
        .ask(
            "POST / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\ncookie: a=b\r\nx-hop: 1\r\nkeep-alive: 5\r\n\
             proxy: http://evil.example\r\nproxy-authorization: Basic eDp5\r\ncontent-length: 5\r\n\
             connection: content-length, authorization, cookie, host, x-hop, close\r\n\r\nhello",
        )
        .await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    let seen = app.last();
    assert_eq!((seen.all("content-length"), seen.all("authorization")), (vec!["5"], vec!["Bearer x"]));
    assert_eq!((seen.all("cookie"), seen.all("host")), (vec!["a=b"], vec!["a"]));
    for name in ["x-hop", "keep-alive", "proxy", "proxy-authorization", "connection"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn nothing_behind_a_chunked_request_reaches_the_app() {
    let app = App::friendly().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .await;
    let reply = raw.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    raw.closed().await;
    assert_eq!((app.count(), app.last().target.as_str()), (1, "/"));
}

#[tokio::test]
async fn the_apps_replies_come_back_as_they_are() {
    let app = App::start(async |request: Request<_>| {
        let reply = Response::builder().header("set-cookie", "a=1; Path=/").header("set-cookie", "b=2");
        match request.uri().path() {
            "/missing" => {
                reply.status(404).header("x-request-id", "the-apps-own").body(whole("no such page"))
            }
            "/broken" => {
                reply.status(500).header("connection", "x-hop").header("x-hop", "1").body(whole("oops"))
            }
            "/empty" => reply.status(204).body(nothing()),
            "/same" => reply.status(304).header("etag", "\"1\"").body(nothing()),
            _ => reply.body(whole("hello")),
        }
        .unwrap()
    })
    .await;
    let gateway = TestGateway::start(&format!("[upload.cors]\norigins = [\"*\"]\n{}", app.config())).await;
    let mut raw = Raw::connect(gateway.api()).await;
    for (method, path, status, body) in [
        ("GET", "/missing", 404, "no such page"),
        ("GET", "/broken", 500, "oops"),
        ("GET", "/empty", 204, ""),
        ("GET", "/same", 304, ""),
        ("OPTIONS", "/", 200, "hello"),
        ("GET", "/", 200, "hello"),
    ] {
        raw.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\norigin: https://a.example\r\naccess-control-request-method: PUT\r\n\r\n"
        ))
        .await;
        let reply = raw.reply().await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body), "{path}");
        assert_eq!(reply.all("set-cookie"), ["a=1; Path=/", "b=2"], "{path}");
        for name in ["cache-control", "access-control-allow-origin", "vary", "ratelimit", "x-hop"] {
            assert_eq!(reply.header(name), None, "{name} of {path}");
        }
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(id == "the-apps-own", path == "/missing");
    }
    raw.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let head = raw.head().await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert_eq!(
        raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.body,
        "hello",
        "nothing was left of the HEAD"
    );
}

#[tokio::test]
async fn wharfs_limits_hold_for_the_apps_clients() {
    let app = App::friendly().await;
    let gateway = TestGateway::start(&format!(
        "[upload]\nrate_limit_per_ip = {{ requests_per_second = 1, burst = 1 }}\n{}",
        app.config()
    ))
    .await;
    let mut raw = Raw::connect(gateway.api()).await;
    let first = raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((first.status, first.header("ratelimit")), (200, None));
    let second = raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((second.status, second.code().as_str()), (429, "RATE_LIMITED"));
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    assert_eq!(Raw::connect(gateway.api()).await.ask(large).await.code(), "HEADERS_TOO_LARGE");
    assert_eq!(app.count(), 1);
}

#[tokio::test]
async fn an_app_that_is_down_or_slow_is_wharfs_to_tell() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = TestGateway::start(&config_for(nobody)).await;
    let reply = Raw::connect(gateway.api()).await.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_ERROR"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    neighbour_is_served(gateway.api()).await;

    let app = App::start(async |_| std::future::pending().await).await;
    let gateway =
        TestGateway::start(&format!("{}timeouts = {{ first_byte_seconds = 1 }}\n", app.config())).await;
    let reply = Raw::connect(gateway.api()).await.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "UPSTREAM_TIMEOUT"));

    let app = App::start(async |_| Response::builder().status(101).body(nothing()).unwrap()).await;
    let gateway = app.behind_wharf().await;
    let reply = Raw::connect(gateway.api()).await.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_ERROR"), "nobody asked to switch");
}

/// An app that answers the first request of a connection and hangs up on the second.
async fn forgetful() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut scrap = [0; 4096];
                let _ = stream.read(&mut scrap).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                let _ = stream.read(&mut scrap).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn only_what_may_be_sent_twice_is() {
    let gateway = TestGateway::start(&config_for(forgetful().await)).await;
    let mut raw = Raw::connect(gateway.api()).await;
    for _ in 0..3 {
        assert_eq!(raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.body, "ok");
    }
    let posted = raw.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!((posted.status, posted.code().as_str()), (502, "UPSTREAM_ERROR"));
}

#[tokio::test]
async fn http_2_becomes_http_1_1() {
    let app = App::start(async |request: Request<_>| {
        let body = read(request.into_body()).await;
        Response::new(whole(body))
    })
    .await;
    let gateway = app.behind_wharf().await;
    let stream = TcpStream::connect(gateway.api()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://shop.example/a//b?c")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(b"hello")))
        .unwrap();
    let reply = sender.send_request(request).await.unwrap();
    assert_eq!((reply.status(), reply.version()), (StatusCode::OK, Version::HTTP_2));
    assert!(!reply.headers().contains_key("connection"));
    assert_eq!(read(reply.into_body()).await, "hello");
    let seen = app.last();
    assert_eq!((seen.version, seen.target.as_str()), (Version::HTTP_11, "/a//b?c"));
    assert_eq!((seen.all("host"), seen.all("cookie")), (vec!["shop.example"], vec!["a=b; c=d"]));
    assert_eq!((seen.all("x-forwarded-host"), seen.all("te")), (vec!["shop.example"], vec!["trailers"]));
}

#[tokio::test]
async fn a_reload_can_move_the_app() {
    let (old, new) = (App::friendly().await, App::friendly().await);
    let gateway = old.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    assert_eq!(raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.status, 200);
    gateway.reload_toml(&new.config()).await;
    assert_eq!(raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.status, 200);
    assert_eq!((old.count(), new.count()), (1, 1));
    gateway.reload_toml(KEY_CONFIG).await;
    assert_eq!(raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.code(), "NOT_FOUND");
}
