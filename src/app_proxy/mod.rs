//! The app that Wharf stands in front of: requests that are not Wharf's own are passed on to it, and its replies back.
//!
//! ```text
//! client ── door ── framing, admission, client's limit ──┬── /api/v1/upload… ── Wharf's own
//!                                                        └── all else ── headers ── app
//! ```
//!
//! Path, query, `Host` and body go on byte for byte, and so does the reply, an error too. What is changed is what concerns
//! one connection alone (`headers`) and what an app behind a proxy believes of its client (`forwarded`). Bodies stream
//! both ways, each no faster than its reader takes it.
//!
//! Interim replies of the app (100, 103) end here: Wharf answers `Expect: 100-continue` itself.

mod body;
mod forwarded;
mod headers;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    request::Parts,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};
use http_body_util::{Either, Full};
use hyper::{
    body::{Body, Incoming},
    upgrade::OnUpgrade,
};
use thiserror::Error as ThisError;
use wharf_wire::endpoint;

use crate::{
    backend::upstream::{Reach, ReplyStream, SendBody, Upstream, UpstreamError},
    config::checked::{ServerLimits, UpstreamConfig},
    error::{Code, Error},
    server::Tunnel,
};

use body::{Broken, Passed};
pub use forwarded::Sender;
use headers::{has_token, join_cookies, remove_hop_by_hop, tokens};

const CONTINUE: &str = "100-continue";
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// The body of a reply: Wharf's own, or the app's.
pub type Content = Either<Full<Bytes>, ReplyStream>;

