//! The accept loop of one listener.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};

use super::{
    Certificates, Drain, Handler, Live,
    connection::{Connection, Held},
    slots::{Slot, Slots},
};
use crate::{clock, config::checked::Listener};

/// How long the loop rests when the process has run out of descriptors or memory: the connection stays in the kernel's
/// queue, and a loop that asked again at once would burn a core until another connection closes.
const REST_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Why a door does not open.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}")]
pub struct DoorError {
    address: SocketAddr,
    source: io::Error,
}

/// What a door counts.
#[derive(Debug, Clone, Default)]
pub struct DoorMetrics {
    /// Connections now open.
    pub open: Gauge,
    /// Connections refused because their client had too many.
    pub refused_per_ip: Counter,
    /// Connections cut because they were overdue.
    pub timed_out: Counter,
}

/// A bound listener.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    live: Arc<Live>,
    slots: Arc<Slots>,
    metrics: DoorMetrics,
}

impl Door {
    /// Binds; clients that connect from now on wait in the kernel's queue.
    pub async fn open(
        listener: &Listener,
        certificates: Option<Arc<Certificates>>,
        live: Arc<Live>,
        metrics: DoorMetrics,
    ) -> Result<Self, DoorError> {
        let failed = |source| DoorError { address: listener.listen, source };
        let socket = TcpListener::bind(listener.listen).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { listener: socket, address, certificates, live, slots: Arc::default(), metrics })
    }

    /// Where it listens; the port that was taken if the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the drain begins.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, drain: Drain) {
        loop {
            // A full door leaves clients in the kernel's queue: they are served late rather than turned away.
            let accepted = tokio::select! {
                biased;
                () = drain.begun() => return,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.welcome(accepted, &handler, &drain),
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "a connection could not be accepted");
                    tokio::time::sleep(REST_AFTER_ERROR).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        let slot = self.slot().await;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return Ok(Accepted { slot, stream, peer }),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a slot. A reload may raise the limit meanwhile.
    async fn slot(&self) -> Slot {
        let mut rules = self.live.current.subscribe();
        loop {
            let connections_max = rules.borrow_and_update().limits.connections_max;
            tokio::select! {
                slot = self.slots.acquire(connections_max) => return slot,
                Ok(()) = rules.changed() => {}
            }
        }
    }

    /// Starts a connection's task, unless its client has too many.
    fn welcome<H: Handler>(&self, accepted: Accepted, handler: &Arc<H>, drain: &Drain) {
        let Accepted { slot, stream, peer } = accepted;
        let rules = self.live.current();
        let client_slot = if rules.is_proxy(peer.ip()) {
            None
        } else {
            let Some(slot) = self.slots.acquire_client(peer.ip(), rules.limits.connections_per_ip_max) else {
                self.metrics.refused_per_ip.inc();
                return;
            };
            Some(slot)
        };
        let connection = Connection {
            peer,
            rules,
            handler: Arc::clone(handler),
            certificates: self.certificates.clone(),
            drain: drain.clone(),
            opened: clock::instant(),
            held: Held::new(slot, client_slot, self.metrics.clone()),
        };
        drain.spawn(connection.serve(stream));
    }
}

/// A connection that has its slot at the door.
struct Accepted {
    slot: Slot,
    stream: TcpStream,
    peer: SocketAddr,
}

/// The peer gave up before it was accepted: the next one may be fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
