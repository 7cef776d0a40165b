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
    time::Duration,
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::{
    fs::Dir,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, Shutdown, SocketFlags,
        SocketType, getpeername, recvmsg, shutdown, socketpair, sockopt,
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

/// Awaits `connecting` and sets the options on the TCP socket to `port` that it opens, before the
/// first write. Sockets that are opened at the same time also get `TCP_NODELAY`, which is harmless.
/// `port` is `None` when the connection does not use TCP.
pub(super) async fn connect_with_options<F: Future>(connecting: F, port: Option<u16>) -> F::Output {
    let mut connecting = pin!(connecting);
    let mut pending = port;
    poll_fn(move |context| {
        let Some(port) = pending else { return connecting.as_mut().poll(context) };
        let before = descriptors();
        let polled = connecting.as_mut().poll(context);
        if let (Some(before), Some(now)) = (before, descriptors()) {
            let copies = now.difference(&before).filter_map(|descriptor| duplicate(*descriptor));
            for copy in copies {
                let peer = peer_port(&copy);
                // The calls fail on other descriptors than TCP sockets.
                let _ = set_options(&copy, peer.is_none_or(|peer| peer == port));
                if peer == Some(port) {
                    pending = None;
                }
            }
        }
        polled
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
    let copies = descriptors().unwrap_or_default().into_iter().filter_map(duplicate);
    let leads_there = |copy: &OwnedFd| {
        let peer = getpeername(copy).ok().flatten();
        peer.and_then(|peer| SocketAddr::try_from(peer).ok())
            .is_some_and(|peer| peers.contains(&peer))
    };
    let found = copies.filter(leads_there);
    found.filter(|copy| shutdown(copy, Shutdown::Both).is_ok()).count()
}

/// The port that a socket is connected or connecting to.
fn peer_port(socket: &OwnedFd) -> Option<u16> {
    let peer = getpeername(socket).ok()??;
    SocketAddr::try_from(peer).ok().map(|peer| peer.port())
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
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[tokio::test]
    async fn a_new_socket_has_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delayed = TcpStream::connect(address).await.unwrap();
        assert!(!delayed.nodelay().unwrap(), "the system default");
        let port = Some(address.port());
        let prompt = connect_with_options(TcpStream::connect(address), port).await.unwrap();
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
    async fn no_descriptor_leaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let before = descriptors().unwrap().len();
        for _ in 0..20 {
            drop(connect_with_options(TcpStream::connect(address), Some(0)).await.unwrap());
        }
        let after = descriptors().unwrap().len();
        assert!(after <= before + 2, "{after} and {before}");
    }
}
