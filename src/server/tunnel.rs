//! A connection that HTTP has handed over (a WebSocket): bytes both ways, whatever they mean.
//!
//! A handler that answers 101 puts a [`Tunnel`] among the reply's extensions. When the reply is out, hyper lets go of the
//! connection, and its task carries bytes from then on: the connection keeps its slots and its owner, and ends with the
//! drain's patience as any other does.

use std::{
    io,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::{
    rt::TokioIo,
    server::conn::auto::upgrade::{Parts, downcast},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{Instant, sleep_until, timeout},
};

use super::{
    connection::LINGER,
    watched::{Returned, Watched},
};
use crate::clock;

/// Bytes that are carried at once, in each direction.
const BUFFER_BYTES: usize = 8 * 1024;

/// Both ends of a connection that is to be handed over.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// The client's, out of its request.
    pub client: OnUpgrade,
    /// The app's, out of its reply.
    pub app: OnUpgrade,
    /// How long it lives when nothing moves in either direction.
    pub idle_timeout: Duration,
}

impl Tunnel {
    /// Carries bytes until the app has closed its end, either end breaks, or nothing has moved for too long. A client that
    /// has closed its own may still listen. `returned` is where hyper leaves the client's connection.
    pub(super) async fn run(self, returned: &Returned) -> io::Result<()> {
        let parts = downcast::<TokioIo<Watched>>(self.client.await.map_err(io::Error::other)?);
        let Parts { io: watched, read_buf: early, .. } = parts.map_err(|_| io::ErrorKind::NotConnected)?;
        drop(watched);
        let client = returned.take().ok_or(io::ErrorKind::NotConnected)?.transport;
        let app = TokioIo::new(self.app.await.map_err(io::Error::other)?);
        let (from_client, to_client) = split(client);
        let (from_app, to_app) = split(app);
        let moved = Moved::default();
        let both = async {
            let mut out = pin!(moved.carry(early, from_client, to_app));
            let mut back = pin!(moved.carry(Bytes::new(), from_app, to_client));
            tokio::select! {
                ended = out.as_mut() => {
                    ended?;
                    back.await
                }
                ended = back.as_mut() => {
                    ended?;
                    // Nobody listens to the client any more. It is given a moment to take the rest, and to hang up.
                    timeout(LINGER, out).await.unwrap_or(Ok(()))
                }
            }
        };
        tokio::select! {
            ended = both => ended,
            () = moved.idle(self.idle_timeout) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// When something moved last.
struct Moved(Mutex<Instant>);

impl Default for Moved {
    fn default() -> Self {
        Self(Mutex::new(clock::instant()))
    }
}

impl Moved {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = clock::instant();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries `early` and then all of `from`, and passes its end on.
    async fn carry(
        &self,
        early: Bytes,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        if !early.is_empty() {
            to.write_all(&early).await?;
            to.flush().await?;
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                return to.shutdown().await;
            };
            self.now();
            to.write_all(piece).await?;
            to.flush().await?;
            self.now();
        }
    }

    /// Resolves when nothing has moved for `limit`.
    async fn idle(&self, limit: Duration) {
        loop {
            let due = self.last() + limit;
            sleep_until(due).await;
            if self.last() + limit <= due {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// Carries one way between two ends that the test holds.
    async fn carried(limit: Duration, test: impl AsyncFnOnce(DuplexStream, DuplexStream)) -> bool {
        let (client, from) = duplex(64);
        let (to, app) = duplex(64);
        let moved = Moved::default();
        let carry = moved.carry(Bytes::from_static(b"early "), from, to);
        let (ended_by_itself, ()) = tokio::join!(
            async {
                tokio::select! {
                    ended = carry => ended.is_ok(),
                    () = moved.idle(limit) => false,
                }
            },
            test(client, app)
        );
        ended_by_itself
    }

    #[tokio::test]
    async fn what_came_with_the_head_goes_first_and_the_end_is_passed_on() {
        let test = async |mut client: DuplexStream, mut app: DuplexStream| {
            client.write_all(b"late").await.unwrap();
            drop(client);
            let mut text = String::new();
            app.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "early late");
        };
        assert!(carried(Duration::from_mins(1), test).await);
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_idle_too() {
        let test = async |mut client: DuplexStream, _app: DuplexStream| {
            // More than every buffer on the way holds.
            let _ = client.write_all(&vec![0; 3 * BUFFER_BYTES]).await;
        };
        assert!(!carried(Duration::from_millis(50), test).await);
    }
}
