//! One request and its reply, as logs and metrics see them.

use std::{borrow::Cow, sync::Arc};

use http::StatusCode;
use tokio::time::Instant;
use tracing::Span;

use super::{Context, admission::Permit, authenticate::Identity, rate_limit::Standing};
use crate::{admin::Metrics, clock};

/// Everything about a request that outlives its handler. Dropping it ends the exchange: it is counted and logged then,
/// whether the reply was sent or the client went away.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) context: Context,
    pub(crate) span: Span,
    pub(crate) standing: Standing,
    pub(crate) identity: Option<Identity>,
    /// The route's name, once it is known.
    pub(crate) route: &'static str,
    pub(crate) permit: Option<Permit>,
    /// What the client was told; `None` when it left before.
    pub(crate) status: Option<StatusCode>,
    started: Instant,
    bytes_sent: usize,
    metrics: Arc<Metrics>,
}

impl Exchange {
    pub(crate) fn new(context: Context, span: Span, metrics: Arc<Metrics>) -> Self {
        Self {
            context,
            span,
            standing: Standing::default(),
            identity: None,
            route: "none",
            permit: None,
            status: None,
            started: clock::instant(),
            bytes_sent: 0,
            metrics,
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_sent = self.bytes_sent.saturating_add(bytes);
    }

    fn caller(&self) -> Option<Cow<'_, str>> {
        match self.identity.as_ref()? {
            Identity::Key(key) => Some(key.log_name()),
            Identity::Session(session) => {
                Some(session.maker.key().map_or(Cow::Borrowed("(session)"), |key| key.log_name()))
            }
            // A user's name is the app's business, not the log's.
            Identity::User { .. } => Some(Cow::Borrowed("(user)")),
            Identity::Loopback => None,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.metrics.request(self.route, self.status, duration);
        tracing::info!(
            target: "wharf::access",
            parent: &self.span,
            route = self.route,
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes_sent,
            micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            client = %self.context.client_ip,
            key = self.caller().as_deref(),
        );
    }
}
