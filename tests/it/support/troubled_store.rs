//! A real store with one thing wrong about it: a proxy in front of the embedded one, which passes everything on as it came but
//! for what its [`Trouble`] says.
//!
//! It also keeps CORS rules and answers preflights by them as S3 does, which the embedded store does not. Who may set rules is
//! the store's to say: only what it has verified reaches them.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, task::JoinSet};
use wharf_demo::Store;
use wharf_wire::{
    cors::{CorsRule, Question, answering},
    xml,
};

/// More than any body of a test.
const BODY_BYTES_MAX: usize = 8 << 20;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The credentials may only read.
    MayOnlyRead,
    /// They may not delete.
    MayNotDelete,
    /// Something on the way changes what is read.
    AltersReads,
    /// It knows no uploads in parts.
    KnowsNoParts,
    /// It keeps no CORS rules.
    KeepsNoRules,
}

#[derive(Default)]
struct State {
    trouble: Mutex<Trouble>,
    /// Rules by bucket.
    rules: Mutex<HashMap<String, Vec<CorsRule>>>,
    /// Method, path and query of all requests.
    seen: Mutex<Vec<String>>,
}

/// The store. Dropping it closes it.
pub(crate) struct TroubledStore {
    pub(crate) store: Store,
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

type Forward = Client<HttpConnector, Full<Bytes>>;

impl TroubledStore {
    pub(crate) async fn start(bucket: &str) -> Self {
        let store = super::store::start(bucket).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let proxy = Proxy {
            behind: store.address(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            state: Arc::clone(&state),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    async move { Ok::<_, Infallible>(proxy.answer(request).await) }
                });
                connections.spawn(async move {
                    // A client that hangs up has said enough.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { store, address, state, _tasks: tasks }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn fall_into(&self, trouble: Trouble) {
        *self.state.trouble.lock().unwrap() = trouble;
    }

    /// The rules of each bucket.
    pub(crate) fn rules(&self) -> MutexGuard<'_, HashMap<String, Vec<CorsRule>>> {
        self.state.rules.lock().unwrap()
    }

    /// What came so far: `PUT /photos?cors=`.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Proxy {
    behind: SocketAddr,
    client: Forward,
    state: Arc<State>,
}

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = whole(body).await;
        let target = head.uri.path_and_query().map_or("", |target| target.as_str());
        self.state.seen.lock().unwrap().push(format!("{} {target}", head.method));
        let trouble = *self.state.trouble.lock().unwrap();
        if head.method == Method::OPTIONS {
            return self.preflight(&head);
        }
        if let Some(refused) = refused(trouble, &head) {
            return refused;
        }
        let is_about_rules = head.uri.query().is_some_and(|query| query == "cors" || query == "cors=");
        let (method, is_object) = (head.method.clone(), is_object(&head));
        let bucket = bucket(&head);
        let reply = self.forward(head, body.clone()).await;
        // The store has verified the request, and knows nothing of rules.
        if is_about_rules && reply.status() == StatusCode::NOT_IMPLEMENTED && trouble != Trouble::KeepsNoRules
        {
            return self.rules(&method, bucket, &body);
        }
        let alters = trouble == Trouble::AltersReads && method == Method::GET && is_object;
        reply.map(|body| Full::from(if alters { body.to_ascii_uppercase().into() } else { body }))
    }

    async fn forward(&self, mut head: Parts, body: Bytes) -> Response<Bytes> {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        head.uri = format!("http://{}{target}", self.behind).parse().expect("a URL");
        let request = Request::from_parts(head, Full::new(body));
        let reply = self.client.request(request).await.expect("the store answers");
        let (head, body) = reply.into_parts();
        let body = whole(body).await;
        Response::from_parts(head, body)
    }

    fn rules(&self, method: &Method, bucket: String, document: &[u8]) -> Response<Full<Bytes>> {
        let mut rules = self.state.rules.lock().unwrap();
        if *method == Method::PUT {
            return match xml::read_cors(document) {
                Ok(new) => {
                    rules.insert(bucket, new);
                    Response::default()
                }
                Err(_) => error(StatusCode::BAD_REQUEST, "MalformedXML"),
            };
        }
        match rules.get(&bucket) {
            Some(rules) => Response::new(Full::from(xml::write_cors(rules))),
            None => error(StatusCode::NOT_FOUND, "NoSuchCORSConfiguration"),
        }
    }

    fn preflight(&self, head: &Parts) -> Response<Full<Bytes>> {
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let headers = text(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let headers: Vec<_> = headers.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let (origin, method) = (text(header::ORIGIN), text(header::ACCESS_CONTROL_REQUEST_METHOD));
        let rules = self.state.rules.lock().unwrap();
        let rules = rules.get(&bucket(head)).map(Vec::as_slice).unwrap_or_default();
        let Some(rule) = answering(rules, &Question { origin, method, headers: &headers }) else {
            return error(StatusCode::FORBIDDEN, "AccessForbidden");
        };
        let mut reply = Response::default();
        let mut set = |name, value: &str| {
            reply.headers_mut().insert(name, HeaderValue::from_str(value).expect("text"));
        };
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, &headers.join(", "));
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
        reply
    }
}

fn refused(trouble: Trouble, head: &Parts) -> Option<Response<Full<Bytes>>> {
    let begins_parts = head.uri.query().is_some_and(|query| query.starts_with("uploads"));
    let denied = || error(StatusCode::FORBIDDEN, "AccessDenied");
    match trouble {
        Trouble::MayOnlyRead => (is_object(head) && head.method != Method::GET).then(denied),
        Trouble::MayNotDelete => (head.method == Method::DELETE).then(denied),
        Trouble::KnowsNoParts => begins_parts.then(|| error(StatusCode::NOT_IMPLEMENTED, "NotImplemented")),
        Trouble::None | Trouble::AltersReads | Trouble::KeepsNoRules => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the body is bounded")]
async fn whole(body: Incoming) -> Bytes {
    Limited::new(body, BODY_BYTES_MAX).collect().await.expect("a small body").to_bytes()
}

fn bucket(head: &Parts) -> String {
    head.uri.path().split('/').nth(1).unwrap_or_default().to_owned()
}

fn is_object(head: &Parts) -> bool {
    head.uri.path().split('/').nth(2).is_some_and(|key| !key.is_empty())
}

fn error(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let document = format!("<Error><Code>{code}</Code><Message>so it is</Message></Error>");
    let mut reply = Response::new(Full::from(document));
    *reply.status_mut() = status;
    reply
}
