//! Sets the options of the TCP sockets to PostgreSQL: no delay, and limits for a silent peer.
//!
//! sqlx 0.9.0 does not set them, and exposes neither its socket nor options for it. Without
//! `TCP_NODELAY`, a message that is written in two parts (a TLS handshake, COPY) waits 40 ms for a
//! delayed acknowledgement. Without a limit for what the peer does not acknowledge, a statement on
//! a connection whose packets are lost waits for the time limit of its request.
//!
//! This module duplicates a descriptor by its number, without unsafe code: it sends the descriptor
//! to itself (`unix(7)`, `SCM_RIGHTS`). The duplicate refers to the same socket
//! ([ADR 34](../../docs/adr/0034-tcp-nodelay.md)).

use std::{
    collections::BTreeSet,
    fs::File,
    future::{Future, poll_fn},
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::{
    fs::Dir,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, Shutdown, SocketFlags,
        SocketType, getpeername, getsockname, recvmsg, shutdown, socketpair, sockopt,
    },
};

/// The open descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// How long the peer may leave sent data, or a probe of a silent connection, without an
/// acknowledgement (`TCP_USER_TIMEOUT`). The system resends a lost packet four times in that time.
/// It does not limit a statement: a busy server acknowledges while it works.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(3);

/// How long a connection is silent before the system probes it.
const PROBE_IDLE: Duration = Duration::from_secs(5);

/// The time between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Held while a connection may open its socket, so that no other one opens its own.
static OPENING: Mutex<()> = Mutex::new(());

/// Both addresses of a TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SocketPair {
    local: SocketAddr,
    peer: SocketAddr,
}

impl SocketPair {
    /// `None` for other sockets than connected TCP sockets.
    fn of(socket: &OwnedFd) -> Option<Self> {
        let local = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
        let peer = SocketAddr::try_from(getpeername(socket).ok()??).ok()?;
        Some(Self { local, peer })
    }
}

/// Awaits `connecting` and sets the options on the TCP socket to `port` that it opens, before the
/// first write; also returns the addresses of that socket. Sockets that are opened at the same time
/// also get `TCP_NODELAY`, which is harmless. `port` is `None` when the connection does not use TCP.
pub(super) async fn connect_with_options<F: Future>(
    connecting: F,
    port: Option<u16>,
) -> (F::Output, Option<SocketPair>) {
    let mut connecting = pin!(connecting);
    let mut found = None;
    // Duplicates of new sockets, one of which may be connecting to the port.
    let mut candidates: Vec<OwnedFd> = Vec::new();
    poll_fn(move |context| {
        let Some(port) = port.filter(|_| found.is_none()) else {
            return connecting.as_mut().poll(context).map(|output| (output, found));
        };
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = descriptors();
        let polled = connecting.as_mut().poll(context);
        if let (Some(before), Some(now)) = (before, descriptors()) {
            let copies = now.difference(&before).filter_map(|descriptor| duplicate(*descriptor));
            for copy in copies {
                let pair = SocketPair::of(&copy);
                let may_be_database = pair.is_none_or(|pair| pair.peer.port() == port);
                // The calls fail on other descriptors than TCP sockets.
                let is_tcp = set_options(&copy, may_be_database).is_ok();
                // A duplicate of another socket would keep it open.
                if is_tcp && may_be_database {
                    candidates.push(copy);
                }
            }
        }
        drop(opening);
        let mut pairs = candidates.iter().filter_map(SocketPair::of);
        found = pairs.rfind(|pair| pair.peer.port() == port);
        if found.is_some() {
            candidates.clear();
        }
        polled.map(|output| (output, found))
    })
    .await
}

/// Sets the options. The limits are only for a connection to the database: they would end one to a
/// slow client.
fn set_options(socket: &OwnedFd, may_be_database: bool) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    if !may_be_database {
        return Ok(());
    }
    let limit = u32::try_from(UNACKNOWLEDGED_LIMIT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, limit)?;
    sockopt::set_tcp_keepidle(socket, PROBE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_INTERVAL)?;
    sockopt::set_socket_keepalive(socket, true)
}

/// Shuts down every TCP connection to one of these addresses, so that each side finds it ended.
/// Returns their number.
pub(super) fn shut_down_connections_to(peers: &BTreeSet<SocketAddr>) -> usize {
    shut_down(|socket| peers.contains(&socket.peer))
}

