//! One HTTP/1.1 connection, driven by whoever waits for it.
//!
//! hyper's connection is a future that somebody must poll. In a task of its own it would cost each request four wake-ups:
//! to hand the request over, to be told of the reply, and the same again for the body. Here the request's own task polls
//! it, first for the head of the reply and then for its body, and nobody polls it while it is idle: what its peer did
//! meanwhile is seen before anything is written.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, SendRequest},
    },
    header::HeaderValue,
};

use super::{connect::Stream, sending::Tracked};

/// A connection, until it is dropped: that closes it, whatever is under way.
pub(super) struct Http1 {
    sender: SendRequest<Tracked>,
    /// None once it has ended. Nobody ever locks it: a reply can be looked at from any thread, and this is not looked at.
    driver: Option<Mutex<Driver>>,
}

/// What reads and writes. hyper has no name for the type of a connection that can be upgraded.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Http1 {
    pub(super) async fn over(stream: Stream, builder: &Builder) -> hyper::Result<Self> {
        let (sender, connection) = builder.handshake(stream).await?;
        Ok(Self { sender, driver: Some(Mutex::new(Box::pin(connection.with_upgrades()))) })
    }

    /// Sends `request`, whose URI is absolute, and waits for the head of the reply. The error has the request if nothing of
    /// it was written.
    pub(super) async fn exchange(
        &mut self,
        mut request: Request<Tracked>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Tracked>>> {
        name_host(&mut request);
        *request.uri_mut() = origin_form(request.uri());
        let mut reply = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let reply = poll_fn(|context| {
            let _ = drive(driver, context);
            reply.as_mut().poll(context)
        })
        .await?;
        if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
            // With its end, hyper hands over what it was made of.
            poll_fn(|context| drive(driver, context)).await;
        }
        Ok(reply)
    }

    /// Moves what is to be read and written, as far as that goes without waiting.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        let _ = drive(&mut self.driver, context);
    }

    /// Whether request and reply are over, to the last byte, and another may follow.
    pub(super) fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Ready when the connection has ended. What went wrong is told to whoever waits for the reply or reads it.
fn drive(driver: &mut Option<Mutex<Driver>>, context: &mut Context<'_>) -> Poll<()> {
    if let Some(driver) = driver {
        let driver = driver.get_mut().unwrap_or_else(PoisonError::into_inner);
        ready!(driver.as_mut().poll(context))
            .unwrap_or_else(|error| tracing::debug!(%error, "a connection broke"));
    }
    *driver = None;
    Poll::Ready(())
}

fn name_host(request: &mut Request<Tracked>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = authority {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// What a request line to a server has: path and query.
fn origin_form(uri: &Uri) -> Uri {
    Uri::from(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
}

impl fmt::Debug for Http1 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Http1").field("is_idle", &self.is_idle()).finish_non_exhaustive()
    }
}
