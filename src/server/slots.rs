//! How many connections are open, in all and per client.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, mapref::entry::Entry};
use tokio::sync::Notify;

/// The connections of one door. The bound is an argument, so that a reload can change it.
#[derive(Debug, Default)]
pub(super) struct Slots {
    open: AtomicUsize,
    freed: Notify,
    /// Never larger than the number of open connections.
    by_client: DashMap<IpAddr, usize>,
}

/// One open connection; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
}

/// One open connection of a client; dropping it frees the client's share.
#[derive(Debug)]
pub(super) struct ClientSlot {
    slots: Arc<Slots>,
    client: IpAddr,
}

impl Slots {
    /// Waits until fewer than `max` connections are open. One task at a time may wait.
    pub(super) async fn acquire(self: &Arc<Self>, max: usize) -> Slot {
        loop {
            // A connection that closes between the check and the wait leaves its notice behind.
            if self.open.load(Ordering::Acquire) < max {
                self.open.fetch_add(1, Ordering::AcqRel);
                return Slot { slots: Arc::clone(self) };
            }
            self.freed.notified().await;
        }
    }

    /// Counts a connection of `address`, unless `max` of them are open.
    pub(super) fn acquire_client(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<ClientSlot> {
        let client = client(address);
        let mut open = self.by_client.entry(client).or_insert(0);
        if *open >= max {
            return None;
        }
        *open += 1;
        drop(open);
        Some(ClientSlot { slots: Arc::clone(self), client })
    }
}

/// One client: an IPv4 address, or an IPv6 /64, which is what one household or one attacker is given whole.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::AcqRel);
        self.slots.freed.notify_one();
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let Entry::Occupied(mut open) = self.slots.by_client.entry(self.client) else { return };
        *open.get_mut() = open.get().saturating_sub(1);
        if *open.get() == 0 {
            open.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_its_share_and_no_more() {
        let slots = Arc::new(Slots::default());
        let address = "192.0.2.1".parse().unwrap();
        let first = slots.acquire_client(address, 2);
        let second = slots.acquire_client(address, 2);
        assert!(first.is_some() && second.is_some());
        assert!(slots.acquire_client(address, 2).is_none());
        assert!(slots.acquire_client("192.0.2.2".parse().unwrap(), 2).is_some());
        drop(first);
        assert!(slots.acquire_client(address, 2).is_some());
    }

    #[test]
    fn nothing_is_kept_of_clients_that_left() {
        let slots = Arc::new(Slots::default());
        drop(slots.acquire_client("192.0.2.1".parse().unwrap(), 1));
        assert!(slots.by_client.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let client_of = |text: &str| client(text.parse().unwrap());
        assert_eq!(client_of("2001:db8::1"), client_of("2001:db8::ffff:1"));
        assert_ne!(client_of("2001:db8::1"), client_of("2001:db8:0:1::1"));
        assert_eq!(client_of("::ffff:192.0.2.1"), client_of("192.0.2.1"));
    }

    #[tokio::test]
    async fn a_full_door_waits_for_a_free_slot() {
        let slots = Arc::new(Slots::default());
        let first = slots.acquire(1).await;
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.acquire(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }
}
