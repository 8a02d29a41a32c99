//! The API's door, for what is not the API's: framing, admission, the client's rate, and on to the app.
//!
//! Keys and CORS are the app's own business here. What Wharf has to refuse it refuses in the API's shape.

use http::{Response, request::Parts};
use hyper::body::Incoming;

use crate::{
    app_proxy::{AppProxy, Content, Sender},
    error::Error,
    request::{exchange::Exchange, framing, rate_limit::Standing},
};

use super::{Pipeline, Snapshot};

/// The route's name in metrics, whatever the path.
const ROUTE: &str = "app";

/// A request for the app.
pub(super) struct Passing<'a> {
    pub(super) app: &'a AppProxy,
    pub(super) head: &'a Parts,
    pub(super) body: Incoming,
    pub(super) sender: Sender,
}

/// The straight path; every refusal is an early return.
pub(super) async fn answer(
    pipeline: &Pipeline,
    snapshot: &Snapshot,
    passing: Passing<'_>,
    exchange: &mut Exchange,
) -> Result<Response<Content>, Error> {
    let Passing { app, head, body, sender } = passing;
    let limits = &snapshot.config.server.limits;
    exchange.route = ROUTE;
    framing::check_framing(head, limits)?;
    pipeline.admit(snapshot, exchange)?;
    let reply = app.pass(head, body, sender, limits).await?;
    // The app may have limits of its own, and headers that say so.
    exchange.standing = Standing::default();
    Ok(reply)
}
