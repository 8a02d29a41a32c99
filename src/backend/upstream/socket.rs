//! A TCP connection to a provider, with two habits that HTTP on top of it needs.
//!
//! A provider that refuses an upload answers, closes, and resets what still comes. The write then fails while the answer
//! lies in the receive buffer. So a failed write counts as done, and what happened is left to the reading side to tell:
//! the answer, or the end of the connection.
//!
//! And a write that finds no room for too long fails: a peer that takes nothing would hold the connection for ever.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::net::TcpStream;

use super::{UpstreamError, patience::Patience};

/// The connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TokioIo<TcpStream>,
    stall: Duration,
    stuck: Patience,
    /// A write has failed: nothing more is sent.
    is_broken: bool,
}

impl Socket {
    pub(super) fn new(stream: TokioIo<TcpStream>, stall: Duration) -> Self {
        Self { stream, stall, stuck: Patience::default(), is_broken: false }
    }

    /// What becomes of a write of `bytes` that came to `polled`.
    fn judge(
        &mut self,
        bytes: usize,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = polled else {
            let late = UpstreamError::Timeout(self.stall);
            let ready = self.stuck.poll(self.stall, context);
            return ready.map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, late)));
        };
        self.stuck.restart();
        self.is_broken = written.is_err();
        Poll::Ready(Ok(written.unwrap_or(bytes)))
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(bytes.len(), polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        if self.is_broken {
            return Poll::Ready(Ok(bytes));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(bytes, polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, Interest},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn the_answer_can_be_read_after_a_write_that_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.write_all(b"a body that nobody reads").await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.readable().await.unwrap();
        peer.write_all(b"no").await.unwrap();
        // Closed with unread bytes, and so reset.
        drop(peer);
        stream.ready(Interest::ERROR).await.unwrap();

        let mut socket = TokioIo::new(Socket::new(TokioIo::new(stream), Duration::from_secs(30)));
        for _ in 0..3 {
            socket.write_all(b"more of it").await.unwrap();
        }
        let mut answer = [0; 2];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"no");
        assert!(matches!(socket.read(&mut answer).await, Ok(0) | Err(_)), "and then the end");
    }
}
