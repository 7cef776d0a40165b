//! The connection to the server as `lettre` uses it: with a limit on what the server may send, and
//! with a greeting after STARTTLS, where a server sends none.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The maximum number of bytes that a server may send on a connection. `lettre` limits a line only
/// after it has read it.
const MAXIMUM_RECEIVED: usize = 256 * 1024;

/// A connection, with or without TLS.
pub(super) trait Transport:
    AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug
{
}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug> Transport for T {}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct ServerStream {
    inner: Box<dyn Transport>,
    peer: SocketAddr,
    /// What is read before the bytes of the server.
    replay: &'static [u8],
    received: usize,
}

impl ServerStream {
    /// A connection on which the server sends `replay` first.
    pub(super) fn new(inner: Box<dyn Transport>, peer: SocketAddr, replay: &'static [u8]) -> Self {
        Self { inner, peer, replay, received: 0 }
    }
}

impl AsyncTokioStream for ServerStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            let (now, later) = self.replay.split_at(self.replay.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.replay = later;
            return Poll::Ready(Ok(()));
        }
        if self.received > MAXIMUM_RECEIVED {
            return Poll::Ready(Err(io::Error::other("the mail server sent too much")));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.received += buffer.filled().len().saturating_sub(before);
        polled
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
