//! One HTTP/1.1 listener: it accepts, serves and, when told to stop, lets requests in flight finish for a while.
//!
//! Nothing here is fit for a public address (there are no limits on rates or bodies); it is for the loopback interface.

use std::{io, net::SocketAddr, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use s3s::{HttpError, HttpResponse};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time,
};

/// More would let one page that leaks connections use up the process's file descriptors.
const CONNECTIONS_MAX: usize = 512;

/// How long requests in flight may go on once the listener was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// After `accept` failed (most often: no descriptor is free), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running listener. Dropping it ends it at once; [`stop`](Self::stop) ends it well.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: AbortOnDrop,
}

impl Listener {
    /// Serves `service` on a socket that is already bound.
    pub(crate) fn start(socket: TcpListener, service: impl Service) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let accepting = AbortOnDrop(tokio::spawn(accept_until(stopped, socket, service)));
        Ok(Self { address, stop, accepting })
    }

    /// The address it listens on, with the port that it really has.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more and waits for what is in flight, at most [`DRAIN_TIMEOUT`].
    pub(crate) async fn stop(mut self) {
        // The receiver is gone only when the loop has ended already.
        let _ = self.stop.send(());
        if let Err(error) = (&mut self.accepting.0).await {
            tracing::warn!(%error, "the accept loop did not end well");
        }
    }
}

/// What can be served: a function from a request to a response that many connections share.
pub(crate) trait Service:
    hyper::service::Service<Request<Incoming>, Response = HttpResponse, Error = HttpError, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Service for S where
    S: hyper::service::Service<Request<Incoming>, Response = HttpResponse, Error = HttpError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// A task that ends with its owner.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept_until(mut stopped: oneshot::Receiver<()>, socket: TcpListener, service: impl Service) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    let connection = graceful.watch(connection(stream, service.clone()));
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(socket);
    if time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight after {DRAIN_TIMEOUT:?}");
    }
}

fn connection<S: Service>(stream: TcpStream, service: S) -> http1::Connection<TokioIo<TcpStream>, S> {
    // With Nagle's algorithm on, a small answer on a kept-alive connection waits 40 ms for the client's delayed ACK.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service)
}
