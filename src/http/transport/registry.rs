//! The open connections of a listener, and the eviction of waiting ones.
//!
//! Waiting connections do not block new ones: when the limit of an address or of the listener is
//! reached, the oldest connection that waits for its peer is closed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use ipnet::IpNet;

use super::cut_offs::{CutOff, CutOffs};
use crate::domain::client_info::network_of;

/// The maximum number of connections.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimits {
    /// In total.
    pub(crate) maximum: usize,
    /// From one IPv4 address or one IPv6 /64 network.
    pub(crate) per_address: usize,
}

/// Counts of connections since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TransportCounts {
    pub(crate) open: u64,
    pub(crate) maximum: u64,
    /// Closed to make room for a new one.
    pub(crate) evicted: u64,
    /// Refused because every other connection was busy.
    pub(crate) refused: u64,
    /// Closed because a request timed out.
    pub(crate) request_timeouts: u64,
    /// Closed because the peer did not read a response in time.
    pub(crate) response_timeouts: u64,
    /// Closed because of a request that is malformed, ambiguous or too large.
    pub(crate) invalid_requests: u64,
    /// Closed because of too many HTTP/2 frames.
    pub(crate) frame_floods: u64,
    /// Requests that were refused because their HTTP/2 connection had no room for them.
    pub(crate) refused_streams: u64,
    /// Closed because the TLS handshake failed.
    pub(crate) failed_handshakes: u64,
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct ConnectionRegistry {
    limits: ConnectionLimits,
    /// Networks without a limit per address, which a reload of the settings replaces.
    unlimited: RwLock<Vec<IpNet>>,
    open: Mutex<OpenConnections>,
    cut_offs: CutOffs,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next_id: u64,
    /// Oldest first.
    all: BTreeMap<u64, OpenConnection>,
    /// The same connections by network.
    by_network: HashMap<Option<IpAddr>, BTreeSet<u64>>,
}

#[derive(Debug)]
struct OpenConnection {
    address: Option<IpAddr>,
    network: Option<IpAddr>,
    /// False for a connection from a proxy.
    is_limited: bool,
    handle: Arc<ConnectionHandle>,
}

/// The state that the registry and the stream of a connection share.
#[derive(Debug)]
struct ConnectionHandle {
    /// True while the connection waits for its peer, so that it can be closed without loss.
    is_waiting: AtomicBool,
    is_evicted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// The entry of a connection in the registry; dropping it removes the entry.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<ConnectionRegistry>,
    id: u64,
    address: Option<IpAddr>,
    handle: Arc<ConnectionHandle>,
}

/// Counts and logs what is cut off of one connection.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    registry: Arc<ConnectionRegistry>,
    address: Option<IpAddr>,
}

impl ConnectionRegistry {
    /// The registry of the listener of the API, without connections. Networks without a limit per
    /// address are proxies, whose connections belong to many clients.
    pub(crate) fn new(limits: ConnectionLimits, unlimited: Vec<IpNet>) -> Arc<Self> {
        Self::of_listener(limits, unlimited, CutOffs::new("http"))
    }

    /// A registry of the operations listener, without connections. Its cut-offs count with those of
    /// this registry.
    pub(crate) fn for_operations(&self, limits: ConnectionLimits) -> Arc<Self> {
        Self::of_listener(limits, Vec::new(), self.cut_offs.of_another("operations"))
    }

    fn of_listener(
        limits: ConnectionLimits,
        unlimited: Vec<IpNet>,
        cut_offs: CutOffs,
    ) -> Arc<Self> {
        let unlimited = RwLock::new(unlimited);
        Arc::new(Self { limits, unlimited, open: Mutex::default(), cut_offs })
    }

    /// Replaces the networks without a limit per address, for connections that are opened from now
    /// on.
    pub(crate) fn set_unlimited(&self, networks: Vec<IpNet>) {
        *self.unlimited.write().unwrap_or_else(PoisonError::into_inner) = networks;
    }

    fn is_unlimited(&self, address: IpAddr) -> bool {
        let networks = self.unlimited.read().unwrap_or_else(PoisonError::into_inner);
        networks.iter().any(|network| network.contains(&address))
    }

