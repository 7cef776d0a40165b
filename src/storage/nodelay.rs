//! Sets `TCP_NODELAY` on connections to PostgreSQL.
//!
//! sqlx 0.9.0 does not set it, and exposes neither its socket nor an option for it. Without it, a
//! message that is written in two parts (a TLS handshake, COPY) waits 40 ms for a delayed
//! acknowledgement. This module duplicates a descriptor by its number, without unsafe code: it
//! sends the descriptor to itself (`unix(7)`, `SCM_RIGHTS`). The duplicate refers to the same
//! socket ([ADR 34](../../docs/adr/0034-tcp-nodelay.md)).

use std::{
    collections::BTreeSet,
    fs::File,
    future::{Future, poll_fn},
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    pin::pin,
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::{
    fs::Dir,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags,
        SocketType, getpeername, recvmsg, socketpair, sockopt::set_tcp_nodelay,
    },
};

/// The open descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Awaits `connecting` and sets `TCP_NODELAY` on the TCP socket to `port` that it opens, before the
/// first write. Sockets that are opened at the same time also get the option, which is harmless.
/// `port` is `None` when the connection does not use TCP.
pub(super) async fn connect_with_nodelay<F: Future>(connecting: F, port: Option<u16>) -> F::Output {
    let mut connecting = pin!(connecting);
    let mut pending = port;
    poll_fn(move |context| {
        let Some(port) = pending else { return connecting.as_mut().poll(context) };
        let before = descriptors();
        let polled = connecting.as_mut().poll(context);
        if let (Some(before), Some(now)) = (before, descriptors()) {
            let copies = now.difference(&before).filter_map(|descriptor| duplicate(*descriptor));
            // The call fails on other descriptors than TCP sockets.
            let mut set = copies.filter(|copy| set_tcp_nodelay(copy, true).is_ok());
            if set.any(|copy| peer_port(&copy) == Some(port)) {
                pending = None;
            }
        }
        polled
    })
    .await
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
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_new_socket_has_nodelay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delayed = TcpStream::connect(address).await.unwrap();
        assert!(!delayed.nodelay().unwrap(), "the system default");
        let port = Some(address.port());
        let prompt = connect_with_nodelay(TcpStream::connect(address), port).await.unwrap();
        assert!(prompt.nodelay().unwrap());
        assert!(!delayed.nodelay().unwrap(), "earlier sockets are unchanged");
    }

    #[tokio::test]
    async fn no_descriptor_leaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let before = descriptors().unwrap().len();
        for _ in 0..20 {
            drop(connect_with_nodelay(TcpStream::connect(address), Some(0)).await.unwrap());
        }
        let after = descriptors().unwrap().len();
        assert!(after <= before + 2, "{after} and {before}");
    }
}
