//! The API's door, for Uppy: framing, preflight, admission, route, authentication by token or key, body, handler.
//!
//! Replies have Uppy's shapes, errors too, and more pages' worth of permissions: its clients send headers of their own.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    companion::{self, Asked},
    error::Error,
    request::{body, exchange::Exchange, framing},
    upload_api::Asking,
};

use super::{Pipeline, Snapshot};

/// Of every path: which ones a path has, its 405 says.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS, DELETE");

/// A request below the base.
pub(super) struct Passing<'a> {
    pub(super) head: &'a Parts,
    /// What follows the base in its path.
    pub(super) path: &'a str,
    pub(super) body: Incoming,
}

/// The straight path; every refusal is an early return.
pub(super) async fn answer(
    pipeline: &Pipeline,
    snapshot: &Snapshot,
    passing: Passing<'_>,
    exchange: &mut Exchange,
) -> Result<Response<Full<Bytes>>, Error> {
    let Passing { head, path, body } = passing;
    let limits = &snapshot.config.server.limits;
    framing::check(head, limits)?;
    if let Some(response) = snapshot.companion_cors.preflight(head, |_| Some(METHODS)) {
        return Ok(response);
    }
    pipeline.admit(snapshot, exchange)?;
    let route = companion::route(&head.method, path)?;
    exchange.route = route.operation.name();
    let now = exchange.context.received;
    let pending = match route.token {
        Some(token) => snapshot.authenticator.page(token, &snapshot.sealer, now),
        None => snapshot.authenticator.begin(head, &exchange.context),
    }?;
    let body = body::read(&head.headers, body, limits).await?;
    let identity = pending.finish(&body)?;
    exchange.standing.tighten(snapshot.rate_limits.identity(&identity)?);
    let identity = exchange.identity.insert(identity);
    let asked = Asked {
        route: &route,
        asking: Asking { identity, context: &exchange.context },
        query: head.uri.query().unwrap_or_default(),
        body: &body,
        accepts_json: accepts_json(&head.headers),
    };
    companion::answer(&snapshot.api, &asked, &mut exchange.standing).await
}

/// Version 5 of the plugin says that it does. Version 6 leaves it to the browser, which says that it takes anything.
fn accepts_json(headers: &HeaderMap) -> bool {
    let is_json = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"application/json");
    headers.get(header::ACCEPT).is_some_and(is_json)
}
