//! Takes over the listening sockets of a systemd socket unit (`sd_listen_fds(3)`).
//!
//! A socket is used for the setting with the same address, so a socket unit cannot bypass the rules
//! for addresses. The sockets stay open during a restart of the service: no connection is refused.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;

use super::error::StartError;

/// The sockets that this process was started with, and their addresses.
pub(super) struct InheritedSockets(Vec<(SocketAddr, TcpListener)>);

impl InheritedSockets {
    /// Takes the sockets; none without a socket unit.
    ///
    /// # Errors
    /// When a file descriptor is not a listening TCP socket.
    pub(super) fn take() -> Result<Self, StartError> {
        let mut descriptors = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..descriptors.len() {
            let Some(socket) = descriptors.take_tcp_listener(index).map_err(unusable)? else {
                continue;
            };
            sockets.push((socket.local_addr().map_err(unusable)?, socket));
        }
        Ok(Self(sockets))
    }

    /// Removes the socket with this address.
    pub(super) fn remove(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.0.iter().position(|(inherited, _)| *inherited == address)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Fails if a socket is left: its clients would wait forever.
    pub(super) fn require_empty(&self) -> Result<(), StartError> {
        match self.0.first() {
            None => Ok(()),
            Some((address, _)) => Err(StartError::UnknownSocket(*address)),
        }
    }
}

fn unusable(error: io::Error) -> StartError {
    StartError::UnusableSocket(error)
}
