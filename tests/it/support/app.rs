//! A web app inside the test process, for Wharf to stand in front of: real HTTP, on a free port.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Empty, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc::UnboundedSender,
    task::JoinSet,
};

use super::gateway::{KEY_CONFIG, TestGateway};

/// What an app replies with.
pub(crate) type Content = UnsyncBoxBody<Bytes, AppFailed>;

/// An app that breaks off in the middle of a reply.
#[derive(Debug)]
pub(crate) struct AppFailed;

impl std::fmt::Display for AppFailed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the app failed")
    }
}

impl std::error::Error for AppFailed {}

/// A request's head, as the app saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
    }
}

/// A running app; its tasks end with the test's runtime.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl App {
    /// Answers each request with what `answer` makes of it.
    pub(crate) async fn start<F>(
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Content>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, record) = (answer.clone(), Arc::clone(&record));
                let service = service_fn(move |request: Request<Incoming>| {
                    record.lock().unwrap().push(Seen {
                        method: request.method().clone(),
                        target: request.uri().to_string(),
                        version: request.version(),
                        headers: request.headers().clone(),
                    });
                    let reply = answer(request);
                    async move { Ok::<_, Infallible>(reply.await) }
                });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(connection.with_upgrades());
            }
        });
        Self { address, seen }
    }

    /// An app that says "hello" to everything.
    pub(crate) async fn friendly() -> Self {
        Self::start(async |_| Response::new(whole("hello"))).await
    }

    /// An app that switches to whatever protocol it is asked for, but "refused", and then says back what it hears until it
    /// hears "bye".
    pub(crate) async fn echo() -> Self {
        Self::echo_telling(None).await
    }

    /// The same, telling when a tunnel has ended, and whether the client ended it.
    pub(crate) async fn echo_telling(ended: Option<UnboundedSender<bool>>) -> Self {
        Self::start(move |mut request: Request<Incoming>| {
            let ended = ended.clone();
            async move {
                let Some(protocol) = request.headers().get(header::UPGRADE).cloned() else {
                    return Response::new(whole("plain"));
                };
                if protocol == "refused" {
                    return Response::builder().status(403).body(whole("no")).unwrap();
                }
                tokio::spawn(async move {
                    let stream = hyper::upgrade::on(&mut request).await.unwrap();
                    let by_client = say_back(TokioIo::new(stream)).await;
                    ended.map(|ended| ended.send(by_client));
                });
                Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header("connection", "upgrade")
                    .header("upgrade", protocol)
                    .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                    .body(nothing())
                    .unwrap()
            }
        })
        .await
    }

    /// The last request that came.
    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().expect("a request").clone()
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The configuration of a gateway in front of it.
    pub(crate) fn config(&self) -> String {
        config_for(self.address)
    }

    /// A gateway in front of it.
    pub(crate) async fn behind_wharf(&self) -> TestGateway {
        TestGateway::start(&self.config()).await
    }
}

/// Says back what it hears; whether the other side ended it.
async fn say_back(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(bytes @ 1..) if &buffer[..bytes] == b"bye" => return false,
            Ok(bytes @ 1..) => stream.write_all(&buffer[..bytes]).await.unwrap(),
            Ok(0) | Err(_) => return true,
        }
    }
}

/// The configuration of a gateway in front of `address`.
pub(crate) fn config_for(address: SocketAddr) -> String {
    format!("{KEY_CONFIG}\n[upstream]\nendpoint = \"http://{address}\"\n")
}

/// A body at hand.
pub(crate) fn whole(text: impl Into<Bytes>) -> Content {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub(crate) fn nothing() -> Content {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that streams.
pub(crate) fn stream<B>(body: B) -> Content
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    body.map_err(|_| AppFailed).boxed_unsync()
}

/// Reads a small body whole.
#[expect(clippy::disallowed_methods, reason = "this one has a bound")]
pub(crate) async fn read(body: Incoming) -> Bytes {
    Limited::new(body, 4096).collect().await.expect("a small body").to_bytes()
}
