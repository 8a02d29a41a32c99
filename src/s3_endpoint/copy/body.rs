//! A source's bytes on their way: counted, digested, and never complete before they are proven.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderName;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wharf_wire::checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher};

use super::{super::reply::upstream_error, source::Opened};
use crate::{
    backend::upstream::{ReplyStream, SendBody, SendError},
    error::S3Error,
};

const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// What the source's provider says of the object's bytes, held against what came of them so far.
#[derive(Debug, Clone)]
pub(super) struct Digest(Option<(Checksum, ChecksumHasher)>);

impl Digest {
    /// By the checksum in the headers of a source that was opened whole: some stores send the same with a range of it. That
    /// of a multipart upload may be a checksum of checksums, which says nothing of bytes.
    pub(super) fn of(opened: &Opened) -> Self {
        let headers = &opened.headers;
        let is_composite = headers.get(CHECKSUM_TYPE).is_some_and(|kind| kind == "COMPOSITE");
        let found = ChecksumAlgorithm::ALL.into_iter().find_map(|algorithm| {
            let expected = Checksum::parse(algorithm, headers.get(algorithm.header())?.as_bytes()).ok()?;
            Some((expected, ChecksumHasher::new(algorithm)))
        });
        Self(found.filter(|_| opened.is_whole && !is_composite))
    }

    fn update(&mut self, data: &[u8]) {
        if let Some((_, hasher)) = &mut self.0 {
            hasher.update(data);
        }
    }

    fn verify(&self) -> Result<(), S3Error> {
        match &self.0 {
            Some((expected, hasher)) if hasher.clone().finish() != *expected => {
                Err(upstream_error("the source is not what its checksum says"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The bytes of an opened source, on their way to a target.
pub(super) struct Copied {
    body: ReplyStream,
    /// Bytes that are still to come.
    missing: u64,
    digest: Digest,
    /// Nothing follows these bytes: the digest is that of the whole.
    is_last: bool,
    /// For the digest as it is behind these bytes.
    done: Option<oneshot::Sender<Digest>>,
}

impl Copied {
    /// The body that has `opened`'s bytes, and what tells the digest behind them.
    pub(super) fn body(
        opened: Opened,
        digest: Digest,
        is_last: bool,
    ) -> Result<(SendBody, oneshot::Receiver<Digest>), S3Error> {
        let (done, receiver) = oneshot::channel();
        let mut copied = Self { body: opened.body, missing: opened.bytes, digest, is_last, done: Some(done) };
        if copied.missing > 0 {
            return Ok((SendBody::stream(copied), receiver));
        }
        copied.finish()?;
        Ok((SendBody::Empty, receiver))
    }

    /// Counts a piece. The one that completes the body is verified before any of it leaves.
    fn take(&mut self, piece: &[u8]) -> Result<(), S3Error> {
        let missing = self.missing.checked_sub(piece.len() as u64);
        self.missing =
            missing.ok_or_else(|| upstream_error("the source is longer than it was said to be"))?;
        self.digest.update(piece);
        if self.missing == 0 { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), S3Error> {
        if self.is_last {
            self.digest.verify()?;
        }
        if let Some(done) = self.done.take() {
            // Whoever does not listen does not need it.
            let _ = done.send(self.digest.clone());
        }
        Ok(())
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        if self.missing == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => Ok(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => Err(S3Error::from(error)),
            None => Err(upstream_error("the source ended early")),
        };
        Poll::Ready(Some(piece.and_then(|piece| self.take(&piece).map(|()| piece))))
    }
}

impl Body for Copied {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let piece = ready!(self.get_mut().poll_piece(context));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(SendError::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.missing)
    }
}
