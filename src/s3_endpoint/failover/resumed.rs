//! A download that outlives its store: where it breaks off, it goes on with the next byte of the same object at another
//! store. The client sees one body.
//!
//! ```text
//! Reading ── breaks off ──▶ Looking: who has this very object? ──▶ Reading, from the next byte on
//!                              └─ nobody: the break is the client's to see
//! ```
//!
//! Only the same bytes will do: the object is asked for by the `ETag` that the journal recorded for it and by the range that
//! is missing, and the answer is believed when it is about exactly those. Else the client's connection is cut.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{
    copy::Extent,
    stores::{Missing, Stores},
};
use crate::backend::upstream::{ReplyStream, UpstreamError};

/// How often one download may go on elsewhere. A store that breaks off time and again would never end.
const RESUMPTIONS_MAX: u32 = 8;

/// The body of such a download.
pub struct Resumed {
    state: State,
    stores: Stores,
    /// The primary's.
    etag: String,
    /// What has not come yet.
    missing: Extent,
    resumptions: u32,
}

enum State {
    Reading(ReplyStream),
    Looking { search: Search, broken: UpstreamError },
}

type Search = Pin<Box<dyn Future<Output = Option<ReplyStream>> + Send>>;

impl Resumed {
    /// `body` has what is `missing` of the object with this `etag` at the primary.
    pub(super) fn new(body: ReplyStream, stores: Stores, etag: String, missing: Extent) -> Self {
        Self { state: State::Reading(body), stores, etag, missing, resumptions: 0 }
    }

    /// Looks for another store, if that can help.
    fn look(&mut self, broken: UpstreamError) -> Result<(), UpstreamError> {
        if self.missing.first >= self.missing.end || self.resumptions >= RESUMPTIONS_MAX {
            return Err(broken);
        }
        self.resumptions += 1;
        let stores = self.stores.clone();
        let missing = Missing { etag: self.etag.clone(), extent: self.missing };
        let search: Search = Box::pin(async move { stores.find(&missing).await });
        // Frees the place at the store that broke off.
        drop(mem::replace(&mut self.state, State::Looking { search, broken }));
        Ok(())
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.missing.first = self.missing.first.saturating_add(bytes);
    }

    fn is_complete(&self) -> bool {
        self.missing.first >= self.missing.end
    }
}

impl Body for Resumed {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Reading(body) => match ready!(Pin::new(body).poll_frame(context)) {
                    Some(Err(broken)) => this.look(broken)?,
                    Some(Ok(frame)) => {
                        this.count(&frame);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    None => return Poll::Ready(None),
                },
                State::Looking { search, broken } => match ready!(search.as_mut().poll(context)) {
                    Some(body) => this.state = State::Reading(body),
                    None => return Poll::Ready(Some(Err(broken.clone()))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Reading(body) => body.is_end_stream(),
            State::Looking { .. } => self.is_complete(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.missing.end.saturating_sub(self.missing.first))
    }
}

impl fmt::Debug for Resumed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resumed").field("missing", &self.missing).finish_non_exhaustive()
    }
}