/// Why there is no way to the app.
#[derive(Debug, ThisError)]
pub enum AppProxyError {
    /// The endpoint is none.
    #[error("upstream.endpoint: {0}")]
    Endpoint(#[from] InvalidUri),
    /// The client.
    #[error("the client for the app: {0}")]
    Client(#[from] UpstreamError),
}

/// The way to the app.
#[derive(Debug)]
pub struct AppProxy {
    client: Upstream,
    scheme: Scheme,
    authority: Authority,
    config: UpstreamConfig,
}

impl AppProxy {
    /// To the app of `config`.
    pub fn new(config: &UpstreamConfig) -> Result<Self, AppProxyError> {
        let scheme = match config.endpoint.scheme() {
            endpoint::Scheme::Http => Scheme::HTTP,
            endpoint::Scheme::Https => Scheme::HTTPS,
        };
        Ok(Self {
            client: Upstream::for_app(config.timeouts)?,
            scheme,
            authority: Authority::try_from(config.endpoint.authority())?,
            config: config.clone(),
        })
    }

    /// Passes a request on, and gives the app's reply.
    pub async fn pass(
        &self,
        head: &Parts,
        body: Incoming,
        sender: Sender,
        limits: &ServerLimits,
    ) -> Result<Response<Content>, Error> {
        let upgrade = Upgrade::wanted(head, &body);
        let mut headers = headers_for_app(head, sender);
        if let Some(upgrade) = &upgrade {
            upgrade.write(&mut headers);
        }
        let body = body_for_app(&mut headers, body, limits);
        let reply = self.send(head, headers, body).await.map_err(|error| failed(&error))?;
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(reply, upgrade);
        }
        Ok(reply_for_client(reply))
    }

    /// Sends the request; once more where the app hung up on one that may be sent twice: a connection that is kept open
    /// can be closed at any moment by an app that knows nothing of the request yet.
    async fn send(
        &self,
        head: &Parts,
        headers: HeaderMap,
        body: SendBody,
    ) -> Result<Response<ReplyStream>, UpstreamError> {
        let is_safe = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let again = body.again().filter(|_| is_safe).map(|body| (headers.clone(), body));
        let reply = self.client.send(self.request(head, headers, body)?, Reach::Anywhere).await;
        match (reply, again) {
            (Err(UpstreamError::Http(_)), Some((headers, body))) => {
                self.client.send(self.request(head, headers, body)?, Reach::Anywhere).await
            }
            (reply, _) => reply,
        }
    }

    /// The request as it goes to the app. The target is the client's, byte for byte.
    fn request(
        &self,
        head: &Parts,
        headers: HeaderMap,
        body: SendBody,
    ) -> Result<Request<SendBody>, UpstreamError> {
        let target = head.uri.path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The app has switched to another protocol: the connection is handed over behind this reply.
    fn switch(
        &self,
        mut reply: Response<ReplyStream>,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Content>, Error> {
        let Some(upgrade) = upgrade else {
            return Err(unsound("it switched protocols, and nobody asked it to"));
        };
        let app = hyper::upgrade::on(&mut reply);
        let protocol = reply.headers().get(header::UPGRADE).cloned();
        let mut switched = reply_for_client(reply).map(|_| Either::Left(Full::default()));
        let headers = switched.headers_mut();
        headers.insert(header::CONNECTION, UPGRADE);
        if let Some(protocol) = protocol {
            headers.insert(header::UPGRADE, protocol);
        }
        let tunnel = Tunnel { client: upgrade.client, app, idle_timeout: self.config.tunnel_idle_timeout };
        switched.extensions_mut().insert(tunnel);
        Ok(switched)
    }
}

/// A client that wants to go on in another protocol.
struct Upgrade {
    client: OnUpgrade,
    protocols: Vec<HeaderValue>,
}

impl Upgrade {
    /// Another protocol, if the client asks for one that Wharf lets through. HTTP in a tunnel is none: its requests would
    /// pass by every limit, and claim to have come from whom they like.
    fn wanted(head: &Parts, body: &Incoming) -> Option<Self> {
        let is_asked = body.is_end_stream() && has_token(&head.headers, &header::CONNECTION, "upgrade");
        let client = head.extensions.get::<OnUpgrade>().filter(|_| is_asked)?;
        let is_http = |token: &[u8]| {
            let token = token.to_ascii_lowercase();
            token == b"h2c" || token == b"h2" || token.starts_with(b"http/") || token.starts_with(b"tls/")
        };
        if tokens(&head.headers, &header::UPGRADE).any(is_http) {
            return None;
        }
        let protocols = head.headers.get_all(header::UPGRADE).iter().cloned().collect();
        Some(Self { client: client.clone(), protocols })
    }

    /// Asks the app for it.
    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, UPGRADE);
        for protocol in &self.protocols {
            headers.append(header::UPGRADE, protocol.clone());
        }
    }
}

fn headers_for_app(head: &Parts, sender: Sender) -> HeaderMap {
    let mut headers = head.headers.clone();
    let takes_trailers = has_token(&headers, &header::TE, "trailers");
    remove_hop_by_hop(&mut headers);
    if takes_trailers {
        headers.insert(header::TE, TRAILERS);
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if has_token(&headers, &header::EXPECT, CONTINUE) {
        headers.remove(header::EXPECT);
    }
    join_cookies(&mut headers);
    // HTTP/2 says it in `:authority`.
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.entry(header::HOST).or_insert(host);
    }
    forwarded::write(&mut headers, sender);
    headers
}

/// The body, and what the headers say of its length: what hyper has read, not what the client wrote.
fn body_for_app(headers: &mut HeaderMap, body: Incoming, limits: &ServerLimits) -> SendBody {
    if body.is_end_stream() {
        return SendBody::Empty;
    }
    headers.remove(header::CONTENT_LENGTH);
    match body.size_hint().exact() {
        Some(bytes) => headers.insert(header::CONTENT_LENGTH, bytes.into()),
        None => headers.insert(header::TRANSFER_ENCODING, CHUNKED),
    };
    SendBody::stream(Passed::new(body, limits))
}

fn reply_for_client(mut reply: Response<ReplyStream>) -> Response<Content> {
    remove_hop_by_hop(reply.headers_mut());
    reply.map(Either::Right)
}

/// Why the client gets no reply of the app.
fn failed(error: &UpstreamError) -> Error {
    match error {
        UpstreamError::Timeout(_) => {
            Error::new(Code::UpstreamTimeout, "The app behind Wharf did not answer in time.")
                .hint("Try again later.")
                .cause(error.to_string())
        }
        UpstreamError::Body(cause) => match cause.downcast_ref::<Broken>() {
            Some(Broken(refusal)) => refusal.clone(),
            None => unsound(cause.to_string()),
        },
        UpstreamError::Resolve(_)
        | UpstreamError::Forbidden(_)
        | UpstreamError::Connect(_)
        | UpstreamError::Tls(_)
        | UpstreamError::Http(_)
        | UpstreamError::Request(_)
        | UpstreamError::Open(_)
        | UpstreamError::Busy(_)
        | UpstreamError::TooLarge(_) => unsound(error.to_string()),
    }
}

fn unsound(cause: impl Into<String>) -> Error {
    Error::new(Code::UpstreamError, "The app behind Wharf cannot be reached, or gave no sound reply.")
        .hint("Try again later.")
        .cause(cause)
}
