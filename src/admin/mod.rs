//! Health and metrics, for operators and their machines.

mod metrics;
mod mirrors;
mod page;
mod webhooks;

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;

pub use metrics::Metrics;
pub use page::MirrorPage;

use page::PageError;

use crate::server::{Drain, Handler};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// Answers the admin listener's requests.
#[derive(Debug)]
pub struct Admin {
    metrics: Arc<Metrics>,
    mirrors: MirrorPage,
    /// The drain of the API: once it has begun, nobody should send new requests here.
    api_drain: Drain,
}

impl Admin {
    /// Over `metrics` and `mirrors`; ready until `api_drain` begins.
    pub fn new(metrics: Arc<Metrics>, mirrors: MirrorPage, api_drain: Drain) -> Self {
        Self { metrics, mirrors, api_drain }
    }

    async fn answer(&self, method: &Method, uri: &Uri) -> Response<Full<Bytes>> {
        let reply = match uri.path() {
            "/healthz" => reply(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.api_drain.has_begun() => {
                reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n")
            }
            "/readyz" => reply(StatusCode::OK, TEXT, "ready\n"),
            "/metrics" => self.metrics(),
            "/mirrors" => journal(self.mirrors.status().await),
            "/mirrors/dead" => journal(self.mirrors.dead(uri.query().unwrap_or_default()).await),
            _ => {
                return reply(
                    StatusCode::NOT_FOUND,
                    TEXT,
                    "/healthz, /readyz, /metrics, /mirrors and /mirrors/dead are here\n",
                );
            }
        };
        if method == Method::GET || method == Method::HEAD {
            return reply;
        }
        let mut refusal = reply_to_other_method();
        refusal.headers_mut().insert(header::ALLOW, ALLOW);
        refusal
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.encode() {
            Ok(text) => reply(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "see the log\n")
            }
        }
    }
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Full<Bytes>> {
        self.answer(request.method(), request.uri()).await
    }

    fn refuse_head(&self, status: StatusCode, _peer: SocketAddr) -> Response<Full<Bytes>> {
        reply(status, TEXT, "this is not a request that can be read\n")
    }
}

/// What the journal tells, or that it does not.
fn journal(answer: Result<String, PageError>) -> Response<Full<Bytes>> {
    match answer {
        Ok(text) => reply(StatusCode::OK, JSON, text),
        Err(error @ PageError::Class(_)) => reply(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")),
        Err(PageError::Journal(error)) => {
            tracing::error!(%error, "the journal could not be read");
            reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "see the log\n")
        }
    }
}

fn reply(status: StatusCode, content_type: HeaderValue, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn reply_to_other_method() -> Response<Full<Bytes>> {
    reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET or HEAD\n")
}
