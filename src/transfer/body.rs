//! A source's bytes on their way: counted, digested, and never complete before they are proven.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wharf_wire::checksum::ChecksumAlgorithm;

use super::{
    Opened, Side, TransferError,
    digest::{Claim, Digest, Digester},
};
use crate::{
    backend::upstream::{ReplyStream, SendBody, SendError},
    mirror::crash_point::{Point, reached},
};

/// The bytes of an opened source, on their way to a target.
pub(super) struct Copied {
    body: ReplyStream,
    /// Bytes that are still to come.
    missing: u64,
    /// `None` when it is done.
    digester: Option<Digester>,
    /// What the bytes should be.
    claim: Claim,
    /// For what they are.
    done: Option<oneshot::Sender<Digest>>,
}

impl Copied {
    /// The body that has `opened`'s bytes, which are held against `claim`, and what tells their digest behind them.
    pub(super) fn body(
        opened: Opened,
        claim: Claim,
        algorithm: ChecksumAlgorithm,
    ) -> Result<(SendBody, oneshot::Receiver<Digest>), TransferError> {
        let (done, receiver) = oneshot::channel();
        let digester = Some(Digester::new(algorithm));
        let mut copied = Self { body: opened.body, missing: opened.bytes, digester, claim, done: Some(done) };
        if copied.missing > 0 {
            return Ok((SendBody::stream(copied), receiver));
        }
        copied.finish()?;
        Ok((SendBody::Empty, receiver))
    }

    /// Counts a piece. The one that completes the body is verified before any of it leaves.
    fn take(&mut self, piece: &[u8]) -> Result<(), TransferError> {
        let missing = self.missing.checked_sub(piece.len() as u64);
        self.missing = missing.ok_or_else(|| damaged("it is longer than it was said to be"))?;
        if let Some(digester) = &mut self.digester {
            digester.update(piece);
        }
        if self.missing == 0 { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), TransferError> {
        let Some(digest) = self.digester.take().map(Digester::finish) else { return Ok(()) };
        self.claim.verify(&digest.checksum)?;
        reached(Point::TargetLastByte);
        if let Some(done) = self.done.take() {
            // Whoever does not listen does not need it.
            let _ = done.send(digest);
        }
        Ok(())
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransferError>>> {
        if self.missing == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => Ok(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => Err(TransferError::unanswered(Side::Source, error)),
            None => Err(TransferError::Senseless { side: Side::Source, what: "it ended early".to_owned() }),
        };
        Poll::Ready(Some(piece.and_then(|piece| self.take(&piece).map(|()| piece))))
    }
}

fn damaged(what: &str) -> TransferError {
    TransferError::Damaged { side: Side::Source, what: what.to_owned() }
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
