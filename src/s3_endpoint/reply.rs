//! The provider's reply on its way to the caller: headers by allow-list, names in the caller's words, errors in Wharf's
//! own document.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use wharf_wire::{
    s3::{ErrorCode, headers},
    xml::{
        XmlError,
        rewrite::{Names, Rewriter},
    },
};

use super::{copy::Working, failover::Resumed};
use crate::{
    backend::upstream::{ReplyStream, UpstreamError},
    error::{Fault, S3Error},
    mirror::{Intents, state::Outcome},
    transfer::{Answer, Side, late_error},
};

/// The body of a reply to an S3 client.
#[derive(Debug)]
pub enum Content {
    /// At hand.
    Whole(Full<Bytes>),
    /// As it comes from the provider.
    Stream(ReplyStream),
    /// The same, from wherever the object is while its store breaks off.
    Resumed(Box<Resumed>),
    /// As it comes, with the caller's names put in.
    Rewritten(Box<Rewritten>),
    /// Still being worked on by Wharf itself.
    Working(Box<Working>),
}

/// Passes a reply on as it is, or as the error that it is.
pub(super) async fn pass(reply: Response<ReplyStream>) -> Result<Response<Content>, S3Error> {
    let reply = succeeded(reply).await?;
    Ok(reply.map(Content::Stream))
}

/// Passes a document on with the caller's names. What is no document can still be told as an error before the first piece
/// has left.
pub(super) async fn pass_renamed(
    reply: Response<ReplyStream>,
    names: Names,
) -> Result<Response<Content>, S3Error> {
    pass_settled(reply, names, Intents::default()).await
}

/// The same, where the document tells what came of `intents`: a result or, below a 200, an error.
pub(super) async fn pass_settled(
    reply: Response<ReplyStream>,
    names: Names,
    intents: Intents,
) -> Result<Response<Content>, S3Error> {
    let (mut head, body) = succeeded(reply).await?.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let mut document = Rewritten::new(body, names, intents);
    document.begin().await.map_err(|error| upstream_error(error.to_string()))?;
    Ok(Response::from_parts(head, Content::Rewritten(Box::new(document))))
}

/// A reply with the headers that S3 clients may see, or the provider's error. "Not modified" is no error.
pub(super) async fn succeeded(mut reply: Response<ReplyStream>) -> Result<Response<ReplyStream>, S3Error> {
    let status = reply.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        keep_allowed(reply.headers_mut());
        return Ok(reply);
    }
    Err(S3Error::of_answer(&Answer::read(reply).await))
}

/// Most of a reply's headers pass, so those that do not are taken out.
pub(super) fn keep_allowed(headers: &mut HeaderMap) {
    let held: Vec<HeaderName> =
        headers.keys().filter(|name| !headers::reply(name.as_str())).cloned().collect();
    for name in held {
        headers.remove(name);
    }
}

/// What an answer of 200 is that is no result: the error that came late, or nothing of S3's.
pub(super) fn no_result(answer: &[u8], why: XmlError) -> S3Error {
    late_error(Side::Target, answer, why).into()
}

/// A failure that is the provider's, for reasons that mean nothing to the caller.
pub(super) fn upstream_error(cause: impl Into<String>) -> S3Error {
    S3Error { fault: Fault::Upstream, ..S3Error::from(ErrorCode::InternalError).cause(cause) }
}

/// A document that is rewritten while it streams.
#[derive(Debug)]
pub struct Rewritten {
    /// Rewritten, and not handed over yet.
    front: Option<Bytes>,
    body: ReplyStream,
    rewriter: Rewriter,
    is_finished: bool,
    /// Settled with the end of the document; dropped with a client that left before.
    intents: Intents,
}

impl Rewritten {
    fn new(body: ReplyStream, names: Names, intents: Intents) -> Self {
        Self { front: None, body, rewriter: Rewriter::new(names), is_finished: false, intents }
    }

    /// Waits for the first piece.
    async fn begin(&mut self) -> Result<(), UpstreamError> {
        self.front = poll_fn(|context| self.poll_rewritten(context)).await.transpose()?;
        Ok(())
    }

    /// The document has ended, whole.
    fn settle(&mut self) {
        let is_error = self.rewriter.root() == Some("Error");
        // A late error does not say how far the work came.
        let outcome = if is_error { Outcome::Unknown } else { Outcome::Changed };
        std::mem::take(&mut self.intents).settle(outcome);
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        match self.front.take() {
            Some(front) => Poll::Ready(Some(Ok(front))),
            None => self.poll_rewritten(context),
        }
    }

    /// The next piece that is not empty. A document that cannot be rewritten breaks the reply off: its beginning may
    /// have been sent, and its rest could name what the caller must not see.
    fn poll_rewritten(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        let broken = |error| UpstreamError::Http(format!("the document cannot be passed on: {error}"));
        let mut out = BytesMut::new();
        while !self.is_finished {
            if let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) {
                let input = frame?.into_data().unwrap_or_default();
                self.rewriter.push(&input, &mut out).map_err(broken)?;
            } else {
                self.is_finished = true;
                self.rewriter.finish().map_err(broken)?;
                self.settle();
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(out.freeze())));
            }
        }
        Poll::Ready(None)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
            Self::Resumed(body) => Pin::new(&mut **body).poll_frame(context),
            Self::Rewritten(body) => body.poll_piece(context).map_ok(Frame::data),
            Self::Working(body) => {
                body.poll_piece(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Resumed(body) => body.is_end_stream(),
            Self::Rewritten(body) => body.is_finished && body.front.is_none(),
            Self::Working(body) => body.is_finished(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
            Self::Resumed(body) => body.size_hint(),
            Self::Rewritten(_) | Self::Working(_) => SizeHint::default(),
        }
    }
}
