//! The upload API's door: framing, preflight, admission, route, authentication, body, handler, reply.
//!
//! A route that does not exist is told before credentials are asked for: the routes are public, and someone who
//! mistyped a path should not look for the fault in a key. Where an app stands behind Wharf, all that is not below the
//! API's own path is the app's, and goes another way ([`super::app`]).

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tracing::Instrument;
use wharf_wire::date::Timestamp;

use crate::{
    app_proxy::{Content, Sender},
    companion,
    error::{self, Error},
    events,
    request::{
        authenticate::presented_token,
        body::{self, ReplyBody},
        exchange::Exchange,
        framing,
    },
    server::Handler,
    upload_api::{Call, is_own, method_not_allowed, methods, openapi, route},
};

use super::{Pipeline, Refusal, Snapshot, app, finish, uppy};

/// Replies hold signed URLs, which are credentials.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is sealed has more characters: version, salt, nonce and tag have 60, and no token says less than as many again.
const SEALED_CHARACTERS_MIN: usize = 100;

/// Answers the upload API's requests, and passes others on to the app where there is one.
#[derive(Debug)]
pub struct ApiDoor(pub Arc<Pipeline>);

impl ApiDoor {
    /// One request to the upload API, and its reply.
    async fn serve(
        &self,
        snapshot: &Snapshot,
        head: &Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        let mut response = match self.answer(snapshot, head, body, exchange).await {
            Ok(response) => response,
            Err(error) => self.refuse(&error, exchange),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        snapshot.cors.write(head.headers.get(header::ORIGIN), headers);
        response.map(Either::Left)
    }

    /// The straight path; every refusal is an early return.
    async fn answer(
        &self,
        snapshot: &Snapshot,
        head: &Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let limits = &snapshot.config.server.limits;
        framing::check(head, limits)?;
        if let Some(response) = snapshot.cors.preflight(head, methods) {
            return Ok(response);
        }
        self.0.admit(snapshot, exchange)?;
        if let Some(bucket) = events::bucket_of(head.uri.path()) {
            exchange.route = "events";
            return events(snapshot, head, body, (bucket, exchange.context.received)).await;
        }
        if let Some(form) = openapi::at(head.uri.path()) {
            exchange.route = "openapi";
            return snapshot.description.answer(form, &head.method);
        }
        let route = route(&head.method, head.uri.path())?;
        exchange.route = route.operation.name();
        let pending = match presented_token(&head.headers) {
            Some(token) => {
                snapshot.authenticator.access(token, &snapshot.sealer, exchange.context.received)?
            }
            None => snapshot.authenticator.begin(head, &exchange.context)?,
        };
        let body = body::read(&head.headers, body, limits).await?;
        let identity = pending.finish(&body)?;
        exchange.standing.tighten(snapshot.rate_limits.identity(&identity)?);
        let identity = exchange.identity.insert(identity);
        let (context, query) = (&exchange.context, head.uri.query().unwrap_or_default());
        let call = Call { route: &route, identity, context, method: &head.method, query, body: &body };
        snapshot.api.handle(&call, &mut exchange.standing).await
    }

    /// One request of Uppy's, and its reply.
    async fn serve_uppy(
        &self,
        snapshot: &Snapshot,
        passing: uppy::Passing<'_>,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        let head = passing.head;
        let mut response = match uppy::answer(&self.0, snapshot, passing, exchange).await {
            Ok(response) => response,
            Err(error) => {
                self.note(&error, exchange);
                error::render_companion(&error, &exchange.context.request_id)
            }
        };
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
        snapshot.companion_cors.write(head.headers.get(header::ORIGIN), headers);
        response.map(Either::Left)
    }

    /// One request to the app, and its reply, to which Wharf adds nothing.
    async fn pass(
        &self,
        snapshot: &Snapshot,
        passing: app::Passing<'_>,
        exchange: &mut Exchange,
    ) -> Response<Content> {
        match app::answer(&self.0, snapshot, passing, exchange).await {
            Ok(response) => response,
            Err(error) => {
                let mut response = self.refuse(&error, exchange);
                response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
                response.map(Either::Left)
            }
        }
    }

    fn refuse(&self, error: &Error, exchange: &Exchange) -> Response<Full<Bytes>> {
        self.note(error, exchange);
        error::render(error, &exchange.context.request_id)
    }

    fn note(&self, error: &Error, exchange: &Exchange) {
        let refusal = Refusal {
            code: error.code.as_str(),
            fault: error.code.fault(),
            message: &error.message,
            cause: error.cause.as_deref(),
        };
        self.0.note(&refusal, &exchange.context);
    }
}

/// A path as logs have it: without what Wharf has sealed. A token stands in it in place of a key, and is one.
fn shown(path: &str) -> Cow<'_, str> {
    if !path.split('/').any(is_sealed) {
        return Cow::Borrowed(path);
    }
    let shown = |segment| if is_sealed(segment) { "(sealed)" } else { segment };
    Cow::Owned(path.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

/// Whether a segment may be a token, even one that was escaped.
fn is_sealed(segment: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte);
    segment.len() >= SEALED_CHARACTERS_MIN && segment.bytes().all(is_of_token)
}

/// Whether a path is Wharf's, and no app's behind it.
fn is_ours(path: &str) -> bool {
    is_own(path) || events::bucket_of(path).is_some()
}

/// What a provider tells. It has no key of Wharf's, but the bucket's own token, or a topic's signature.
async fn events(
    snapshot: &Snapshot,
    head: &Parts,
    body: Incoming,
    (bucket, now): (&str, Timestamp),
) -> Result<Response<Full<Bytes>>, Error> {
    if head.method != Method::POST {
        return Err(method_not_allowed(&["POST"]));
    }
    let message = body::read_any(body, &snapshot.config.server.limits).await?;
    snapshot.events.take(bucket, &head.headers, &message, now).await
}

impl Handler for ApiDoor {
    type Body = ReplyBody<Content>;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Self::Body> {
        let snapshot = self.0.snapshot();
        let (head, body) = request.into_parts();
        let mut exchange = self.0.begin(&head, &shown(head.uri.path()), peer, &snapshot);
        let span = exchange.span.clone();
        async {
            let base = snapshot.config.companion.base.as_deref();
            let uppys = companion::below(base, head.uri.path());
            let response = match (uppys, snapshot.app.as_ref().filter(|_| !is_ours(head.uri.path()))) {
                (Some(path), _) => {
                    let passing = uppy::Passing { head: &head, path, body };
                    // On the heap, as below.
                    Box::pin(self.serve_uppy(&snapshot, passing, &mut exchange)).await
                }
                (None, None) => self.serve(&snapshot, &head, body, &mut exchange).await,
                (None, Some(app)) => {
                    let sender = Sender::new(peer.ip(), &snapshot.config.server);
                    let passing = app::Passing { app, head: &head, body, sender };
                    // On the heap, so that requests to the API do not have to have room for it.
                    Box::pin(self.pass(&snapshot, passing, &mut exchange)).await
                }
            };
            finish(response, &head, exchange)
        }
        .instrument(span)
        .await
    }

    fn refuse_head(&self, status: StatusCode, peer: SocketAddr) -> Response<Self::Body> {
        let snapshot = self.0.snapshot();
        let exchange = self.0.begin_unread(peer, &snapshot);
        let error = framing::unreadable(status, &snapshot.config.server.limits);
        let (nothing_read, ()) = Request::new(()).into_parts();
        finish(self.refuse(&error, &exchange).map(Either::Left), &nothing_read, exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_not_shown() {
        let token = "AQ-_".repeat(30);
        for (path, expected) in [
            (format!("/companion/t/{token}/photos/s3/params"), "/companion/t/(sealed)/photos/s3/params"),
            (format!("//companion/t/%41{token}"), "//companion/t/(sealed)"),
            (
                format!("/companion/photos/s3/multipart/{token}/1"),
                "/companion/photos/s3/multipart/(sealed)/1",
            ),
            ("/api/v1/upload/photos/signed-url".to_owned(), "/api/v1/upload/photos/signed-url"),
            (format!("/{}.html", "a".repeat(200)), &format!("/{}.html", "a".repeat(200))),
        ] {
            assert_eq!(shown(&path), expected, "{path}");
        }
    }
}
