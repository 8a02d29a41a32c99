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
        self, XmlError,
        rewrite::{Names, Rewriter},
    },
};

use super::{copy::Working, failover::Resumed};
use crate::{
    backend::upstream::{ReplyStream, UpstreamError},
    error::{Fault, S3Error},
    mirror::{Intents, state::Outcome, tee::quoted},
    transfer::{Answer, Side, late_error},
    webhooks::{NotRecorded, Telling},
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

/// Bytes of a document of which Wharf itself wants to know something. S3's have some hundred, and white space before them.
const SHORT_BYTES_MAX: usize = 64 * 1024;

/// Passes a short document on with the caller's names, and gives it as it came.
pub(super) async fn pass_read(
    reply: Response<ReplyStream>,
    names: Names,
) -> Result<(Response<Content>, Bytes), S3Error> {
    let (mut head, body) = succeeded(reply).await?.into_parts();
    let document = body.read(SHORT_BYTES_MAX).await?;
    let (mut rewriter, mut out) = (Rewriter::new(names), BytesMut::new());
    let rewritten = rewriter.push(&document, &mut out).and_then(|()| rewriter.finish());
    rewritten.map_err(|error| upstream_error(error.to_string()))?;
    head.headers.insert(header::CONTENT_LENGTH, out.len().into());
    Ok((Response::from_parts(head, Content::Whole(Full::from(out.freeze()))), document))
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
    /// What the reply's end waits for, once the document has ended.
    telling: Option<Telling>,
    /// The document as it comes, where mirrors wait for the `ETag` in it.
    said: BytesMut,
}

impl Rewritten {
    fn new(body: ReplyStream, names: Names, intents: Intents) -> Self {
        let (rewriter, said) = (Rewriter::new(names), BytesMut::new());
        Self { front: None, body, rewriter, is_finished: false, intents, telling: None, said }
    }

    /// Waits for the first piece.
    async fn begin(&mut self) -> Result<(), UpstreamError> {
        self.front = poll_fn(|context| self.poll_rewritten(context)).await.transpose()?;
        Ok(())
    }

    /// The document has ended, whole.
    fn settle(&mut self) -> Telling {
        let intents = std::mem::take(&mut self.intents);
        if self.rewriter.root() == Some("Error") {
            // A late error does not say how far the work came.
            intents.settle(Outcome::Unknown);
            return Telling::default();
        }
        let etag = xml::read_completed(&self.said).ok().map(|completed| quoted(&completed.etag));
        intents.settle_changed(etag)
    }

    /// Keeps what may be needed to settle. A longer document than S3's is none that mirrors wait for.
    fn hear(&mut self, input: &[u8]) {
        if self.intents.are_judged() && self.said.len() + input.len() <= SHORT_BYTES_MAX {
            self.said.extend_from_slice(input);
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        match self.front.take() {
            Some(front) => Poll::Ready(Some(Ok(front))),
            None => self.poll_rewritten(context),
        }
    }

    /// The next piece that is not empty. A document that cannot be rewritten breaks the reply off: its beginning may
    /// have been sent, and its rest could name what the caller must not see. So does a success that cannot be acknowledged.
    fn poll_rewritten(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        let broken = |error| UpstreamError::Http(format!("the document cannot be passed on: {error}"));
        let unrecorded = |error: NotRecorded| UpstreamError::Http(error.to_string());
        let mut out = BytesMut::new();
        while !self.is_finished {
            if let Some(telling) = &mut self.telling {
                ready!(Pin::new(telling).poll(context)).map_err(unrecorded)?;
                self.is_finished = true;
            } else if let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) {
                let input = frame?.into_data().unwrap_or_default();
                self.hear(&input);
                self.rewriter.push(&input, &mut out).map_err(broken)?;
            } else {
                self.rewriter.finish().map_err(broken)?;
                self.telling = Some(self.settle());
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