    /// Registers a new connection, and evicts a waiting one if a limit is reached; `None` when all
    /// connections are busy.
    pub(crate) fn register(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Registration> {
        let address = address.map(|address| address.to_canonical());
        let is_limited = address.is_some_and(|address| !self.is_unlimited(address));
        let network = address.map(network_of);
        let mut open = self.lock();
        let same_network = open.by_network.get(&network).map_or(0, BTreeSet::len);
        let is_room = (!is_limited
            || same_network < self.limits.per_address
            || self.evict(&mut open, OpenConnections::oldest_waiting_of, network))
            && (open.all.len() < self.limits.maximum
                || self.evict(&mut open, |open, _| open.oldest_waiting(), network));
        if !is_room {
            drop(open);
            self.cut_offs.record(CutOff::Refused, address);
            return None;
        }
        let handle = Arc::new(ConnectionHandle {
            is_waiting: AtomicBool::new(true),
            is_evicted: AtomicBool::new(false),
            waker: Mutex::new(None),
        });
        let connection =
            OpenConnection { address, network, is_limited, handle: Arc::clone(&handle) };
        let id = open.add(connection);
        drop(open);
        Some(Registration { registry: Arc::clone(self), id, address, handle })
    }

    /// The maximum number of connections.
    pub(crate) fn maximum(&self) -> usize {
        self.limits.maximum
    }

    /// Closes a waiting connection to make room; false when there is none.
    fn evict(
        &self,
        open: &mut OpenConnections,
        oldest: impl Fn(&OpenConnections, Option<IpAddr>) -> Option<u64>,
        network: Option<IpAddr>,
    ) -> bool {
        let id = oldest(open, network);
        let Some(connection) = id.and_then(|id| open.remove(id)) else { return false };
        connection.handle.is_evicted.store(true, Ordering::Release);
        let waker = lock(&connection.handle.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
        self.cut_offs.record(CutOff::Evicted, connection.address);
        true
    }

    /// Counts of connections since the start. Those that were cut off include the operations
    /// listener.
    pub(crate) fn counts(&self) -> TransportCounts {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        TransportCounts {
            open: number(self.lock().all.len()),
            maximum: number(self.limits.maximum),
            evicted: self.cut_offs.total(CutOff::Evicted),
            refused: self.cut_offs.total(CutOff::Refused),
            request_timeouts: self.cut_offs.total(CutOff::RequestTimeout),
            response_timeouts: self.cut_offs.total(CutOff::ResponseTimeout),
            invalid_requests: self.cut_offs.total(CutOff::InvalidRequest),
            frame_floods: self.cut_offs.total(CutOff::FrameFlood),
            refused_streams: self.cut_offs.total(CutOff::RefusedStream),
            failed_handshakes: self.cut_offs.total(CutOff::FailedHandshake),
        }
    }

    /// Counts and logs a TLS handshake that failed.
    pub(crate) fn record_failed_handshake(&self, error: &io::Error, address: Option<IpAddr>) {
        self.cut_offs.record_caused(CutOff::FailedHandshake, address, Some(error));
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        lock(&self.open)
    }
}

impl OpenConnections {
    fn add(&mut self, connection: OpenConnection) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.by_network.entry(connection.network).or_default().insert(id);
        self.all.insert(id, connection);
        id
    }

    /// Removes a connection, unless eviction has already removed it.
    fn remove(&mut self, id: u64) -> Option<OpenConnection> {
        let connection = self.all.remove(&id)?;
        if let Some(same_network) = self.by_network.get_mut(&connection.network) {
            same_network.remove(&id);
            if same_network.is_empty() {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }

    fn oldest_waiting_of(&self, network: Option<IpAddr>) -> Option<u64> {
        let mut same_network = self.by_network.get(&network).into_iter().flatten().copied();
        same_network.find(|id| self.all.get(id).is_some_and(OpenConnection::is_waiting))
    }

    /// The oldest waiting connection. Connections from proxies come last, because many clients
    /// share them.
    fn oldest_waiting(&self) -> Option<u64> {
        let oldest = |is_limited: bool| {
            let mut connections = self.all.iter();
            let found = connections.find(|(_, connection)| {
                connection.is_limited == is_limited && connection.is_waiting()
            });
            found.map(|(id, _)| *id)
        };
        oldest(true).or_else(|| oldest(false))
    }
}

impl OpenConnection {
    fn is_waiting(&self) -> bool {
        self.handle.is_waiting.load(Ordering::Relaxed)
    }
}

impl Registration {
    /// Records whether the connection waits for its peer.
    pub(super) fn set_waiting(&self, is_waiting: bool) {
        self.handle.is_waiting.store(is_waiting, Ordering::Relaxed);
    }

    /// True when the connection was evicted. Eviction wakes the task.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        let mut kept = lock(&self.handle.waker);
        if kept.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
        drop(kept);
        self.handle.is_evicted.load(Ordering::Acquire)
    }

    /// The recorder of this connection.
    pub(super) fn recorder(&self) -> Recorder {
        Recorder { registry: Arc::clone(&self.registry), address: self.address }
    }
}

impl Recorder {
    /// Counts and logs that the connection, or a request of it, is cut off.
    pub(super) fn record(&self, cut_off: CutOff) {
        self.registry.cut_offs.record(cut_off, self.address);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(self.id);
    }
}

/// Ignores poisoning: a panic in another thread cannot leave these maps inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(maximum: usize, per_address: usize) -> Arc<ConnectionRegistry> {
        let unlimited = vec!["192.0.2.0/24".parse().unwrap()];
        ConnectionRegistry::new(ConnectionLimits { maximum, per_address }, unlimited)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_waiting_connection_of_an_address_makes_room() {
        let registry = registry(10, 2);
        let from = Some(address("198.51.100.1"));
        let busy = registry.register(from).unwrap();
        busy.set_waiting(false);
        let waiting = registry.register(from).unwrap();
        let new = registry.register(from).unwrap();
        let waker = Waker::noop();
        assert!(!busy.is_evicted(waker) && waiting.is_evicted(waker) && !new.is_evicted(waker));
        new.set_waiting(false);
        assert!(registry.register(from).is_none(), "every connection of the address is busy");
        assert!(registry.register(Some(address("198.51.100.2"))).is_some(), "another address");
        assert_eq!((registry.counts().evicted, registry.counts().refused), (1, 1));
    }

    #[test]
    fn the_oldest_waiting_connection_makes_room_and_that_of_a_proxy_last() {
        let registry = registry(4, 4);
        let proxied = registry.register(Some(address("192.0.2.1"))).unwrap();
        let busy = registry.register(Some(address("198.51.100.1"))).unwrap();
        busy.set_waiting(false);
        let older = registry.register(Some(address("198.51.100.2"))).unwrap();
        let younger = registry.register(Some(address("198.51.100.2"))).unwrap();
        let new = registry.register(Some(address("198.51.100.3"))).unwrap();
        let waker = Waker::noop();
        assert!(older.is_evicted(waker), "the oldest waiting connection");
        for kept in [&proxied, &busy, &younger, &new] {
            assert!(!kept.is_evicted(waker));
            kept.set_waiting(false);
        }
        assert_eq!(registry.counts().open, 4);
        assert!(
            registry.register(Some(address("198.51.100.4"))).is_none(),
            "every connection is busy"
        );
        proxied.set_waiting(true);
        assert!(registry.register(Some(address("198.51.100.4"))).is_some());
        assert!(proxied.is_evicted(waker), "no other connection was waiting");
    }

    #[test]
    fn a_proxy_has_no_limit_per_address_and_an_ipv6_network_counts_as_one() {
        let registry = registry(10, 1);
        let _proxied: Vec<_> =
            (0..5).map(|_| registry.register(Some(address("192.0.2.1"))).unwrap()).collect();
        let first = registry.register(Some(address("2001:db8::1"))).unwrap();
        let _second = registry.register(Some(address("2001:db8::2"))).unwrap();
        assert!(first.is_evicted(Waker::noop()));
    }

    #[test]
    fn a_closed_connection_is_removed() {
        let registry = registry(2, 2);
        let first = registry.register(Some(address("198.51.100.1")));
        let second = registry.register(None);
        drop((first, second));
        assert_eq!(registry.counts().open, 0);
        assert!(registry.lock().by_network.is_empty());
    }
}
