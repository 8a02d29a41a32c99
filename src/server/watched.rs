//! The byte stream of one connection, plain or TLS, as hyper reads and writes it.
//!
//! A head that hyper cannot read it refuses by itself, with a status and nothing else. Such a reply is held back here, and
//! the door gives its own in its place.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{activity::Activity, refusal};

/// A socket, or TLS over one. One type, so that the HTTP stack is compiled once per handler.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A transport that tells [`Activity`] what moves, and returns to the connection's task when hyper lets go of it:
/// hyper drops a stream at once after a parse error, and what comes after is ours to say.
#[derive(Debug)]
pub(super) struct Watched {
    /// There until the drop.
    transport: Option<Transport>,
    activity: Arc<Activity>,
    /// What hyper refused a head with, and believes to have sent.
    refused: Option<StatusCode>,
    returned: Returned,
}

/// What hyper leaves of a connection.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) transport: Transport,
    /// What the peer has yet to be told.
    pub(super) refused: Option<StatusCode>,
}

/// Where a dropped [`Watched`] leaves its transport.
#[derive(Debug, Clone, Default)]
pub(super) struct Returned(Arc<Mutex<Option<Left>>>);

impl Returned {
    pub(super) fn take(&self) -> Option<Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Watched {
    pub(super) fn new(transport: Transport, activity: Arc<Activity>) -> (Self, Returned) {
        let returned = Returned::default();
        let watched =
            Self { transport: Some(transport), activity, refused: None, returned: returned.clone() };
        (watched, returned)
    }

    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        self.transport.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Holds `bytes` back if they are hyper's own refusal: then they stand alone, and there is no reply that they could
    /// be a part of.
    fn hold_back(&mut self, bytes: &[u8]) -> bool {
        let refused = refusal::status(bytes).filter(|_| !self.activity.is_replying());
        self.refused = self.refused.or(refused);
        refused.is_some()
    }

    /// Notes how far a write got.
    fn note_written(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &poll {
            Poll::Pending => self.activity.write_stuck(),
            Poll::Ready(written) => self.activity.write_moved(*written.as_ref().unwrap_or(&0)),
        }
        poll
    }

    /// Notes whether what was written before got anywhere.
    fn note(&self, poll: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match &poll {
            Poll::Pending => self.activity.write_stuck(),
            Poll::Ready(_) => self.activity.write_moved(0),
        }
        poll
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let refused = self.refused;
        let left = self.transport.take().map(|transport| Left { transport, refused });
        *self.returned.0.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = self.transport()?.poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.hold_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = self.transport()?.poll_write(context, bytes);
        self.note_written(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = slices
            && self.hold_back(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = self.transport()?.poll_write_vectored(context, slices);
        self.note_written(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper asks for this when it holds nothing more.
        let poll = self.transport()?.poll_flush(context);
        if poll.is_ready() {
            self.activity.flushed();
        }
        self.note(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(()));
        }
        let poll = self.transport()?.poll_shutdown(context);
        self.note(poll)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