/// Shuts down the TCP connections of this process that a condition selects. Returns their number.
pub(super) fn shut_down(is_selected: impl Fn(SocketPair) -> bool) -> usize {
    let copies = descriptors().unwrap_or_default().into_iter().filter_map(duplicate);
    let found = copies.filter(|copy| SocketPair::of(copy).is_some_and(&is_selected));
    found.filter(|copy| shutdown(copy, Shutdown::Both).is_ok()).count()
}

/// The numbers of all open descriptors, except that of the list itself; `None` on a system without
/// such a list.
fn descriptors() -> Option<BTreeSet<RawFd>> {
    let folder = File::open(DESCRIPTORS).ok()?;
    let own = folder.as_raw_fd();
    let entries = Dir::new(folder).ok()?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok());
    Some(numbers.filter(|number| *number != own).collect())
}

/// Duplicates a descriptor; `None` when it was closed meanwhile.
fn duplicate(descriptor: RawFd) -> Option<OwnedFd> {
    let (near, far) =
        socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    let number = [descriptor];
    let rights = [ControlMessage::ScmRights(&number)];
    let byte = [IoSlice::new(&[0])];
    sendmsg::<()>(near.as_raw_fd(), &byte, &rights, MsgFlags::empty(), None).ok()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut received = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let into = &mut [IoSliceMut::new(&mut byte)];
    recvmsg(&far, into, &mut received, RecvFlags::CMSG_CLOEXEC).ok()?;
    received.drain().find_map(|message| {
        let RecvAncillaryMessage::ScmRights(mut copies) = message else { return None };
        copies.next()
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use futures_util::FutureExt as _;
    use socket2::{SockFilter, SockRef};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A filter that drops every segment before TCP sees it, so that nothing is acknowledged
    /// (`BPF_RET | BPF_K` with 0 bytes).
    const DROP_ALL: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

    #[tokio::test]
    async fn a_new_socket_has_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delayed = TcpStream::connect(address).await.unwrap();
        assert!(!delayed.nodelay().unwrap(), "the system default");
        let port = Some(address.port());
        let (prompt, socket) = connect_with_options(TcpStream::connect(address), port).await;
        let prompt = prompt.unwrap();
        let expected = SocketPair { local: prompt.local_addr().unwrap(), peer: address };
        assert_eq!(socket, Some(expected));
        assert!(prompt.nodelay().unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&prompt).unwrap(), 3000);
        assert!(sockopt::socket_keepalive(&prompt).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&prompt).unwrap(), PROBE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&prompt).unwrap(), PROBE_INTERVAL);
        assert!(!delayed.nodelay().unwrap(), "earlier sockets are unchanged");
    }

    #[tokio::test]
    async fn connections_to_one_address_are_shut_down_and_others_stay() {
        let [former, other] =
            [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await]
                .map(Result::unwrap);
        let address = former.local_addr().unwrap();
        let mut ended = TcpStream::connect(address).await.unwrap();
        let mut open = TcpStream::connect(other.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = other.accept().await.unwrap();
        assert_eq!(shut_down_connections_to(&BTreeSet::from([address])), 1);
        assert_eq!(ended.read(&mut [0]).await.unwrap(), 0, "the end of the stream");
        peer.write_all(&[7]).await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_connection_whose_packets_are_dropped_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        let (other_peer, _) = listener.accept().await.unwrap();
        let connecting = connect_with_options(TcpStream::connect(address), Some(address.port()));
        let mut limited = connecting.await.0.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        for peer in [&other_peer, &peer] {
            SockRef::from(peer).attach_filter(&DROP_ALL).unwrap();
        }
        for stream in [&mut other, &mut limited] {
            stream.write_all(&[7]).await.unwrap();
        }
        let ended = limited.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::TimedOut);
        assert!(other.read_u8().now_or_never().is_none(), "the default of the system");
    }

    #[tokio::test]
    async fn no_descriptor_leaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let before = descriptors().unwrap().len();
        for _ in 0..20 {
            let connecting = TcpStream::connect(address);
            drop(connect_with_options(connecting, Some(0)).await.0.unwrap());
        }
        let after = descriptors().unwrap().len();
        assert!(after <= before + 2, "{after} and {before}");
    }
}
